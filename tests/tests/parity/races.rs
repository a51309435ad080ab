//! Several at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use ipam_core::block::{Expected, OwnerChange, OwnerChanges};
use ipam_core::check::check;
use ipam_core::kv::model::Model;
use ipam_core::kv::{Txn, TxnReply};
use ipam_core::model::{Attributes, Block, HandleId, Timestamp};
use ipam_core::plan::{
    AssignmentOf, ClaimBlocks, Claims, ReleaseAddresses, ReleaseClaims, SetOwners,
};
use ipam_etcd::{DriveError, ModelStore, Store, StoreError, drive};
use serde_json::json;

use super::world::{World, block_on, cidr, host, target};

const DEADLINE: Duration = Duration::from_secs(30);

/// A store whose calls take turns, so that those who use it at once see each other's changes between their own.
struct Turns<'s>(&'s ModelStore);

impl Store for Turns<'_> {
    async fn txn(&self, txn: &Txn, deadline: Duration) -> Result<TxnReply, StoreError> {
        tokio::task::yield_now().await;
        let reply = self.0.txn(txn, deadline).await;
        tokio::task::yield_now().await;
        reply
    }

    fn name(&self) -> String {
        "turns".to_owned()
    }
}

/// A store in which somebody else does something right before each of the first writes.
pub(crate) struct Restless<'s> {
    pub(crate) store: &'s ModelStore,
    pub(crate) left: AtomicUsize,
    pub(crate) does: fn(&mut Model),
}

/// Writes a node's record as it is.
fn touch_node(model: &mut Model) {
    let node = model.get(NODE).expect("the node").value.clone();
    model.put(NODE, node.to_vec());
}

impl Store for Restless<'_> {
    async fn txn(&self, txn: &Txn, deadline: Duration) -> Result<TxnReply, StoreError> {
        let left = self.left.load(Ordering::Relaxed);
        if txn.is_write() && left > 0 {
            self.left.store(left - 1, Ordering::Relaxed);
            self.store.with(self.does);
        }
        self.store.txn(txn, deadline).await
    }

    fn name(&self) -> String {
        "restless".to_owned()
    }
}

const NODE: &str = "/calico/resources/v3/projectcalico.org/nodes/a";

fn assert_sound(world: &World) {
    let findings = check(&world.snapshot(), world.now());
    assert!(findings.is_empty(), "{findings:?}");
}

#[test]
fn more_hosts_than_blocks_all_get_an_address() {
    let world = World::new(&[("10.0.0.0/24", 28)]);
    let hosts: Vec<String> = (0..32).map(|number| format!("n{number}")).collect();
    for host in &hosts {
        world.node(host, &json!({}));
    }
    let store = Turns(&world.store);
    let now = world.now();
    let requests: Vec<_> =
        hosts.iter().map(|name| world.ask(name, 1, 0).handle(name).request()).collect();
    let calls = requests.iter().map(|request| drive(&store, request, now, DEADLINE));
    let replies = block_on(join_all(calls));
    let ips: BTreeSet<_> = replies
        .into_iter()
        .map(|driven| driven.unwrap().reply.addresses[0].clone())
        .map(|a| a.ip)
        .collect();
    assert_eq!(ips.len(), 32);
    let owned: Vec<(String, BTreeSet<String>)> =
        hosts.iter().map(|name| (name.clone(), world.claims(&host(name)))).collect();
    assert_eq!(owned.iter().map(|(_, claims)| claims.len()).sum::<usize>(), 16);
    assert_eq!(world.blocks().len(), 16);
    for (name, claims) in owned.iter().filter(|(_, claims)| !claims.is_empty()) {
        let ip = world.held(name).remove(0).parse().unwrap();
        assert!(claims.iter().any(|claim| cidr(claim).contains(ip)), "{name} has a block and {ip}");
    }
    assert_sound(&world);
}

/// Stock Calico writes a claim in several steps, so when it was written last cannot be told from its block.
#[test]
fn an_idle_block_of_a_stock_node_is_taken_back_however_many_races_were_lost_before() {
    for lost in 0..6 {
        let world = World::new(&[("10.0.0.0/30", 30)]);
        world.call(&ClaimBlocks { cidr: cidr("10.0.0.0/30"), owner: host("b") }).unwrap();
        let row = "/calico/ipam/v2/host/b/ipv4/block/10.0.0.0-30";
        world.store.with(|model| {
            let value = model.get(row).expect("the claim").value.clone();
            model.put(row, value.to_vec());
        });
        world.wait(120);
        let left = AtomicUsize::new(lost);
        let store = Restless { store: &world.store, left, does: touch_node };
        let request = world.ask("a", 1, 0).handle("h").request();
        let driven = block_on(drive(&store, &request, world.now(), DEADLINE)).unwrap();
        assert_eq!(driven.reply.addresses.len(), 1, "{lost}");
        assert!(driven.conflicts <= u32::try_from(lost).unwrap() + 1, "{lost}: {driven:?}");
        assert_eq!(world.claims(&host("a")).len(), 1, "{lost}");
        assert_sound(&world);
    }
}

