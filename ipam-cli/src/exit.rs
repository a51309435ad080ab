//! The exit codes, and which error ends in which.

use std::process::ExitCode;

use ipam_core::refusal::Refusal;
use ipam_etcd::StoreError;
use ipam_etcd::embedded::EmbeddedError;
use ipam_etcd::migrate::{MigrateError, Stop};

use crate::cause::Cause;
use crate::install::InstallError;

/// How a run ends, as scripts see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It is done, or the answer is yes.
    Done,
    /// The answer is no: not there, not assigned, something was found.
    No,
    /// The command line, or a file that it names, cannot be understood; or nobody is there to confirm.
    Usage,
    /// The store, or something else of this machine, does not work.
    Environment,
    /// The store does not let us in.
    Denied,
    /// Something stands against it: it is in use, it overlaps, it exists, it is locked.
    Precondition,
    /// No address is left.
    Full,
    /// This program is wrong.
    Bug,
    /// The reader of the output has gone.
    ClosedPipe,
}

impl Exit {
    /// Returns the number.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::No => 1,
            Self::Usage => 2,
            Self::Environment => 3,
            Self::Denied => 4,
            Self::Precondition => 5,
            Self::Full => 7,
            Self::Bug => 70,
            Self::ClosedPipe => 141,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// What an error is called, and how the run ends that it stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// How the run ends.
    pub(crate) exit: Exit,
    /// The stable name of the error.
    pub(crate) code: &'static str,
}

/// The name of the error that there is no store yet.
pub(crate) const STORE_MISSING: &str = "RF-E0201";

const fn row(exit: Exit, code: &'static str) -> Verdict {
    Verdict { exit, code }
}

/// Judges an error: the one table of error codes and exit codes.
pub(crate) fn verdict(cause: &Cause) -> Verdict {
    match cause {
        Cause::CommandLine { .. } => row(Exit::Usage, "RF-E0101"),
        Cause::Usage(_) => row(Exit::Usage, "RF-E0102"),
        Cause::Unconfirmed { .. } => row(Exit::Usage, "RF-E0103"),
        Cause::File { .. } => row(Exit::Usage, "RF-E0104"),
        Cause::Manifest(_) => row(Exit::Usage, "RF-E0105"),
        Cause::NetConf(_) => row(Exit::Usage, "RF-E0106"),
        Cause::SettingsFile { .. } => row(Exit::Usage, "RF-E0107"),
        Cause::NoPassword { .. } => row(Exit::Usage, "RF-E0108"),
        Cause::ApiConfig { .. } => row(Exit::Usage, "RF-E0109"),
        Cause::Settings(_) => row(Exit::Usage, "RF-E0110"),
        Cause::Store(error) => of_store(error),
        Cause::GaveUp(_) => row(Exit::Environment, "RF-E0206"),
        Cause::Refused(refusal) => of_refusal(refusal),
        Cause::Migrate(failure) => of_migration(&failure.error),
        Cause::Install(error) => of_installation(error),
        Cause::NothingToExport { .. } => row(Exit::No, "RF-E0601"),
        Cause::OutFile { .. } => row(Exit::Environment, "RF-E0602"),
        Cause::Machine { .. } => row(Exit::Environment, "RF-E0901"),
        Cause::Output(_) => row(Exit::Environment, "RF-E0902"),
        Cause::Bug { .. } => row(Exit::Bug, "RF-E0999"),
    }
}

fn of_store(error: &StoreError) -> Verdict {
    match error {
        StoreError::Unusable { source, .. } if is_missing(source.as_ref()) => {
            row(Exit::Environment, STORE_MISSING)
        }
        StoreError::Unusable { .. } => row(Exit::Environment, "RF-E0202"),
        StoreError::Unavailable { .. } => row(Exit::Environment, "RF-E0203"),
        StoreError::Indeterminate { .. } => row(Exit::Environment, "RF-E0204"),
        StoreError::Denied { .. } => row(Exit::Denied, "RF-E0205"),
        StoreError::TooLarge { .. } => row(Exit::Bug, "RF-E0991"),
        StoreError::WrittenTwice { .. } => row(Exit::Bug, "RF-E0992"),
    }
}

fn of_migration(error: &MigrateError) -> Verdict {
    match error {
        MigrateError::Store(error) => of_store(error),
        MigrateError::Nothing { .. } => row(Exit::No, "RF-E0701"),
        MigrateError::Occupied { .. } => row(Exit::Precondition, "RF-E0702"),
        MigrateError::NotABeginning { .. } => row(Exit::Precondition, "RF-E0703"),
        MigrateError::Stopped { why, .. } => match why {
            Stop::Changed { .. } => row(Exit::Precondition, "RF-E0704"),
            Stop::Taken { .. } => row(Exit::Precondition, "RF-E0705"),
            Stop::Differs { .. } => row(Exit::Precondition, "RF-E0706"),
            Stop::Store(error) => row(of_store(error).exit, "RF-E0707"),
        },
    }
}

