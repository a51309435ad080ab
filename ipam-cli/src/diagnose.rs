//! What is told of an error: what failed, why, and what to do.

use ipam_core::refusal::Refusal;
use ipam_etcd::StoreError;
use ipam_etcd::migrate::{MigrateError, Stop};

use crate::cause::{Cause, MigrateFailure, UsageError};
use crate::exit::{Exit, STORE_MISSING, Verdict, verdict};
use crate::install::InstallError;
use crate::one_line::one_line;

/// An error, ready to be told. Each part is one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Diagnosis {
    /// Its stable name.
    pub(crate) code: &'static str,
    /// How the run ends.
    pub(crate) exit: Exit,
    /// What failed.
    pub(crate) what: String,
    /// Why, in the words of whoever knows.
    pub(crate) why: String,
    /// What to do about it; a command where there is one.
    pub(crate) how: String,
    /// The stores that were asked, where the error is theirs.
    pub(crate) endpoints: Vec<String>,
}

impl Diagnosis {
    /// Describes what stopped a task, such as `create pool fin`.
    pub(crate) fn of(task: &str, cause: &Cause) -> Self {
        let Verdict { exit, code } = verdict(cause);
        Self {
            code,
            exit,
            what: one_line(&what(task, cause)),
            why: one_line(&cause.chain()),
            how: one_line(&how(cause, code)),
            endpoints: endpoints(cause),
        }
    }

    /// Writes the error for people.
    pub(crate) fn text(&self) -> String {
        format!("error: {} [{}]\n  why: {}\n  how: {}", self.what, self.code, self.why, self.how)
    }
}

fn what(task: &str, cause: &Cause) -> String {
    match cause {
        Cause::Store(StoreError::Indeterminate { .. }) => {
            format!("nobody knows whether this was done: {task}")
        }
        Cause::Output(_) => format!("the result cannot be shown: {task}"),
        Cause::CommandLine { .. }
        | Cause::Usage(_)
        | Cause::Unconfirmed { .. }
        | Cause::File { .. }
        | Cause::Manifest(_)
        | Cause::NetConf(_)
        | Cause::SettingsFile { .. }
        | Cause::NoPassword { .. }
        | Cause::ApiConfig { .. }
        | Cause::Settings(_)
        | Cause::Store(_)
        | Cause::GaveUp(_)
        | Cause::Refused(_)
        | Cause::Migrate(_)
        | Cause::Install(_)
        | Cause::NothingToExport { .. }
        | Cause::OutFile { .. }
        | Cause::Machine { .. }
        | Cause::Bug { .. } => format!("cannot {task}"),
    }
}

fn how(cause: &Cause, code: &str) -> String {
    match cause {
        Cause::CommandLine { tip: Some(tip), .. } => tip.clone(),
        Cause::CommandLine { tip: None, .. } => "add --help to see what can be said".to_owned(),
        Cause::Usage(error) => of_usage(error),
        Cause::Unconfirmed { .. } => {
            "run it at a terminal, or add --yes once you are sure".to_owned()
        }
        Cause::File { .. } => "name a file that you may read, or - for standard input".to_owned(),
        Cause::Manifest(_) => "correct the manifest; nothing of it was stored".to_owned(),
        Cause::NetConf(_) => {
            "correct the network configuration; the plugin would refuse it too".to_owned()
        }
        Cause::SettingsFile { .. } => {
            "name a file that you may read; --config /dev/null reads no settings".to_owned()
        }
        Cause::NoPassword { .. } => "write the password into it, and nothing else".to_owned(),
        Cause::ApiConfig { path, .. } => {
            format!("correct {}, or name another file with --config", path.display())
        }
        Cause::Settings(_) => {
            "see what is set, and where: ringfence config view --origin".to_owned()
        }
        Cause::Store(error) => of_store(error, code).to_owned(),
        Cause::GaveUp(_) => "try again when there is less going on, or raise --timeout".to_owned(),
        Cause::Refused(refusal) => of_refusal(refusal),
        Cause::Migrate(failure) => of_migration(failure),
        Cause::Install(error) => of_installation(error),
        Cause::NothingToExport { .. } => {
            "look at ringfence usage; --allow-empty exports it all the same".to_owned()
        }
        Cause::OutFile { .. } => "name a file in a directory that you may write to".to_owned(),
        Cause::Machine { .. } => "try again; if it stays, look at the system log".to_owned(),
        Cause::Output(_) => {
            "free space where the output goes; what was asked for may be done already".to_owned()
        }
        Cause::Bug { .. } => "report it with the command line and the version".to_owned(),
    }
}

