use super::*;
use crate::ip::Family;

const POOLS: &str = "/calico/resources/v3/projectcalico.org/ippools/";
const RESERVATIONS: &str = "/calico/resources/v3/projectcalico.org/ipreservations/";
const BLOCKS: &str = "/calico/ipam/v2/assignment/";

/// The start of a store's text: a key, and the value that is stored there.
type Row = (String, String);

fn pool(name: &str, spec: &str) -> Row {
    let meta = format!(
        r#"{{"kind":"IPPool","apiVersion":"projectcalico.org/v3","metadata":{{"name":"{name}"}}"#
    );
    (format!("{POOLS}{name}"), format!(r#"{meta},"spec":{{{spec}}}}}"#))
}

fn reservation(name: &str, cidrs: &str) -> Row {
    let meta = format!(
        r#"{{"kind":"IPReservation","apiVersion":"projectcalico.org/v3","metadata":{{"name":"{name}"}}"#
    );
    (format!("{RESERVATIONS}{name}"), format!(r#"{meta},"spec":{{"reservedCIDRs":[{cidrs}]}}}}"#))
}

/// A block of four addresses; each record is given to the ordinal with its index.
fn block(cidr: &str, affinity: &str, records: &[&str]) -> Row {
    let network = Cidr::parse(cidr).unwrap();
    let taken =
        (0..4).map(|at| if at < records.len() { at.to_string() } else { "null".to_owned() });
    let taken: Vec<String> = taken.collect();
    let free: Vec<String> = (records.len()..4).map(|at| at.to_string()).collect();
    let number = network.family().number();
    let value = format!(
        r#"{{"cidr":"{cidr}","affinity":{affinity},"allocations":[{}],"unallocated":[{}],"attributes":[{}],"sequenceNumber":9,"sequenceNumberForAllocation":{{"0":7}},"deleted":false}}"#,
        taken.join(","),
        free.join(","),
        records.join(","),
    );
    (format!("{BLOCKS}ipv{number}/block/{}", cidr.replace('/', "-")), value)
}

fn read(rows: &[Row]) -> (Inventory, Vec<DecodeError>) {
    let kv = |(at, (key, value)): (usize, &Row)| Kv {
        key: key.clone().into(),
        value: value.clone().into(),
        create_revision: Revision(2),
        mod_revision: Revision(2 + u64::try_from(at).unwrap()),
        version: 1,
    };
    Inventory::read(&Snapshot { kvs: rows.iter().enumerate().map(kv).collect() })
}

fn sound(rows: &[Row]) -> Inventory {
    let (inventory, errors) = read(rows);
    assert!(errors.is_empty(), "{errors:?}");
    inventory
}

const ON_N1: &str = r#"{"handle_id":"h1","secondary":{"node":"n1","namespace":"fin","pod":"a","timestamp":"2026-08-22 10:16:02.5 +0000 UTC"}}"#;
const ON_N2: &str = r#"{"handle_id":"h2","secondary":{"node":"n2"}}"#;
const NOWHERE: &str = r#"{"handle_id":"h3"}"#;
/// Against the rules, but it has been seen: a released address that still names its owner.
const COOLING_ON_N2: &str =
    r#"{"releasedAt":"1970-01-01T00:00:50Z","handle_id":"h4","secondary":{"node":"n2"}}"#;
const COOLING: &str = r#"{"releasedAt":"1970-01-01T00:00:50Z"}"#;

#[test]
fn usage_counts_each_address_once() {
    let fin = || pool("fin", r#""cidr":"10.0.0.0/28","blockSize":30"#);
    let used = |affinity| block("10.0.0.0/30", affinity, &[ON_N1, ON_N2, NOWHERE, COOLING]);
    let n1 = r#""host:n1""#;
    // What is expected: used, cooling, reserved, of these in use, borrowed, free, blocks.
    for (what, rows, expected) in [
        ("an empty pool", vec![fin()], (0, 0, 0, 0, 0, 16, 0)),
        ("a full block of n1", vec![fin(), used(n1)], (3, 1, 0, 0, 1, 12, 1)),
        (
            "an address in cooldown that names a node",
            vec![fin(), block("10.0.0.0/30", n1, &[COOLING_ON_N2])],
            (0, 1, 0, 0, 0, 15, 1),
        ),
        ("a block that was given up", vec![fin(), used("null")], (3, 1, 0, 0, 0, 12, 1)),
        ("a block of no node", vec![fin(), used(r#""virtual:lb""#)], (3, 1, 0, 0, 0, 12, 1)),
        (
            "a reservation elsewhere",
            vec![fin(), reservation("r", r#""10.0.0.12/30""#), used(n1)],
            (3, 1, 4, 0, 1, 8, 1),
        ),
        (
            "a reservation of what is in use",
            vec![fin(), reservation("r", r#""10.0.0.1","10.0.0.3""#), used(n1)],
            (3, 1, 2, 2, 1, 12, 1),
        ),
        (
            "reservations that overlap and reach out",
            vec![
                fin(),
                reservation("r", r#""10.0.0.8/29""#),
                reservation("s", r#""10.0.0.0/8""#),
                used(n1),
            ],
            (3, 1, 16, 4, 1, 0, 1),
        ),
        (
            "a reservation that is none",
            vec![fin(), reservation("r", r#""nonsense","""#)],
            (0, 0, 0, 0, 0, 16, 0),
        ),
    ] {
        let inventory = sound(&rows);
        let usage = inventory.usage();
        let [u] = usage.as_slice() else { panic!("{what}: {usage:?}") };
        let counts = (
            u.used,
            u.cooling,
            u.reserved,
            u.reserved_in_use,
            u.borrowed,
            u.free,
            u.blocks_claimed,
        );
        assert_eq!(counts, expected, "{what}");
        assert_eq!((u.total, u.blocks_total), (16, 4), "{what}");
        let sum =
            u128::from(u.used + u.cooling) + u.free + u.reserved - u128::from(u.reserved_in_use);
        assert_eq!(sum, u.total, "{what}");
    }
}

#[test]
fn blocks_without_a_pool_have_a_bucket_of_their_own() {
    let inventory = sound(&[
        pool("a-broken", r#""cidr":"10.0.0.0/99""#),
        pool("small", r#""cidr":"10.0.0.0/31","blockSize":31"#),
        reservation("r", r#""10.0.0.2""#),
        block("10.0.0.0/30", r#""host:n2""#, &[ON_N1]),
        block("10.0.0.4/30", "null", &[COOLING]),
        block("fd00::/126", r#""host:n1""#, &[ON_N1]),
    ]);
    let usage = inventory.usage();
    let shown: Vec<_> = usage
        .iter()
        .map(|u| {
            (
                u.cidr().map(|c| c.to_string()),
                u.family,
                u.total,
                u.used,
                u.cooling,
                u.borrowed,
                u.free,
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            (Some("10.0.0.0/31".to_owned()), Family::V4, 2, 0, 0, 0, 2),
            (None, Family::V4, 8, 1, 1, 1, 0),
            (None, Family::V6, 4, 1, 0, 0, 0),
        ]
    );
    assert_eq!(usage[1].reserved, 1);
}

#[test]
fn ipv6_pools_are_counted_beyond_64_bits() {
    for (cidr, total, blocks) in [
        ("fd00::/64", 1 << 64, 1 << 58),
        ("fd00::/20", 1 << 108, 1 << 102),
        ("::/0", u128::MAX, 1 << 122),
    ] {
        let inventory = sound(&[pool("six", &format!(r#""cidr":"{cidr}""#))]);
        let usage = inventory.usage();
        assert_eq!(
            (usage[0].total, usage[0].free, usage[0].blocks_total),
            (total, total, blocks),
            "{cidr}"
        );
    }
}

#[test]
fn a_percentage_is_rounded_down() {
    for (records, permille) in
        [(&[][..], 0), (&[ON_N1], 62), (&[ON_N1, COOLING], 125), (&[ON_N1; 4], 250)]
    {
        let inventory = sound(&[
            pool("fin", r#""cidr":"10.0.0.0/28","blockSize":30"#),
            block("10.0.0.0/30", "null", records),
        ]);
        assert_eq!(inventory.usage()[0].permille(), permille);
    }
}

#[test]
fn addresses_come_in_order_with_all_that_is_known() {
    let inventory = sound(&[
        block("fd00::/126", "null", &[NOWHERE]),
        block("10.0.1.0/30", r#""host:n1""#, &[ON_N1, ON_N2, COOLING]),
        block("10.0.0.4/30", r#""host:n1""#, &[ON_N1]),
        pool("fin", r#""cidr":"10.0.1.0/24","blockSize":30"#),
    ]);
    let shown: Vec<String> = inventory
        .addresses()
        .map(|a| {
            let since = a.since().map(|t| t.to_string()).unwrap_or_default();
            let (state, pool) = (a.state.word(), a.pool.unwrap_or("-"));
            let borrowed = if a.is_borrowed() { " borrowed" } else { "" };
            format!(
                "{} {state} {pool} {} {}{borrowed} [{since}] {}",
                a.ip,
                a.block,
                a.holder(),
                a.sequence
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            "10.0.0.4 used - 10.0.0.4/30 pod fin/a [2026-08-22T10:16:02Z] 7",
            "10.0.1.0 used fin 10.0.1.0/30 pod fin/a [2026-08-22T10:16:02Z] 7",
            "10.0.1.1 used fin 10.0.1.0/30 handle h2 borrowed [] 0",
            "10.0.1.2 cooling fin 10.0.1.0/30 nobody in particular [1970-01-01T00:00:50Z] 0",
            "fd00:: used - fd00::/126 handle h3 [] 7",
        ]
    );
    for address in inventory.addresses() {
        let found = inventory.who(address.ip).unwrap();
        assert_eq!(
            (found.ip, found.handle(), found.pool),
            (address.ip, address.handle(), address.pool)
        );
    }
    for free in ["10.0.1.3", "10.0.2.0", "fd00::1", "::1"] {
        assert!(inventory.who(free.parse().unwrap()).is_none(), "{free}");
    }
}

#[test]
fn who_looks_into_every_block_around_an_address() {
    let inventory = sound(&[
        block("10.0.0.0/30", "null", &[]),
        (
            format!("{BLOCKS}ipv4/block/10.0.0.0-31"),
            r#"{"cidr":"10.0.0.0/31","affinity":null,"allocations":[0,null],"unallocated":[1],"attributes":[{"handle_id":"h"}],"deleted":false}"#.to_owned(),
        ),
    ]);
    assert_eq!(inventory.who("10.0.0.0".parse().unwrap()).unwrap().handle(), Some("h"));
}

#[test]
fn an_allocator_sees_what_has_cooled_down_as_free() {
    let config = |seconds: i64| {
        let value = format!(r#"{{"auto_allocate_blocks":true,"ipCooldownSeconds":{seconds}}}"#);
        ("/calico/ipam/v2/config".to_owned(), value)
    };
    let cooling = || block("10.0.0.0/30", "null", &[COOLING]);
    for (rows, now, left) in [
        (vec![cooling(), config(30)], 79, 1),
        (vec![cooling(), config(30)], 80, 0),
        (vec![cooling(), config(-1)], 51, 0),
        (vec![cooling()], 51, 0),
    ] {
        let inventory = sound(&rows).collected(Timestamp::from_seconds(now));
        assert_eq!(inventory.addresses().count(), left, "{now}");
    }
}

#[test]
fn everything_else_is_sorted_and_named() {
    let inventory = sound(&[
        pool("b", r#""cidr":"10.2.0.0/24","disabled":true"#),
        pool("a", r#""cidr":"10.1.0.0/24""#),
        reservation("s", ""),
        reservation("r", ""),
        ("/ringfence/v1/pools/b".to_owned(), r#"{"exclusive":true}"#.to_owned()),
        ("/ringfence/v1/bindings/fin".to_owned(), r#"{"mode":"required","ipv4Pools":["b"]}"#.to_owned()),
        (
            "/calico/resources/v3/projectcalico.org/nodes/n1".to_owned(),
            r#"{"kind":"Node","apiVersion":"projectcalico.org/v3","metadata":{"name":"n1"},"spec":{},"status":{}}"#
                .to_owned(),
        ),
    ]);
    let pools: Vec<_> = inventory
        .pools
        .iter()
        .map(|p| (p.name.as_str(), p.mod_revision.0, p.effective.as_ref().unwrap()))
        .map(|(name, revision, pool)| (name, revision, pool.exclusive, pool.disabled))
        .collect();
    assert_eq!(pools, [("a", 3, false, None), ("b", 2, true, Some("disabled"))]);
    let reservations: Vec<_> = inventory.reservations.iter().map(|r| r.name.as_str()).collect();
    assert_eq!(reservations, ["r", "s"]);
    assert!(inventory.bindings["fin"].names("b") && inventory.nodes.contains_key("n1"));
    assert!(inventory.pool("b").is_some() && inventory.pool("c").is_none());
    let around =
        |cidr: &str| inventory.pool_around(&Cidr::parse(cidr).unwrap()).map(|p| p.name.as_str());
    assert_eq!(around("10.2.0.64/26"), Some("b"));
    assert_eq!(around("10.2.0.0/23"), None);
}

#[test]
fn what_cannot_be_read_is_reported_and_left_out() {
    let (_, block) = block("10.0.0.0/30", "null", &[]);
    let (inventory, errors) = read(&[
        (format!("{POOLS}broken"), "{".to_owned()),
        pool("sound", r#""cidr":"10.0.0.0/24""#),
        (format!("{BLOCKS}ipv4/block/10.0.0.4-30"), block),
        ("/ringfence/v1/bindings/fin".to_owned(), "[]".to_owned()),
        ("/ringfence/v1/pools/sound".to_owned(), "7".to_owned()),
        ("/calico/resources/v3/projectcalico.org/tiers/default".to_owned(), "{".to_owned()),
    ]);
    let keys: Vec<&str> = errors.iter().map(DecodeError::key).collect();
    assert_eq!(
        keys,
        [
            "/calico/resources/v3/projectcalico.org/ippools/broken",
            "/calico/ipam/v2/assignment/ipv4/block/10.0.0.4-30",
            "/ringfence/v1/bindings/fin",
            "/ringfence/v1/pools/sound",
        ]
    );
    assert_eq!(
        (inventory.pools.len(), inventory.blocks.len(), inventory.bindings.len()),
        (1, 0, 0)
    );
}
