//! How the API is reached and who asks, as a kubeconfig describes it.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::thread;

use ipam_tests::kubernetes::ApiServer;
use ipam_tests::plugin::Call;
use serde_json::{Value, json};

use super::{ANY, Cluster, first};

/// Writes a kubeconfig that is good but for what is said of its cluster.
fn changed(cluster: &Cluster, file: &str, change: &Value) -> PathBuf {
    let path = cluster.api.kubeconfig_of(file, &json!({"token": cluster.api.token()}));
    let mut kubeconfig: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let described = kubeconfig["clusters"][0]["cluster"].as_object_mut().unwrap();
    described.extend(change.as_object().unwrap().clone());
    fs::write(&path, kubeconfig.to_string()).unwrap();
    path
}

/// A kubeconfig, the code with which it is refused, and words of the message.
type Fault = (PathBuf, u64, &'static str);

fn refused(cluster: &Cluster, faults: impl IntoIterator<Item = Fault>) {
    for (path, code, says) in faults {
        let conf = cluster.conf(&path, &json!({}));
        let answer = cluster.refused(&Call::new("ADD", "c1", &conf).pod("fin", "web"), code, says);
        assert!(!answer.stderr.contains("another"), "a secret in the log: {}", answer.stderr);
    }
}

#[test]
fn a_file_that_is_no_kubeconfig_is_told() {
    let (cluster, folder) = (Cluster::new(), tempfile::tempdir().unwrap());
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let faults = [
        (folder.path().join("absent"), 111, "cannot be read"),
        (write("no-yaml", "{[}"), 7, "cannot be understood"),
        (write("empty", ""), 7, "cannot be understood"),
        (write("no-context", "apiVersion: v1\nkind: Config\n"), 7, "current context"),
    ];
    refused(&cluster, faults);
    for (ipam, says) in [
        (json!({"kubernetes": "x"}), "kubernetes must be an object"),
        (json!({"kubernetes": {"kubeconfig": "relative"}}), "absolute path"),
        (json!({"kubernetes": {"kubeConfig": "/x"}}), "misspelt"),
        (json!({"annotations": "always"}), "\"required\""),
    ] {
        let conf = cluster.conf(&cluster.api.kubeconfig(), &ipam);
        cluster.refused(&Call::new("ADD", "c1", &conf).pod("fin", "web"), 7, says);
    }
}

/// The word "another" is a secret here.
#[test]
fn a_user_who_cannot_ask_is_told() {
    let cluster = Cluster::new();
    let exec = json!({"apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/true"});
    let users = [
        (json!({"exec": exec}), 7, "a program (exec)"),
        (json!({"tokenFile": "/absent/token"}), 111, "/absent/token"),
        (
            json!({"client-certificate": "/absent/crt", "client-key": "/absent/key"}),
            111,
            "/absent/",
        ),
        (
            json!({"client-certificate-data": "eA=="}),
            7,
            "client-certificate is set without client-key",
        ),
        (
            json!({"client-certificate-data": "eA==", "client-key-data": "another?"}),
            7,
            "client-key is no base64",
        ),
        (json!({"client-certificate-data": "eA==", "client-key-data": "eA=="}), 7, "in PEM"),
        (json!({"token": "another", "as": "admin"}), 7, "in the name of somebody else (as)"),
        (json!({"token": "another\ntoken"}), 7, "token has characters that no header can have"),
        (json!({"token": "another"}), 111, "renew the credentials"),
    ];
    let faults = users.iter().enumerate().map(|(at, (user, code, says))| {
        (cluster.api.kubeconfig_of(&at.to_string(), user), *code, *says)
    });
    refused(&cluster, faults);
}

#[test]
fn a_server_that_cannot_be_asked_is_told() {
    let cluster = Cluster::new();
    let servers = [
        (
            json!({"proxy-url": "socks5://it:another@127.0.0.1:1"}),
            "must be given as http://host:port",
        ),
        (json!({"server": "https://it:another@127.0.0.1:1"}), "must be given as https://host:port"),
        (json!({"server": "ftp://127.0.0.1:1"}), "must be given as https://host:port"),
        (json!({"tls-server-name": "no name"}), "cannot stand in a certificate"),
        (
            json!({"certificate-authority": null, "certificate-authority-data": "eA=="}),
            "there is no certificate of an authority",
        ),
    ];
    let faults = servers
        .iter()
        .enumerate()
        .map(|(at, (change, says))| (changed(&cluster, &at.to_string(), change), 7, *says));
    refused(&cluster, faults);
}

/// A token that is renewed in its file counts from the next call on.
#[test]
fn a_renewed_token_is_read() {
    let cluster = Cluster::new();
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    let kubeconfig = cluster.api.kubeconfig_of("by-file", &json!({"tokenFile": token}));
    let conf = cluster.conf(&kubeconfig, &json!({}));
    let call = Call::new("ADD", "c1", &conf).pod("fin", "web");
    fs::write(&token, "an-old-token").unwrap();
    cluster.refused(&call, 111, "renew the credentials");
    fs::write(&token, cluster.api.token()).unwrap();
    assert!(first(&call.run()).starts_with(ANY));
}

/// A proxy that the environment of the runtime names is for its images.
#[test]
fn the_environments_proxy_is_not_used() {
    let cluster = Cluster::new();
    let conf = cluster.conf(&cluster.api.kubeconfig(), &json!({}));
    let call =
        Call::new("ADD", "c1", &conf).pod("fin", "web").with("HTTPS_PROXY", "http://127.0.0.1:1");
    assert!(first(&call.run()).starts_with(ANY));
}

#[test]
fn a_proxy_is_used_that_the_kubeconfig_names() {
    let cluster = Cluster::new();
    let proxy = proxy();
    let url = format!("http://{}", proxy.address);
    let conf = cluster.conf(&changed(&cluster, "proxy", &json!({"proxy-url": url})), &json!({}));
    let call = Call::new("ADD", "c1", &conf).pod("fin", "web");
    assert!(first(&call.run()).starts_with(ANY));
    assert_eq!(proxy.asked.join().unwrap().unwrap(), cluster.api.address().to_string());
}

struct Proxy {
    address: SocketAddr,
    /// What it was asked to connect to.
    asked: thread::JoinHandle<io::Result<String>>,
}

/// Starts a proxy that serves one connection.
fn proxy() -> Proxy {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let asked = thread::spawn(move || {
        let (inner, _) = listener.accept()?;
        let mut lines = BufReader::new(inner.try_clone()?);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            lines.read_line(&mut head)?;
        }
        let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let outer = TcpStream::connect(&target)?;
        (&inner).write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        let (mut there, mut back) = (outer.try_clone()?, inner.try_clone()?);
        let answers = thread::spawn(move || io::copy(&mut there, &mut back));
        io::copy(&mut lines, &mut &outer)?;
        outer.shutdown(std::net::Shutdown::Both)?;
        answers.join().expect("it copies")?;
        Ok(target)
    });
    Proxy { address, asked }
}

