//! What a runtime, a pod or an administrator can get wrong besides the rows of `mistakes`, as one table by topic that goes
//! through the real plugin on the embedded store.
//!
//! Whatever a row hands over is refused: with its code, in words that begin with the thing at fault, as JSON on stdout
//! and with exit code 1. And the store is afterwards what it was before, byte for byte and revision for revision. Both
//! families are on, so a refusal in one of them has left nothing of the other.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod addresses;
mod annotations;
mod configuration;
mod datastore;
mod environment;
mod pools;
mod stdin;
mod store;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use ipam_core::kv::Kv;
use ipam_tests::plugin::{Call, annotated, netconf, with_prev_result};
use ipam_tests::refusal::Refusal;
use ipam_tests::sqlite::WriteLock;
use ipam_tests::world::World;
use serde_json::{Value, json};

const TABLE: [&[Row]; 8] = [
    annotations::ROWS,
    pools::ROWS,
    addresses::ROWS,
    environment::ROWS,
    stdin::ROWS,
    configuration::ROWS,
    datastore::ROWS,
    store::ROWS,
];

const ANNOTATION_V4: &str = "cni.projectcalico.org/ipv4pools";
const ANNOTATION_V6: &str = "cni.projectcalico.org/ipv6pools";

/// One rule, and calls that break it.
struct Row {
    /// What the rule is called; it never changes.
    id: &'static str,
    code: u64,
    /// How the message begins: with the thing at fault.
    says: &'static str,
    /// What the message or its details name besides.
    names: &'static [&'static str],
    /// Makes the store what the rule is about.
    prepare: fn(&World),
    /// Whether a writer that does not come to its end keeps the store locked.
    is_locked: bool,
    /// Calls that break the rule, each in another way.
    calls: fn(&World) -> Vec<Call>,
}

impl Row {
    const fn new(
        id: &'static str,
        code: u64,
        says: &'static str,
        calls: fn(&World) -> Vec<Call>,
    ) -> Self {
        Self { id, code, says, names: &[], prepare: |_| (), is_locked: false, calls }
    }

    const fn names(self, names: &'static [&'static str]) -> Self {
        Self { names, ..self }
    }

    const fn after(self, prepare: fn(&World)) -> Self {
        Self { prepare, ..self }
    }

    const fn while_locked(self) -> Self {
        Self { is_locked: true, ..self }
    }

    /// Makes the calls, and collects what is wrong with the answers.
    fn check(&self) -> Vec<String> {
        let world = world();
        (self.prepare)(&world);
        let calls = (self.calls)(&world);
        let _lock = self.is_locked.then(|| WriteLock::hold(&world.path()));
        let before = state(&world);
        let refusal = Refusal { code: self.code, says: self.says, names: self.names };
        let mut faults = Vec::new();
        if calls.is_empty() {
            faults.push(format!("{}: there is no call", self.id));
        }
        for (at, call) in calls.iter().enumerate() {
            let mut found = refusal.faults_of(call);
            if state(&world) != before {
                found.push("the store is not as before".to_owned());
            }
            if !found.is_empty() {
                faults.push(format!("{}, call {at}: {}", self.id, found.join(", ")));
            }
        }
        faults
    }
}

#[test]
fn bad_input_is_refused_and_changes_nothing() {
    let faults: Vec<String> = TABLE.iter().copied().flatten().flat_map(Row::check).collect();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn rows_have_names_of_their_own() {
    let mut seen = BTreeSet::new();
    for row in TABLE.iter().copied().flatten() {
        assert!(seen.insert(row.id), "{} is there twice", row.id);
        assert!(!row.says.is_empty(), "{} does not say what is at fault", row.id);
    }
}

/// What must not change: every file's bytes, and every key with its revisions where the store can be read.
type State = (BTreeMap<PathBuf, Vec<u8>>, Option<Vec<Kv>>);

fn state(world: &World) -> State {
    (world.files(), world.is_usable().then(|| world.contents()))
}

/// A pool for each way to go wrong, and `free` and `free6`, from which nothing may ever come.
fn pools() -> [(&'static str, Value); 5] {
    [
        ("legacy", json!({"cidr": "10.1.0.0/24", "blockSize": 28})),
        ("legacy6", json!({"cidr": "fd00:1::/112", "blockSize": 124})),
        ("free", json!({"cidr": "10.2.0.0/24", "blockSize": 28})),
        ("free6", json!({"cidr": "fd00:2::/112", "blockSize": 124})),
        ("tiny", json!({"cidr": "10.3.0.0/30", "blockSize": 30})),
    ]
}

fn world() -> World {
    let world = World::with_pools(&pools());
    world.pool("bank", json!({"cidr": "10.5.0.0/24"}), Some(true));
    world
}

/// Returns a configuration with both families, and `ipam` on top.
fn conf(world: &World, ipam: &Value) -> Value {
    let mut fields = json!({"assign_ipv6": true});
    fields.as_object_mut().unwrap().extend(ipam.as_object().unwrap().clone());
    netconf(&world.path(), &fields)
}

/// Returns a configuration without some fields of its part for the plugin.
fn conf_without(world: &World, names: &[&str]) -> Value {
    let mut conf = conf(world, &json!({}));
    for name in names {
        conf["ipam"].as_object_mut().unwrap().remove(*name).expect("it was there");
    }
    conf
}

/// Asks for addresses for the pod `web-0` of the namespace `fin`.
fn add(conf: &Value) -> Call {
    Call::new("ADD", "c1", conf).pod("fin", "web-0")
}

/// Asks for addresses with each text as the pod's annotation.
fn add_annotated(world: &World, key: &str, texts: &[&str]) -> Vec<Call> {
    let conf = conf(world, &json!({}));
    texts.iter().map(|text| add(&annotated(conf.clone(), &json!({key: text})))).collect()
}

/// Makes every call that needs the store.
fn every_command(conf: &Value) -> Vec<Call> {
    let check = with_prev_result(conf.clone(), &json!({"cniVersion": "1.0.0", "ips": []}));
    vec![add(conf), Call::new("CHECK", "c1", &check), Call::new("DEL", "c1", conf)]
}

/// Gives another pod of the namespace an address.
fn hold(world: &World, container: &str, ipam: &Value, args: &str) {
    let args = format!("IgnoreUnknown=1;K8S_POD_NAMESPACE=fin;K8S_POD_NAME={container};{args}");
    let answer = Call::new("ADD", container, &conf(world, ipam)).with("CNI_ARGS", args).run();
    assert!(answer.success, "{answer:?}");
}
