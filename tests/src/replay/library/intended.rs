//! Where our library differs from stock Calico's on purpose, and when time passed in the recordings.

use super::super::compare::{Aspect, Difference};

/// A step that comes out differently on purpose.
#[derive(Clone, Copy, Debug)]
pub struct Intended {
    /// The recording.
    pub scenario: &'static str,
    /// The step, from 0.
    pub number: usize,
    /// Why.
    pub why: &'static str,
    /// Everything in which it differs.
    pub(super) shows: &'static [Shown],
}

/// What differs, what was recorded, and what comes here: all of it, to the letter.
type Shown = (Aspect, &'static str, &'static str);

impl Intended {
    /// Returns what was found and is not meant, and what is meant and was not found.
    pub(super) fn others(&self, found: Vec<Difference>) -> Vec<Difference> {
        let is_shown = |found: &Difference, (aspect, recorded, here): &Shown| {
            (found.aspect, found.recorded.as_str(), found.here.as_str())
                == (*aspect, recorded, here)
        };
        let absent = self.shows.iter().filter(|shown| !found.iter().any(|f| is_shown(f, shown)));
        let absent = absent.map(|(aspect, recorded, here)| Difference {
            aspect: *aspect,
            recorded: (*recorded).to_owned(),
            here: format!("not what is meant to come here: {here}"),
        });
        let absent: Vec<Difference> = absent.collect();
        let is_other = |found: &Difference| !self.shows.iter().any(|shown| is_shown(found, shown));
        found.into_iter().filter(is_other).chain(absent).collect()
    }
}

/// Every step that comes out differently on purpose.
pub const INTENDED: &[Intended] = &[
    Intended {
        scenario: "library-handles",
        number: 5,
        why: "more is asked for than a cap leaves: stock Calico tries again until its deadline",
        shows: &[
            (Aspect::Exit, r#"Some("context deadline exceeded")"#, r"None"),
            (
                Aspect::Addresses,
                r#"("v4", Object {"ips": Array [], "msgs": Null, "partial": String("Assigned 0 out of 3 requested IPv4 addresses"), "requested": Number(3)})"#,
                r#"("v4", Object {"ips": Array [String("10.20.0.10/30"), String("10.20.0.8/32"), String("10.20.0.9/32")], "msgs": Null, "partial": String("<nil>"), "requested": Number(3)})"#,
            ),
            (
                Aspect::Value,
                r#"("/calico/ipam/v2/assignment/ipv4/block/10.20.0.8-30", "{\"cidr\":\"10.20.0.8/30\",\"affinity\":\"host:n1\",\"affinity_claim_time\":\"<time>\",\"allocations\":[0,0,null,null],\"unallocated\":[2,3],\"attributes\":[{\"handle_id\":\"vm\",\"secondary\":{\"namespace\":\"ns\",\"pod\":\"vm\"}}],\"sequenceNumber\":\"claimed+2\",\"sequenceNumberForAllocation\":{\"0\":\"claimed+0\",\"1\":\"claimed+1\"},\"deleted\":false}")"#,
                r#"("/calico/ipam/v2/assignment/ipv4/block/10.20.0.8-30", "{\"cidr\":\"10.20.0.8/30\",\"affinity\":\"host:n1\",\"affinity_claim_time\":\"<time>\",\"allocations\":[0,0,0,null],\"unallocated\":[3],\"attributes\":[{\"handle_id\":\"vm\",\"secondary\":{\"namespace\":\"ns\",\"pod\":\"vm\"}}],\"sequenceNumber\":\"claimed+3\",\"sequenceNumberForAllocation\":{\"0\":\"claimed+0\",\"1\":\"claimed+1\",\"2\":\"claimed+2\"},\"deleted\":false}")"#,
            ),
            (
                Aspect::Value,
                r#"("/calico/ipam/v2/handle/vm", "{\"block\":{\"10.20.0.8/30\":2,\"fd00:20::e0/124\":2},\"deleted\":false}")"#,
                r#"("/calico/ipam/v2/handle/vm", "{\"block\":{\"10.20.0.8/30\":3,\"fd00:20::e0/124\":2},\"deleted\":false}")"#,
            ),
        ],
    },
    Intended {
        scenario: "library-repair",
        number: 4,
        why: "a claim that was cut short is confirmed in the write that takes the address, not in one before it",
        shows: &[(
            Aspect::Value,
            r#"("/calico/ipam/v2/assignment/ipv4/block/10.20.0.0-30", "{\"cidr\":\"10.20.0.0/30\",\"affinity\":\"host:n1\",\"affinity_claim_time\":\"<time>\",\"allocations\":[0,1,null,null],\"unallocated\":[2,3],\"attributes\":[{\"handle_id\":\"a\",\"secondary\":{\"namespace\":\"ns\",\"pod\":\"a\"}},{\"handle_id\":\"b\",\"secondary\":{\"namespace\":\"ns\",\"pod\":\"b\"}}],\"sequenceNumber\":\"claimed+3\",\"sequenceNumberForAllocation\":{\"0\":\"claimed+0\",\"1\":\"claimed+2\"},\"deleted\":false}")"#,
            r#"("/calico/ipam/v2/assignment/ipv4/block/10.20.0.0-30", "{\"cidr\":\"10.20.0.0/30\",\"affinity\":\"host:n1\",\"affinity_claim_time\":\"<time>\",\"allocations\":[0,1,null,null],\"unallocated\":[2,3],\"attributes\":[{\"handle_id\":\"a\",\"secondary\":{\"namespace\":\"ns\",\"pod\":\"a\"}},{\"handle_id\":\"b\",\"secondary\":{\"namespace\":\"ns\",\"pod\":\"b\"}}],\"sequenceNumber\":\"claimed+2\",\"sequenceNumberForAllocation\":{\"0\":\"claimed+0\",\"1\":\"claimed+1\"},\"deleted\":false}")"#,
        )],
    },
    Intended {
        scenario: "library-repair",
        number: 8,
        why: "a claim on a block that belongs to somebody else is passed over, and left to `check`",
        shows: &[(Aspect::Put, r"[]", r#"["/calico/ipam/v2/host/n2/ipv4/block/10.20.0.0-30"]"#)],
    },
];

/// What stock Calico does otherwise wherever it is asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Habit {
    /// A handle whose addresses are gone lives on, because it counts what was asked for and not what was given.
    Phantom,
    /// A block is written again where one free address of it is released twice in one call.
    RepeatedRelease,
}

/// How long the pauses of the recordings are.
pub(super) const PAUSE_SECONDS: i64 = 3;

pub(super) fn at(scenario: &str, number: usize) -> Option<&'static Intended> {
    INTENDED.iter().find(|intended| intended.scenario == scenario && intended.number == number)
}

/// Returns the steps of a recording before which time passed.
pub(super) fn pauses(name: &str) -> &'static [usize] {
    if name == "library-cooldown" { &[10, 14] } else { &[] }
}