/// Who proves itself by a certificate needs no token.
#[test]
fn a_certificate_says_who_asks() {
    let cluster = Cluster::new();
    let identity = cluster.api.client();
    let user = json!({"client-certificate": identity.certificate, "client-key": identity.key});
    let conf = cluster.conf(&cluster.api.kubeconfig_of("files", &user), &json!({}));
    assert!(first(&Call::new("ADD", "c1", &conf).pod("fin", "web").run()).starts_with(ANY));
    assert_eq!(cluster.api.seen()[0].authorization, "");
    let nobody = cluster.conf(&cluster.api.kubeconfig_of("nobody", &json!({})), &json!({}));
    cluster.refused(&Call::new("ADD", "c2", &nobody).pod("fin", "web"), 111, "renew");
}

#[test]
fn a_name_with_its_password_beats_a_token() {
    let cluster = Cluster::new();
    let user = json!({"username": "it", "password": "secret", "token": cluster.api.token()});
    let conf = cluster.conf(&cluster.api.kubeconfig_of("basic", &user), &json!({}));
    cluster.refused(&Call::new("ADD", "c1", &conf).pod("fin", "web"), 111, "renew");
    assert_eq!(cluster.api.seen()[0].authorization, "Basic aXQ6c2VjcmV0");
}

/// Another authority is believed only where the kubeconfig says that nobody needs to be believed.
#[test]
fn who_is_believed_is_what_the_kubeconfig_says() {
    let (cluster, other) = (Cluster::new(), ApiServer::start());
    let rows = [
        (json!({"certificate-authority": other.authority()}), Some("invalid peer certificate")),
        (json!({"tls-server-name": "elsewhere.example"}), Some("elsewhere.example")),
        (json!({"tls-server-name": "localhost"}), None),
        (json!({"certificate-authority": null, "insecure-skip-tls-verify": true}), None),
        (json!({"certificate-authority": null}), Some("certificate")),
    ];
    for (at, (change, refusal)) in rows.iter().enumerate() {
        let conf = cluster.conf(&changed(&cluster, "changed", change), &json!({}));
        let call = Call::new("ADD", &format!("c{at}"), &conf).pod("fin", "web");
        match refusal {
            Some(says) => drop(cluster.refused(&call, 11, says)),
            None => assert!(first(&call.run()).starts_with(ANY), "{change}"),
        }
    }
}
