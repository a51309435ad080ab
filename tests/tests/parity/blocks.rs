//! One block, and what cooldowns leave of it.

use ipam_core::block::{is_empty, is_set_aside};
use ipam_core::ip::Cidr;
use ipam_core::model::{Attributes, Block, Owner, Record, Timestamp};

const NOW: i64 = 1_795_000_000;

fn seconds(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn block() -> Block {
    let cidr = Cidr::parse("10.0.0.0/29").unwrap();
    Block::new(cidr, &Owner::Host("n".to_owned()), seconds(NOW), 0).unwrap()
}

fn of(handle: &str) -> Record {
    Attributes::new(Some(handle.to_owned()), None).into()
}

#[test]
fn what_a_host_sets_aside_does_not_fill_a_block() {
    assert!(is_empty(&block()));
    for spelling in ["windows-reserved-ipam-handle", "Windows-Reserved-IPAM-Handle"] {
        let reserved = of(spelling);
        assert!(is_set_aside(&reserved));
        let (set_aside, _) = block().take(3, &reserved, |_| true);
        assert!(is_empty(&set_aside));
        let (used, _) = set_aside.take(1, &of("h"), |_| true);
        assert!(!is_empty(&used));
    }
}

#[test]
fn free_addresses_are_those_that_may_be_used() {
    let (used, _) = block().take(2, &of("h"), |_| true);
    assert_eq!(used.count_free(|_| true), 6);
    let is_low = |ip: std::net::IpAddr| ip < "10.0.0.4".parse::<std::net::IpAddr>().unwrap();
    assert_eq!(used.count_free(|ip| !is_low(ip)), 4);
    assert_eq!(used.count_free(|_| false), 0);
}

#[test]
fn a_handle_is_found_under_several_records() {
    let (first, one) = block().take(2, &of("h"), |_| true);
    let pod = [("pod".into(), "p".into())].into();
    let other = Attributes::new(Some("h".to_owned()), Some(pod)).into();
    let (second, two) = first.take(1, &other, |_| true);
    let (all, _) = second.take(1, &of("x"), |_| true);
    assert_eq!(all.records().len(), 3);
    let ordinals = all.ordinals_of("h", |_| true);
    assert_eq!(ordinals.into_iter().collect::<Vec<_>>(), [one, two].concat());
}

#[test]
fn an_address_has_a_record_while_it_is_taken() {
    let (used, ordinals) = block().take(1, &of("h"), |_| true);
    let record = used.record_of(ordinals[0]).unwrap();
    assert_eq!((record.handle(), record.secondary.as_ref()), (Some("h"), None));
    assert!(used.record_of(used.unallocated[0]).is_none());
}

#[test]
fn collecting_an_unused_block_changes_nothing() {
    let unused = block();
    assert_eq!(unused.clone().collected(seconds(NOW + 3600), 0), unused);
}

#[test]
fn a_cooldown_ends_at_its_end_and_not_before() {
    let (used, _) = block().take(3, &of("h"), |_| true);
    let freed = used.release_handle("h", |_| true, None, seconds(NOW), 30).unwrap().block;
    assert_eq!(freed.cooling().count(), 3);
    let (with_live, _) = freed.take(1, &of("live"), |_| true);
    for (at, cooling) in [(NOW - 60, 3), (NOW, 3), (NOW + 29, 3), (NOW + 60, 0)] {
        let collected = with_live.clone().collected(seconds(at), 30);
        assert_eq!(collected.cooling().count(), cooling, "{at}");
        assert_eq!(collected.ordinals_of("live", |_| true).len(), 1);
        assert!(
            Block::decode("/calico/ipam/v2/assignment/ipv4/block/10.0.0.0-29", &collected.encode())
                .is_ok()
        );
    }
}
