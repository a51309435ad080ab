//! The least that a process must do to change something in etcd: connect, send one transaction, end.
//!
//! `ringfence-bare ENDPOINT REQUEST [--read KEY] [--tls CA CERTIFICATE KEY]`: REQUEST is a file with the bytes of a
//! `TxnRequest` as the plugin sent it. With `--read`, a key is read first, as a program does that remembers nothing.

use std::process::ExitCode;

use etcd_client::{Certificate, Client, ConnectOptions, Identity, TlsOptions};
use ipam_tests::bench::request::{Compares, decode};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime.is_ok_and(|runtime| runtime.block_on(run(&arguments)).is_some());
    if done { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Returns `None` where anything went wrong.
async fn run(arguments: &[String]) -> Option<()> {
    let [endpoint, request, options @ ..] = arguments else { return None };
    let (read, tls) = match options {
        [flag, key, tls @ ..] if flag == "--read" => (Some(key), tls),
        tls => (None, tls),
    };
    let mut options = ConnectOptions::new();
    if let [_, authority, certificate, key] = tls {
        let file = |path: &String| std::fs::read(path).ok();
        let authority = Certificate::from_pem(file(authority)?);
        let identity = Identity::from_pem(file(certificate)?, file(key)?);
        options = options.with_tls(TlsOptions::new().ca_certificate(authority).identity(identity));
    }
    let txn = decode(&std::fs::read(request).ok()?, Compares::Recorded)?;
    let mut client = Client::connect([endpoint], Some(options)).await.ok()?;
    if let Some(key) = read {
        client.get(key.as_str(), None).await.ok()?;
    }
    client.txn(txn).await.ok()?.succeeded().then_some(())
}
