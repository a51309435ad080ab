//! What a node remembers is a hint: however bad it is, a call comes out as it would without.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::Command;

use super::*;

/// Returns the file that the node remembers in.
fn file(world: &EtcdWorld) -> PathBuf {
    let mut entries = fs::read_dir(world.cache()).unwrap();
    entries.find_map(|entry| Some(entry.unwrap().path()).filter(|path| path.is_file())).unwrap()
}

/// Spoils what is remembered, makes a call, and expects the address that comes next.
fn expect_next(world: &EtcdWorld, what: &str, number: &mut u8, spoil: impl FnOnce(&PathBuf)) {
    spoil(&file(world));
    let container = format!("c{number}");
    let held = world.taken().len();
    let given = done(world, "ADD", &container, &single());
    assert_eq!(given.len(), 1, "{what}");
    assert_eq!(world.taken().len(), held + 1, "{what}");
    assert!(world.findings().is_empty(), "{what}: {:?}", world.findings());
    *number += 1;
}

#[test]
fn a_spoilt_memory_changes_nothing() {
    let world = world();
    done(&world, "ADD", "first", &single());
    let sound = fs::read(file(&world)).unwrap();
    let mut number = 0;
    let write = |bytes: Vec<u8>| move |path: &PathBuf| fs::write(path, bytes).unwrap();
    expect_next(&world, "old", &mut number, write(sound.clone()));
    expect_next(&world, "empty", &mut number, write(Vec::new()));
    for at in [1, 8, 12, 20, sound.len() / 2, sound.len() - 1] {
        expect_next(&world, "cut off", &mut number, write(sound[..at].to_vec()));
        let mut flipped = sound.clone();
        flipped[at] ^= 0xff;
        expect_next(&world, "flipped", &mut number, write(flipped));
    }
    expect_next(&world, "another format", &mut number, write(b"rfcache0........".to_vec()));
    expect_next(&world, "too large", &mut number, write(vec![0; 5 << 20]));
    // Nothing would ever be read from it.
    expect_next(&world, "a pipe", &mut number, |path| {
        fs::remove_file(path).unwrap();
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    });
    expect_next(&world, "a folder", &mut number, |path| {
        fs::remove_file(path).unwrap();
        fs::create_dir(path).unwrap();
    });
}

#[test]
fn a_memory_that_others_could_have_written_is_not_used() {
    let world = world();
    done(&world, "ADD", "first", &single());
    let cache = world.cache();
    fs::set_permissions(&cache, Permissions::from_mode(0o777)).unwrap();
    let before = fs::read(file(&world)).unwrap();
    done(&world, "ADD", "second", &single());
    assert_eq!(fs::read(file(&world)).unwrap(), before, "it is not written to either");
    let elsewhere = tempfile::tempdir().unwrap();
    fs::rename(&cache, elsewhere.path().join("moved")).unwrap();
    symlink(elsewhere.path().join("moved"), &cache).unwrap();
    done(&world, "ADD", "third", &single());
    assert_eq!(world.taken().len(), 3);
    assert!(world.findings().is_empty());
}

#[test]
fn the_memory_of_another_cluster_is_of_no_consequence() {
    let (here, there) = (world(), EtcdWorld::with_pools(&[("p", json!({"cidr": "10.99.0.0/24"}))]));
    let netconf = |world: &EtcdWorld| {
        world.netconf(&json!({"cache_folder": here.cache(), "exclude_edges": false}))
    };
    let add = |world: &EtcdWorld, container: &str| {
        let answer = Call::new("ADD", container, &netconf(world)).run();
        assert!(answer.success, "{:?}", answer.json);
        answer.addresses().remove(0)
    };
    assert!(add(&here, "a").starts_with("10.20."));
    // The same file stands for another cluster now, as when a cluster is made anew at the same place.
    let remembered = fs::read(file(&here)).unwrap();
    assert!(add(&there, "b").starts_with("10.99."));
    for path in fs::read_dir(here.cache()).unwrap() {
        fs::write(path.unwrap().path(), &remembered).unwrap();
    }
    assert!(add(&there, "c").starts_with("10.99."));
    assert_eq!((here.taken().len(), there.taken().len()), (1, 2));
    assert!(there.findings().is_empty());
}

#[test]
fn a_login_is_remembered() {
    use ipam_tests::etcd::{Options, User};
    let server = Options::default().start();
    let pools = World::at(&server);
    pools.pool();
    server.enable_auth(&[User { name: "calico", password: Some("secret"), prefix: "/" }]);
    let cost = |container: &str| {
        let before = server.metrics().logins();
        let answer = Call::new("ADD", container, &pools.netconf()).run();
        assert!(answer.success, "{:?} {}", answer.json, answer.stderr);
        // etcd counts a login a moment after it has answered.
        std::thread::sleep(std::time::Duration::from_millis(100));
        server.metrics().logins() - before
    };
    assert_eq!((cost("a"), cost("b"), cost("c")), (1, 0, 0));
    // etcd forgets its tokens with its end.
    server.restart();
    assert_eq!((cost("d"), cost("e")), (1, 0));
    let token = fs::read_dir(pools.folder.path().join("cache")).unwrap();
    let token = token.map(|entry| entry.unwrap().path());
    let token = token.into_iter().find(|path| path.extension().is_some_and(|e| e == "token"));
    let token = token.unwrap();
    for spoilt in [&b"garbage"[..], b"garbage\n", b"\x01\x02", b"\xff", b""] {
        fs::write(&token, spoilt).unwrap();
        assert_eq!(cost(&format!("spoilt{spoilt:?}").replace([',', ' ', '[', ']'], "-")), 1);
    }
}

/// A server of one's own, and the folder of a node.
struct World<'s> {
    server: &'s ipam_tests::etcd::Etcd,
    folder: tempfile::TempDir,
}

impl<'s> World<'s> {
    fn at(server: &'s ipam_tests::etcd::Etcd) -> Self {
        Self { server, folder: tempfile::tempdir().unwrap() }
    }

    fn pool(&self) {
        use ipam_etcd::settings::Endpoint;
        let endpoints = vec![Endpoint { url: self.server.endpoint() }];
        let settings = ipam_etcd::EtcdSettings { endpoints, tls: None, login: None };
        let store = ipam_etcd::etcd::EtcdStore::new(settings, None);
        let pool = ipam_tests::world::pool("p", json!({"cidr": "10.20.0.0/24"}), None);
        let request = ipam_tests::world::applying(pool);
        let (now, deadline) = (ipam_tests::world::now(), std::time::Duration::from_secs(10));
        ipam_tests::etcd::world::block_on(ipam_etcd::drive(&store, &request, now, deadline))
            .unwrap();
    }

    fn netconf(&self) -> Value {
        let file = self.folder.path().join("login.json");
        fs::write(&file, r#"{"etcd_username": "calico", "etcd_password": "secret"}"#).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        let fields = json!({
            "datastore_type": "etcdv3",
            "datastore_path": null,
            "etcd_endpoints": self.server.endpoint(),
            "cache_folder": self.folder.path().join("cache"),
            "config_file": file,
        });
        ipam_tests::plugin::netconf(&self.folder.path().join("store"), &fields)
    }
}