fn of_usage(error: &UsageError) -> String {
    match error {
        UsageError::Network { .. } => "write a network such as 10.20.0.0/24".to_owned(),
        UsageError::HostBits { masked, .. } => format!("write {masked}"),
        UsageError::PoolList { .. } => {
            "name pools with commas between them, such as a,b".to_owned()
        }
        UsageError::Namespace { .. } => {
            "a name is made of letters, digits, '-', '_' and '.'".to_owned()
        }
        UsageError::Holder { .. } => {
            "write 10.20.0.70, fin/batch-7x, or a handle as ringfence who shows it".to_owned()
        }
        UsageError::Twice { first, .. } => format!("leave {first} out"),
        UsageError::SameStore { .. } => {
            "name two stores; a file can be copied with ringfence migrate embedded:A embedded:B"
                .to_owned()
        }
        UsageError::SetName { .. } => "add --name NAME".to_owned(),
    }
}

fn of_store(error: &StoreError, code: &str) -> &'static str {
    match error {
        StoreError::Unusable { .. } if code == STORE_MISSING => {
            "make the first pool: ringfence pool create NAME CIDR; or name another store with --store embedded:PATH"
        }
        StoreError::Unusable { .. } => {
            "mend that; ringfence config view --origin shows which store is meant, and where that is said"
        }
        StoreError::Unavailable { .. } => {
            "mend that, or try again; a store that is only slow may need a longer --timeout"
        }
        StoreError::Indeterminate { .. } => {
            "look before you try again: ringfence usage, ringfence check"
        }
        StoreError::Denied { .. } => "run it under a name that may use the store",
        StoreError::TooLarge { .. } | StoreError::WrittenTwice { .. } => {
            "report it with the command line and the version"
        }
    }
}

fn of_migration(failure: &MigrateFailure) -> String {
    let MigrateFailure { error, emptying } = failure;
    match error {
        MigrateError::Store(_) => "try again, or raise --timeout".to_owned(),
        MigrateError::Nothing { .. } => {
            "name a store that holds something; see ringfence config view --origin".to_owned()
        }
        MigrateError::Occupied { .. } => {
            "name an empty store; --resume goes on with a copy that was cut short".to_owned()
        }
        MigrateError::NotABeginning { .. } => {
            "name an empty store; only what is the beginning of FROM, unchanged, can be continued"
                .to_owned()
        }
        MigrateError::Stopped { why: Stop::Store(_), .. } => {
            format!(
                "run it again with --resume; or empty TO, which held nothing before: {emptying}"
            )
        }
        MigrateError::Stopped { why: Stop::Changed { .. }, .. } => format!(
            "let nobody change FROM; empty TO, which held nothing before: {emptying}; then run it again"
        ),
        MigrateError::Stopped { why: Stop::Taken { .. } | Stop::Differs { .. }, .. } => format!(
            "find out who else writes into TO; empty it once nothing there is needed: {emptying}; then run it again"
        ),
    }
}

fn of_installation(error: &InstallError) -> String {
    match error {
        InstallError::Unreadable { .. } | InstallError::Unfit { .. } => {
            "name one that can be used; ringfence install-cni --help tells by which flag".to_owned()
        }
        InstallError::NoServer => "add --kubernetes-server https://HOST:PORT".to_owned(),
        InstallError::Foreign { path } => {
            format!("nothing was changed; see what it is, move it away, and try again: {}", path.display())
        }
        InstallError::Changed { path } => format!(
            "nothing was removed; to have it removed all the same install again first; or move it away: {}",
            path.display()
        ),
        InstallError::KeptGone { path } => format!(
            "nothing was removed; put the calico-ipam of the Calico that runs here at {}, and try again",
            path.display()
        ),
        InstallError::Unwanted { .. } => {
            "nothing was changed; ask for it as before, or begin anew with ringfence install-cni --uninstall"
                .to_owned()
        }
        InstallError::Unsafe { path, .. } => {
            let path = path.display();
            format!("see what lies in it, then: chown root {path} && chmod 700 {path}")
        }
        InstallError::Busy { .. } => {
            "wait until it has ended; one that runs with --watch must be stopped first".to_owned()
        }
        InstallError::Record { .. } => {
            "move it away and install again: what is there already is put on a new list".to_owned()
        }
        InstallError::Look { .. } => "mend that, or run it as root".to_owned(),
        InstallError::Change { .. } => {
            "mend that, or run it as root; the next run goes on where this one stopped".to_owned()
        }
    }
}

