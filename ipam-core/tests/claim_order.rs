//! Compares the order of blocks with what the original allocator was recorded to claim.

use std::collections::BTreeSet;

use ipam_core::ip::{BlockOrder, Cidr, seed_of};
use serde::Deserialize;

/// A recording per host and pool, each made in an empty store with no other host around.
const RECORDED: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/claim-order.json"));

#[derive(Deserialize)]
struct Recording {
    rows: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    host: String,
    pool: String,
    block_size: u8,
    /// The blocks as they were claimed, each when the one before was full.
    claimed: Vec<String>,
}

#[test]
fn a_host_claims_blocks_in_the_recorded_order() {
    let recording: Recording = serde_json::from_str(RECORDED).unwrap();
    assert_eq!(recording.rows.len(), 63);
    for Row { host, pool, block_size, claimed } in recording.rows {
        let Ok(cidr) = Cidr::parse(&pool) else { panic!("{pool} is not a CIDR") };
        assert!(!claimed.is_empty(), "{host} in {pool} claimed nothing");
        let walked: Vec<String> = BlockOrder::new(seed_of(&host), cidr.block_count(block_size))
            .take(claimed.len())
            .map(|index| cidr.block_at(block_size, index).unwrap().to_string())
            .collect();
        assert_eq!(walked, claimed, "{host} in {pool} with /{block_size} blocks");
    }
}

#[test]
fn a_walk_meets_each_block_of_a_pool_once() {
    for (pool, block_size) in [
        ("10.0.0.0/20", 20),
        ("10.0.0.0/20", 26),
        ("10.0.0.0/20", 32),
        ("192.168.7.0/24", 29),
        ("fd00::/112", 116),
        ("fd00::/112", 122),
        ("fd00::/120", 128),
    ] {
        let cidr = Cidr::parse(pool).unwrap();
        let order = BlockOrder::new(seed_of("node1"), cidr.block_count(block_size));
        let blocks: Vec<Cidr> =
            order.map(|index| cidr.block_at(block_size, index).unwrap()).collect();
        let different: BTreeSet<&Cidr> = blocks.iter().collect();
        let count = 1 << (block_size - cidr.prefix());
        assert_eq!((blocks.len(), different.len()), (count, count), "{pool} in /{block_size}");
        let is_inside =
            |block: &Cidr| block.prefix() == block_size && cidr.contains(block.first_address());
        assert!(blocks.iter().all(is_inside), "{pool} in /{block_size}");
    }
}
