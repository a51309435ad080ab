//! What a request costs does not grow with what the store holds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use ipam_core::check::{Severity, check};
use ipam_core::ip::{BlockOrder, Cidr, Family, seed_of};
use ipam_core::model::{
    Affinity, AffinityState, Attributes, Block, HandleId, IpPool, IpPoolSpec, IpReservation,
    IpReservationSpec, Owner, ResourceKind, Timestamp, key,
};
use ipam_core::plan::{
    ApplyResources, Assign, Assigned, FamilyRequest, HandleTarget, How, Manifest, NodeRule,
    ReadAll, Release, Replay, Request, Rules, Want,
};
use ipam_core::pool::Levels;
use ipam_core::refusal::Refusal;
use ipam_etcd::{DriveError, Driven, Memory, ModelStore, drive, drive_from};

const DEADLINE: Duration = Duration::from_mins(1);
const NOW: i64 = 10_000;
const HOST: &str = "node";

struct World {
    store: ModelStore,
    pool: Cidr,
    block_prefix: u8,
}

impl World {
    fn new(cidr: &str, block_prefix: u8) -> Self {
        let store = ModelStore::default();
        let spec = serde_json::json!({"cidr": cidr, "blockSize": block_prefix});
        let spec: IpPoolSpec = serde_json::from_value(spec).unwrap();
        let pool = Manifest::Pool(Box::new(IpPool::new(ResourceKind::IpPool, "p", spec)), None);
        let world = Self { store, pool: Cidr::parse(cidr).unwrap(), block_prefix };
        world.apply(pool);
        world
    }

    fn apply(&self, manifest: Manifest) {
        let request = ApplyResources { manifests: vec![manifest], create_only: true, random: 7 };
        self.call(&request).unwrap();
    }

    fn call<R: Request>(&self, request: &R) -> Result<Driven<R::Reply>, DriveError> {
        let now = Timestamp::from_seconds(NOW);
        block_on(drive(&self.store, request, now, DEADLINE))
    }

    fn add(&self, handle: &str) -> Result<Driven<Assigned>, DriveError> {
        self.call(&assign(handle, Family::of(self.pool.first_address())))
    }

    /// Gives blocks to other hosts: those at `places` of the order in which our host tries them.
    fn take(&self, places: impl Iterator<Item = u128>, filled: usize, claimed: i64) {
        let count = self.pool.block_count(self.block_prefix);
        let start = BlockOrder::new(seed_of(HOST), count).start();
        let first = self.pool.block_at(self.block_prefix, 0).unwrap();
        let like = String::from_utf8(block(first, &owner(7), filled, claimed)).unwrap();
        let row = Affinity::in_state(AffinityState::Confirmed).encode();
        self.store.with(|model| {
            for place in places {
                let cidr = self.pool.block_at(self.block_prefix, (start + place) % count).unwrap();
                let owner = owner(place);
                // A hundred thousand of them are made faster so.
                let value = like
                    .replacen(&format!("\"{first}\""), &format!("\"{cidr}\""), 1)
                    .replacen("\"host:other7\"", &format!("\"{owner}\""), 1);
                model.put(key::block(&cidr), value);
                model.put(key::affinity(&owner, &cidr), row.clone());
            }
        });
    }

    fn put(&self, cidr: Cidr, owner: &Owner, filled: usize, claimed: i64) {
        let row = Affinity::in_state(AffinityState::Confirmed).encode();
        self.store.with(|model| {
            model.put(key::block(&cidr), block(cidr, owner, filled, claimed));
            model.put(key::affinity(owner, &cidr), row);
        });
    }

    fn block_of(&self, ip: IpAddr) -> Cidr {
        Cidr::around(ip, self.block_prefix).unwrap()
    }
}

fn owner(place: u128) -> Owner {
    Owner::Host(format!("other{}", place % 50))
}

