//! Who holds which address: as the store says, held against what lives.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipam_core::inventory::Inventory;
use ipam_core::plan::ReadAll;
use ipam_tests::etcd::EtcdWorld;

/// Addresses, each with the container that holds it.
pub(crate) type Holdings = BTreeSet<(String, IpAddr)>;

/// Returns what the store says is held; in a store that is sound in itself.
pub(crate) fn stored(world: &EtcdWorld) -> Holdings {
    assert_eq!(world.findings(), [], "the store is sound");
    let (inventory, damaged) = Inventory::read(&world.drive(&ReadAll).unwrap());
    assert!(damaged.is_empty(), "{damaged:?}");
    let held = inventory.addresses().map(|address| {
        let container = address.attribute("container-id");
        (container.expect("the container is recorded").to_owned(), address.ip)
    });
    held.collect()
}

/// Fails unless the store holds what lives, and nothing else.
pub(crate) fn judge(world: &EtcdWorld, living: &Holdings) {
    assert_eq!(&stored(world), living, "the store holds what lives");
}
