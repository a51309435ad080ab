//! A proxy that breaks connections where a test says.

mod connection;
mod fault;
mod frames;

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use fault::{Calls, Course, Verdict, Way};
pub use fault::{Counts, Fault, Moment};
use frames::Piece;

use super::slot::Slot;

/// How often somebody who connects is looked for.
const POLL: Duration = Duration::from_millis(1);
const POLLS_MAX: u32 = 1000;

/// A proxy on loopback in front of one server. It passes everything on until a [`Fault`] is set.
///
/// Calls are told apart in HTTP/2 without TLS; of any other protocol it knows connections and bytes only. Connections
/// are cut by their end, as by a peer that went away in good order; where something was under way that is an abort.
#[derive(Debug)]
pub struct Proxy {
    state: Arc<State>,
    scheme: String,
    /// Last, so that the port is free when it goes.
    slot: Slot,
}

#[derive(Debug)]
struct State {
    server: String,
    port: u16,
    inside: Mutex<Inside>,
    /// Told of every change.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Inside {
    /// Missing while connections are refused, and when the proxy is gone.
    listener: Option<TcpListener>,
    connections: Vec<[TcpStream; 2]>,
    course: Course,
    is_over: bool,
}

impl Proxy {
    /// Starts a proxy in front of a server, given as its URL.
    ///
    /// # Panics
    ///
    /// If that is no URL, or it cannot listen.
    #[must_use]
    pub fn to(endpoint: &str) -> Self {
        let slot = Slot::take();
        let (scheme, server) = endpoint.split_once("://").expect("a URL");
        let state = Arc::new(State {
            server: server.to_owned(),
            port: slot.client_port(),
            inside: Mutex::default(),
            changed: Condvar::new(),
        });
        state.set(Fault::None, Fault::None);
        let accepting = state.clone();
        thread::spawn(move || accepting.accept());
        Self { state, scheme: scheme.to_owned(), slot }
    }

    /// Returns the proxy's own URL, with or without TLS as the server's is.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("{}://{}", self.scheme, self.address())
    }

    /// Returns the proxy's own host and port.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.slot.client_port())
    }

    /// Sets what goes wrong from now on; [`Fault::None`] lifts it.
    ///
    /// # Panics
    ///
    /// If it cannot listen again.
    pub fn set(&self, fault: Fault) {
        self.set_then(fault, Fault::None);
    }

    /// Sets what goes wrong from now on, and what goes wrong when that has cut a connection. The change is complete
    /// before the client can notice the cut.
    ///
    /// # Panics
    ///
    /// If it cannot listen again.
    pub fn set_then(&self, fault: Fault, next: Fault) {
        self.state.set(fault, next);
    }

    /// Cuts every connection that exists.
    pub fn cut_connections(&self) {
        self.state.lock().cut_connections();
    }

    /// Returns what has passed so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.state.lock().course.counts
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let mut inside = self.state.lock();
        inside.is_over = true;
        inside.listener = None;
        inside.cut_connections();
        self.state.changed.notify_all();
    }
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, fault: Fault, next: Fault) {
        let mut inside = self.lock();
        inside.course.set(fault, next);
        inside.listen_or_not(self.port);
        self.changed.notify_all();
        drop(inside);
        if fault == Fault::Refuse {
            self.wait_until_refused();
        }
    }

    /// A process that another test is just starting may hold the listener for a moment longer than we do.
    fn wait_until_refused(&self) {
        for _ in 0..POLLS_MAX {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
                return;
            }
            thread::sleep(POLL);
        }
    }

    /// Takes in clients until the proxy is over.
    fn accept(self: &Arc<Self>) {
        loop {
            let mut inside = self.lock();
            if inside.is_over {
                return;
            }
            let accepted = inside.listener.as_ref().and_then(|listener| listener.accept().ok());
            if accepted.is_some() {
                inside.course.counts.connections += 1;
            }
            drop(inside);
            match accepted {
                // A client whose server is not there is let go.
                Some((client, _)) => drop(self.connect(client)),
                None => thread::sleep(POLL),
            }
        }
    }

    fn connect(self: &Arc<Self>, client: TcpStream) -> io::Result<()> {
        let server = TcpStream::connect(&self.server)?;
        let both = [client.try_clone()?, server.try_clone()?];
        let mut inside = self.lock();
        // Those that are over have no peer any more.
        inside.connections.retain(|both| both.iter().all(|end| end.peer_addr().is_ok()));
        inside.connections.push(both);
        drop(inside);
        connection::pass_on(self, client, server)
    }

    /// Waits as long as the fault holds up what goes this way.
    fn delay(&self, way: Way) {
        let fault = self.lock().course.fault;
        if let Fault::Delay { requests, replies } = fault {
            thread::sleep(if way == Way::ToServer { requests } else { replies });
        }
    }

    /// Judges a piece, when there is no silence any more.
    fn judge(&self, way: Way, calls: &mut Calls, piece: &Piece) -> Option<Verdict> {
        let is_silent =
            |inside: &mut Inside| inside.course.fault == Fault::Silence && !inside.is_over;
        let inside = self.changed.wait_while(self.lock(), is_silent);
        let mut inside = inside.unwrap_or_else(PoisonError::into_inner);
        let verdict = inside.course.judge(way, calls, piece);
        if verdict.is_some_and(|verdict| verdict.is_cut) {
            inside.listen_or_not(self.port);
        }
        verdict
    }
}

/// Listens on a port of ours. A process that another test is just starting may hold it for a moment longer than we did.
fn listen(port: u16) -> io::Result<TcpListener> {
    let mut polls = 0;
    loop {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Err(error) if error.kind() == ErrorKind::AddrInUse && polls < POLLS_MAX => {
                polls += 1;
                thread::sleep(POLL);
            }
            bound => return bound,
        }
    }
}

impl Inside {
    fn listen_or_not(&mut self, port: u16) {
        if self.is_over || self.course.fault == Fault::Refuse {
            self.listener = None;
        } else if self.listener.is_none() {
            let listener = listen(port).expect("the port is ours");
            listener.set_nonblocking(true).expect("the listener can be asked");
            self.listener = Some(listener);
        }
    }

    fn cut_connections(&mut self) {
        for end in self.connections.drain(..).flatten() {
            // One that is closed already is as it should be.
            let _ = end.shutdown(Shutdown::Both);
        }
    }
}