fn of_refusal(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Corrupt(_) => "see all that is damaged: ringfence check".to_owned(),
        Refusal::Locked => {
            "unlock it when the maintenance is over: calicoctl datastore migrate unlock".to_owned()
        }
        Refusal::Pool { .. } => {
            "correct the pool; ringfence pool create --help tells the rules".to_owned()
        }
        Refusal::PoolOverlap { other, .. } => {
            format!("choose another network; see ringfence pool get {other}")
        }
        Refusal::BlockSizeClash { block, .. } => {
            let size = block.prefix();
            format!("use --block-size {size}, or see who is there: ringfence ips --cidr {block}")
        }
        Refusal::Immutable { .. } => {
            "create another pool beside it: ringfence pool create NAME CIDR".to_owned()
        }
        Refusal::Exists { .. } => {
            "choose another name, or change it: ringfence apply -f FILE".to_owned()
        }
        Refusal::Missing { kind: "pool", .. }
        | Refusal::UnknownPool { .. }
        | Refusal::Unclaimable { .. } => "see which there are: ringfence pool list".to_owned(),
        Refusal::Configuration { .. } => "change both values at once".to_owned(),
        Refusal::Missing { .. } => "see which there are: ringfence namespace list".to_owned(),
        Refusal::TooLarge { .. } => "do it in several steps".to_owned(),
        Refusal::Selector { pool, .. } | Refusal::PoolDisabled { pool, .. } => {
            format!("look at it: ringfence pool get {pool}")
        }
        Refusal::PoolInUse { pool, .. } => format!("see who has them: ringfence ips --pool {pool}"),
        Refusal::PoolBound { namespaces, .. } => {
            let first = namespaces.first().map_or("NAMESPACE", String::as_str);
            format!("ringfence namespace unbind {first}")
        }
        Refusal::WrongFamily { found, .. } => format!("name it with --ipv{}pools", found.number()),
        Refusal::PoolNotPermitted { .. } | Refusal::NothingPermitted { .. } => {
            "see what is bound: ringfence namespace list".to_owned()
        }
        Refusal::NoPoolSelects { .. } => {
            "name a pool, or see which select whom: ringfence pool list".to_owned()
        }
        Refusal::Exhausted { .. } | Refusal::StrictAffinity { .. } => {
            "see where there is room: ringfence usage".to_owned()
        }
        Refusal::BlockLimit { host, .. } | Refusal::ClaimsOff { host, .. } => {
            format!("see what it holds: ringfence ips --node {host}")
        }
        Refusal::UnknownNode { .. } => "apply its manifest: ringfence apply -f FILE".to_owned(),
        Refusal::AddressOutside { ip }
        | Refusal::AddressNotPermitted { ip, .. }
        | Refusal::AddressInUse { ip, .. }
        | Refusal::AddressSetAside { ip, .. }
        | Refusal::AddressCooling { ip, .. }
        | Refusal::AddressElsewhere { ip, .. }
        | Refusal::AddressUnassigned { ip, .. }
        | Refusal::GatewayInUse { gateway: ip, .. }
        | Refusal::GatewayOutside { gateway: ip, .. } => {
            format!("see who has it: ringfence who {ip}")
        }
        Refusal::HandleInUse { handle, .. } | Refusal::HoldsNothing { handle } => {
            format!("see what it holds: ringfence who {handle}")
        }
        Refusal::Release(_) | Refusal::Owners(_) => {
            "it changed since it was shown; look again and decide anew".to_owned()
        }
    }
}

fn endpoints(cause: &Cause) -> Vec<String> {
    let error = if let Cause::Store(error) = cause {
        error
    } else if let Cause::Migrate(failure) = cause
        && let MigrateError::Stopped { why: Stop::Store(error), .. } = &failure.error
    {
        error
    } else {
        return Vec::new();
    };
    match error {
        StoreError::Unavailable { store, .. }
        | StoreError::Indeterminate { store, .. }
        | StoreError::Denied { store, .. }
        | StoreError::Unusable { store, .. } => vec![store.clone()],
        StoreError::TooLarge { .. } | StoreError::WrittenTwice { .. } => Vec::new(),
    }
}