fn of_installation(error: &InstallError) -> Verdict {
    match error {
        InstallError::Unreadable { .. } => row(Exit::Usage, "RF-E0801"),
        InstallError::Unfit { .. } => row(Exit::Usage, "RF-E0802"),
        InstallError::NoServer => row(Exit::Usage, "RF-E0803"),
        InstallError::Foreign { .. } => row(Exit::Precondition, "RF-E0804"),
        InstallError::Changed { .. } => row(Exit::Precondition, "RF-E0805"),
        InstallError::KeptGone { .. } => row(Exit::Precondition, "RF-E0806"),
        InstallError::Unwanted { .. } => row(Exit::Precondition, "RF-E0807"),
        InstallError::Unsafe { .. } => row(Exit::Precondition, "RF-E0808"),
        InstallError::Busy { .. } => row(Exit::Precondition, "RF-E0809"),
        InstallError::Record { .. } => row(Exit::Environment, "RF-E0810"),
        InstallError::Look { .. } => row(Exit::Environment, "RF-E0811"),
        InstallError::Change { .. } => row(Exit::Environment, "RF-E0812"),
    }
}

fn is_missing(source: &(dyn std::error::Error + 'static)) -> bool {
    matches!(source.downcast_ref(), Some(EmbeddedError::Missing { .. }))
}

fn of_refusal(refusal: &Refusal) -> Verdict {
    match refusal {
        Refusal::Corrupt(_) => row(Exit::Environment, "RF-E0207"),
        Refusal::Locked => row(Exit::Precondition, "RF-E0208"),
        Refusal::Pool { .. } => row(Exit::Usage, "RF-E0301"),
        Refusal::PoolOverlap { .. } => row(Exit::Precondition, "RF-E0302"),
        Refusal::BlockSizeClash { .. } => row(Exit::Precondition, "RF-E0303"),
        Refusal::Immutable { .. } => row(Exit::Precondition, "RF-E0304"),
        Refusal::Exists { .. } => row(Exit::Precondition, "RF-E0305"),
        Refusal::Missing { .. } => row(Exit::No, "RF-E0306"),
        Refusal::TooLarge { .. } => row(Exit::Usage, "RF-E0307"),
        Refusal::Selector { .. } => row(Exit::Precondition, "RF-E0308"),
        Refusal::Unclaimable { .. } => row(Exit::Precondition, "RF-E0309"),
        Refusal::Configuration { .. } => row(Exit::Precondition, "RF-E0310"),
        Refusal::PoolInUse { .. } => row(Exit::Precondition, "RF-E0312"),
        Refusal::PoolBound { .. } => row(Exit::Precondition, "RF-E0313"),
        Refusal::UnknownNode { .. } => row(Exit::No, "RF-E0314"),
        Refusal::UnknownPool { .. } => row(Exit::No, "RF-E0401"),
        Refusal::PoolDisabled { .. } => row(Exit::Precondition, "RF-E0402"),
        Refusal::WrongFamily { .. } => row(Exit::Usage, "RF-E0403"),
        Refusal::PoolNotPermitted { .. } => row(Exit::Precondition, "RF-E0404"),
        Refusal::NothingPermitted { .. } => row(Exit::Precondition, "RF-E0405"),
        Refusal::NoPoolSelects { .. } => row(Exit::Precondition, "RF-E0406"),
        Refusal::Exhausted { .. } => row(Exit::Full, "RF-E0411"),
        Refusal::BlockLimit { .. } => row(Exit::Full, "RF-E0412"),
        Refusal::StrictAffinity { .. } => row(Exit::Full, "RF-E0413"),
        Refusal::ClaimsOff { .. } => row(Exit::Full, "RF-E0414"),
        Refusal::AddressOutside { .. } => row(Exit::No, "RF-E0501"),
        Refusal::AddressNotPermitted { .. } => row(Exit::Precondition, "RF-E0502"),
        Refusal::AddressInUse { .. } => row(Exit::Precondition, "RF-E0503"),
        Refusal::AddressSetAside { .. } => row(Exit::Precondition, "RF-E0504"),
        Refusal::AddressElsewhere { .. } => row(Exit::Precondition, "RF-E0505"),
        Refusal::HandleInUse { .. } => row(Exit::Precondition, "RF-E0506"),
        Refusal::GatewayInUse { .. } => row(Exit::Precondition, "RF-E0507"),
        Refusal::GatewayOutside { .. } => row(Exit::Usage, "RF-E0508"),
        Refusal::Release(_) => row(Exit::Precondition, "RF-E0509"),
        Refusal::AddressUnassigned { .. } => row(Exit::No, "RF-E0510"),
        Refusal::Owners(_) => row(Exit::Precondition, "RF-E0511"),
        Refusal::HoldsNothing { .. } => row(Exit::No, "RF-E0512"),
        Refusal::AddressCooling { .. } => row(Exit::Precondition, "RF-E0513"),
    }
}

#[cfg(test)]
#[path = "exit_tests.rs"]
mod tests;
