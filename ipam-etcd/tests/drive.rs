//! The drive loop against a store that loses requests and replies, and against other writers.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    missing_docs,
    reason = "tests"
)]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use ipam_core::check::check;
use ipam_core::ip::{Cidr, Family};
use ipam_core::kv::{Key, Txn, TxnReply};
use ipam_core::model::{HandleId, IpPool, IpPoolSpec, Owner, ResourceKind, Timestamp};
use ipam_core::plan::{
    ApplyResources, Assign, Assigned, ClaimBlocks, DeletePool, FamilyRequest, HandleTarget, Held,
    Manifest, ReadAll, Release, Replay, Request, Rules, Want,
};
use ipam_core::pool::Levels;
use ipam_etcd::{
    CONFLICTS_MAX, DriveError, Driven, ModelStore, SENDS_MAX, Store, StoreError, drive,
};

const DEADLINE: Duration = Duration::from_secs(20);

/// What befalls a call.
enum Fate {
    /// Nothing.
    Arrives,
    /// The request is lost.
    RequestLost,
    /// It is carried out, and the reply is lost.
    ReplyLost,
    /// The store is busy.
    Busy,
    /// Somebody else is faster.
    Overtaken(Box<dyn FnOnce(&ModelStore) + Send>),
}

/// A store whose calls meet a fate each, in order; afterwards they arrive.
struct Faulty<'s> {
    store: &'s ModelStore,
    fates: Mutex<VecDeque<Fate>>,
}

impl<'s> Faulty<'s> {
    fn new(store: &'s ModelStore, fates: impl IntoIterator<Item = Fate>) -> Self {
        Self { store, fates: Mutex::new(fates.into_iter().collect()) }
    }
}

impl Store for Faulty<'_> {
    async fn txn(&self, txn: &Txn, deadline: Duration) -> Result<TxnReply, StoreError> {
        let fate = self.fates.lock().unwrap().pop_front().unwrap_or(Fate::Arrives);
        let lost = || StoreError::Indeterminate { store: self.name(), source: "lost".into() };
        match fate {
            Fate::Arrives => self.store.txn(txn, deadline).await,
            Fate::RequestLost if txn.is_write() => Err(lost()),
            Fate::ReplyLost if txn.is_write() => {
                self.store.txn(txn, deadline).await?;
                Err(lost())
            }
            Fate::RequestLost | Fate::ReplyLost | Fate::Busy => Err(StoreError::Unavailable {
                store: self.name(),
                waited_ms: 1,
                source: "busy".into(),
            }),
            Fate::Overtaken(other) => {
                // Another runtime cannot run in this thread, which is busy with ours.
                std::thread::scope(|scope| scope.spawn(|| other(self.store)).join().unwrap());
                self.store.txn(txn, deadline).await
            }
        }
    }

    fn name(&self) -> String {
        "a store with faults".to_owned()
    }
}

fn block_on<S: Store, R: Request>(store: &S, request: &R) -> Result<Driven<R::Reply>, DriveError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(drive(store, request, Timestamp::from_seconds(1000), DEADLINE))
}

fn world(pools: &[(&str, &str)]) -> ModelStore {
    let store = ModelStore::default();
    let manifest = |(name, cidr): &(&str, &str)| {
        let spec: IpPoolSpec = serde_json::from_value(
            serde_json::json!({"cidr": cidr, "blockSize": if cidr.contains(':') {124} else {28}}),
        )
        .unwrap();
        Manifest::Pool(Box::new(IpPool::new(ResourceKind::IpPool, name, spec)), None)
    };
    let manifests = pools.iter().map(manifest).collect();
    block_on(&store, &ApplyResources { manifests, create_only: true, random: 1 }).unwrap();
    store
}

fn assign(handle: &str, host: &str, replay: Replay) -> Assign {
    Assign {
        handle: Some(HandleId::new(handle).unwrap()),
        host: host.to_owned(),
        tenant: None,
        attributes: BTreeMap::from([("node".to_owned(), host.to_owned())]),
        families: vec![FamilyRequest {
            family: Family::V4,
            want: Want::Any(1),
            levels: Levels::default(),
        }],
        rules: Rules { replay, node: ipam_core::plan::NodeRule::Optional, ..Rules::calico() },
    }
}

