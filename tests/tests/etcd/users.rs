//! Who may do what: users and passwords, users of certificates, and tokens that etcd forgets.

use std::thread::sleep;
use std::time::Duration;

use ipam_core::kv::Txn;
use ipam_etcd::etcd::EtcdStore;
use ipam_etcd::settings::{Pem, Secret, TlsSettings};
use ipam_etcd::{AnyStore, EtcdSettings, Store, StoreSettings};
use ipam_tests::etcd::{Etcd, Options, Pki, User};

use super::block_on;
use super::broken::{
    Broken, DEADLINE, SECRET, as_user, assert_works, closed, get, one, put, told, with_tls,
};

const PASSWORD: &str = "our-xyzzy";
const CALICO: User<'_> = User { name: "calico", password: Some(PASSWORD), prefix: "/calico/" };
const OTHER: User<'_> = User { name: "other", password: Some(PASSWORD), prefix: "/other/" };

fn with_users(options: Options) -> Etcd {
    let etcd = options.bcrypt_cost(4).start();
    etcd.enable_auth(&[CALICO, OTHER]);
    etcd
}

/// Returns how often somebody logged in since the server started.
fn logins(etcd: &Etcd) -> u64 {
    etcd.metrics().sum("grpc_server_handled_total", &["grpc_method=\"Authenticate\""])
}

#[test]
fn a_user_and_password_work_whether_they_are_asked_for_or_not() {
    let etcd = with_users(Options::default());
    assert_works(&as_user(one(etcd.endpoint()), "calico", PASSWORD));
    let open = Etcd::start();
    assert_works(&as_user(one(open.endpoint()), "calico", PASSWORD));
}

#[test]
fn a_wrong_password_and_an_unknown_user_are_told_alike() {
    let etcd = with_users(Options::default());
    for (user, password) in [("calico", "wrong-xyzzy"), ("nobody", PASSWORD)] {
        Broken::new(as_user(one(etcd.endpoint()), user, password)).says(&format!(
            "denied: etcd store E denies access: E does not accept user {user:?} with this password: correct them",
        ));
    }
}

#[test]
fn nobody_is_set_where_somebody_is_asked_for() {
    let etcd = with_users(Options::default());
    Broken::new(one(etcd.endpoint())).says(
        "denied: etcd store E denies access: E asks who we are, and no user is set: set user and password, or a client certificate with a user's name",
    );
}

#[test]
fn a_user_without_the_role_is_told_what_it_needs() {
    let etcd = with_users(Options::default());
    Broken::new(as_user(one(etcd.endpoint()), "other", PASSWORD)).says(
        "denied: etcd store E denies access: E does not permit this to user \"other\": give its role what docs/etcd-roles.md lists",
    );
}

#[test]
fn the_user_of_a_certificate_is_its_common_name() {
    let pki = Pki::new();
    let etcd = Options::default().tls(&pki).start();
    let user = |name, prefix| User { name, password: None, prefix };
    etcd.enable_auth(&[user("calico", "/calico/"), user("other", "/other/")]);
    let shown = |name| with_tls(one(etcd.endpoint()), &pki, Some(&pki.client(name)));
    assert_works(&shown("calico"));
    Broken::new(shown("other")).says(
        "denied: etcd store E denies access: E does not permit this to the user of our certificate: give its role what docs/etcd-roles.md lists",
    );
}

#[test]
fn a_token_spares_the_next_store_a_login() {
    let etcd = with_users(Options::default());
    let settings = as_user(one(etcd.endpoint()), "calico", PASSWORD);
    // Whoever made the users logged in as well.
    let before = logins(&etcd);
    let mut token = None;
    for _ in 0..3 {
        let store = EtcdStore::new(settings.clone(), token.clone());
        block_on(store.txn(&put("/calico/a", "b"), DEADLINE)).unwrap();
        token = store.new_token().or(token);
    }
    assert_eq!(logins(&etcd) - before, 1);
}

#[test]
fn a_token_that_has_expired_costs_one_login() {
    let ttl = Duration::from_secs(1);
    let etcd = with_users(Options::default().auth_token_ttl(ttl));
    let settings = as_user(one(etcd.endpoint()), "calico", PASSWORD);
    let store = EtcdStore::new(settings.clone(), None);
    for txn in [get("/calico/a"), put("/calico/a", "b")] {
        block_on(store.txn(&txn, DEADLINE)).unwrap();
        // etcd looks for old ones once a second.
        sleep(ttl * 3);
        let before = logins(&etcd);
        block_on(store.txn(&txn, DEADLINE)).unwrap_or_else(|error| panic!("{}", told(&error)));
        assert_eq!(logins(&etcd) - before, 1);
    }
    let next = EtcdStore::new(settings, Some(Secret::new("made up")));
    let before = logins(&etcd);
    block_on(next.txn(&put("/calico/a", "b"), DEADLINE)).unwrap();
    assert_eq!(logins(&etcd) - before, 1);
}

#[test]
fn a_server_that_was_restarted_costs_one_login_at_the_most() {
    let etcd = with_users(Options::default());
    let store = EtcdStore::new(as_user(one(etcd.endpoint()), "calico", PASSWORD), None);
    block_on(store.txn(&get("/calico/a"), DEADLINE)).unwrap();
    etcd.restart();
    block_on(store.txn(&get("/calico/a"), DEADLINE)).unwrap();
    block_on(store.txn(&put("/calico/a", "b"), DEADLINE)).unwrap();
    // Tokens are in its log.
    assert!(logins(&etcd) <= 1);
}

#[test]
fn a_password_that_was_changed_is_noticed() {
    let etcd = with_users(Options::default());
    let store = EtcdStore::new(as_user(one(etcd.endpoint()), "calico", PASSWORD), None);
    block_on(store.txn(&get("/calico/a"), DEADLINE)).unwrap();
    etcd.ctl(&["user", "delete", "calico"]);
    for txn in [get("/calico/a"), put("/calico/a", "b")] {
        let error = told(&block_on(store.txn(&txn, DEADLINE)).unwrap_err());
        let expected = format!(
            "denied: etcd store {0} denies access: {0} does not accept user \"calico\" with this password: correct them",
            etcd.endpoint()
        );
        assert_eq!(error, expected);
    }
}

#[test]
fn nothing_that_can_be_printed_tells_a_secret() {
    let mut settings: EtcdSettings = as_user(one(closed()), "calico", PASSWORD);
    let pem = || Pem::Inline(Secret::new(format!("-----BEGIN KEY-----{SECRET}")));
    settings.tls = Some(TlsSettings { ca: Some(pem()), identity: Some((pem(), pem())) });
    let token = Secret::new(format!("token-{SECRET}"));
    let store = EtcdStore::new(settings.clone(), Some(token));
    let error = block_on(store.txn(&Txn::default(), DEADLINE)).unwrap_err();
    for text in [
        format!("{settings:?} {settings:#?}"),
        format!("{:?}", StoreSettings::Etcd(settings)),
        format!("{store:?} {store:#?} {}", store.name()),
        format!("{:?}", store.new_token()),
        format!("{error:?} {}", told(&error)),
        format!("{:?}", AnyStore::Etcd(store)),
    ] {
        assert!(!text.contains(SECRET), "{text}");
    }
}
