//! What is stored, and what a stock node is about to do.

use std::net::IpAddr;

use ipam_core::check::Rule;
use ipam_core::ip::{Cidr, Family};
use ipam_core::model::{AffinityState, Config, key};
use serde_json::json;

use super::judge::{faults_of, held_in};
use super::operation::{HANDLE, Operation};
use super::request::OWN;
use super::world::{Builder, World, cidr};

/// A stock operation and the world in which it happens.
#[derive(Clone, Debug)]
pub struct Scene {
    /// What it is about.
    pub name: &'static str,
    /// What the stock node does.
    pub operation: Operation,
    /// What is stored before.
    pub(super) world: World,
    /// Which handles hold which addresses.
    pub(super) held: Vec<(String, IpAddr)>,
    /// What is wrong with it.
    pub(super) faults: Vec<(Rule, String)>,
    /// The block that it is about.
    pub(super) block: Cidr,
    /// The address that our own container holds.
    pub(super) own: IpAddr,
    /// The pool that it is about.
    pub(super) pool: &'static str,
}

const X: &str = "10.0.0.8/30";
const POOL: &str = "p";
const V4: (&str, &str, u8) = (POOL, "10.0.0.0/28", 30);
/// Another pool, for addresses that are held while nothing of the first one is.
const ASIDE: (&str, &str, u8) = ("z", "10.9.0.0/28", 30);
const V6: (&str, &str, u8) = ("q", "fd00::/124", 126);

struct Sketch {
    name: &'static str,
    builder: Builder,
    operation: Operation,
    own: &'static str,
    block: &'static str,
    pool: &'static str,
}

fn sketch(name: &'static str, operation: Operation) -> Sketch {
    let builder = Builder::new(&[V4, ASIDE]);
    Sketch { name, builder, operation, own: "10.9.0.0", block: X, pool: POOL }
}

impl Sketch {
    /// Replaces the pools.
    fn pools(mut self, pools: &[(&str, &str, u8)]) -> Self {
        self.builder = Builder::new(pools);
        self
    }

    /// Adds a pool that selects no node, of which `n1` has a block, and makes this about that block.
    fn unselected(mut self) -> Self {
        let spec = json!({"cidr": "10.8.0.0/28", "blockSize": 30, "nodeSelector": "has(other)"});
        self.builder.pool("y", spec);
        (self.block, self.pool) = ("10.8.0.0/30", "y");
        self
    }

    /// Stores a configuration.
    fn config(self, config: &Config) -> Self {
        self.builder.put(key::CONFIG.into(), config.encode());
        self
    }

    /// Our own container holds an address, on this node.
    fn own(mut self, host: &str, ip: &'static str) -> Self {
        self.builder.hold(host, OWN, ip);
        self.own = ip;
        self
    }

    fn hold(self, host: &str, handle: &str, ip: &str) -> Self {
        self.builder.hold(host, handle, ip);
        self
    }

    fn claim(self, host: &str, block: &str) -> Self {
        self.builder.claim(host, block);
        self
    }

    fn leave(self, host: &str, block: &str) -> Self {
        self.builder.leave(host, block);
        self
    }

    fn row(self, host: &str, block: &str, state: AffinityState) -> Self {
        self.builder.row(host, block, state);
        self
    }

