//! There and back: everything arrives, byte for byte, and nothing else changes.

use ipam_core::model::{ClusterInformation, ResourceKind, Timestamp, Uid};
use ipam_tests::etcd::{Options, Pki, Shared, Version};
use ipam_tests::sqlite::empty_log;

use super::*;

#[test]
fn a_store_goes_to_etcd_and_comes_back_as_it_was() {
    for version in Version::here() {
        let (world, server) = (world(), Shared::take(version));
        world.put("/calico/felix/v2/no-region/host/n1/status", "left behind");
        empty_log(&world.path());
        let files = world.files();
        let etcd_store = etcd_at(&server.endpoint());
        put(&etcd_store, "/registry/pods/x", b"somebody else's");
        put(&etcd_store, "/calico/felix/v2/x", b"beside the roots");

        let there = migrate(&embedded(&world.path()), &etcd(&server.endpoint()));
        assert_eq!(world.files(), files, "the source is as it was, byte for byte");
        assert_eq!(contents(&etcd_store), contents(&open(&world.path())));
        let item = &there["items"][0];
        assert_eq!((&item["keys"], &item["copied"]), (&json!(11), &json!(11)), "{item}");
        assert_eq!((&item["leftBehind"], &item["locked"]), (&json!(1), &json!(false)));
        let kind = |name: &str| {
            let kinds = item["kinds"].as_array().unwrap().iter();
            kinds.filter(|kind| kind["kind"] == name).map(|kind| kind["keys"].clone()).next()
        };
        for (name, keys) in [("ippools", 2), ("blocks", 1), ("other", 2), ("tiers", 1)] {
            assert_eq!(kind(name), Some(json!(keys)), "{name}: {item}");
        }

        let before = (revision(&etcd_store), everything(&etcd_store));
        let back = world.folder().join("new/back.db");
        let report = migrate(&etcd(&server.endpoint()), &embedded(&back));
        assert_eq!((revision(&etcd_store), everything(&etcd_store)), before);
        assert_eq!(contents(&open(&back)), contents(&open(&world.path())));
        assert_eq!(report["items"][0]["digest"], item["digest"]);
        assert_eq!(report["items"][0]["kinds"], item["kinds"]);
        assert_eq!(report["revision"], json!(before.0.0));
        // What does not lie below the roots stayed where it was.
        assert_eq!(everything(&open(&back)).len(), 11);
    }
}

#[test]
fn the_report_is_for_people_too_and_says_what_must_still_be_done() {
    let (world, server) = (world(), Shared::take(Version::System));
    let table = run(&[&embedded(&world.path()), &etcd(&server.endpoint())]);
    assert_eq!(table.code, 0, "{table:?}");
    for row in
        ["ippools 2 keys, 774 bytes", "copied now 11 keys", "left behind 0 keys", "locked no"]
    {
        assert!(has_row(&table.stdout, row), "{row}: {table:?}");
    }
    assert!(table.stderr.contains("is not locked") && table.stderr.contains("[RF-W0702]"));
    // A complete copy is compared and not touched.
    let etcd_store = etcd_at(&server.endpoint());
    let before = revision(&etcd_store);
    let again = run(&[&embedded(&world.path()), &etcd(&server.endpoint()), "--resume", "-q"]);
    assert!(again.code == 0 && has_row(&again.stdout, "copied now 0 keys"), "{again:?}");
    assert_eq!((revision(&etcd_store), again.stderr.as_str()), (before, ""));
}

#[test]
fn a_lock_goes_along() {
    let (world, server) = (world(), Shared::take(Version::System));
    let (uid, now) = (Uid::from_random(7), Timestamp::from_nanos(0));
    let mut cluster = ClusterInformation::fresh(uid, uid, now);
    cluster.spec.datastore_ready = Some(false);
    let key = key::resource(ResourceKind::ClusterInformation, ClusterInformation::NAME);
    world.put(&key, cluster.encode());
    let report = migrate(&embedded(&world.path()), &etcd(&server.endpoint()));
    assert_eq!(report["items"][0]["locked"], json!(true));
    assert_eq!(report["warnings"][0]["code"], "RF-W0701", "{report}");
    assert_eq!(contents(&etcd_at(&server.endpoint())), contents(&open(&world.path())));
    let back = migrate(&etcd(&server.endpoint()), &embedded(&world.folder().join("back.db")));
    let told = back["warnings"][0]["message"].as_str().unwrap();
    assert!(told.contains("a file cannot be unlocked yet"), "{told}");
}

#[test]
fn certificates_are_taken_from_the_settings() {
    let (world, pki) = (world(), Pki::new());
    let server = Options::default().tls(&pki).start();
    let client = pki.client("root");
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let (ca, cert, key) = (path(pki.authority()), path(&client.certificate), path(&client.key));
    let (from, to) = (embedded(&world.path()), etcd(&server.endpoint()));
    let tls = ["--etcd-cacert", &ca, "--etcd-cert", &cert, "--etcd-key", &key];
    let args: Vec<&str> = [from.as_str(), &to].into_iter().chain(tls).collect();
    assert_eq!(run(&args).code, 0);
    // What the settings call etcd has another name than the cluster that was given, and holds the same.
    let url = server.endpoint();
    let args: Vec<&str> =
        [&from, "etcd", "--resume", "--etcd-endpoints", &url].into_iter().chain(tls).collect();
    let again = run(&args);
    assert!(has_row(&again.stdout, "copied now 0 keys"), "{again:?}");
    // Without them there is no way in.
    let told = fails(&[&from, &to, "--timeout", "2"], 3, "RF-E0202");
    assert!(told.contains("not trusted here"), "{told}");
}
