//! Values without what differs from run to run.

use std::collections::BTreeMap;

use ipam_core::kv::Key;
use ipam_core::model::key::{self, Named};
use ipam_core::model::{Timestamp, to_bytes};
use serde_json::Value;

/// How far a block's first sequence number may lie from the time at which it was claimed: the one is kept in
/// nanoseconds, the other without its fraction, and stock Calico reads the clock twice.
const CLAIM_SLACK_NANOS: u128 = 2_000_000_000;

/// Rewrites the values of one run so that those of another one can be compared with them as text.
///
/// - A well-formed point in time becomes a mark; so does the identity of a resource.
/// - The sequence numbers of a block count from the smallest one that was seen when the block was created, so that
///   differences stay. A first number that is no time stays as it is.
/// - Everything else stays, and so does every value whose bytes are not as Calico spells them.
#[derive(Clone, Debug, Default)]
pub struct Normaliser {
    bases: BTreeMap<Key, Base>,
}

/// Where the sequence numbers of a block begin.
#[derive(Clone, Debug)]
struct Base {
    number: u64,
    is_time: bool,
}

impl Normaliser {
    /// Returns the value of a key without what differs from run to run; a block that is new is remembered.
    pub fn value(&mut self, key: &str, value: &[u8]) -> String {
        let raw = || String::from_utf8_lossy(value).into_owned();
        let Ok(mut json) = serde_json::from_slice::<Value>(value) else {
            return raw();
        };
        if to_bytes(&json) != value {
            return raw();
        }
        match key::parse(key) {
            Some(Named::Block(_)) => self.block(key, &mut json),
            Some(Named::Resource(..)) => resource(&mut json),
            Some(
                Named::Affinity(..)
                | Named::Handle(_)
                | Named::Config
                | Named::Binding(_)
                | Named::PoolMark(_),
            )
            | None => {}
        }
        json.to_string()
    }

    /// Forgets a block that was deleted: the next one under its key begins anew.
    pub fn forget(&mut self, key: &str) {
        self.bases.remove(key);
    }

    /// Takes over where a block of another run begins, once that run's value was stored in this one.
    pub fn adopt(&mut self, other: &Self, key: &str) {
        if let Some(base) = other.bases.get(key) {
            self.bases.insert(key.into(), base.clone());
        }
    }

    fn block(&mut self, key: &str, block: &mut Value) {
        if let Some(base) = Base::of(block) {
            let base = self.bases.entry(key.into()).or_insert(base);
            numbers_of(block).for_each(|number| base.rewrite(number));
        }
        rewrite(block, "affinity_claim_time", stored_time);
        let records = block.get_mut("attributes").and_then(Value::as_array_mut);
        for record in records.into_iter().flatten() {
            rewrite(record, "releasedAt", stored_time);
            for owner in ["secondary", "alternateOwnerAttrs"] {
                if let Some(attributes) = record.get_mut(owner) {
                    rewrite(attributes, "timestamp", attribute_time);
                }
            }
        }
    }
}

impl Base {
    /// Finds where the numbers of a block begin, given how it looks when it is new.
    fn of(block: &mut Value) -> Option<Self> {
        let number = numbers_of(block).filter_map(|number| number.as_u64()).min()?;
        let claimed = block.get("affinity_claim_time").and_then(Value::as_str);
        let claimed: Option<Timestamp> = claimed.and_then(|text| text.parse().ok());
        let is_time =
            claimed.is_some_and(|at| at.nanos().abs_diff(i128::from(number)) < CLAIM_SLACK_NANOS);
        Some(Self { number, is_time })
    }

    fn rewrite(&self, number: &mut Value) {
        if let Some(stored) = number.as_u64().filter(|_| self.is_time) {
            let further = i128::from(stored) - i128::from(self.number);
            *number = Value::String(format!("claimed{further:+}"));
        }
    }
}

/// Walks every sequence number of a block.
fn numbers_of(block: &mut Value) -> impl Iterator<Item = &mut Value> {
    let members = block.as_object_mut().into_iter().flatten();
    members.flat_map(|(name, member)| -> Vec<&mut Value> {
        match (name.as_str(), member) {
            ("sequenceNumber", number) => vec![number],
            ("sequenceNumberForAllocation", Value::Object(numbers)) => {
                numbers.values_mut().collect()
            }
            _ => Vec::new(),
        }
    })
}

fn resource(resource: &mut Value) {
    if let Some(metadata) = resource.get_mut("metadata") {
        rewrite(metadata, "creationTimestamp", stored_time);
        rewrite(metadata, "uid", identity);
    }
}

/// Puts a mark in the place of a member whose text has one.
fn rewrite(object: &mut Value, member: &str, mark: fn(&str) -> Option<&'static str>) {
    if let Some(Value::String(text)) = object.get_mut(member)
        && let Some(mark) = mark(text)
    {
        mark.clone_into(text);
    }
}

