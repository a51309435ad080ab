//! What came of the calls: damage that never gets past the first check would show nothing.

use std::collections::BTreeMap;
use std::fmt;

/// What came of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// So many addresses were given.
    Given(usize),
    /// It succeeded otherwise.
    Done,
    /// It was refused with this code.
    Refused(u64),
}

/// How often each came about.
#[derive(Default)]
pub(crate) struct Tally {
    given: usize,
    done: usize,
    refused: BTreeMap<u64, usize>,
}

/// Codes that a run must have met, so that it came to every stage of a call.
const CODES: [u64; 8] = [1, 4, 6, 7, 100, 101, 104, 114];
/// How many calls must have been given addresses.
const GIVEN_MIN: usize = 50;

impl Tally {
    pub(crate) fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Given(0) | Outcome::Done => self.done += 1,
            Outcome::Given(_) => self.given += 1,
            Outcome::Refused(code) => *self.refused.entry(code).or_default() += 1,
        }
    }

    /// Demands that the calls went all ways there are.
    pub(crate) fn is_varied(&self) {
        assert!(self.given >= GIVEN_MIN, "{self}");
        for code in CODES {
            assert!(self.refused.contains_key(&code), "nothing was refused with {code}: {self}");
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} given, {} done, refused {:?}", self.given, self.done, self.refused)
    }
}
