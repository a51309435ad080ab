//! Which number stands for which refusal: one table.

use ipam_core::refusal::Refusal;
use ipam_etcd::{DriveError, StoreError};

use crate::calico_words;
use crate::mode::Mode;
use crate::protocol::{CniError, Code};

/// Turns what a store or a plan says into an error of the protocol; below Calico's main plugin with its words as well.
pub(crate) fn from_drive(error: &DriveError, mode: Mode) -> CniError {
    let (error, words) = match error {
        DriveError::Refused(refusal) => (
            CniError::from_chain(of_refusal(refusal), refusal.as_ref()),
            calico_words::of_refusal(refusal),
        ),
        DriveError::Store(error) => (from_store(error), None),
        DriveError::Exhausted { .. } => (
            CniError::from_chain(Code::TryAgain, error),
            Some(calico_words::TOO_MANY_CONFLICTS.to_owned()),
        ),
    };
    match words.filter(|_| mode == Mode::Calico) {
        Some(words) => error.in_other_words(&words),
        None => error,
    }
}

/// Turns what a store says into an error of the protocol.
pub(crate) fn from_store(error: &StoreError) -> CniError {
    let code = match error {
        StoreError::Unavailable { .. } | StoreError::Indeterminate { .. } => Code::TryAgain,
        StoreError::Denied { .. } | StoreError::Unusable { .. } => Code::Config,
        StoreError::TooLarge { .. } | StoreError::WrittenTwice { .. } => Code::Internal,
    };
    CniError::from_chain(code, error)
}

fn of_refusal(refusal: &Refusal) -> Code {
    match refusal {
        Refusal::UnknownPool { .. } => Code::UnknownPool,
        Refusal::PoolDisabled { .. } => Code::PoolDisabled,
        Refusal::WrongFamily { .. } => Code::WrongFamily,
        Refusal::PoolNotPermitted { .. }
        | Refusal::NothingPermitted { .. }
        | Refusal::AddressNotPermitted { .. } => Code::NotPermitted,
        Refusal::AddressOutside { .. } => Code::AddressInvalid,
        Refusal::AddressInUse { .. } => Code::AddressInUse,
        Refusal::AddressSetAside { .. } | Refusal::AddressCooling { .. } => Code::AddressSetAside,
        Refusal::Exhausted { .. } => Code::Exhausted,
        Refusal::BlockLimit { .. }
        | Refusal::StrictAffinity { .. }
        | Refusal::ClaimsOff { .. }
        | Refusal::AddressElsewhere { .. } => Code::Affinity,
        Refusal::NoPoolSelects { .. } | Refusal::Selector { .. } => Code::NoPool,
        Refusal::HandleInUse { .. } => Code::HandleInUse,
        Refusal::GatewayInUse { .. } | Refusal::GatewayOutside { .. } => Code::Gateway,
        Refusal::UnknownNode { .. } => Code::Node,
        Refusal::Locked => Code::TryAgain,
        Refusal::Corrupt(_)
        | Refusal::Release(_)
        | Refusal::AddressUnassigned { .. }
        | Refusal::Owners(_)
        | Refusal::HoldsNothing { .. }
        | Refusal::TooLarge { .. }
        | Refusal::Pool { .. }
        | Refusal::PoolOverlap { .. }
        | Refusal::BlockSizeClash { .. }
        | Refusal::Immutable { .. }
        | Refusal::Exists { .. }
        | Refusal::Missing { .. }
        | Refusal::PoolInUse { .. }
        | Refusal::PoolBound { .. }
        | Refusal::Configuration { .. }
        | Refusal::Unclaimable { .. } => Code::Internal,
    }
}
