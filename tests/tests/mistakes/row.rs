//! A row of the table: a mistake, and what comes of it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ipam_tests::plugin::{Answer, Call};
use ipam_tests::refusal::Refusal;
use serde_json::Value;

use super::cluster::Cluster;

/// A mistake. Its number never changes.
pub(crate) struct Row {
    pub(crate) number: u8,
    pub(crate) name: &'static str,
    cases: &'static [Case],
}

/// Calls that make the mistake, each in another way, and what all of them come to.
pub(crate) struct Case {
    outcome: Outcome,
    /// What the answer or the log names besides.
    names: &'static [&'static str],
    /// Makes the store what the case is about.
    prepare: Option<fn(&Cluster)>,
    calls: fn(&Cluster) -> Vec<Call>,
}

enum Outcome {
    /// The code of an error, and how its message begins. Nothing is stored.
    Refused(u64, &'static str),
    /// How each address begins that is given. It is taken then, and no other one besides those that were before.
    Given(&'static [&'static str]),
    /// Success without a word on stdout. Nothing is stored.
    Nothing,
    /// Success without a word on stdout. Something was held before, and nothing is afterwards.
    Released,
    /// What more than one call tells; it panics where something is wrong.
    Told(fn(&Cluster)),
}

/// A cluster that nothing has happened to, for the next case that needs no other.
#[derive(Default)]
pub(crate) struct Bench(Option<Cluster>);

impl Row {
    pub(crate) const fn new(number: u8, name: &'static str, cases: &'static [Case]) -> Self {
        Self { number, name, cases }
    }

    /// Says whether anything is tried.
    pub(crate) fn has_cases(&self) -> bool {
        !self.cases.is_empty()
    }

    /// Tries all cases, and collects what is wrong.
    pub(crate) fn check(&self, bench: &mut Bench) -> Vec<String> {
        let mut faults = Vec::new();
        for (at, case) in self.cases.iter().enumerate() {
            let panicked = |_| vec!["it panicked, see above".to_owned()];
            let found =
                catch_unwind(AssertUnwindSafe(|| case.check(bench))).unwrap_or_else(panicked);
            let told = |fault| format!("{}, {}, case {at}, {fault}", self.number, self.name);
            faults.extend(found.into_iter().map(told));
        }
        faults
    }
}

impl Case {
    const fn of(outcome: Outcome, calls: fn(&Cluster) -> Vec<Call>) -> Self {
        Self { outcome, names: &[], prepare: None, calls }
    }

    pub(crate) const fn refused(
        code: u64,
        says: &'static str,
        calls: fn(&Cluster) -> Vec<Call>,
    ) -> Self {
        Self::of(Outcome::Refused(code, says), calls)
    }

    pub(crate) const fn given(
        starts: &'static [&'static str],
        calls: fn(&Cluster) -> Vec<Call>,
    ) -> Self {
        Self::of(Outcome::Given(starts), calls)
    }

    pub(crate) const fn nothing(calls: fn(&Cluster) -> Vec<Call>) -> Self {
        Self::of(Outcome::Nothing, calls)
    }

    pub(crate) const fn released(calls: fn(&Cluster) -> Vec<Call>) -> Self {
        Self::of(Outcome::Released, calls)
    }

    pub(crate) const fn told(story: fn(&Cluster)) -> Self {
        Self::of(Outcome::Told(story), |_| Vec::new())
    }

    pub(crate) const fn names(self, names: &'static [&'static str]) -> Self {
        Self { names, ..self }
    }

    pub(crate) const fn after(self, prepare: fn(&Cluster)) -> Self {
        Self { prepare: Some(prepare), ..self }
    }

    fn check(&self, bench: &mut Bench) -> Vec<String> {
        let changes = match self.outcome {
            Outcome::Refused(..) | Outcome::Nothing => self.prepare.is_some(),
            Outcome::Given(_) | Outcome::Released | Outcome::Told(_) => true,
        };
        let cluster = if changes { Cluster::new() } else { bench.0.take().unwrap_or_default() };
        if let Some(prepare) = self.prepare {
            prepare(&cluster);
        }
        let faults = self.outcomes(&cluster);
        if !changes && faults.is_empty() {
            bench.0 = Some(cluster);
        }
        faults
    }

    fn outcomes(&self, cluster: &Cluster) -> Vec<String> {
        if let Outcome::Told(story) = self.outcome {
            story(cluster);
            return Vec::new();
        }
        let calls = (self.calls)(cluster);
        if calls.is_empty() {
            return vec!["there is no call".to_owned()];
        }
        let mut faults = Vec::new();
        for (at, call) in calls.iter().enumerate() {
            let found = self.outcome_of(call, cluster);
            if !found.is_empty() {
                faults.push(format!("call {at}: {}", found.join(", ")));
            }
        }
        faults
    }

    /// Makes a call, and says what is wrong with its answer, and with the store.
    fn outcome_of(&self, call: &Call, cluster: &Cluster) -> Vec<String> {
        let before = cluster.state();
        let (mut faults, must_stay) = match self.outcome {
            Outcome::Refused(code, says) => {
                (Refusal { code, says, names: self.names }.faults_of(call), true)
            }
            Outcome::Given(starts) => (self.given_by(call, starts, cluster), false),
            Outcome::Nothing => (self.silence_of(call), true),
            Outcome::Released => {
                let held = cluster.taken().len();
                let mut faults = self.silence_of(call);
                let left = cluster.taken();
                if held == 0 || !left.is_empty() {
                    faults.push(format!("{held} addresses were held, and {left:?} are left"));
                }
                (faults, false)
            }
            Outcome::Told(_) => (Vec::new(), false),
        };
        if must_stay && cluster.state() != before {
            faults.push("the store is not as before".to_owned());
        }
        faults
    }

    fn given_by(&self, call: &Call, starts: &[&str], cluster: &Cluster) -> Vec<String> {
        let before = cluster.taken();
        let answer = call.run();
        let bare = |address: &String| address.split('/').next().unwrap().parse().unwrap();
        let given: Vec<IpAddr> = answer.addresses().iter().map(bare).collect();
        let mut faults = self.told_by(&answer);
        let fits = given.iter().zip(starts).all(|(ip, start)| ip.to_string().starts_with(start));
        if !answer.success || given.len() != starts.len() || !fits {
            faults.push(format!("{starts:?} were to be given: {answer:?}"));
        }
        let expected: BTreeSet<IpAddr> = before.iter().chain(&given).copied().collect();
        if cluster.taken().into_iter().collect::<BTreeSet<_>>() != expected {
            faults.push(format!("{:?} are taken, not {expected:?}", cluster.taken()));
        }
        faults
    }

    fn silence_of(&self, call: &Call) -> Vec<String> {
        let answer = call.run();
        let mut faults = self.told_by(&answer);
        if answer.exit != Some(0) || answer.json != Value::Null {
            faults.push(format!("nothing was to be said: {answer:?}"));
        }
        faults
    }

    fn told_by(&self, answer: &Answer) -> Vec<String> {
        let is_missing = |name: &&&str| !answer.stderr.contains(**name);
        let missing = self.names.iter().filter(is_missing);
        missing.map(|name| format!("stderr does not name {name:?}: {answer:?}")).collect()
    }
}