fn stored_time(text: &str) -> Option<&'static str> {
    let time: Timestamp = text.parse().ok()?;
    (time.to_string() == text).then_some("<time>")
}

fn attribute_time(text: &str) -> Option<&'static str> {
    let digits = text.strip_suffix(" +0000 UTC")?;
    let time: Timestamp = format!("{digits}Z").parse().ok()?;
    (time.to_go_text() == text).then_some("<time>")
}

fn identity(text: &str) -> Option<&'static str> {
    let groups: Vec<&str> = text.split('-').collect();
    let is_hex = |group: &&str| group.bytes().all(|b| b.is_ascii_hexdigit());
    let widths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    (widths == [8, 4, 4, 4, 12] && groups.iter().all(is_hex)).then_some("<identity>")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "/calico/ipam/v2/assignment/ipv4/block/10.0.0.0-31";

    fn block(claimed: &str, base: u64, taken_by: &str) -> String {
        let next = base + 1;
        format!(
            r#"{{"cidr":"10.0.0.0/31","affinity":"host:n","affinity_claim_time":"{claimed}","allocations":[0,null],"unallocated":[1],"attributes":[{{"handle_id":"h","secondary":{{"timestamp":"{taken_by}"}}}}],"sequenceNumber":{next},"sequenceNumberForAllocation":{{"0":{base}}},"deleted":false}}"#
        )
    }

    fn one() -> String {
        block("2026-11-21T00:11:34Z", 1_795_219_894_975_649_089, "2026-11-21 00:11:34.9 +0000 UTC")
    }

    #[test]
    fn two_runs_look_alike() {
        let later = block(
            "2027-01-02T03:04:05Z",
            1_798_859_045_000_000_000,
            "2027-01-02 03:04:05 +0000 UTC",
        );
        let [one, later] =
            [one(), later].map(|text| Normaliser::default().value(KEY, text.as_bytes()));
        assert_eq!(one, later);
        assert!(one.contains(r#""affinity_claim_time":"<time>""#), "{one}");
        assert!(one.contains(r#""sequenceNumber":"claimed+1""#), "{one}");
        assert!(one.contains(r#"{"0":"claimed+0"}"#), "{one}");
    }

    #[test]
    fn what_matters_stays() {
        let plain = Normaliser::default().value(KEY, one().as_bytes());
        for (what, from, to) in [
            ("an ordinal", "[0,null]", "[null,0]"),
            ("a step of the sequence number", "649090", "649091"),
            ("an owner", "host:n", "host:m"),
            ("a claim without a time", r#","affinity_claim_time":"2026-11-21T00:11:34Z""#, ""),
            ("a claim time of another form", "00:11:34Z", "00:11:34+00:00"),
            ("an attribute time of another form", "34.9 +0000 UTC", "34.900 +0000 UTC"),
            ("a first sequence number that is no time", "1795219894975", "1095219894975"),
            ("an order of members", r#""deleted":false}"#, r#""deleted":false,"x":1}"#),
            ("a space", r#","deleted""#, r#", "deleted""#),
        ] {
            let other = one().replace(from, to);
            assert_ne!(other, one(), "{what}");
            assert_ne!(Normaliser::default().value(KEY, other.as_bytes()), plain, "{what}");
        }
    }

    #[test]
    fn a_block_keeps_its_base_until_it_is_deleted() {
        let mut run = Normaliser::default();
        let first = run.value(KEY, one().as_bytes());
        let bumped = one().replace("649090", "649092").replace("649089", "649091");
        assert!(run.value(KEY, bumped.as_bytes()).contains(r#""sequenceNumber":"claimed+3""#));
        let mut other = Normaliser::default();
        other.adopt(&run, KEY);
        assert_eq!(other.value(KEY, bumped.as_bytes()), run.value(KEY, bumped.as_bytes()));
        run.forget(KEY);
        assert_eq!(run.value(KEY, bumped.as_bytes()), first);
    }

    #[test]
    fn resources_lose_their_identity_and_nothing_else() {
        let key = "/calico/resources/v3/projectcalico.org/ippools/p";
        let pool = |uid: &str, cidr: &str| {
            let text = format!(
                r#"{{"metadata":{{"name":"p","uid":"{uid}"}},"spec":{{"cidr":"{cidr}"}}}}"#
            );
            Normaliser::default().value(key, text.as_bytes())
        };
        let plain = pool("5ca5ec34-6e5d-44b9-8228-2c720a0910a0", "10.0.0.0/24");
        assert_eq!(pool("e84e78da-325b-4ffb-9184-351308cd9e1f", "10.0.0.0/24"), plain);
        assert_ne!(pool("e84e78da-325b-4ffb-9184-351308cd9e1f", "10.0.1.0/24"), plain);
        assert_ne!(pool("e84e78da", "10.0.0.0/24"), plain);
    }
}
