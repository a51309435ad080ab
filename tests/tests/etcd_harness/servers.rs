//! Servers, users, certificates and clusters.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use ipam_tests::etcd::slot::has_ipv6;
use ipam_tests::etcd::{Cluster, Ctl, Etcd, Listen, Options, Pki, Shared, User, Version};

#[test]
fn a_server_stores_and_counts() {
    for version in Version::here() {
        let etcd = Options::default().version(version).start();
        assert_eq!(etcd.ctl(&["put", "a", "1"]), "OK\n");
        assert_eq!(etcd.ctl(&["get", "a"]), "a\n1\n");
        let metrics = etcd.metrics();
        assert_eq!((metrics.answered("Put"), metrics.answered("Range")), (1, 1));
        assert_eq!((metrics.answered("Txn"), metrics.reads_and_writes()), (0, 2));
    }
}

#[test]
fn servers_do_not_meet() {
    let servers = [Etcd::start(), Etcd::start()];
    servers[0].ctl(&["put", "a", "1"]);
    assert_eq!(servers[1].ctl(&["get", "a"]), "");
}

#[test]
fn a_shared_server_is_empty_and_goes_on() {
    let first = Shared::take(Version::System);
    first.ctl(&["put", "a", "1"]);
    let second = Shared::take(Version::System);
    assert_ne!(first.endpoint(), second.endpoint());
    first.kill();
    second.ctl(&["put", "a", "1"]);
    let used = second.endpoint();
    drop((first, second));
    let again = Shared::take(Version::System);
    assert_eq!((again.endpoint(), again.ctl(&["get", "a"]).as_str()), (used, ""));
}

