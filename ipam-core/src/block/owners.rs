//! Changing who owns an address of a block, and who takes it over while a virtual machine moves.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use crate::ip::Ordinal;
use crate::model::{Attributes, Block, Record};

type Pairs = BTreeMap<String, String>;

/// A pod, by its namespace and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl PodName {
    /// Reads the pod that attributes of an owner name; `None` where they do not name one.
    #[must_use]
    pub fn of(attributes: &BTreeMap<String, String>) -> Option<Self> {
        let attribute = |name| attributes.get(name).cloned();
        Some(Self { namespace: attribute("namespace")?, name: attribute("pod")? })
    }
}

impl fmt::Display for PodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pod {}/{}", self.namespace, self.name)
    }
}

/// One of the two owners of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The one who uses it.
    Active,
    /// The one who takes it over while a virtual machine moves.
    Alternate,
}

impl Role {
    /// Returns the attributes of this owner; empty where there is none.
    #[must_use]
    pub fn of(self, record: &Attributes) -> &BTreeMap<String, String> {
        static NOBODY: Pairs = Pairs::new();
        let owner = match self {
            Self::Active => &record.secondary,
            Self::Alternate => &record.alternate_owner_attrs,
        };
        owner.as_ref().unwrap_or(&NOBODY)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Alternate => "alternate",
        })
    }
}

/// Who must be the owner before a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Expected {
    /// Anybody, or nobody.
    #[default]
    Anyone,
    /// Nobody: there are no attributes.
    Nobody,
    /// This pod.
    Pod(PodName),
}

impl Expected {
    fn admits(&self, found: &Pairs) -> bool {
        match self {
            Self::Anyone => true,
            Self::Nobody => found.is_empty(),
            Self::Pod(pod) => PodName::of(found).as_ref() == Some(pod),
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anyone => f.write_str("anyone"),
            Self::Nobody => f.write_str("nobody"),
            Self::Pod(pod) => pod.fmt(f),
        }
    }
}

/// What becomes of one owner. Only an owner that changes can be expected to be somebody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum OwnerChange {
    /// He stays.
    #[default]
    Keep,
    /// He goes.
    Clear(Expected),
    /// He is the one with these attributes.
    Set(BTreeMap<String, String>, Expected),
}

/// What becomes of the two owners of an address, both or neither.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnerChanges {
    /// The one who uses it.
    pub active: OwnerChange,
    /// The one who takes it over.
    pub alternate: OwnerChange,
}

/// Why the owners of an address are left as they are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OwnersError {
    /// Somebody else holds the address, or nobody.
    #[error("{ip} is assigned to {}, not to {expected:?}", Assigned(found.as_deref()))]
    Handle {
        /// The address.
        ip: IpAddr,
        /// The handle that the caller named.
        expected: String,
        /// The handle that holds it; `None` where none does.
        found: Option<String>,
    },
    /// The owner is not the one who was expected.
    #[error("the {role} owner of {ip} is {}, not {expected}", Found(found))]
    Owner {
        /// The address.
        ip: IpAddr,
        /// Which owner.
        role: Role,
        /// Who was expected.
        expected: Expected,
        /// The attributes that are stored; empty for nobody.
        found: BTreeMap<String, String>,
    },
}

impl Block {
    /// Returns the block with other owners of an address, and of all that share its record.
    ///
    /// The block must have been collected. It is written anew even where nothing changes, as stock Calico does.
    ///
    /// # Errors
    ///
    /// [`OwnersError`] where another handle holds the address, or an owner that changes is not the expected one.
    pub fn with_owners(
        mut self,
        ordinal: Ordinal,
        handle: &str,
        changes: &OwnerChanges,
    ) -> Result<Self, OwnersError> {
        let ip = self.cidr.address_at(ordinal);
        let found = self.record_of(ordinal).and_then(Record::handle);
        if found != Some(handle) {
            let (expected, found) = (handle.to_owned(), found.map(str::to_owned));
            return Err(OwnersError::Handle { ip, expected, found });
        }
        self.change_owners(ordinal, changes)?;
        self.sequence_number = self.sequence_number.saturating_add(1);
        Ok(self)
    }