/// A store that carries the first write out and loses the reply; somebody else does something before it is asked again.
struct Mute<'s> {
    store: &'s ModelStore,
    left: AtomicUsize,
    does: fn(&mut Model),
}

impl Store for Mute<'_> {
    async fn txn(&self, txn: &Txn, deadline: Duration) -> Result<TxnReply, StoreError> {
        let reply = self.store.txn(txn, deadline).await;
        if txn.is_write() && self.left.swap(0, Ordering::Relaxed) > 0 {
            self.store.with(self.does);
            let source = "the reply is lost".into();
            return Err(StoreError::Indeterminate { store: self.name(), source });
        }
        reply
    }

    fn name(&self) -> String {
        "mute".to_owned()
    }
}

#[test]
fn a_lost_reply_gives_the_addresses_once() {
    let world = World::new(&[("10.0.0.0/24", 26)]);
    let store = Mute { store: &world.store, left: AtomicUsize::new(1), does: |_| {} };
    let request = world.ask("a", 2, 0).handle("h").request();
    let driven = block_on(drive(&store, &request, world.now(), DEADLINE)).unwrap();
    let given: Vec<String> =
        driven.reply.addresses.iter().map(|given| given.ip.to_string()).collect();
    assert_eq!(given, world.held("h"));
    assert_eq!(given.len(), 2);
    assert_sound(&world);
}

#[test]
fn a_lost_reply_is_not_taken_for_somebody_elses_owners() {
    const BLOCK: &str = "/calico/ipam/v2/assignment/ipv4/block/10.0.0.0-26";
    let others: [fn(&mut Model); 2] = [
        |_| {},
        |model| {
            let value = &model.get(BLOCK).expect("the block").value;
            let mut block = Block::decode(BLOCK, value).expect("a sound block");
            block.sequence_number += 1;
            model.put(BLOCK, block.encode());
        },
    ];
    for does in others {
        let world = World::new(&[("10.0.0.0/26", 26)]);
        let ip = world.ask("a", 1, 0).handle("h").go().addresses[0].ip;
        let owner = BTreeMap::from([("pod".to_owned(), "b".to_owned())]);
        let alternate = OwnerChange::Set(owner.clone(), Expected::Nobody);
        let changes = OwnerChanges { alternate, ..OwnerChanges::default() };
        let request = SetOwners { ip, handle: HandleId::new("h").unwrap(), changes };
        let store = Mute { store: &world.store, left: AtomicUsize::new(1), does };
        block_on(drive(&store, &request, world.now(), DEADLINE)).unwrap();
        assert_eq!(world.call(&AssignmentOf { ip }).unwrap().alternate, owner);
        let version = world.store.with(|model| model.get(BLOCK).expect("the block").version);
        assert!(version <= 3, "it is written once");
    }
}

/// Its first sending was carried out, and somebody has the address since.
#[test]
fn a_lost_reply_makes_no_refusal_of_a_release() {
    const BLOCK: &str = "/calico/ipam/v2/assignment/ipv4/block/10.0.0.0-32";
    let world = World::new(&[("10.0.0.0/32", 32)]);
    let ip = world.ask("a", 1, 0).handle("h").go().addresses[0].ip;
    let does = |model: &mut Model| {
        let block = Block::decode(BLOCK, &model.get(BLOCK).expect("the block").value);
        let other = Attributes::new(Some("other".to_owned()), None).into();
        let (mut taken, _) = block.expect("a sound block").take(1, &other, |_| true);
        taken.sequence_number += 1;
        model.put(BLOCK, taken.encode());
    };
    let store = Mute { store: &world.store, left: AtomicUsize::new(1), does };
    let request = ReleaseAddresses { targets: vec![target(&ip.to_string(), Some("h"), None)] };
    let driven = block_on(drive(&store, &request, world.now(), DEADLINE)).unwrap();
    assert_eq!(driven.reply.released.len(), 1);
    assert!(world.store.with(|model| model.get("/calico/ipam/v2/handle/h").is_none()));
    let block = world.block("10.0.0.0/32").unwrap();
    let holders: Vec<Option<&str>> = block.taken().map(|(_, record)| record.handle()).collect();
    assert_eq!(holders, [Some("other")]);
}

#[test]
fn no_block_is_claimed_in_a_pool_that_is_deleted_meanwhile() {
    let world = World::new(&[("10.0.0.0/24", 26)]);
    let does = |model: &mut Model| {
        model.delete("/calico/resources/v3/projectcalico.org/ippools/p0");
    };
    let store = Restless { store: &world.store, left: AtomicUsize::new(1), does };
    let request = ClaimBlocks { cidr: cidr("10.0.0.0/26"), owner: host("a") };
    let driven = block_on(drive(&store, &request, world.now(), DEADLINE));
    assert!(matches!(driven, Err(DriveError::Refused(_))), "{driven:?}");
    assert!(world.blocks().is_empty());
}

