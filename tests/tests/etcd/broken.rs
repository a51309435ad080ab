//! What a store says that cannot be used, word by word.

use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

use ipam_core::kv::{Op, Range, Read, Txn};
use ipam_etcd::etcd::EtcdStore;
use ipam_etcd::settings::{Login, Pem, Secret, TlsSettings};
use ipam_etcd::{EtcdSettings, Store, StoreError};
use ipam_tests::etcd::{Identity, Pki};

use super::{at, block_on};

/// Part of every password and key that must not be told.
pub(crate) const SECRET: &str = "xyzzy";
/// How long a call may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(3);
/// What cannot become better is told well before the deadline, on a busy machine too.
const SOON: Duration = Duration::from_millis(2500);
/// What a busy machine may add to a deadline.
const LATE: Duration = Duration::from_secs(2);

/// A store that cannot be used.
pub(crate) struct Broken {
    settings: EtcdSettings,
    /// What differs from run to run, and what stands for it.
    names: Vec<(String, String)>,
    within: Duration,
}

impl Broken {
    /// Expects trouble soon. One endpoint is called E, of several each has its number.
    pub(crate) fn new(settings: EtcdSettings) -> Self {
        let urls = settings.endpoints.iter().map(|endpoint| endpoint.url.clone());
        let is_one = settings.endpoints.len() == 1;
        let name = |at| if is_one { "E".to_owned() } else { format!("E{}", at + 1) };
        let names = urls.enumerate().map(|(at, url)| (url, name(at))).collect();
        Self { settings, names, within: SOON }
    }

    /// Expects it at the deadline.
    pub(crate) fn at_the_deadline(self) -> Self {
        Self { within: DEADLINE + LATE, ..self }
    }

    /// Calls a file, or what else differs, by another name.
    pub(crate) fn called(mut self, text: impl AsRef<Path>, name: &str) -> Self {
        self.names.push((text.as_ref().display().to_string(), name.to_owned()));
        self
    }

    /// Asserts that a read and a write are told the same.
    pub(crate) fn says(&self, expected: &str) {
        self.reads(expected);
        self.writes(expected);
    }

    /// Asserts what a read is told.
    pub(crate) fn reads(&self, expected: &str) {
        assert_eq!(self.told(&get("/calico/a")), expected, "a read");
    }

    /// Asserts what a write is told, however what the server says of it meets the end of the connection.
    pub(crate) fn writes(&self, expected: &str) {
        let times = if self.within == SOON { 5 } else { 1 };
        for _ in 0..times {
            assert_eq!(self.told(&put("/calico/a", "b")), expected, "a write");
        }
    }

    fn told(&self, txn: &Txn) -> String {
        let store = EtcdStore::new(self.settings.clone(), None);
        let started = Instant::now();
        let error = block_on(store.txn(txn, DEADLINE)).unwrap_err();
        let took = started.elapsed();
        let told = told(&error);
        assert!(took < self.within, "{took:?}: {told}");
        let told = self.names.iter().fold(told, |told, (long, short)| told.replace(long, short));
        without_times(&told)
    }
}

/// Tells an error: its kind, what it says, and what its causes say.
pub(crate) fn told(error: &StoreError) -> String {
    assert!(!format!("{error:?}").contains(SECRET), "{error:?}");
    let kind = match error {
        StoreError::Unavailable { .. } => "unavailable",
        StoreError::Indeterminate { .. } => "indeterminate",
        StoreError::Denied { .. } => "denied",
        StoreError::Unusable { .. } => "unusable",
        StoreError::TooLarge { .. } | StoreError::WrittenTwice { .. } => "malformed",
    };
    let causes = std::iter::successors(error.source(), |&error| error.source());
    let told = causes.fold(format!("{kind}: {error}"), |told, cause| format!("{told}: {cause}"));
    assert!(!told.contains(SECRET), "{told}");
    told
}

/// Replaces each number of milliseconds by N.
fn without_times(text: &str) -> String {
    let mut pieces = text.split(" ms");
    let mut told = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        told.truncate(told.trim_end_matches(|c: char| c.is_ascii_digit()).len());
        told += "N ms";
        told += piece;
    }
    told
}

/// Adds what TLS works with, and perhaps a certificate to show.
pub(crate) fn with_tls(
    mut settings: EtcdSettings,
    pki: &Pki,
    identity: Option<&Identity>,
) -> EtcdSettings {
    let identity = identity.map(|one| (file(&one.certificate), file(&one.key)));
    settings.tls = Some(TlsSettings { ca: Some(file(pki.authority())), identity });
    settings
}

/// Logs in as somebody.
pub(crate) fn as_user(mut settings: EtcdSettings, user: &str, password: &str) -> EtcdSettings {
    settings.login = Some(Login { user: user.to_owned(), password: Secret::new(password) });
    settings
}

pub(crate) fn file(path: &Path) -> Pem {
    Pem::File(path.to_owned())
}

pub(crate) fn put(key: &str, value: &str) -> Txn {
    let op = Op::put(key, value.as_bytes().to_vec());
    Txn { then: vec![op], ..Txn::default() }
}

pub(crate) fn get(key: &str) -> Txn {
    Txn::read([Read::values(Range::key(key))])
}

/// Asserts that a store can be read and written, and returns how long that took.
pub(crate) fn assert_works(settings: &EtcdSettings) -> Duration {
    let store = EtcdStore::new(settings.clone(), None);
    let started = Instant::now();
    for txn in [get("/calico/a"), put("/calico/a", "b")] {
        if let Err(error) = block_on(store.txn(&txn, DEADLINE)) {
            panic!("{}", told(&error));
        }
    }
    started.elapsed()
}

/// Returns a URL where nobody listens.
pub(crate) fn closed() -> String {
    // Nobody without special rights listens below 1024, and nobody here has this one.
    "http://127.0.0.1:1".to_owned()
}

/// Describes what is reached at one URL.
pub(crate) fn one(url: impl AsRef<str>) -> EtcdSettings {
    at(&[url])
}