    /// Makes a pod the active owner of all that a handle holds here; whoever was it becomes the alternate owner.
    ///
    /// The block must have been collected. Returns the changed block and the addresses that change hands; `None` where
    /// the pod is the active owner of all already.
    ///
    /// # Errors
    ///
    /// [`OwnersError::Owner`] where neither owner of an address is the pod.
    pub fn with_promoted(
        mut self,
        handle: &str,
        pod: &PodName,
    ) -> Result<Option<(Self, Vec<IpAddr>)>, OwnersError> {
        let wanted = Expected::Pod(pod.clone());
        let is_another = |record: &Record| !wanted.admits(Role::Active.of(record));
        let mut promoted = Vec::new();
        for ordinal in self.ordinals_of(handle, is_another) {
            promoted.push(self.cidr.address_at(ordinal));
            // It may share its record with one that has just changed hands.
            if self.record_of(ordinal).is_some_and(is_another) {
                self.promote(ordinal, &wanted)?;
            }
        }
        if promoted.is_empty() {
            return Ok(None);
        }
        self.sequence_number = self.sequence_number.saturating_add(1);
        Ok(Some((self, promoted)))
    }

    fn promote(&mut self, ordinal: Ordinal, wanted: &Expected) -> Result<(), OwnersError> {
        let record = self.record_of(ordinal).map(|record| (**record).clone()).unwrap_or_default();
        let [active, alternate] = [Role::Active, Role::Alternate].map(|role| role.of(&record));
        // Whoever was active may be gone already.
        let changes = OwnerChanges {
            active: OwnerChange::Set(alternate.clone(), Expected::Anyone),
            alternate: if active.is_empty() {
                OwnerChange::Clear(wanted.clone())
            } else {
                OwnerChange::Set(active.clone(), wanted.clone())
            },
        };
        self.change_owners(ordinal, &changes)
    }

    fn change_owners(
        &mut self,
        ordinal: Ordinal,
        changes: &OwnerChanges,
    ) -> Result<(), OwnersError> {
        let ip = self.cidr.address_at(ordinal);
        let Some(record) = self.record_mut(ordinal) else { return Ok(()) };
        let mut after = Attributes::clone(record);
        for (role, change) in
            [(Role::Active, &changes.active), (Role::Alternate, &changes.alternate)]
        {
            let (owner, expected) = match change {
                OwnerChange::Keep => continue,
                OwnerChange::Clear(expected) => (None, expected),
                OwnerChange::Set(owner, expected) => (Some(owner.clone()), expected),
            };
            let found = role.of(record);
            if !expected.admits(found) {
                let (expected, found) = (expected.clone(), found.clone());
                return Err(OwnersError::Owner { ip, role, expected, found });
            }
            match role {
                Role::Active => after.secondary = owner,
                Role::Alternate => after.alternate_owner_attrs = owner,
            }
        }
        if after != **record {
            *record = Record::from(after);
        }
        Ok(())
    }

    fn record_mut(&mut self, ordinal: Ordinal) -> Option<&mut Record> {
        let index = (*self.allocations.get(ordinal.index())?)?;
        self.attributes.as_mut()?.get_mut(index)
    }
}

/// Who holds an address, as the end of a sentence.
struct Assigned<'a>(Option<&'a str>);

impl fmt::Display for Assigned<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("no handle"),
            Some(handle) => write!(f, "handle {handle:?}"),
        }
    }
}

