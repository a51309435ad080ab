//! What happened in runs, so that a run in which nothing happens is not taken for a good one.

use std::collections::BTreeMap;
use std::fmt;

use ipam_core::check::Rule;
use ipam_core::kv::{Op, Txn};
use ipam_core::model::key::{self, Named};
use ipam_core::model::{Affinity, AffinityState, Owner};

use super::fault::Fault;
use crate::transition::Moment;

/// Every family of requests, of ours and of stock nodes.
const REQUESTS: [&str; 30] = [
    "add",
    "add an address",
    "add several",
    "apply",
    "ask for owners",
    "bind",
    "check",
    "claim",
    "claim for nobody",
    "collect cold",
    "collect leftovers",
    "configure",
    "del",
    "delete a pool",
    "ensure blocks",
    "look",
    "mend",
    "promote",
    "read all",
    "release addresses",
    "release claims",
    "set owners",
    "stock add",
    "stock add an address",
    "stock add several",
    "stock claim",
    "stock damage",
    "stock del",
    "stock release addresses",
    "stock release claims",
];
/// Every transaction of the protocol.
const TRANSACTIONS: [&str; 12] =
    ["T1", "T1c", "T2", "T2e", "T3", "T4", "T5", "T6", "T7", "T8", "T9", "owners"];

/// How often each thing happened.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Faults.
    pub faults: BTreeMap<Fault, u64>,
    /// Operations that were carried out, by family.
    pub requests: BTreeMap<&'static str, u64>,
    /// Transactions of ours, by their names in the protocol.
    pub transactions: BTreeMap<&'static str, u64>,
    /// Repairs, by the codes of what they mend.
    pub repairs: BTreeMap<&'static str, u64>,
    /// How processes ended.
    pub endings: BTreeMap<&'static str, u64>,
    /// Steps of the schedule.
    pub steps: u64,
    /// Changes of the store.
    pub commits: u64,
}

impl Tally {
    /// Adds what happened in another run.
    pub fn add(&mut self, other: &Self) {
        merge(&mut self.faults, &other.faults);
        merge(&mut self.requests, &other.requests);
        merge(&mut self.transactions, &other.transactions);
        merge(&mut self.repairs, &other.repairs);
        merge(&mut self.endings, &other.endings);
        self.steps += other.steps;
        self.commits += other.commits;
    }

    /// Returns what happened too seldom in so many runs: a run without it would prove little.
    #[must_use]
    pub fn missing(&self, seeds: u64) -> Vec<String> {
        let faults = Fault::ALL.map(|fault| (fault.to_string(), self.faults.get(&fault), seeds));
        let requests = REQUESTS.map(|name| (name.to_owned(), self.requests.get(name), seeds / 4));
        let transactions =
            TRANSACTIONS.map(|name| (name.to_owned(), self.transactions.get(name), seeds / 200));
        let given = ("an ADD that gives".to_owned(), self.endings.get("given"), seeds * 20);
        let all = faults.into_iter().chain(requests).chain(transactions).chain([given]);
        let missing = all.filter_map(|(name, count, least)| {
            let count = count.copied().unwrap_or_default();
            (count <= least).then(|| format!("{name} happened {count} times in {seeds} runs"))
        });
        missing.collect()
    }

    pub(super) fn fault(&mut self, fault: Fault) {
        *self.faults.entry(fault).or_default() += 1;
    }

    pub(super) fn request(&mut self, family: &'static str) {
        *self.requests.entry(family).or_default() += 1;
    }

    pub(super) fn ending(&mut self, how: &'static str) {
        *self.endings.entry(how).or_default() += 1;
    }

    /// Notes a repair.
    pub(super) fn repair(&mut self, rule: Rule) {
        *self.repairs.entry(rule.code()).or_default() += 1;
        *self.transactions.entry("T9").or_default() += 1;
    }

    /// Notes what a transaction of ours did.
    pub(super) fn transaction(
        &mut self,
        txn: &Txn,
        before: &Moment,
        after: &Moment,
        site: &Deed<'_>,
    ) {
        for name in names(txn, before, after, site) {
            *self.transactions.entry(name).or_default() += 1;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} steps, {} changes", self.steps, self.commits)?;
        writeln!(f, "faults: {:?}", self.faults)?;
        writeln!(f, "requests: {:?}", self.requests)?;
        writeln!(f, "transactions: {:?}", self.transactions)?;
        writeln!(f, "repairs: {:?}", self.repairs)?;
        write!(f, "endings: {:?}", self.endings)
    }
}

fn merge<K: Ord + Clone>(into: &mut BTreeMap<K, u64>, from: &BTreeMap<K, u64>) {
    for (key, count) in from {
        *into.entry(key.clone()).or_default() += count;
    }
}

/// Whose transaction it is, and what for.
pub(super) struct Deed<'d> {
    pub(super) host: &'d str,
    pub(super) family: &'static str,
}

/// Names a transaction as the protocol does.
fn names(txn: &Txn, before: &Moment, after: &Moment, deed: &Deed<'_>) -> Vec<&'static str> {
    if deed.family == "mend" {
        return vec!["T9"];
    }
    if matches!(deed.family, "set owners" | "promote") {
        return vec!["owners"];
    }
    let owner = Owner::Host(deed.host.to_owned());
    let mut names = Vec::new();
    let mut blocks = 0;
    for op in &txn.then {
        let Some(written) = op.written_key() else { continue };
        match key::parse(written) {
            Some(Named::Block(cidr)) => {
                blocks += 1;
                let claims = txn.then.iter().any(|op| puts_claim(op, &owner, cidr));
                let held =
                    |moment: &Moment| moment.blocks.get(&cidr).map(|block| block.taken().count());
                names.push(match (held(before), held(after)) {
                    (None, Some(0)) => "T2e",
                    (None, Some(_)) => "T2",
                    (Some(_), None) if deed.family == "add" => "T5",
                    (Some(_), None) if deed.family == "release claims" => "T4",
                    (Some(_), None) => "T3",
                    (Some(old), Some(new)) if new > old && claims => "T1c",
                    (Some(old), Some(new)) if new > old => "T1",
                    _ if deed.family == "release claims" => "T4",
                    _ => "T3",
                });
            }
            Some(Named::Affinity(..)) if withdraws(op) => names.push("T8"),
            _ => {}
        }
    }
    if deed.family == "add an address" && !names.is_empty() {
        names.push("T6");
    }
    if blocks > 1 {
        names.push("T7");
    }
    names
}

fn puts_claim(op: &Op, owner: &Owner, cidr: ipam_core::ip::Cidr) -> bool {
    matches!(op, Op::Put { key, .. } if *key == key::affinity(owner, &cidr))
}

fn withdraws(op: &Op) -> bool {
    let Op::Put { key, value } = op else { return false };
    Affinity::decode(key, value).is_ok_and(|claim| claim.state == AffinityState::Pending)
}
