//! An endpoint that cannot be used is told with its name, the cause and the way out, in time.

use std::fs;
use std::path::Path;

use ipam_etcd::EtcdSettings;
use ipam_etcd::settings::Pem;
use ipam_tests::etcd::{Etcd, Fault, Listen, Options, Pki, Proxy, Version};

use super::broken::{Broken, assert_works, closed, file, one, with_tls};

/// A server with TLS, and settings that would work but for what a test changes.
struct Encrypted {
    pki: Pki,
    etcd: Etcd,
}

impl Encrypted {
    fn start() -> Self {
        let pki = Pki::new();
        Self { etcd: Options::default().tls(&pki).start(), pki }
    }

    fn settings(&self) -> EtcdSettings {
        with_tls(one(self.etcd.endpoint()), &self.pki, Some(&self.pki.client("root")))
    }

    fn with_ca(&self, ca: Option<Pem>) -> EtcdSettings {
        let mut settings = self.settings();
        settings.tls.as_mut().unwrap().ca = ca;
        settings
    }

    fn with_identity(&self, certificate: &Path, key: &Path) -> EtcdSettings {
        let mut settings = self.settings();
        settings.tls.as_mut().unwrap().identity = Some((file(certificate), file(key)));
        settings
    }
}

#[test]
fn a_server_of_another_authority_is_not_trusted() {
    let server = Encrypted::start();
    let expected = "unusable: etcd store E cannot be used: the certificate of E is signed by an authority that is not trusted here: name the right one as CA certificate";
    Broken::new(server.with_ca(Some(file(server.pki.rogue_authority())))).says(expected);
    // The authorities of the system.
    Broken::new(server.with_ca(None)).says(expected);
}

#[test]
fn a_server_s_certificate_has_expired() {
    let pki = Pki::new();
    let etcd = Options::default().tls_as(&pki, pki.expired_server().clone()).start();
    let settings = with_tls(one(etcd.endpoint()), &pki, Some(&pki.client("root")));
    Broken::new(settings).says(
        "unusable: etcd store E cannot be used: the certificate of E has expired: renew it at the server, or correct the clock here",
    );
}

#[test]
fn a_server_s_certificate_names_another_host() {
    let pki = Pki::new();
    let etcd = Options::default().tls_as(&pki, pki.server_for(&["etcd.example"])).start();
    let settings = with_tls(one(etcd.endpoint()), &pki, Some(&pki.client("root")));
    Broken::new(settings).says(
        "unusable: etcd store E cannot be used: the certificate of E does not name that host: use a name that it holds, or issue one that holds this name",
    );
}

#[test]
fn no_client_certificate_is_set() {
    let server = Encrypted::start();
    let settings = with_tls(one(server.etcd.endpoint()), &server.pki, None);
    Broken::new(settings).says(
        "denied: etcd store E denies access: E asks for a client certificate, and none is set: set certificate and key",
    );
}

#[test]
fn a_client_certificate_is_not_accepted() {
    for version in Version::here() {
        let pki = Pki::new();
        let etcd = Options::default().version(version).tls(&pki).start();
        for (identity, why) in
            [(pki.expired_client("root"), "expired"), (pki.rogue_client("root"), "unknown CA")]
        {
            let settings = with_tls(one(etcd.endpoint()), &pki, Some(&identity));
            // The older one says no more than that.
            let broken = Broken::new(settings).called("(bad certificate)", &format!("({why})"));
            broken.says(&format!(
                "denied: etcd store E denies access: E does not accept our client certificate ({why}): use one that its CA signed and that is in date",
            ));
        }
    }
}

#[test]
fn a_key_belongs_to_another_certificate() {
    let server = Encrypted::start();
    let (ours, other) = (server.pki.client("root"), server.pki.client("root"));
    Broken::new(server.with_identity(&ours.certificate, &other.key)).says(
        "unusable: etcd store E cannot be used: certificate and key cannot be used (keys may not be consistent: KeyMismatch): check that they belong together and that the key has no passphrase",
    );
}

#[test]
fn a_file_is_missing() {
    let server = Encrypted::start();
    let ours = server.pki.client("root");
    let nowhere = Path::new("/nowhere/x.pem");
    for (settings, what) in [
        (server.with_ca(Some(file(nowhere))), "CA certificate"),
        (server.with_identity(nowhere, &ours.key), "certificate"),
        (server.with_identity(&ours.certificate, nowhere), "key"),
    ] {
        Broken::new(settings).says(&format!(
            "unusable: etcd store E cannot be used: the {what} in /nowhere/x.pem cannot be read: check the path and its permissions: No such file or directory (os error 2)",
        ));
    }
}