fn release(handle: &str) -> Release {
    Release {
        targets: vec![HandleTarget::all(HandleId::new(handle).unwrap())],
        host: Some("n".to_owned()),
    }
}

fn held(store: &ModelStore, handle: &str) -> Vec<String> {
    let request = Held { handle: HandleId::new(handle).unwrap() };
    block_on(store, &request)
        .unwrap()
        .reply
        .into_iter()
        .flatten()
        .map(|held| held.ip.to_string())
        .collect()
}

fn ips(driven: &Driven<Assigned>) -> Vec<String> {
    driven.reply.addresses.iter().map(|address| address.ip.to_string()).collect()
}

fn assert_sound(store: &ModelStore) {
    let snapshot = block_on(store, &ReadAll).unwrap().reply;
    assert_eq!(check(&snapshot, Timestamp::from_seconds(1000)), []);
}

#[test]
fn round_trips_do_not_grow() {
    let store = world(&[("p", "10.0.0.0/24"), ("q", "fd00::/64")]);
    let mut both = assign("first", "n", Replay::Same);
    let v6 = FamilyRequest { family: Family::V6, want: Want::Any(1), levels: Levels::default() };
    both.families.push(v6);
    assert_eq!(block_on(&store, &both).unwrap().round_trips, 3, "a new block in each family");
    both.handle = Some(HandleId::new("second").unwrap());
    assert_eq!(block_on(&store, &both).unwrap().round_trips, 3, "room in known blocks");
    assert_eq!(block_on(&store, &both).unwrap().round_trips, 2, "asked again, nothing is written");
    assert_eq!(block_on(&store, &release("second")).unwrap().round_trips, 3);
    assert_eq!(block_on(&store, &release("second")).unwrap().round_trips, 1, "nothing is held");
}

#[test]
fn a_lost_reply_or_request_gives_exactly_one_address() {
    for replay in [Replay::Same, Replay::Again] {
        for fate in [|| Fate::ReplyLost, || Fate::RequestLost] {
            let store = world(&[("p", "10.0.0.0/24")]);
            let faulty = Faulty::new(&store, [Fate::Arrives, Fate::Arrives, fate(), fate()]);
            let driven = block_on(&faulty, &assign("h", "n", replay)).unwrap();
            assert_eq!(held(&store, "h"), ips(&driven));
            assert_eq!(ips(&driven).len(), 1);
            assert_sound(&store);
            let faulty = Faulty::new(&store, [Fate::Arrives, Fate::Arrives, fate(), fate()]);
            assert_eq!(block_on(&faulty, &release("h")).unwrap().reply.len(), 1);
            assert!(held(&store, "h").is_empty());
            assert_sound(&store);
        }
    }
}

#[test]
fn a_lost_reply_is_recognised_although_others_wrote_since() {
    for replay in [Replay::Same, Replay::Again] {
        let store = world(&[("p", "10.0.0.0/24")]);
        block_on(&store, &assign("before", "n", Replay::Same)).unwrap();
        let other = |store: &ModelStore| {
            block_on(store, &assign("other", "n", Replay::Same)).unwrap();
        };
        let fates =
            [Fate::Arrives, Fate::Arrives, Fate::ReplyLost, Fate::Overtaken(Box::new(other))];
        let driven = block_on(&Faulty::new(&store, fates), &assign("h", "n", replay)).unwrap();
        assert_eq!(held(&store, "h"), ips(&driven), "its own address is found under its handle");
        assert_eq!(held(&store, "h").len(), 1);
        assert_sound(&store);
    }
}

#[test]
fn what_is_unknown_at_the_end_is_said_to_be_unknown() {
    let store = world(&[("p", "10.0.0.0/24")]);
    let mut fates = vec![Fate::Arrives, Fate::Arrives, Fate::ReplyLost];
    fates.extend((1..SENDS_MAX).map(|_| Fate::Busy));
    let faulty = Faulty::new(&store, fates);
    let error = block_on(&faulty, &assign("h", "n", Replay::Same)).unwrap_err();
    assert!(matches!(error, DriveError::Store(StoreError::Indeterminate { .. })), "{error:?}");
    let busy = Faulty::new(&store, [Fate::Busy]);
    let error = block_on(&busy, &assign("h", "n", Replay::Same)).unwrap_err();
    assert!(matches!(error, DriveError::Store(StoreError::Unavailable { .. })), "{error:?}");
}