/// The test runs itself in another process and kills that.
#[test]
fn servers_end_with_their_process() {
    const INSIDE: &str = "RINGFENCE_TEST_INSIDE";
    if std::env::var_os(INSIDE).is_some() {
        let etcd = Etcd::start();
        println!("\nat {}", etcd.address());
        sleep(Duration::from_mins(1));
        return;
    }
    let mut other = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "servers::servers_end_with_their_process"])
        .env(INSIDE, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(other.stdout.take().unwrap()).lines();
    let mut told =
        lines.map_while(Result::ok).filter_map(|line| Some(line.strip_prefix("at ")?.to_owned()));
    let address = told.next().unwrap();
    assert!(TcpStream::connect(&address).is_ok());
    other.kill().unwrap();
    other.wait().unwrap();
    let start = Instant::now();
    while TcpStream::connect(&address).is_ok() {
        assert!(start.elapsed() < Duration::from_secs(10), "etcd still runs at {address}");
        sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_killed_server_comes_back_with_its_data() {
    let etcd = Etcd::start();
    etcd.ctl(&["put", "a", "1"]);
    etcd.kill();
    assert!(!etcd.is_healthy());
    let refused = etcd.client().run(&["get", "a", "--command-timeout=200ms"]);
    assert!(refused.is_err());
    etcd.restart();
    assert_eq!(etcd.ctl(&["get", "a"]), "a\n1\n");
}

#[test]
fn a_stopped_server_answers_when_it_goes_on() {
    let etcd = Etcd::start();
    etcd.stop();
    let start = Instant::now();
    let late = etcd.client().run(&["get", "a", "--command-timeout=300ms"]).unwrap_err();
    assert!(late.contains("deadline exceeded"), "{late}");
    assert!(start.elapsed() >= Duration::from_millis(300));
    etcd.resume();
    etcd.ctl(&["get", "a"]);
}

#[test]
fn a_server_listens_where_it_is_told() {
    let mut hosts =
        vec![(Listen::V4, "http://127.0.0.1:"), (Listen::Localhost, "http://localhost:")];
    if has_ipv6() {
        hosts.push((Listen::V6, "http://[::1]:"));
    }
    for (listen, url) in hosts {
        let etcd = Options::default().listen(listen).start();
        assert!(etcd.endpoint().starts_with(url), "{}", etcd.endpoint());
        etcd.ctl(&["put", "a", "1"]);
    }
}

#[test]
fn tls_lets_nobody_in_without_the_right_certificate() {
    let pki = Pki::new();
    let (other, expired, rogue) =
        (pki.client("other"), pki.expired_client("other"), pki.rogue_client("other"));
    for version in Version::here() {
        let etcd = Options::default().version(version).tls(&pki).start();
        etcd.ctl(&["put", "a", "1"]);
        let get = |authority, identity| {
            let client = Ctl::new(etcd.endpoint()).tls(authority, identity);
            client.run(&["get", "a", "--command-timeout=500ms"])
        };
        assert_eq!(get(pki.authority(), Some(other.clone())).unwrap(), "a\n1\n");
        for (authority, identity) in [
            (pki.authority(), None),
            (pki.authority(), Some(expired.clone())),
            (pki.authority(), Some(rogue.clone())),
            (pki.rogue_authority(), Some(other.clone())),
        ] {
            assert!(get(authority, identity.clone()).is_err(), "{identity:?}");
        }
    }
}

#[test]
fn clients_refuse_an_expired_server() {
    let pki = Pki::new();
    let etcd = Options::default().tls_as(&pki, pki.expired_server().clone()).start();
    let refused = etcd.client().run(&["get", "a", "--command-timeout=500ms"]);
    assert!(refused.is_err());
}

#[test]
fn keys_are_secret() {
    use std::os::unix::fs::PermissionsExt;
    let pki = Pki::new();
    let mode = std::fs::metadata(&pki.client("a").key).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn users_are_held_to_their_prefix() {
    let ttl = Duration::from_secs(3);
    let user = User { name: "calico", password: Some("secret"), prefix: "/calico/" };
    for version in Version::here() {
        let etcd = Options::default().version(version).bcrypt_cost(4).auth_token_ttl(ttl).start();
        etcd.enable_auth(&[user]);
        let put = |client: &Ctl, key| client.run(&["put", key, "1"]);
        let nobody = Ctl::new(etcd.endpoint());
        assert!(put(&nobody, "/calico/a").unwrap_err().contains("user name is empty"));
        let wrong = nobody.clone().user("calico:wrong");
        assert!(put(&wrong, "/calico/a").unwrap_err().contains("authentication failed"));
        let calico = nobody.user("calico:secret");
        put(&calico, "/calico/a").unwrap();
        assert!(put(&calico, "/other/a").unwrap_err().contains("permission denied"));
        etcd.ctl(&["put", "/other/a", "1"]);
        assert!(etcd.is_healthy());
    }
}

#[test]
fn a_common_name_is_a_user() {
    let pki = Pki::new();
    let etcd = Options::default().tls(&pki).bcrypt_cost(4).start();
    etcd.enable_auth(&[User { name: "calico", password: None, prefix: "/calico/" }]);
    let calico = Ctl::new(etcd.endpoint()).tls(pki.authority(), Some(pki.client("calico")));
    calico.run(&["put", "/calico/a", "1"]).unwrap();
    let denied = calico.run(&["put", "/other/a", "1"]).unwrap_err();
    assert!(denied.contains("permission denied"), "{denied}");
}

#[test]
fn a_cluster_survives_its_leader() {
    for version in Version::here() {
        let cluster = Options::default().version(version).start_three();
        cluster.ctl(&["put", "a", "1"]).unwrap();
        let leader = cluster.leader();
        cluster.kill(leader);
        let next = cluster.leader();
        assert_ne!(next, leader);
        cluster.member(next).ctl(&["put", "a", "2"]);
        cluster.restart(leader);
        assert_eq!(cluster.member(leader).ctl(&["get", "a"]), "a\n2\n");
    }
}

#[test]
fn a_cluster_goes_on_without_a_stopped_leader() {
    let cluster = Cluster::start();
    let leader = cluster.leader();
    cluster.stop(leader);
    let next = cluster.leader();
    assert_ne!(next, leader);
    cluster.member(next).ctl(&["put", "a", "1"]);
    cluster.resume(leader);
    assert_eq!(cluster.member(leader).ctl(&["get", "a"]), "a\n1\n");
}
