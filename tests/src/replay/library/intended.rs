//! Where our library differs from stock Calico's on purpose, and when time passed in the recordings.

use super::super::compare::Difference;

/// A step that comes out differently on purpose.
#[derive(Clone, Copy, Debug)]
pub struct Intended {
    /// The recording.
    pub scenario: &'static str,
    /// The step, from 0.
    pub number: usize,
    /// Why.
    pub why: &'static str,
    /// What tells the difference that is meant from any other: a part of what was recorded, and of what comes here.
    pub(super) shows: [&'static str; 2],
}

impl Intended {
    /// Says whether a difference is the one that is meant.
    pub(super) fn is(&self, found: &Difference) -> bool {
        let [recorded, here] = self.shows;
        found.recorded.contains(recorded) && found.here.contains(here)
    }
}

/// Every step that comes out differently on purpose.
pub const INTENDED: &[Intended] = &[
    Intended {
        scenario: "library-handles",
        number: 5,
        why: "more is asked for than a cap leaves: stock Calico tries again until its deadline",
        shows: ["context deadline exceeded", "None"],
    },
    Intended {
        scenario: "library-repair",
        number: 4,
        why: "a claim that was cut short is confirmed in the write that takes the address, not in one before it",
        shows: ["claimed+3", "claimed+2"],
    },
    Intended {
        scenario: "library-repair",
        number: 8,
        why: "a claim on a block that belongs to somebody else is passed over, and left to `check`",
        shows: [
            "n1/ipv4/block/10.20.0.0-30\", \"/calico/ipam/v2/host/n2/ipv4/block/10.20.0.4-30",
            "n1/ipv4/block/10.20.0.0-30\", \"/calico/ipam/v2/host/n2/ipv4/block/10.20.0.0-30",
        ],
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