#[test]
fn who_is_overtaken_takes_another_address() {
    let store = world(&[("p", "10.0.0.0/24")]);
    block_on(&store, &assign("before", "n", Replay::Same)).unwrap();
    let other = |store: &ModelStore| {
        block_on(store, &assign("other", "n", Replay::Same)).unwrap();
    };
    let fates = [Fate::Arrives, Fate::Arrives, Fate::Overtaken(Box::new(other))];
    let driven = block_on(&Faulty::new(&store, fates), &assign("h", "n", Replay::Same)).unwrap();
    assert_eq!((driven.conflicts, driven.round_trips), (1, 4));
    assert_ne!(ips(&driven), held(&store, "other"));
    assert_sound(&store);
}

#[test]
fn a_refusal_counts_only_when_nothing_changed_meanwhile() {
    let store = world(&[("p", "10.0.0.0/27")]);
    let strict = r#"{"strict_affinity":true,"auto_allocate_blocks":true}"#;
    store.with(|model| model.put("/calico/ipam/v2/config", strict));
    for at in 0..31 {
        block_on(&store, &assign(&format!("h{at}"), "n", Replay::Same)).unwrap();
    }
    // The last address, in the second block, goes to somebody else while it is asked for; one in the first block is
    // given back. The conflict shows the second block only, and both together look full.
    let other = |store: &ModelStore| {
        block_on(store, &assign("other", "n", Replay::Same)).unwrap();
        block_on(store, &release("h0")).unwrap();
    };
    let fates = [Fate::Arrives, Fate::Arrives, Fate::Overtaken(Box::new(other))];
    let driven = block_on(&Faulty::new(&store, fates), &assign("h", "n", Replay::Same)).unwrap();
    assert_eq!(ips(&driven).len(), 1);
    assert_eq!(driven.conflicts, 1);
    let full = block_on(&store, &assign("late", "n", Replay::Same)).unwrap_err();
    assert!(matches!(full, DriveError::Refused(_)));
}

#[test]
fn endless_conflicts_end() {
    let store = world(&[("p", "10.0.0.0/16")]);
    block_on(&store, &assign("before", "n", Replay::Same)).unwrap();
    let touch = || {
        Fate::Overtaken(Box::new(|store: &ModelStore| {
            // Whoever changes a pool overtakes everybody.
            let key = "/calico/resources/v3/projectcalico.org/ippools/p";
            store.with(|model| {
                let value = model.get(key).unwrap().value.clone();
                model.put(key, value.to_vec());
            });
        }))
    };
    let fates = (0..2000).map(|_| touch());
    let error = block_on(&Faulty::new(&store, fates), &assign("h", "n", Replay::Same)).unwrap_err();
    let DriveError::Exhausted { round_trips, .. } = error else { panic!("{error:?}") };
    assert!(round_trips > CONFLICTS_MAX);
    assert!(held(&store, "h").is_empty());
}

/// Hosts in turn take and give back while replies are lost at random; each seed is another run.
#[test]
fn random_faults_neither_double_nor_lose_an_address() {
    for seed in 0..40_u64 {
        let store = world(&[("p", "10.0.0.0/25")]);
        let mut dice = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut roll = |sides: u64| {
            dice = dice.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            (dice >> 33) % sides
        };
        let mut live: BTreeMap<String, String> = BTreeMap::new();
        for round in 0..80 {
            let fates: Vec<Fate> = (0..8)
                .map(|_| match roll(4) {
                    0 => Fate::ReplyLost,
                    1 => Fate::RequestLost,
                    _ => Fate::Arrives,
                })
                .collect();
            // Reads are not lost here: a read that fails ends the call before anything happened.
            let fates: Vec<Fate> =
                [Fate::Arrives, Fate::Arrives].into_iter().chain(fates).collect();
            let faulty = Faulty::new(&store, fates);
            if roll(3) > 0 || live.is_empty() {
                let handle = format!("h{round}");
                let host = format!("n{}", roll(3));
                if let Ok(driven) = block_on(&faulty, &assign(&handle, &host, Replay::Same)) {
                    live.insert(handle, ips(&driven).concat());
                }
            } else {
                let at = usize::try_from(roll(live.len() as u64)).unwrap();
                let handle = live.keys().nth(at).unwrap().clone();
                if block_on(&faulty, &release(&handle)).is_ok() {
                    live.remove(&handle);
                }
            }
        }
        let addresses: BTreeSet<&String> = live.values().collect();
        assert_eq!(addresses.len(), live.len(), "seed {seed}: an address was given twice");
        for (handle, ip) in &live {
            assert_eq!(held(&store, handle), [ip.as_str()], "seed {seed}: {handle}");
        }
        assert_sound(&store);
    }
}

