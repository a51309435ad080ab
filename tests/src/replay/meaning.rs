//! Failures by meaning: the words differ on purpose, the reasons must not.

use std::fmt;

use ipam_core::block::OwnersError;
use ipam_core::ip::Cidr;
use ipam_core::refusal::{Forbidden, Refusal, Unassigned};

use super::calico::BadInput;

/// Why a call fails.
#[derive(Debug)]
pub enum Failure {
    /// Its input is wrong.
    BadInput(BadInput),
    /// It must not be done.
    Refused(Box<Refusal>),
}

impl Failure {
    fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::BadInput(_) => None,
            Self::Refused(refusal) => Some(refusal),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadInput(error) => error.fmt(f),
            Self::Refused(refusal) => refusal.fmt(f),
        }
    }
}

/// A part of a message of stock Calico, and what is refused here for the same reason; `None` is bad input.
type Row = (&'static str, fn(Option<&Refusal>) -> bool);

/// What the recorded messages mean.
const TABLE: &[Row] = &[
    ("ARGS: error parsing value of pair", |r| r.is_none()),
    ("resource does not exist: Node(", |r| matches!(r, Some(Refusal::UnknownNode { .. }))),
    ("cannot find a qualified ippool", |r| {
        use Refusal::{NoPoolSelects, PoolNotPermitted};
        // Nothing selects the workload, or what was named is meant for something else.
        matches!(
            r,
            Some(NoPoolSelects { .. } | PoolNotPermitted { why: Forbidden::Use { .. }, .. })
        )
    }),
    ("error parsing pool", |r| unknown_pool(r).is_some_and(|name| Cidr::parse(name).is_err())),
    ("does not exist, or is not enabled", |r| {
        // What is no pool's name is taken for a network, and only then looked for.
        use Refusal::{PoolDisabled, PoolNotPermitted};
        matches!(
            r,
            Some(PoolDisabled { .. } | PoolNotPermitted { why: Forbidden::SmallBlocks { .. }, .. })
        ) || unknown_pool(r).is_some_and(|name| Cidr::parse(name).is_ok())
    }),
    ("IPPools list contains one or more", |r| matches!(r, Some(Refusal::WrongFamily { .. }))),
    ("isn't a IPv4 address", |r| matches!(r, Some(Refusal::WrongFamily { .. }))),
    ("No IPs available in pools", |r| matches!(r, Some(Refusal::Exhausted { .. }))),
    ("strict affinity enabled", |r| matches!(r, Some(Refusal::StrictAffinity { .. }))),
    ("per host block limit", |r| matches!(r, Some(Refusal::BlockLimit { .. }))),
    ("is not in a configured pool", |r| matches!(r, Some(Refusal::AddressOutside { .. }))),
    ("Address already assigned in block", |r| {
        // An address that rests is assigned to nobody, and still not free.
        matches!(r, Some(Refusal::AddressInUse { .. } | Refusal::AddressCooling { .. }))
    }),
    ("Block host affinity does not match", |r| matches!(r, Some(Refusal::AddressElsewhere { .. }))),
    ("is smaller than the minimum", |r| matches!(r, Some(Refusal::Unclaimable { .. }))),
    ("is not within any configured pools", |r| matches!(r, Some(Refusal::Unclaimable { .. }))),
    ("Cannot disable 'StrictAffinity'", |r| matches!(r, Some(Refusal::Configuration { .. }))),
    ("update conflict: ", |r| {
        matches!(r, Some(Refusal::Release(_) | Refusal::Owners(OwnersError::Owner { .. })))
    }),
    ("is not assigned to handle", |r| {
        matches!(r, Some(Refusal::Owners(OwnersError::Handle { .. })))
    }),
    ("resource does not exist: BlockKey(", |r| unassigned(r) == Some(Unassigned::NoBlock)),
    ("IP is unassigned", |r| unassigned(r) == Some(Unassigned::Free)),
    ("is in cooldown", |r| unassigned(r) == Some(Unassigned::Cooling)),
    ("No valid IPPool", |r| matches!(r, Some(Refusal::AddressOutside { .. }))),
    ("already has IP(s) allocated", |r| matches!(r, Some(Refusal::HandleInUse { .. }))),
    ("which is not allowed for use", |r| {
        matches!(r, Some(Refusal::PoolNotPermitted { why: Forbidden::Use { .. }, .. }))
    }),
    ("failed to parse datastore entry", |r| matches!(r, Some(Refusal::Corrupt(_)))),
];

/// Says whether a recorded message gives the same reason as a failure.
///
/// A message that no row knows, or several, gives no reason that could be the same.
#[must_use]
pub fn is_same(message: &str, failure: &Failure) -> bool {
    let mut rows = TABLE.iter().filter(|(part, _)| message.contains(part));
    match (rows.next(), rows.next()) {
        (Some((_, stands_for)), None) => stands_for(failure.refusal()),
        _ => false,
    }
}

/// A part of a message of stock Calico, and the type that such an error has in Go.
const TYPES: [(&str, &str); 8] = [
    ("resource does not exist: ", "errors.ErrorResourceDoesNotExist"),
    ("resource already exists: ", "errors.ErrorResourceAlreadyExists"),
    ("update conflict: ", "errors.ErrorResourceUpdateConflict"),
    ("is in cooldown", "errors.ErrorIPInCooldown"),
    ("context deadline exceeded", "errors.ErrorDatastoreError"),
    ("is smaller than the minimum", "ipam.invalidSizeError"),
    ("' is not empty", "ipam.errBlockNotEmpty"),
    ("cannot find a qualified ippool, ", "*fmt.wrapError"),
];

/// Returns the type that an error with a recorded message has in Go.
pub(super) fn go_type(message: &str) -> &'static str {
    let row = TYPES.iter().find(|(part, _)| message.contains(part));
    row.map_or("*errors.errorString", |(_, name)| name)
}

/// Returns the words of a recorded message that tell its meaning.
pub(super) fn part_of(message: &str) -> Option<&'static str> {
    TABLE.iter().map(|(part, _)| *part).find(|part| message.contains(part))
}

fn unassigned(refusal: Option<&Refusal>) -> Option<Unassigned> {
    match refusal {
        Some(Refusal::AddressUnassigned { why, .. }) => Some(*why),
        _ => None,
    }
}

fn unknown_pool(refusal: Option<&Refusal>) -> Option<&str> {
    match refusal {
        Some(Refusal::UnknownPool { name, .. }) => Some(name),
        _ => None,
    }
}
