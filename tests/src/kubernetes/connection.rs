//! One connection: HTTP/1.1 inside TLS, as much of it as the questions need.

use std::io::{self, BufRead as _, BufReader, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::Reply;
use super::server::{Seen, Shared};

/// The longest that anything is kept waiting.
const SILENCE_MAX: Duration = Duration::from_mins(1);

/// Answers the questions of one connection until it ends.
pub(super) fn serve(stream: TcpStream, tls: Arc<ServerConfig>, shared: &Shared) {
    let Ok(connection) = ServerConnection::new(tls) else { return };
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let mut stream = BufReader::new(StreamOwned::new(connection, stream));
    while let Ok(Some(seen)) = question(&mut stream) {
        let reply = shared.reply(seen);
        if answer(stream.get_mut(), &reply, shared).is_err() {
            return;
        }
    }
}

/// Reads the head of a question; none has a body.
fn question(
    stream: &mut BufReader<StreamOwned<ServerConnection, TcpStream>>,
) -> io::Result<Option<Seen>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let path = lines.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default();
    let header = |name: &str| {
        let value = lines.iter().find_map(|line| {
            let (given, value) = line.split_once(": ")?;
            given.eq_ignore_ascii_case(name).then(|| value.to_owned())
        });
        value.unwrap_or_default()
    };
    Ok(Some(Seen { path: path.to_owned(), authorization: header("authorization") }))
}

fn answer(stream: &mut impl Write, reply: &Reply, shared: &Shared) -> io::Result<()> {
    let head = |status: u16, length: usize| {
        format!(
            "HTTP/1.1 {status} -\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        )
    };
    match (reply, reply.answer()) {
        (Reply::Cut, _) => {
            write!(stream, "{}", head(200, 1000))?;
            stream.flush()?;
            Err(io::ErrorKind::ConnectionAborted.into())
        }
        (_, None) => {
            wait(SILENCE_MAX, shared);
            Err(io::ErrorKind::TimedOut.into())
        }
        (Reply::Drip(_, pause), Some((status, body))) => {
            write!(stream, "{}", head(status, body.len()))?;
            for byte in body.bytes() {
                stream.write_all(&[byte])?;
                stream.flush()?;
                wait(*pause, shared);
            }
            Ok(())
        }
        (_, Some((status, body))) => {
            if let Reply::Late(_, pause) = reply {
                wait(*pause, shared);
            }
            // In one piece, which is one record of TLS.
            let whole = format!("{}{body}", head(status, body.len()));
            stream.write_all(whole.as_bytes())?;
            stream.flush()
        }
    }
}

/// Waits, but not beyond the end of the server.
fn wait(pause: Duration, shared: &Shared) {
    let ends = Instant::now() + pause;
    while Instant::now() < ends && !shared.is_over.load(Ordering::Relaxed) {
        thread::sleep(pause.min(Duration::from_millis(20)));
    }
}
