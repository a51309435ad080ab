//! The proxy passes everything on, and does wrong what it is told.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use ipam_tests::etcd::{Ctl, Etcd, Fault, Moment, Options, Pki, Proxy};

/// A call through a proxy may take so long before it counts as lost.
const PATIENCE: &str = "--command-timeout=2s";

fn start() -> (Etcd, Proxy, Ctl) {
    let etcd = Etcd::start();
    let proxy = Proxy::to(&etcd.endpoint());
    let client = Ctl::new(proxy.endpoint());
    (etcd, proxy, client)
}

#[test]
fn everything_is_passed_on_and_counted() {
    let (etcd, proxy, client) = start();
    let value = "x".repeat(100_000);
    assert_eq!(client.run(&["put", "a", &value]).unwrap(), "OK\n");
    assert_eq!(client.run(&["get", "a"]).unwrap(), format!("a\n{value}\n"));
    let counts = proxy.counts();
    assert_eq!((counts.connections, counts.calls, counts.replies), (2, 2, 2));
    assert!(counts.bytes_to_server > 100_000 && counts.bytes_to_client > 100_000, "{counts:?}");
    assert_eq!(etcd.metrics().reads_and_writes(), 2);
}

#[test]
fn another_protocol_is_passed_on() {
    let (_etcd, proxy, _) = start();
    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    stream.write_all(b"GET /version HTTP/1.0\r\n\r\n").unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    assert!(page.contains("etcdserver"), "{page}");
    assert_eq!(proxy.counts().calls, 0);
}

#[test]
fn tls_is_passed_on_unseen() {
    let etcd = Options::default().tls(&Pki::new()).start();
    let proxy = Proxy::to(&etcd.endpoint());
    let client = etcd.client_at(proxy.endpoint());
    client.run(&["put", "a", "1"]).unwrap();
    assert_eq!((proxy.counts().connections, proxy.counts().calls), (1, 0));
    proxy.set(Fault::CutAfterBytes(1));
    client.run(&["put", "a", "2", "--command-timeout=300ms"]).unwrap_err();
    assert_eq!(proxy.counts().cuts, 1);
}

#[test]
fn connections_are_refused_and_accepted_again() {
    let (_etcd, proxy, client) = start();
    for _ in 0..3 {
        proxy.set(Fault::Refuse);
        let refused = TcpStream::connect(proxy.address()).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        proxy.set(Fault::None);
        client.run(&["put", "a", "1"]).unwrap();
    }
}

#[test]
fn silence_lasts_until_it_is_lifted() {
    let (etcd, proxy, client) = start();
    proxy.set(Fault::Silence);
    TcpStream::connect(proxy.address()).unwrap();
    client.run(&["put", "a", "1", "--command-timeout=300ms"]).unwrap_err();
    assert_eq!(etcd.metrics().answered("Put"), 0);
    std::thread::scope(|scope| {
        let late = scope.spawn(|| client.run(&["get", "a"]));
        std::thread::sleep(Duration::from_millis(200));
        assert!(!late.is_finished());
        proxy.set(Fault::None);
        assert_eq!(late.join().unwrap().unwrap(), "");
    });
}

#[test]
fn a_cut_is_where_it_was_said() {
    // Whether etcd has stored the value; nobody knows when the request and the end of the connection come together.
    for (at, stored) in [
        (Moment::BeforeRequest, Some(false)),
        (Moment::AfterRequest, None),
        (Moment::BeforeReply, Some(true)),
        (Moment::InReply, Some(true)),
    ] {
        let (etcd, proxy, client) = start();
        client.run(&["get", "a"]).unwrap();
        let before = proxy.counts();
        proxy.set(Fault::Cut { call: 1, at });
        let lost = client.run(&["put", "a", "1", PATIENCE]);
        assert!(lost.is_err(), "{at:?}: {lost:?}");
        let counts = proxy.counts();
        assert_eq!(counts.cuts, 1, "{at:?}");
        assert_eq!((counts.calls, counts.replies), (before.calls + 1, before.replies), "{at:?}");
        let found = etcd.ctl(&["get", "a"]) == "a\n1\n";
        assert!(stored.is_none_or(|stored| stored == found), "{at:?}: {found}");
        client.run(&["put", "a", "2"]).unwrap();
    }
}

#[test]
fn a_cut_after_the_reply_leaves_the_reply() {
    let (_etcd, proxy, client) = start();
    proxy.set_then(Fault::Cut { call: 2, at: Moment::AfterReply }, Fault::Refuse);
    client.run(&["put", "a", "1"]).unwrap();
    client.run(&["put", "a", "2"]).unwrap();
    let counts = proxy.counts();
    assert_eq!((counts.replies, counts.cuts), (2, 1));
    assert!(TcpStream::connect(proxy.address()).is_err());
}

#[test]
fn a_cut_in_the_middle_of_the_bytes() {
    let (etcd, proxy, client) = start();
    // The client would connect again at once, and be counted again.
    proxy.set_then(Fault::CutAfterBytes(50_000), Fault::Refuse);
    client.run(&["put", "a", &"x".repeat(100_000), PATIENCE]).unwrap_err();
    let counts = proxy.counts();
    assert_eq!((counts.bytes_to_server, counts.cuts), (50_000, 1));
    assert_eq!(etcd.ctl(&["get", "a"]), "");
    proxy.set(Fault::None);
    client.run(&["put", "a", "1"]).unwrap();
}

#[test]
fn delays_are_felt() {
    let (_etcd, proxy, client) = start();
    let late = Duration::from_millis(200);
    for (requests, replies) in [(late, Duration::ZERO), (Duration::ZERO, late)] {
        proxy.set(Fault::Delay { requests, replies });
        let start = Instant::now();
        client.run(&["put", "a", "1"]).unwrap();
        assert!(start.elapsed() >= late);
    }
}

#[test]
fn connections_are_cut_at_will() {
    let (_etcd, proxy, _) = start();
    let mut stream = TcpStream::connect(proxy.address()).unwrap();
    stream.write_all(b"GET /").unwrap();
    while proxy.counts().bytes_to_server < 5 {
        std::thread::sleep(Duration::from_millis(1));
    }
    proxy.cut_connections();
    assert!(matches!(stream.read(&mut [0; 16]), Ok(0) | Err(_)));
}
