//! An endpoint that cannot be used is told with its name, the cause and the way out, within the deadline.

use ipam_tests::etcd::{Etcd, Fault, Listen, Options, Proxy, User};

use super::*;

const DEADLINE: Duration = Duration::from_secs(2);
/// What a busy machine may add to a deadline.
const LATE: Duration = Duration::from_secs(1);

#[test]
fn explore() {
    let pki = Pki::new();
    let tls = Options::default().tls(&pki).start();
    let plain = Etcd::start();
    let show = |what: &str, settings: EtcdSettings| {
        for txn in [get("a"), put("a", "b")] {
            let (error, cause, took) = failure(settings.clone(), &txn, DEADLINE);
            println!("{what}: {took:?} {error}\n   {cause}\n   {error:?}");
        }
    };
    show("closed", at(&["http://127.0.0.1:1"]));
    show("closed two", at(&["http://127.0.0.1:1", "http://[::1]:1"]));
    show("unresolved", at(&["http://nowhere.invalid:2379"]));
    show("plain to tls", at(&[&tls.endpoint().replace("https", "http")]));
    show("tls to plain", with_tls(at(&[&plain.endpoint().replace("http", "https")]), &pki, None));
    show("no client cert", with_tls(at(&[&tls.endpoint()]), &pki, None));
    let client = pki.client("calico");
    show("rogue client", with_tls(at(&[&tls.endpoint()]), &pki, Some(&pki.rogue_client("x"))));
    show("expired client", with_tls(at(&[&tls.endpoint()]), &pki, Some(&pki.expired_client("x"))));
    let mut wrong = with_tls(at(&[&tls.endpoint()]), &pki, Some(&client));
    wrong.tls.as_mut().unwrap().ca = Some(Pem::File(pki.rogue_authority().to_owned()));
    show("wrong ca", wrong.clone());
    wrong.tls.as_mut().unwrap().ca = None;
    show("system roots", wrong);
    let expired = Options::default().tls_as(&pki, pki.expired_server().clone()).start();
    show("expired server", with_tls(at(&[&expired.endpoint()]), &pki, Some(&client)));
}

#[test]
fn explore2() {
    let etcd = Options::default().bcrypt_cost(4).start();
    etcd.enable_auth(&[User { name: "calico", password: Some("secret"), prefix: "/calico/" }]);
    let show = |what: &str, settings: EtcdSettings| {
        for txn in [get("/other/a"), put("/other/a", "b")] {
            let (error, cause, took) = failure(settings.clone(), &txn, DEADLINE);
            println!("{what}: {took:?} {error}\n   {cause}\n   {error:?}");
        }
    };
    let url = etcd.endpoint();
    show("no user", at(&[&url]));
    show("wrong password", as_user(at(&[&url]), "calico", "wrong"));
    show("missing role", as_user(at(&[&url]), "calico", "secret"));
    let etcd = Etcd::start();
    etcd.stop();
    show("stopped", at(&[&etcd.endpoint()]));
    etcd.resume();
    let proxy = Proxy::to(&etcd.endpoint());
    proxy.set(Fault::Silence);
    show("blackhole", at(&[&proxy.endpoint()]));
}