    fn done(self) -> Scene {
        let world = self.builder.build();
        Scene {
            name: self.name,
            operation: self.operation,
            held: held_in(&world),
            faults: faults_of(&world),
            world,
            block: cidr(self.block),
            own: self.own.parse().expect("an address"),
            pool: self.pool,
        }
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// Every scene.
#[must_use]
pub fn scenes() -> Vec<Scene> {
    let mut scenes = additions();
    scenes.extend(single_addresses());
    scenes.extend(releases());
    scenes.extend(claims());
    scenes.extend(left_behind());
    scenes.extend(configured());
    scenes
}

fn additions() -> Vec<Scene> {
    let v4 = || Operation::Add(vec![Family::V4]);
    let dual = || Operation::Add(Family::ALL.to_vec());
    let small = [(POOL, "10.0.0.8/29", 30)];
    vec![
        sketch("a fresh claim", v4()).own("n2", "10.9.0.0").done(),
        sketch("an own block", v4()).own("n1", "10.0.0.9").done(),
        sketch("the last address of an own block", v4())
            .own("n1", "10.0.0.9")
            .hold("n1", "a", "10.0.0.8")
            .hold("n1", "b", "10.0.0.11")
            .done(),
        sketch("dual stack, fresh claims", dual())
            .pools(&[V4, V6, ASIDE])
            .own("n2", "10.9.0.0")
            .done(),
        sketch("dual stack, own blocks", dual())
            .pools(&[V4, V6])
            .hold("n1", OWN, "fd00::1")
            .own("n1", "10.0.0.9")
            .done(),
        sketch("several addresses from two blocks", Operation::Several(4))
            .own("n1", "10.0.0.9")
            .hold("n1", "a", "10.0.0.8")
            .done(),
        sketch("a container that was added before", v4())
            .own("n1", "10.0.0.9")
            .hold("n1", HANDLE, "10.0.0.8")
            .done(),
        sketch("borrowing", v4()).pools(&[(POOL, X, 30)]).own("n2", "10.0.0.8").done(),
        sketch("borrowing the last address", v4())
            .pools(&[(POOL, X, 30)])
            .own("n2", "10.0.0.8")
            .hold("n2", "a", "10.0.0.9")
            .hold("n2", "b", "10.0.0.10")
            .done(),
        sketch("giving a block up whose pool does not select the node", v4())
            .unselected()
            .own("n1", "10.0.0.9")
            .claim("n1", "10.8.0.0/30")
            .done(),
        sketch("taking an empty block back", v4())
            .pools(&small)
            .claim("n2", X)
            .own("n3", "10.0.0.12")
            .done(),
    ]
}

fn single_addresses() -> Vec<Scene> {
    let address = |text| Operation::AddAddress(ip(text));
    vec![
        sketch("one address, fresh claim", address("10.0.0.10")).own("n2", "10.9.0.0").done(),
        sketch("one address of an own block", address("10.0.0.10")).own("n1", "10.0.0.9").done(),
        sketch("one address of another's block", address("10.0.0.10")).own("n2", "10.0.0.9").done(),
    ]
}

fn releases() -> Vec<Scene> {
    vec![
        sketch("a DEL", Operation::Del).own("n1", "10.0.0.9").hold("n1", HANDLE, "10.0.0.8").done(),
        sketch("a DEL that deletes a block without owner", Operation::Del)
            .own("n2", "10.9.0.0")
            .hold("n1", HANDLE, "10.0.0.8")
            .leave("n1", X)
            .done(),
        sketch("a DEL in a block without owner", Operation::Del)
            .own("n1", "10.0.0.9")
            .hold("n1", HANDLE, "10.0.0.8")
            .leave("n1", X)
            .done(),
        sketch("a DEL in a block whose pool does not select the node", Operation::Del)
            .unselected()
            .own("n2", "10.9.0.0")
            .hold("n1", HANDLE, "10.8.0.1")
            .done(),
        sketch("a DEL of both families", Operation::Del)
            .pools(&[V4, V6])
            .own("n1", "10.0.0.9")
            .hold("n1", HANDLE, "10.0.0.8")
            .hold("n1", HANDLE, "fd00::1")
            .done(),
        sketch(
            "a release of addresses",
            Operation::ReleaseAddresses(vec![ip("10.0.0.8"), ip("10.0.0.5"), ip("10.0.0.10")]),
        )
        .own("n1", "10.0.0.9")
        .hold("n1", HANDLE, "10.0.0.8")
        .hold("n1", HANDLE, "10.0.0.5")
        .done(),
    ]
}

fn claims() -> Vec<Scene> {
    vec![
        sketch("giving an empty block up", Operation::ReleaseAffinity(cidr(X)))
            .claim("n1", X)
            .own("n2", "10.9.0.0")
            .done(),
        sketch("giving a block in use up", Operation::ReleaseAffinity(cidr(X)))
            .own("n1", "10.0.0.8")
            .done(),
        sketch("claiming a block by name", Operation::ClaimAffinity(cidr(X)))
            .own("n2", "10.9.0.0")
            .done(),
    ]
}

/// What a stock process leaves behind when it dies, met by the next one.
fn left_behind() -> Vec<Scene> {
    use AffinityState::{Confirmed, Pending, PendingDeletion};
    let v4 = || Operation::Add(vec![Family::V4]);
    let met = |name| sketch(name, v4());
    vec![
        met("a pending claim without a block").own("n2", "10.9.0.0").row("n1", X, Pending).done(),
        met("a pending claim on an empty block")
            .claim("n1", X)
            .own("n2", "10.9.0.0")
            .row("n1", X, Pending)
            .done(),
        met("a pending claim on a block in use").own("n1", "10.0.0.9").row("n1", X, Pending).done(),
        met("a claim about to be given up, without a block")
            .own("n2", "10.9.0.0")
            .row("n1", X, PendingDeletion)
            .done(),
        met("a claim about to be given up, on an empty block")
            .claim("n1", X)
            .own("n2", "10.9.0.0")
            .row("n1", X, PendingDeletion)
            .done(),
        met("a claim about to be given up, on a block in use")
            .own("n1", "10.0.0.9")
            .row("n1", X, PendingDeletion)
            .done(),
        met("a claim on another's block").own("n2", "10.0.0.9").row("n1", X, Pending).done(),
        met("a confirmed claim on a block of nobody")
            .own("n1", "10.0.0.9")
            .leave("n1", X)
            .row("n1", X, Confirmed)
            .done(),
    ]
}

/// Configurations under which an allocator takes other ways.
fn configured() -> Vec<Scene> {
    let v4 = || Operation::Add(vec![Family::V4]);
    let (mut strict, mut cooling) = (Config::default(), Config::default());
    strict.strict_affinity = true;
    cooling.ip_cooldown_seconds = 300;
    vec![
        sketch("the last address of an own block, with strict affinity", v4())
            .config(&strict)
            .own("n1", "10.0.0.9")
            .hold("n1", "a", "10.0.0.8")
            .hold("n1", "b", "10.0.0.11")
            .done(),
        sketch(
            "giving a block in use up, with strict affinity",
            Operation::ReleaseAffinity(cidr(X)),
        )
        .config(&strict)
        .own("n1", "10.0.0.8")
        .done(),
        sketch("taking an empty block back, with strict affinity", v4())
            .pools(&[(POOL, "10.0.0.8/29", 30)])
            .config(&strict)
            .claim("n2", X)
            .own("n3", "10.0.0.12")
            .done(),
        sketch("a DEL, with a cooldown", Operation::Del)
            .config(&cooling)
            .own("n1", "10.0.0.9")
            .hold("n1", HANDLE, "10.0.0.8")
            .done(),
        sketch("a DEL in a block without owner, with a cooldown", Operation::Del)
            .config(&cooling)
            .own("n2", "10.9.0.0")
            .hold("n1", HANDLE, "10.0.0.8")
            .leave("n1", X)
            .done(),
    ]
}