fn block(cidr: Cidr, owner: &Owner, filled: usize, claimed: i64) -> Vec<u8> {
    let block = Block::new(cidr, owner, Timestamp::from_seconds(claimed), 0).unwrap();
    let record = Attributes::new(Some("theirs".to_owned()), None).into();
    block.take(filled, &record, |_| true).0.encode()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

fn assign(handle: &str, family: Family) -> Assign {
    Assign {
        handle: Some(HandleId::new(handle).unwrap()),
        host: HOST.to_owned(),
        tenant: None,
        attributes: BTreeMap::new(),
        families: vec![FamilyRequest { family, want: Want::Any(1), levels: Levels::default() }],
        rules: Rules { replay: Replay::Same, node: NodeRule::Optional, ..Rules::calico() },
    }
}

/// Asserts that figures are equal within a tenth.
fn assert_flat(what: &str, figures: &[(u32, u64)]) {
    let (trips, bytes) = figures[0];
    for (other_trips, other_bytes) in figures {
        assert_eq!(*other_trips, trips, "{what}: {figures:?}");
        assert!(other_bytes.abs_diff(bytes) * 10 <= bytes, "{what}: {figures:?}");
    }
}

const SIZES: [u128; 3] = [10, 1_000, 100_000];

#[test]
fn a_warm_call_and_a_claim_cost_the_same_at_any_size() {
    let (mut cold, mut known, mut warm, mut claim) = (vec![], vec![], vec![], vec![]);
    for size in SIZES {
        let world = World::new("10.0.0.0/8", 26);
        // Every second one, so that the first candidates are partly taken.
        world.take((0..size).map(|n| n * 2), 3, NOW);
        let first = world.add("first").unwrap();
        cold.push((first.round_trips, first.bytes_read));
        let second = world.add("second").unwrap();
        known.push((second.round_trips, second.bytes_read));
        let Memory::New(memory) = second.memory else { panic!("nothing to remember") };
        let request = assign("third", Family::V4);
        let now = Timestamp::from_seconds(NOW);
        let third = drive_from(&world.store, &request, Some(memory), now, DEADLINE);
        let third = block_on(third).unwrap();
        warm.push((third.round_trips, third.bytes_read));
        // The host's block fills up, and a further one is claimed.
        let mut request = assign("many", Family::V4);
        request.families[0].want = Want::Any(62);
        let many = world.call(&request).unwrap();
        assert!(many.reply.addresses.iter().any(|given| given.how == Some(How::Claimed)));
        claim.push((many.round_trips, many.bytes_read));
    }
    assert_flat("a new block", &cold);
    assert_flat("room in a known block", &known);
    assert_flat("a warm call", &warm);
    assert_flat("a further block", &claim);
    assert_eq!((cold[0].0, known[0].0, warm[0].0, claim[0].0), (3, 3, 1, 3));
}

#[test]
fn inside_a_taken_run_a_free_block_costs_three_round_trips_and_64_kib_more() {
    let free = World::new("10.0.0.0/8", 26).add("h").unwrap();
    let cases: [(&str, u8, u128); 11] = [
        ("10.0.0.0/20", 26, 63),
        ("10.0.0.0/16", 26, 1_023),
        ("10.16.0.0/12", 26, 16_383),
        ("10.0.0.0/9", 26, 100_000),
        ("10.0.0.0/8", 26, 100_000),
        ("10.0.0.0/16", 32, 65_535),
        ("172.16.0.0/12", 28, 65_535),
        ("192.168.0.0/17", 30, 8_191),
        ("fd00::/112", 122, 1_023),
        ("fd00::40:0/106", 122, 65_535),
        ("fd00:1::/64", 122, 100_000),
    ];
    for (cidr, block_prefix, run) in cases {
        let world = World::new(cidr, block_prefix);
        world.take(0..run, 1, NOW);
        let given = world.add("h").unwrap();
        assert_eq!(given.reply.addresses[0].how, Some(How::Claimed), "{cidr}");
        assert!(given.round_trips <= free.round_trips + 3, "{cidr}: {}", given.round_trips);
        let more = given.bytes_read.saturating_sub(free.bytes_read);
        assert!(more <= 64 << 10, "{cidr}: {more} bytes more");
    }
}

#[test]
fn a_single_free_block_is_found_wherever_it_is() {
    for hole in [64, 65, 500, 3_000, 4_095] {
        let world = World::new("10.0.0.0/18", 30);
        world.take((0..4_096).filter(|place| *place != hole), 4, NOW);
        let given = world.add("h").unwrap();
        assert_eq!(given.reply.addresses[0].how, Some(How::Claimed), "{hole}");
        assert!(given.round_trips <= 6, "{hole}: {}", given.round_trips);
    }
}

#[test]
fn reserved_blocks_are_not_taken_for_free() {
    let world = World::new("10.0.0.0/20", 26);
    let spec = IpReservationSpec::new(vec!["10.0.4.0/22".to_owned(), "10.0.12.0/23".to_owned()]);
    let reservation = IpReservation::new(ResourceKind::IpReservation, "r", spec);
    world.apply(Manifest::Reservation(Box::new(reservation)));
    world.take(0..64, 64, 0);
    assert!(matches!(world.add("h"), Err(DriveError::Refused(_))), "all others are full");
}

#[test]
fn a_full_pool_is_read_in_pages_and_lent_from() {
    let world = World::new("10.0.0.0/16", 28);
    world.take(0..4_096, 16, 0);
    let lender = world.pool.block_at(28, 77).unwrap();
    world.put(lender, &Owner::Host("lender".to_owned()), 15, NOW);
    let given = world.add("h").unwrap();
    let address = &given.reply.addresses[0];
    assert_eq!((address.how, world.block_of(address.ip)), (Some(How::Borrowed), lender));
    // Candidates, a count, and pages of a hundred blocks each.
    assert!(given.round_trips <= 3 + 1 + 42, "{}", given.round_trips);
    let refused = {
        world.put(lender, &Owner::Host("lender".to_owned()), 16, NOW);
        world.add("other").unwrap_err()
    };
    assert!(
        matches!(&refused, DriveError::Refused(refusal) if matches!(**refusal, Refusal::Exhausted { .. })),
        "{refused:?}"
    );
}

#[test]
fn an_idle_block_is_taken_back_and_a_fresh_one_is_not() {
    for (claimed, how) in [(NOW - 61, How::Claimed), (NOW - 59, How::Borrowed)] {
        let world = World::new("10.0.0.0/22", 28);
        world.take(0..64, 16, 0);
        let idle = world.pool.block_at(28, 33).unwrap();
        let owner = Owner::Host("idler".to_owned());
        // Whoever had it at first has gone.
        let before = self::owner(place_of(&world, 33));
        world.store.with(|model| model.delete(&key::affinity(&before, &idle)));
        world.put(idle, &owner, 0, claimed);
        let given = world.add("h").unwrap();
        let address = &given.reply.addresses[0];
        assert_eq!((address.how, world.block_of(address.ip)), (Some(how), idle));
        let row = world.store.with(|model| model.get(&key::affinity(&owner, &idle)).is_some());
        assert_eq!(row, how == How::Borrowed, "the claim of its owner goes with the block");
        let snapshot = world.call(&ReadAll).unwrap().reply;
        let findings = check(&snapshot, Timestamp::from_seconds(NOW));
        let is_error = |severity| severity == Severity::Error;
        assert!(!findings.iter().any(|finding| is_error(finding.rule.severity())), "{findings:?}");
    }
}

#[test]
fn taking_a_block_back_costs_one_round_trip_besides_the_page() {
    let world = World::new("10.0.0.0/26", 26);
    let mut request = assign("theirs", Family::V4);
    request.host = "idler".to_owned();
    world.call(&request).unwrap();
    let handle = HandleTarget::all(request.handle.clone().unwrap());
    world.call(&Release { targets: vec![handle], host: None }).unwrap();
    let later = Timestamp::from_seconds(NOW + 61);
    let given =
        block_on(drive(&world.store, &assign("ours", Family::V4), later, DEADLINE)).unwrap();
    assert_eq!(given.reply.addresses[0].how, Some(How::Claimed));
    assert_eq!((given.round_trips, given.conflicts), (3 + 1 + 1, 0));
}

fn place_of(world: &World, index: u128) -> u128 {
    let count = world.pool.block_count(world.block_prefix);
    let start = BlockOrder::new(seed_of(HOST), count).start();
    (index + count - start) % count
}

#[test]
fn a_block_of_our_own_without_a_claim_is_used_before_others_lend() {
    let world = World::new("10.0.0.0/24", 28);
    world.take(0..16, 8, NOW);
    let ours = world.pool.block_at(28, 5).unwrap();
    world.put(ours, &Owner::Host(HOST.to_owned()), 3, NOW);
    world.store.with(|model| model.delete(&key::affinity(&Owner::Host(HOST.to_owned()), &ours)));
    let given = world.add("h").unwrap();
    let address = &given.reply.addresses[0];
    assert_eq!((address.how, world.block_of(address.ip)), (Some(How::Affine), ours));
    let row = key::affinity(&Owner::Host(HOST.to_owned()), &ours);
    assert!(world.store.with(|model| model.get(&row).is_some()), "its claim is confirmed again");
}