#[test]
fn a_file_is_no_pem() {
    let server = Encrypted::start();
    let ours = server.pki.client("root");
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other");
    fs::write(&other, [0x30, 0x82, 0x01, 0x00].repeat(20)).unwrap();
    for (settings, what) in [
        (
            server.with_ca(Some(file(&other))),
            "CA certificate in PEM: it must have a line -----BEGIN CERTIFICATE-----",
        ),
        (
            server.with_identity(&other, &ours.key),
            "certificate in PEM: it must have a line -----BEGIN CERTIFICATE-----",
        ),
        (
            server.with_identity(&ours.certificate, &other),
            "key in PEM: it must have a line -----BEGIN PRIVATE KEY-----",
        ),
    ] {
        let broken = Broken::new(settings).called(&other, "FILE");
        broken.says(&format!("unusable: etcd store E cannot be used: FILE holds no {what}"));
    }
}

#[test]
fn a_file_in_pem_holds_something_else() {
    let server = Encrypted::start();
    let ours = server.pki.client("root");
    let folder = tempfile::tempdir().unwrap();
    let damaged = folder.path().join("damaged");
    fs::write(&damaged, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    for (settings, what) in [
        (
            server.with_ca(Some(file(&ours.key))),
            "KEY holds no CA certificate in PEM: it must have a line -----BEGIN CERTIFICATE-----",
        ),
        (
            server.with_identity(&ours.key, &ours.key),
            "KEY holds no certificate in PEM: it must have a line -----BEGIN CERTIFICATE-----",
        ),
        (
            server.with_identity(&ours.certificate, &ours.certificate),
            "CERTIFICATE holds no key in PEM: it must have a line -----BEGIN PRIVATE KEY-----",
        ),
        (
            server.with_ca(Some(file(&damaged))),
            "the certificate of E is signed by an authority that is not trusted here: name the right one as CA certificate",
        ),
        (
            server.with_identity(&damaged, &ours.key),
            "certificate and key cannot be used (invalid peer certificate: BadEncoding): check that they belong together and that the key has no passphrase",
        ),
    ] {
        let broken = Broken::new(settings).called(&ours.key, "KEY");
        let broken = broken.called(&ours.certificate, "CERTIFICATE").called(&damaged, "DAMAGED");
        broken.says(&format!("unusable: etcd store E cannot be used: {what}"));
    }
}

#[test]
fn nobody_listens() {
    Broken::new(one(closed())).says(
        "unavailable: etcd store E did not answer in N ms: E refuses connections: start etcd there, or name another endpoint",
    );
}

#[test]
fn a_host_is_not_known() {
    // Longer than a name can be, so that no resolver needs to be asked.
    let url = format!("http://{}.example:2379", "x".repeat(70));
    Broken::new(one(url)).says(
        "unusable: etcd store E cannot be used: the host of E is not known (failed to lookup address information: Name or service not known): correct the name, or name its address",
    );
}

#[test]
fn a_server_accepts_and_never_answers() {
    let etcd = Etcd::start();
    let proxy = Proxy::to(&etcd.endpoint());
    proxy.set(Fault::Silence);
    let broken = Broken::new(one(proxy.endpoint())).at_the_deadline();
    broken.reads(
        "unavailable: etcd store E did not answer in N ms: E did not answer within N ms: see with 'etcdctl endpoint health' whether it has a leader and its disk is fast enough",
    );
    // Nobody knows what became of it.
    broken.writes(
        "indeterminate: etcd store E did not confirm a write: E did not answer within N ms: see with 'etcdctl endpoint health' whether it has a leader and its disk is fast enough",
    );
}

#[test]
fn a_server_accepts_and_never_begins_tls() {
    let server = Encrypted::start();
    server.etcd.stop();
    Broken::new(server.settings()).at_the_deadline().says(
        "unavailable: etcd store E did not answer in N ms: E gave no connection within N ms: check its name, the way to it and its firewall, or name another endpoint",
    );
    server.etcd.resume();
    assert_works(&server.settings());
}

#[test]
fn plain_text_meets_tls() {
    let server = Encrypted::start();
    let url = server.etcd.endpoint().replace("https", "http");
    let cause = "E closes connections without an answer: write https:// where etcd serves TLS, or name the port for clients";
    let broken = Broken::new(one(url));
    broken.reads(&format!("unavailable: etcd store E did not answer in N ms: {cause}"));
    broken.writes(&format!("indeterminate: etcd store E did not confirm a write: {cause}"));
}

#[test]
fn tls_meets_plain_text() {
    let (pki, etcd) = (Pki::new(), Etcd::start());
    let url = etcd.endpoint().replace("http", "https");
    Broken::new(with_tls(one(url), &pki, None)).says(
        "unusable: etcd store E cannot be used: E does not speak TLS: write http:// where etcd serves plain text",
    );
}

#[test]
fn every_way_to_name_this_machine_works() {
    let pki = Pki::new();
    for listen in [Listen::V4, Listen::V6, Listen::Localhost] {
        if listen == Listen::V6 && !ipam_tests::etcd::slot::has_ipv6() {
            continue;
        }
        let plain = Options::default().listen(listen).start();
        assert_works(&one(plain.endpoint()));
        let etcd = Options::default().listen(listen).tls(&pki).start();
        assert_works(&with_tls(one(etcd.endpoint()), &pki, Some(&pki.client("root"))));
    }
}