#[test]
fn calls_of_one_host_at_once_claim_one_block() {
    let world = World::new(&[("10.0.0.0/24", 26)]);
    let store = Turns(&world.store);
    let requests: Vec<_> =
        (0..4).map(|n| world.ask("a", 1, 0).handle(&format!("h{n}")).request()).collect();
    let now = world.now();
    let replies = block_on(join_all(requests.iter().map(|r| drive(&store, r, now, DEADLINE))));
    assert!(replies.iter().all(|driven| driven.as_ref().unwrap().reply.addresses.len() == 1));
    assert_eq!(world.claims(&host("a")).len(), 1);
    assert_sound(&world);
}

#[test]
fn claims_and_releases_at_once_agree() {
    let world = World::new(&[("10.0.0.0/24", 28)]);
    let store = Turns(&world.store);
    let now = world.now();
    let claim = ClaimBlocks { cidr: cidr("10.0.0.0/24"), owner: host("a") };
    let replies = block_on(join_all((0..4).map(|_| drive(&store, &claim, now, DEADLINE))));
    for driven in replies {
        let (mine, others) = driven.unwrap().reply;
        assert_eq!((mine.len(), others.len()), (16, 0));
    }
    assert_eq!(world.claims(&host("a")).len(), 16);
    let of = Claims::Inside(cidr("10.0.0.0/24"), host("a"));
    let release = ReleaseClaims { of, must_be_empty: true };
    let replies = block_on(join_all((0..4).map(|_| drive(&store, &release, now, DEADLINE))));
    assert!(replies.into_iter().all(|driven| driven.unwrap().reply.in_use.is_empty()));
    assert!(world.blocks().is_empty() && world.claims(&host("a")).is_empty());
}

/// Lets somebody else act once, before the first write.
struct Before<'s, F> {
    store: &'s ModelStore,
    act: std::sync::Mutex<Option<F>>,
}

impl<F: FnOnce(&ModelStore) + Send> Store for Before<'_, F> {
    async fn txn(&self, txn: &Txn, deadline: Duration) -> Result<TxnReply, StoreError> {
        if txn.is_write()
            && let Some(act) = self.act.lock().unwrap().take()
        {
            std::thread::scope(|scope| scope.spawn(|| act(self.store)).join().unwrap());
        }
        self.store.txn(txn, deadline).await
    }

    fn name(&self) -> String {
        "before".to_owned()
    }
}

#[test]
fn an_allocation_that_slips_in_keeps_the_block() {
    let world = World::new(&[("10.0.0.0/24", 26)]);
    world.ask("a", 1, 0).handle("h").go();
    world.release("h");
    let now =
        Timestamp::from_seconds(world.now().nanos().div_euclid(1_000_000_000).try_into().unwrap());
    let request = world.ask("a", 1, 0).handle("late").request();
    let act = move |store: &ModelStore| {
        block_on(drive(store, &request, now, DEADLINE)).unwrap();
    };
    let store = Before { store: &world.store, act: std::sync::Mutex::new(Some(act)) };
    let release = ReleaseClaims { of: Claims::All(host("a")), must_be_empty: true };
    let driven = block_on(drive(&store, &release, now, DEADLINE)).unwrap();
    assert_eq!((driven.conflicts, driven.reply.in_use.len()), (1, 1));
    assert_eq!(world.held("late").len(), 1);
    assert_eq!(world.claims(&host("a")).len(), 1);
}

#[test]
fn a_block_that_is_made_anew_meanwhile_is_looked_at_anew() {
    let world = World::new(&[("10.0.0.0/26", 26)]);
    world.ask("a", 1, 0).handle("h").go();
    world.release("h");
    let now = world.now().plus_seconds(1);
    let (other, again) = (world.ask("b", 1, 0).handle("b").request(), Claims::All(host("a")));
    let act = move |store: &ModelStore| {
        let release = ReleaseClaims { of: again, must_be_empty: true };
        block_on(drive(store, &release, now, DEADLINE)).unwrap();
        block_on(drive(store, &other, now, DEADLINE)).unwrap();
    };
    let store = Before { store: &world.store, act: std::sync::Mutex::new(Some(act)) };
    let release = ReleaseClaims { of: Claims::All(host("a")), must_be_empty: true };
    let driven = block_on(drive(&store, &release, now, DEADLINE)).unwrap();
    assert!(driven.reply.released.is_empty(), "it belongs to somebody else now");
    assert_eq!(world.claims(&host("b")).len(), 1);
    assert_eq!(world.held("b").len(), 1);
}

#[test]
fn an_idle_block_that_somebody_uses_after_all_is_not_taken_back() {
    let world = World::new(&[("10.0.0.0/26", 26)]);
    world.strict(true);
    world.ask("a", 1, 0).handle("h").go();
    world.release("h");
    world.wait(120);
    let now = world.now();
    let (late, wanted) =
        (world.ask("a", 1, 0).handle("late").request(), world.ask("b", 1, 0).handle("b").request());
    let act = move |store: &ModelStore| {
        block_on(drive(store, &late, now, DEADLINE)).unwrap();
    };
    let store = Before { store: &world.store, act: std::sync::Mutex::new(Some(act)) };
    let driven = block_on(drive(&store, &wanted, now, DEADLINE)).unwrap();
    assert!(driven.reply.addresses.is_empty(), "no address, and no error");
    assert_eq!(world.held("late").len(), 1);
}
