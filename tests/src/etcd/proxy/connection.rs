//! One connection through the proxy: a thread for each direction.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use super::State;
use super::fault::{Calls, Way};
use super::frames::{Piece, Pieces};

const BUFFER: usize = 64 * 1024;

/// What both directions of a connection share.
#[derive(Debug, Default)]
struct Known {
    calls: Mutex<Calls>,
    is_http2: OnceLock<bool>,
}

/// One direction.
struct Pump {
    state: Arc<State>,
    known: Arc<Known>,
    way: Way,
    from: TcpStream,
    to: TcpStream,
}

/// Passes on what comes from a client and from the server, until both are silent or the connection is cut.
pub(super) fn pass_on(state: &Arc<State>, client: TcpStream, server: TcpStream) -> io::Result<()> {
    // Small frames must not wait for each other.
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let known = Arc::new(Known::default());
    let pump = |way, from, to| Pump { state: state.clone(), known: known.clone(), way, from, to };
    let there = pump(Way::ToServer, client.try_clone()?, server.try_clone()?);
    let back = pump(Way::ToClient, server, client);
    thread::spawn(move || there.run());
    thread::spawn(move || back.run());
    Ok(())
}

impl Pump {
    fn run(mut self) {
        // The peers learn of an error by the end of their connections.
        if self.pass_all().is_err() {
            self.cut();
        }
    }

    fn pass_all(&mut self) -> io::Result<()> {
        let mut buffer = vec![0; BUFFER];
        let mut pieces = None;
        loop {
            let length = self.from.read(&mut buffer)?;
            let pieces = pieces.get_or_insert_with(|| self.pieces());
            pieces.push(&buffer[..length]);
            while let Some(piece) = pieces.next() {
                self.tell_protocol(pieces);
                if self.pass(&piece)? {
                    return Ok(());
                }
            }
            if length == 0 {
                if let Some(piece) = pieces.rest() {
                    self.pass(&piece)?;
                }
                return self.to.shutdown(Shutdown::Write);
            }
        }
    }

    /// Passes a piece on, as the fault allows, and says whether the connection was cut.
    fn pass(&mut self, piece: &Piece) -> io::Result<bool> {
        self.state.delay(self.way);
        let verdict = {
            let mut calls = self.known.calls.lock().unwrap_or_else(PoisonError::into_inner);
            self.state.judge(self.way, &mut calls, piece)
        };
        // The other direction cuts, after it has passed on the last bytes.
        let Some(verdict) = verdict else { return Ok(true) };
        self.to.write_all(&piece.bytes[..verdict.passed])?;
        if verdict.is_cut {
            self.cut();
        }
        Ok(verdict.is_cut)
    }

    /// A server that speaks before its client is taken to speak HTTP/2, in which both may begin.
    fn pieces(&self) -> Pieces {
        match self.way {
            Way::ToServer => Pieces::of_client(),
            Way::ToClient => Pieces::of_server(*self.known.is_http2.get().unwrap_or(&true)),
        }
    }

    fn tell_protocol(&self, pieces: &Pieces) {
        if let Some(is_http2) = pieces.is_http2() {
            self.known.is_http2.get_or_init(|| is_http2);
        }
    }

    fn cut(&self) {
        // One that is closed already is as it should be.
        let _ = self.from.shutdown(Shutdown::Both);
        let _ = self.to.shutdown(Shutdown::Both);
    }
}
