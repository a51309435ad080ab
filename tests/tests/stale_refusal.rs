//! A refusal must have been right at some moment of the request.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use std::collections::BTreeMap;
use std::time::Duration;

use ipam_core::ip::Family;
use ipam_core::model::{HandleId, IpPool, IpPoolSpec, ResourceKind, key};
use ipam_core::plan::{Assign, FamilyRequest, Rules, Want};
use ipam_core::pool::Levels;
use ipam_etcd::{DriveError, ModelStore, drive};
use ipam_tests::interleave::{Interleaved, Intruder, Pause, Script};
use ipam_tests::stock::{Clock, Command, Stock};
use serde_json::json;

const NOW_NANOS: i64 = 1_795_219_200_000_000_000;
const NODE: &str = r#"{"kind":"Node","apiVersion":"projectcalico.org/v3","metadata":{"name":"n1"},"spec":{},"status":{}}"#;

/// A store with strict affinity and a pool of one block, which nobody has claimed.
fn store() -> ModelStore {
    let spec: IpPoolSpec =
        serde_json::from_value(json!({"cidr": "10.0.0.0/30", "blockSize": 30})).unwrap();
    let pool = IpPool::new(ResourceKind::IpPool, "p", spec);
    let store = ModelStore::default();
    store.with(|model| {
        model.put(key::resource(ResourceKind::IpPool, "p"), pool.encode());
        model.put(key::resource(ResourceKind::Node, "n1"), NODE);
        model.put(key::CONFIG, r#"{"strict_affinity":true,"auto_allocate_blocks":true}"#);
    });
    store
}

/// Between our two reads, a stock process of the same node claims the only block. The first read shows no claim of ours
/// and the second one that the block exists: neither of the two moments is one in which the node has no room.
#[test]
fn what_was_read_at_two_moments_is_read_anew_before_it_refuses() {
    let (store, clock) = (store(), Clock::starting_at(NOW_NANOS));
    let conf = json!({
        "cniVersion": "0.3.1",
        "name": "net",
        "nodename": "n1",
        "ipam": {"assign_ipv4": "true"},
    });
    let command = Command::read(conf, "go", "").unwrap();
    let (stock_store, stock_clock) = (&store, &clock);
    let intruder: Intruder<'_> = Box::pin(async move {
        assert_eq!(Stock::new(stock_store, stock_clock).add(&command).await.exit, 0);
    });
    let script = Script { begins: Some(2), ..Script::default() };
    let wrapped = Interleaved::new(&store, script, Some(intruder), Pause::never());
    let levels = Levels::default();
    let request = Assign {
        handle: Some(HandleId::new("new").unwrap()),
        host: "n1".to_owned(),
        tenant: None,
        attributes: BTreeMap::new(),
        families: vec![FamilyRequest { family: Family::V4, want: Want::Any(1), levels }],
        rules: Rules::calico(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let driven = runtime.block_on(drive(&wrapped, &request, clock.now(), Duration::from_secs(1)));
    match driven {
        Ok(driven) => assert_eq!(driven.reply.addresses.len(), 1),
        Err(DriveError::Refused(refusal)) => panic!("{refusal}"),
        Err(error) => panic!("{error:?}"),
    }
}
