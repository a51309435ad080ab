//! Whatever is asked in whatever order, the store says what a map from addresses to holders says.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::net::IpAddr;

use ipam_core::inventory::AddressState;
use ipam_core::ip::Ordinal;
use ipam_core::kv::Lookup;
use ipam_core::model::{HandleId, Timestamp};
use ipam_core::plan::{
    AddressTarget, Assign, Assigned, Configure, HandleTarget, Outcome, Planned, Release,
    ReleaseAddresses, Request, Rules, Shortfall,
};
use ipam_core::refusal::Refusal;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::world::{World, cidr, target};

const POOLS: [(&str, u8); 2] = [("10.0.0.0/28", 30), ("fd00::/125", 126)];
const RESERVED: &str = "10.0.0.5";
const HOSTS: [&str; 3] = ["a", "b", "c"];

/// What is asked next.
#[derive(Clone, Debug)]
enum Ask {
    Give { host: &'static str, handle: u8, v4: usize, v6: usize },
    Address { host: &'static str, handle: u8, last: u8 },
    Release { handle: u8 },
    ReleaseAddresses { which: Vec<Index> },
    Strict(bool),
    Wait(i64),
}

fn ask() -> impl Strategy<Value = Ask> {
    let (host, handle) = (select(HOSTS.as_slice()), 0..6_u8);
    prop_oneof![
        4 => (host.clone(), handle.clone(), 0..5_usize, 0..4_usize)
            .prop_map(|(host, handle, v4, v6)| Ask::Give { host, handle, v4, v6 }),
        2 => (host, handle.clone(), 0..20_u8)
            .prop_map(|(host, handle, last)| Ask::Address { host, handle, last }),
        3 => handle.prop_map(|handle| Ask::Release { handle }),
        2 => vec(any::<Index>(), 1..5).prop_map(|which| Ask::ReleaseAddresses { which }),
        1 => any::<bool>().prop_map(Ask::Strict),
        2 => (1..100_i64).prop_map(Ask::Wait),
    ]
}

/// Plans a request twice from the same reads, and holds one plan against the other.
struct Twice<R>(R);

impl<R: Request<Reply: Debug>> Request for Twice<R> {
    type Reply = R::Reply;

    fn plan(&self, lookup: &mut Lookup<'_>, now: Timestamp) -> Planned<Outcome<R::Reply>> {
        let before = format!("{:?}", lookup.view());
        let once = format!("{:?}", self.0.plan(&mut Lookup::new(lookup.view()), now));
        let again = self.0.plan(lookup, now);
        assert_eq!(once, format!("{again:?}"), "a plan follows from what was read");
        assert_eq!(before, format!("{:?}", lookup.view()), "a plan changes nothing");
        again
    }
}

/// Who holds what, as simply as it can be said.
#[derive(Default)]
struct Oracle {
    held: BTreeMap<IpAddr, u8>,
    /// When the addresses that nobody holds were released.
    released: BTreeMap<IpAddr, Timestamp>,
    cooldown: i64,
    strict: bool,
}

impl Oracle {
    fn is_free(&self, ip: IpAddr, now: Timestamp) -> bool {
        let rests =
            |since: &Timestamp| self.cooldown > 0 && since.plus_seconds(self.cooldown) >= now;
        !self.held.contains_key(&ip) && !self.released.get(&ip).is_some_and(rests)
    }

    fn count_free(&self, pool: &str, now: Timestamp) -> usize {
        let ips = addresses(pool).into_iter().filter(|ip| ip.to_string() != RESERVED);
        ips.filter(|ip| self.is_free(*ip, now)).count()
    }

    fn give(&mut self, handle: u8, given: &Assigned, now: Timestamp) {
        let ips: BTreeSet<IpAddr> = given.addresses.iter().map(|address| address.ip).collect();
        assert_eq!(ips.len(), given.addresses.len(), "each address once");
        for ip in ips {
            assert!(POOLS.iter().any(|(pool, _)| cidr(pool).contains(ip)));
            assert!(self.is_free(ip, now), "{ip} is not free: {:?}", self.held.get(&ip));
            self.held.insert(ip, handle);
            self.released.remove(&ip);
        }
    }

    fn release(&mut self, ip: IpAddr, now: Timestamp) -> bool {
        let was_held = self.held.remove(&ip).is_some();
        if was_held {
            self.released.insert(ip, now);
        }
        was_held
    }

    fn release_handle(&mut self, handle: u8, now: Timestamp) -> usize {
        let ips: Vec<IpAddr> = self.of(handle).collect();
        ips.iter().filter(|ip| self.release(**ip, now)).count()
    }

    fn of(&self, handle: u8) -> impl Iterator<Item = IpAddr> {
        self.held.iter().filter(move |(_, holder)| **holder == handle).map(|(ip, _)| *ip)
    }
}

fn addresses(pool: &str) -> Vec<IpAddr> {
    let pool = cidr(pool);
    let size = usize::try_from(pool.size()).unwrap();
    (0..size).filter_map(Ordinal::new).map(|ordinal| pool.address_at(ordinal)).collect()
}

fn text(handle: u8) -> String {
    format!("h{handle}")
}

fn carry_out(world: &World, oracle: &mut Oracle, ask: Ask) {
    match ask {
        Ask::Give { host, handle, v4, v6 } => give(world, oracle, host, handle, [v4, v6]),
        Ask::Address { host, handle, last } => {
            give_address(world, oracle, host, handle, last);
        }
        Ask::Release { handle } => {
            let target = HandleTarget::all(HandleId::new(text(handle)).unwrap());
            let released =
                world.call(&Twice(Release { targets: vec![target], host: None })).unwrap();
            assert_eq!(released.len(), oracle.release_handle(handle, world.now()));
        }
        Ask::ReleaseAddresses { which } => {
            let all = [POOLS[0], POOLS[1]].map(|(pool, _)| addresses(pool)).concat();
            let ips: BTreeSet<IpAddr> = which.iter().map(|which| *which.get(&all)).collect();
            let targets: Vec<AddressTarget> =
                ips.iter().map(|ip| target(&ip.to_string(), None, None)).collect();
            let reply = world.call(&Twice(ReleaseAddresses { targets })).unwrap();
            let released = ips.into_iter().filter(|ip| oracle.release(*ip, world.now())).count();
            assert_eq!(reply.released.len(), released);
        }
        Ask::Strict(strict) => {
            oracle.strict = strict;
            world.strict(strict);
        }
        Ask::Wait(seconds) => world.wait(seconds),
    }
}

fn give(world: &World, oracle: &mut Oracle, host: &str, handle: u8, counts: [usize; 2]) {
    let request = Assign {
        attributes: BTreeMap::new(),
        ..world.ask(host, counts[0], counts[1]).handle(&text(handle)).request()
    };
    assert_eq!(request.rules.shortfall, Shortfall::Give);
    let given = world.call(&Twice(request)).unwrap();
    let now = world.now();
    for ((pool, _), count) in POOLS.iter().zip(counts) {
        let of_family = given.addresses.iter().filter(|address| cidr(pool).contains(address.ip));
        let (found, most) = (of_family.count(), count.min(oracle.count_free(pool, now)));
        assert!(found == most || (oracle.strict && found < most), "{found} of {most} in {pool}");
    }
    oracle.give(handle, &given, now);
}

fn give_address(world: &World, oracle: &mut Oracle, host: &str, handle: u8, last: u8) {
    let ip: IpAddr = format!("10.0.0.{last}").parse().unwrap();
    let given = world.assign_address(host, Some(&text(handle)), &ip.to_string(), Rules::calico());
    let now = world.now();
    let refusal = match given {
        Ok(given) => return oracle.give(handle, &given, now),
        Err(refusal) => *refusal,
    };
    let is_outside = matches!(refusal, Refusal::AddressOutside { .. });
    let is_elsewhere = matches!(refusal, Refusal::AddressElsewhere { .. });
    let is_taken = matches!(
        refusal,
        Refusal::AddressInUse { .. }
            | Refusal::AddressSetAside { .. }
            | Refusal::AddressCooling { .. }
    );
    let is_right = (is_outside && !cidr(POOLS[0].0).contains(ip))
        || (is_elsewhere && oracle.strict)
        || (is_taken && !oracle.is_free(ip, now));
    assert!(is_right, "{ip}: {refusal}");
}

fn agree(world: &World, oracle: &Oracle) {
    let inventory = world.inventory();
    let used = inventory.addresses().filter(|address| address.state == AddressState::Used);
    let stored: BTreeMap<IpAddr, String> =
        used.map(|address| (address.ip, address.handle().unwrap_or_default().to_owned())).collect();
    let expected: BTreeMap<IpAddr, String> =
        oracle.held.iter().map(|(ip, handle)| (*ip, text(*handle))).collect();
    assert_eq!(stored, expected);
    for handle in 0..6 {
        let held: BTreeSet<String> = world.held(&text(handle)).into_iter().collect();
        assert_eq!(held, oracle.of(handle).map(|ip| ip.to_string()).collect());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_says_what_a_map_says(asks in vec(ask(), 1..40), rests in any::<bool>()) {
        let world = World::new(&POOLS);
        world.reserve(&[&format!("{RESERVED}/32")]);
        let cooldown = if rests { 30 } else { 0 };
        world.configure(&Configure { cooldown_seconds: Some(cooldown), ..Configure::default() });
        let mut oracle = Oracle { cooldown, ..Oracle::default() };
        for ask in asks {
            carry_out(&world, &mut oracle, ask);
            agree(&world, &oracle);
        }
    }
}