/// Who is stored as an owner, as the end of a sentence.
struct Found<'a>(&'a Pairs);

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match PodName::of(self.0) {
            Some(pod) => pod.fmt(f),
            None if self.0.is_empty() => f.write_str("nobody"),
            None => write!(f, "{:?}, which names no pod", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ip::Cidr;
    use crate::model::{Owner, Timestamp};

    const HANDLE: &str = "vm";

    fn owner(pod: &str) -> Pairs {
        [("namespace", "ns"), ("pod", pod)].map(|(k, v)| (k.to_owned(), v.to_owned())).into()
    }

    fn pod(name: &str) -> PodName {
        PodName { namespace: "ns".to_owned(), name: name.to_owned() }
    }

    /// Two ordinals that share a record, and one with its own; all are held by one handle.
    fn block() -> Block {
        let host = Owner::Host("n".to_owned());
        let cidr = Cidr::parse("10.0.0.0/30").unwrap();
        let block = Block::new(cidr, &host, Timestamp::EPOCH, 9).unwrap();
        let of = |pod| Attributes::new(Some(HANDLE.to_owned()), Some(owner(pod)));
        let (block, _) = block.take(2, &of("a").into(), |_| true);
        block.take(1, &of("c").into(), |_| true).0
    }

    fn at(index: usize) -> Ordinal {
        Ordinal::new(index).unwrap()
    }

    fn set(pod: &str, expected: Expected) -> OwnerChange {
        OwnerChange::Set(owner(pod), expected)
    }

    fn owners(block: &Block, index: usize) -> [Option<String>; 2] {
        let record = block.record_of(at(index)).unwrap();
        [Role::Active, Role::Alternate].map(|role| Some(PodName::of(role.of(record))?.name))
    }

    fn named(names: [&str; 2]) -> [Option<String>; 2] {
        names.map(|name| (!name.is_empty()).then(|| name.to_owned()))
    }

    #[test]
    fn all_that_share_a_record_change_owners_together() {
        let alternate = set("b", Expected::Nobody);
        let changes = OwnerChanges { alternate, ..OwnerChanges::default() };
        let after = block().with_owners(at(0), HANDLE, &changes).unwrap();
        assert_eq!(
            [0, 1, 2].map(|at| owners(&after, at)),
            [["a", "b"], ["a", "b"], ["c", ""]].map(named)
        );
        assert_eq!(after.sequence_number, block().sequence_number + 1);
        assert_eq!(after.sequence_of(at(0)), block().sequence_of(at(0)));
        let read =
            Block::decode("/calico/ipam/v2/assignment/ipv4/block/10.0.0.0-30", &after.encode());
        assert_eq!(read.unwrap(), after);
    }

    #[test]
    fn only_an_owner_that_changes_is_held_against_what_is_expected_and_both_before_either_changes()
    {
        let expects = |name| Expected::Pod(pod(name));
        for (active, alternate, error) in [
            (set("x", expects("a")), OwnerChange::Keep, None),
            (set("x", expects("z")), OwnerChange::Keep, Some(Role::Active)),
            (OwnerChange::Clear(Expected::Nobody), OwnerChange::Keep, Some(Role::Active)),
            (OwnerChange::Keep, set("x", expects("z")), Some(Role::Alternate)),
            (OwnerChange::Keep, set("x", Expected::Nobody), None),
            (set("x", expects("a")), set("y", expects("z")), Some(Role::Alternate)),
            (set("x", Expected::Anyone), OwnerChange::Clear(Expected::Anyone), None),
        ] {
            let changes = OwnerChanges { active, alternate };
            let role = match block().with_owners(at(0), HANDLE, &changes) {
                Ok(_) => None,
                Err(OwnersError::Owner { role, .. }) => Some(role),
                Err(error @ OwnersError::Handle { .. }) => panic!("{error}"),
            };
            assert_eq!(role, error, "{changes:?}");
        }
    }

    #[test]
    fn who_names_another_handle_or_a_free_address_changes_nothing() {
        let changes = OwnerChanges::default();
        for (index, handle, found) in [(0, "other", Some(HANDLE)), (3, HANDLE, None)] {
            let error = block().with_owners(at(index), handle, &changes).unwrap_err();
            let ip = block().cidr.address_at(at(index));
            let (expected, found) = (handle.to_owned(), found.map(str::to_owned));
            assert_eq!(error, OwnersError::Handle { ip, expected, found });
        }
    }

    #[test]
    fn a_pod_is_promoted_everywhere_or_nowhere() {
        let alternate =
            OwnerChanges { alternate: set("b", Expected::Nobody), ..OwnerChanges::default() };
        let half = block().with_owners(at(1), HANDLE, &alternate).unwrap();
        let error = half.clone().with_promoted(HANDLE, &pod("b")).unwrap_err();
        assert!(
            matches!(error, OwnersError::Owner { role: Role::Alternate, ref found, .. } if found.is_empty())
        );
        let ready = half.with_owners(at(2), HANDLE, &alternate).unwrap();
        let (block, ips) = ready.clone().with_promoted(HANDLE, &pod("b")).unwrap().unwrap();
        assert_eq!(ips.len(), 3);
        assert_eq!(
            [0, 1, 2].map(|at| owners(&block, at)),
            [["b", "a"], ["b", "a"], ["b", "c"]].map(named)
        );
        assert_eq!(block.sequence_number, ready.sequence_number + 1, "one change");
        assert_eq!(block.with_promoted(HANDLE, &pod("b")), Ok(None));
    }
}
