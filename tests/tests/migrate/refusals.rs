//! What is refused, in which words, and that the target is then as it was.

use ipam_tests::etcd::{Shared, Version};
use ipam_tests::sqlite::empty_log;

use super::*;

#[test]
fn a_target_that_holds_anything_is_refused() {
    let (world, server) = (world(), Shared::take(Version::System));
    let (from, to) = (embedded(&world.path()), etcd(&server.endpoint()));
    let etcd_store = etcd_at(&server.endpoint());
    put(&etcd_store, "/ringfence/v1/bindings/b", b"{}");
    put(&etcd_store, "/calico/ipam/v2/config", b"{}");
    let before = (revision(&etcd_store), everything(&etcd_store));
    let told = fails(&[&from, &to], 5, "RF-E0702");
    assert!(told.contains("holds 2 keys, the first is /calico/ipam/v2/config"), "{told}");
    let told = fails(&[&from, &to, "--resume"], 5, "RF-E0703");
    assert!(told.contains("/calico/ipam/v2/assignment/") && told.contains("differs"), "{told}");
    assert_eq!((revision(&etcd_store), everything(&etcd_store)), before);
    // The other way round.
    empty_log(&world.path());
    let files = world.files();
    let told = fails(&[&to, &from], 5, "RF-E0702");
    assert!(told.contains("holds 11 keys"), "{told}");
    assert_eq!(world.files(), files);
}

#[test]
fn a_copy_of_an_older_state_is_not_continued() {
    let (world, server) = (world(), Shared::take(Version::System));
    let (from, to) = (embedded(&world.path()), etcd(&server.endpoint()));
    migrate(&from, &to);
    world.put("/calico/ipam/v2/host/n1", "changed");
    let etcd_store = etcd_at(&server.endpoint());
    let before = everything(&etcd_store);
    let told = fails(&[&from, &to, "--resume"], 5, "RF-E0703");
    assert!(told.contains("/calico/ipam/v2/host/n1 differs"), "{told}");
    assert_eq!(everything(&etcd_store), before);
}

#[test]
fn a_store_is_not_copied_into_itself() {
    let (world, server) = (world(), Shared::take(Version::System));
    let path = world.path();
    let link = world.folder().join("link.db");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let told = fails(&[&embedded(&path), &embedded(&link)], 2, "RF-E0102");
    assert!(told.contains("are the same store"), "{told}");
    let url = server.endpoint();
    let two = etcd(&format!("http://127.0.0.1:1,{url}"));
    fails(&[&etcd(&url), &two], 2, "RF-E0102");
    fails(&[&etcd(&url), "etcd", "--etcd-endpoints", &url], 2, "RF-E0102");
    // A name that nobody could know to be the same is found out by what the store holds.
    put(&etcd_at(&url), "/calico/ipam/v2/config", b"{}");
    let other_name = etcd(&url.replace("127.0.0.1", "localhost"));
    fails(&[&etcd(&url), &other_name], 5, "RF-E0702");
}

#[test]
fn a_source_without_anything_is_refused_and_no_target_is_made() {
    let (world, server) = (world(), Shared::take(Version::System));
    let missing = world.folder().join("missing.db");
    put(&etcd_at(&server.endpoint()), "/registry/x", b"1");
    let told = fails(&[&etcd(&server.endpoint()), &embedded(&missing)], 1, "RF-E0701");
    assert!(told.contains("holds nothing that could be copied"), "{told}");
    fails(&[&embedded(&missing), &etcd(&server.endpoint())], 3, "RF-E0201");
    assert!(!missing.exists());
    assert_eq!(everything(&etcd_at(&server.endpoint())).len(), 1);
}

#[test]
fn a_store_that_cannot_be_reached_is_named() {
    let world = world();
    let told = fails(
        &[&embedded(&world.path()), "etcd:http://127.0.0.1:1", "--timeout", "1"],
        3,
        "RF-E0203",
    );
    assert!(told.contains("http://127.0.0.1:1"), "{told}");
    let told = fails(&[&embedded(&world.path()), "etcd"], 2, "RF-E0110");
    assert!(told.contains("argument TO is set, but there are no endpoints"), "{told}");
}
