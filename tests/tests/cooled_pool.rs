//! A pool whose addresses have all cooled down holds nothing any more.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use std::time::Duration;

use ipam_core::model::{HandleId, IpPool, IpPoolSpec, ResourceKind, Timestamp, key};
use ipam_core::plan::{DeletePool, HandleTarget, Release, Request};
use ipam_etcd::{DriveError, ModelStore, drive};
use ipam_tests::stock::{AssignIp, Clock, Stock};
use serde_json::json;

const NOW_NANOS: i64 = 1_795_219_200_000_000_000;

async fn carry_out<R: Request>(store: &ModelStore, request: &R, at: Timestamp) -> R::Reply {
    match drive(store, request, at, Duration::from_secs(1)).await {
        Ok(driven) => driven.reply,
        Err(DriveError::Refused(refusal)) => panic!("{refusal}"),
        Err(error) => panic!("{error:?}"),
    }
}

/// Where nobody draws from a pool any more, nobody writes that its addresses have cooled down.
#[test]
fn a_pool_is_deleted_once_its_addresses_have_cooled_down() {
    let (store, clock) = (ModelStore::default(), Clock::starting_at(NOW_NANOS));
    let spec: IpPoolSpec =
        serde_json::from_value(json!({"cidr": "10.0.0.0/28", "blockSize": 30})).unwrap();
    let pool = IpPool::new(ResourceKind::IpPool, "p", spec);
    store.with(|model| {
        model.put(key::resource(ResourceKind::IpPool, "p"), pool.encode());
        model.put(key::CONFIG, r#"{"auto_allocate_blocks":true,"ipCooldownSeconds":2}"#);
    });
    let handle = HandleId::new("h").unwrap();
    let assign = AssignIp {
        ip: "10.0.0.1".parse().unwrap(),
        host: "n1".to_owned(),
        handle: Some(handle.clone()),
        attributes: None,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        Stock::new(&store, &clock).assign_ip(&assign).await.unwrap();
        let release = Release { targets: vec![HandleTarget::all(handle)], host: None };
        carry_out(&store, &release, clock.now()).await;
        let much_later = clock.now().minus_seconds(-3600);
        assert!(carry_out(&store, &DeletePool { name: "p".to_owned() }, much_later).await);
    });
}