#[test]
fn a_pool_with_many_empty_blocks_goes_in_steps_and_one_in_use_stays() {
    let store = world(&[("p", "10.0.0.0/20")]);
    for at in 0..50 {
        block_on(&store, &assign(&format!("h{at}"), &format!("n{at}"), Replay::Same)).unwrap();
    }
    let delete = DeletePool { name: "p".to_owned() };
    let revision = store.with(|model| model.revision());
    assert!(matches!(block_on(&store, &delete), Err(DriveError::Refused(_))), "it is in use");
    assert_eq!(store.with(|model| model.revision()), revision, "a refusal changes nothing");
    for at in 0..50 {
        block_on(&store, &release(&format!("h{at}"))).unwrap();
    }
    assert!(!block_on(&store, &delete).unwrap().reply, "more than one transaction takes");
    let late = block_on(&store, &assign("late", "n", Replay::Same)).unwrap_err();
    assert!(matches!(late, DriveError::Refused(_)), "it is off meanwhile");
    assert!(block_on(&store, &delete).unwrap().reply);
    let left: Vec<Key> = store.with(|model| model.iter().map(|kv| kv.key.clone()).collect());
    assert_eq!(left, ["/calico/resources/v3/projectcalico.org/clusterinformations/default".into()]);
}

fn claim(cidr: &str, host: &str) -> ClaimBlocks {
    ClaimBlocks { cidr: Cidr::parse(cidr).unwrap(), owner: Owner::Host(host.to_owned()) }
}

#[test]
fn blocks_are_claimed_once_and_a_claim_that_was_cut_short_is_confirmed() {
    let store = world(&[("p", "10.0.0.0/24")]);
    let texts = |cidrs: &[Cidr]| cidrs.iter().map(ToString::to_string).collect::<Vec<_>>();
    let (mine, others) = block_on(&store, &claim("10.0.0.32/27", "n")).unwrap().reply;
    assert_eq!(texts(&mine), ["10.0.0.32/28", "10.0.0.48/28"]);
    assert!(others.is_empty());
    assert_sound(&store);
    let revision = store.with(|model| model.revision());
    block_on(&store, &claim("10.0.0.32/27", "n")).unwrap();
    assert_eq!(store.with(|model| model.revision()), revision, "what is claimed is left alone");
    let (mine, others) = block_on(&store, &claim("10.0.0.48/28", "m")).unwrap().reply;
    assert_eq!((texts(&mine).len(), texts(&others)), (0, vec!["10.0.0.48/28".to_owned()]));
    assert_eq!(store.with(|model| model.revision()), revision, "nor is what belongs to others");
    let row = "/calico/ipam/v2/host/n/ipv4/block/10.0.0.48-28";
    let block = "/calico/ipam/v2/assignment/ipv4/block/10.0.0.48-28";
    store.with(|model| model.put(row, r#"{"state":"pendingDeletion","deleted":false}"#));
    let before = store.with(|model| model.get(block).unwrap().value.clone());
    block_on(&store, &claim("10.0.0.48/28", "n")).unwrap();
    let after = store.with(|model| model.get(block).unwrap().value.clone());
    assert_ne!(before, after, "whoever gives the block up must look again");
    assert_sound(&store);
}

#[test]
fn what_is_no_block_of_a_pool_cannot_be_claimed() {
    let store = world(&[("p", "10.0.0.0/20")]);
    let revision = store.with(|model| model.revision());
    for (cidr, why) in [
        ("10.9.0.0/28", "it lies in no enabled pool"),
        ("10.0.0.0/30", "it is smaller than a block of its pool"),
        ("10.0.0.0/20", "it holds too many blocks for one request"),
    ] {
        let error = block_on(&store, &claim(cidr, "n")).unwrap_err();
        let DriveError::Refused(refusal) = error else { panic!("{error:?}") };
        assert!(refusal.to_string().contains(why), "{refusal}");
    }
    assert_eq!(store.with(|model| model.revision()), revision);
}
