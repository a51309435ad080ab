//! What the tests ask of a store: pools, addresses, and what it holds afterwards.

use std::collections::BTreeMap;
use std::time::Duration;

use ipam_core::check::check;
use ipam_core::ip::Family;
use ipam_core::model::{HandleId, IpPool, IpPoolSpec, ResourceKind, Timestamp};
use ipam_core::plan::{
    ApplyResources, Assign, Assigned, FamilyRequest, HandleTarget, Held, Manifest, NodeRule,
    ReadAll, Release, Replay, Request, Rules, Want,
};
use ipam_core::pool::Levels;
use ipam_etcd::etcd::EtcdStore;
use ipam_etcd::{DriveError, Driven, EtcdSettings, Store, StoreError, drive};

use super::block_on;

/// Nothing is ever waited for so long that is not broken.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// Carries a request out on a store.
pub(crate) fn ask<R: Request>(
    store: &impl Store,
    request: &R,
    deadline: Duration,
) -> Result<Driven<R::Reply>, DriveError> {
    block_on(drive(store, request, Timestamp::from_seconds(1000), deadline))
}

/// Makes pools, each a name and a network, with small blocks.
pub(crate) fn make_pools(settings: &EtcdSettings, pools: &[(&str, &str)]) {
    let manifest = |(name, cidr): &(&str, &str)| {
        let size = if cidr.contains(':') { 124 } else { 28 };
        let spec = serde_json::json!({"cidr": cidr, "blockSize": size});
        let spec: IpPoolSpec = serde_json::from_value(spec).unwrap();
        Manifest::Pool(Box::new(IpPool::new(ResourceKind::IpPool, name, spec)), None)
    };
    let manifests = pools.iter().map(manifest).collect();
    let request = ApplyResources { manifests, create_only: true, random: 1 };
    ask(&store(settings), &request, DEADLINE).unwrap();
}

/// Opens a store of its own, as a process does.
pub(crate) fn store(settings: &EtcdSettings) -> EtcdStore {
    EtcdStore::new(settings.clone(), None)
}

/// Asks for one address of each family, for a workload on a host.
pub(crate) fn assign(handle: &str, host: &str, replay: Replay, families: &[Family]) -> Assign {
    let request = |family: &Family| FamilyRequest {
        family: *family,
        want: Want::Any(1),
        levels: Levels::default(),
    };
    Assign {
        handle: Some(HandleId::new(handle).unwrap()),
        host: host.to_owned(),
        tenant: None,
        attributes: BTreeMap::from([("node".to_owned(), host.to_owned())]),
        families: families.iter().map(request).collect(),
        rules: Rules { replay, node: NodeRule::Optional, ..Rules::calico() },
    }
}

/// Asks to take back what a handle holds.
pub(crate) fn release(handle: &str) -> Release {
    Release { targets: vec![HandleTarget::all(HandleId::new(handle).unwrap())], host: None }
}

/// Returns the addresses that an answer names.
pub(crate) fn ips(assigned: &Assigned) -> Vec<String> {
    assigned.addresses.iter().map(|address| address.ip.to_string()).collect()
}

/// Returns the addresses that a handle holds.
pub(crate) fn held(store: &impl Store, handle: &str) -> Vec<String> {
    let request = Held { handle: HandleId::new(handle).unwrap() };
    let reply = ask(store, &request, DEADLINE).unwrap().reply;
    reply.into_iter().flatten().map(|held| held.ip.to_string()).collect()
}

/// Asserts that nothing in a store contradicts anything else.
pub(crate) fn assert_sound(store: &impl Store) {
    let snapshot = ask(store, &ReadAll, DEADLINE).unwrap().reply;
    assert_eq!(check(&snapshot, Timestamp::from_seconds(1000)), []);
}

/// Says whether nobody knows what became of a request.
pub(crate) fn is_unknown(error: &DriveError) -> bool {
    matches!(error, DriveError::Store(StoreError::Indeterminate { .. }))
}
