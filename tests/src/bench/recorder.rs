//! What clients ask of a server, recorded on its way.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

const PREFACE: usize = 24;
const FRAME_HEAD: usize = 9;
const DATA: u8 = 0;
/// Before each message stands whether it is compressed, and its length.
const MESSAGE_HEAD: usize = 5;

/// A relay on loopback in front of a server without TLS, which keeps what clients send. It lasts as long as the process.
#[derive(Debug)]
pub(super) struct Recorder {
    address: SocketAddr,
    connections: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Recorder {
    /// Starts a relay to a server, given as host and port.
    pub(super) fn to(server: String) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("it listens");
        let connections = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let recorded = connections.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(upstream) = TcpStream::connect(&server) else { continue };
                relay(client, upstream, &recorded);
            }
        });
        Self { address, connections }
    }

    /// Returns the relay's own URL.
    pub(super) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the messages of each connection so far, in their order.
    pub(super) fn requests(&self) -> Vec<Vec<Vec<u8>>> {
        let connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        connections.iter().map(|bytes| messages(bytes)).collect()
    }
}

fn relay(client: TcpStream, upstream: TcpStream, recorded: &Arc<Mutex<Vec<Vec<u8>>>>) {
    let at = {
        let mut recorded = recorded.lock().unwrap_or_else(PoisonError::into_inner);
        recorded.push(Vec::new());
        recorded.len() - 1
    };
    for stream in [&client, &upstream] {
        stream.set_nodelay(true).expect("a socket takes this");
    }
    let (back_from, back_to) = (
        upstream.try_clone().expect("a socket can be shared"),
        client.try_clone().expect("a socket can be shared"),
    );
    thread::spawn(move || copy(back_from, back_to, |_| {}));
    let recorded = recorded.clone();
    thread::spawn(move || {
        copy(client, upstream, |bytes| {
            let mut recorded = recorded.lock().unwrap_or_else(PoisonError::into_inner);
            recorded[at].extend_from_slice(bytes);
        });
    });
}

fn copy(mut from: TcpStream, mut to: TcpStream, keep: impl Fn(&[u8])) {
    let mut buffer = vec![0; 65_536];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        keep(&buffer[..length]);
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    // The other side may be gone already.
    drop(to.shutdown(Shutdown::Write));
}

/// Takes the messages out of what a client of HTTP/2 sent, one a stream.
fn messages(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut streams = BTreeMap::<u32, Vec<u8>>::new();
    let mut rest = bytes.get(PREFACE..).unwrap_or_default();
    while let Some((head, after)) = rest.split_first_chunk::<FRAME_HEAD>() {
        let [l2, l1, l0, kind, _, s3, s2, s1, s0] = *head;
        let length = u32::from_be_bytes([0, l2, l1, l0]) as usize;
        let Some((payload, after)) = after.split_at_checked(length) else { break };
        if kind == DATA {
            streams.entry(u32::from_be_bytes([s3, s2, s1, s0])).or_default().extend(payload);
        }
        rest = after;
    }
    let bodies = streams.into_values().filter(|body| body.len() > MESSAGE_HEAD);
    bodies.map(|mut body| body.split_off(MESSAGE_HEAD)).collect()
}
