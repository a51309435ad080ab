//! Compares the order of blocks with what the original allocator was recorded to claim.

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
