use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};

use ipam_core::kv::{Kv, Range, Revision};

use super::*;
use crate::settings::Endpoint;

fn kv(key: &str, revision: u64) -> Kv {
    Kv {
        key: key.into(),
        value: b"value".to_vec().into(),
        create_revision: Revision(1),
        mod_revision: Revision(revision),
        version: 3,
    }
}

fn holding(other: Kv) -> Recollection {
    let kvs = [kv("b/1", 7), other, kv("p/1", 2)];
    Recollection::new("b/1", kvs, ["config".into()], [(Range::prefix("p/"), Revision(6))]).unwrap()
}

fn recollection() -> Recollection {
    holding(kv("h/1", 5))
}

fn cache(folder: &Path) -> NodeCache {
    let endpoints = vec![Endpoint { url: "http://127.0.0.1:2379".to_owned() }];
    NodeCache::new(folder, &EtcdSettings { endpoints, tls: None, login: None })
}

fn private() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
    folder
}

#[test]
fn what_was_written_is_read() {
    let folder = private();
    let cache = cache(&folder.path().join("made"));
    assert_eq!(cache.recollection(), None);
    cache.remember(&recollection());
    assert_eq!(cache.recollection(), Some(recollection()));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&cache.folder), mode(&cache.file())), (0o700, 0o600));
    cache.remember_token(&Secret::new("token"));
    assert_eq!(cache.token(), Some(Secret::new("token")));
    assert_eq!(mode(&cache.token_file()), 0o600);
    cache.forget();
    assert_eq!(cache.recollection(), None);
    assert_eq!(fs::read_dir(&cache.folder).unwrap().count(), 1, "only the token is left");
}

#[test]
fn bytes_that_are_cut_off_or_changed_are_nothing() {
    let bytes = encode(&recollection());
    for length in 0..bytes.len() {
        assert_eq!(decode(&bytes[..length]), None, "{length}");
    }
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert_eq!(decode(&changed), None, "{at}");
    }
    assert_eq!(decode(&[bytes, vec![0]].concat()), None, "more than there should be");
}

#[test]
fn a_length_beyond_the_end_is_nothing() {
    let mut body = u64::MAX.to_le_bytes().to_vec();
    body.extend_from_slice(b"x");
    let mut bytes = b"rfcache4".to_vec();
    bytes.extend_from_slice(&checksum(&body));
    bytes.extend_from_slice(&body);
    assert_eq!(decode(&bytes), None);
}

#[test]
fn a_folder_that_others_can_enter_is_not_used() {
    let folder = private();
    let cache = cache(folder.path());
    cache.remember(&recollection());
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    assert_eq!(cache.recollection(), None);
    let other = private();
    symlink(folder.path(), other.path().join("link")).unwrap();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
    assert_eq!(self::cache(&other.path().join("link")).recollection(), None, "a link is no folder");
}

#[test]
fn what_is_too_large_is_neither_written_nor_read() {
    let folder = private();
    let cache = cache(folder.path());
    let large = holding(Kv { value: vec![0; BYTES_MAX].into(), ..kv("h/1", 5) });
    cache.remember(&recollection());
    cache.remember(&large);
    assert_eq!(cache.recollection(), None);
    fs::write(cache.file(), vec![0; BYTES_MAX + 1]).unwrap();
    assert_eq!(cache.recollection(), None);
}

#[test]
fn what_cannot_be_sent_is_no_token() {
    let folder = private();
    let cache = cache(folder.path());
    for text in ["", "a\n", "\u{1}", "a b", "\u{e9}"] {
        cache.remember_token(&Secret::new(text));
        assert_eq!(cache.token(), None, "{text:?}");
    }
}

#[test]
fn each_cluster_user_and_password_has_files_of_its_own() {
    let folder = Path::new("/f");
    let of = |url: &str, login: Option<[&str; 2]>| {
        let endpoints = vec![Endpoint { url: url.to_owned() }];
        let login = login.map(|[user, password]| crate::settings::Login {
            user: user.to_owned(),
            password: Secret::new(password),
        });
        NodeCache::new(folder, &EtcdSettings { endpoints, tls: None, login }).name
    };
    let names = [
        of("http://a:1", None),
        of("http://b:1", None),
        of("http://a:1", Some(["u", "p"])),
        of("http://a:1", Some(["u", "q"])),
        of("http://a:1", Some(["v", "p"])),
    ];
    assert_eq!(BTreeSet::from(names.clone()).len(), names.len(), "{names:?}");
    assert_eq!(of("http://a:1", None), names[0]);
}
