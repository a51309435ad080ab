//! `ringfence migrate`: a store is copied into an empty one, and the copy is proven.

mod progress;

use std::fs;
use std::io::{self, IsTerminal};
use std::os::unix::fs::MetadataExt as _;
use std::path::{self, Path};
use std::time::{Duration, Instant};

use ipam_core::model::key;
use ipam_etcd::embedded::Create;
use ipam_etcd::migrate::{Copied, MigrateError, Migration, Survey};
use ipam_etcd::settings::{Origin, parse_one_of_two};
use ipam_etcd::{AnyStore, StoreSettings};

use super::Context;
use crate::args;
use crate::cause::{Cause, MigrateFailure, UsageError};
use crate::exit::Exit;
use crate::render::{MigrationItem, Report, Stamp};
use crate::warning::Warning;
use progress::Pacer;

/// Copies a store, reads the copy back, compares, and tells what was copied.
pub(super) async fn run(context: &mut Context, args: &args::Migrate) -> Result<Exit, Cause> {
    let (from, deadline) = settings_of(context, "FROM", &args.from)?;
    let (to, _) = settings_of(context, "TO", &args.to)?;
    if is_same(&from, &to) {
        let (from, to) = (from.to_string(), to.to_string());
        return Err(UsageError::SameStore { from, to }.into());
    }
    let started = Instant::now();
    let failed = |error| Cause::from(MigrateFailure { error, emptying: emptying(&to) });
    let source = AnyStore::open(&from, Create::Never, deadline, None)?;
    // No store is made where nothing would come into it.
    let survey = Survey::of(&source, deadline).await?;
    if survey.keys == 0 {
        return Err(failed(MigrateError::Nothing { store: survey.store }));
    }
    let target = AnyStore::open(&to, Create::IfMissing, deadline, None)?;
    let mut pacer = Pacer::new(io::stderr().is_terminal());
    let migration = Migration { source: &source, target: &target, resume: args.resume, deadline };
    let copied = migration
        .run(|progress| {
            if let Some(line) = pacer.line(progress, started.elapsed()) {
                context.note(&line);
            }
        })
        .await
        .map_err(failed)?;
    let stamp = Stamp { revision: Some(copied.source.revision), at: context.now };
    let item = MigrationItem::of(&copied, started.elapsed());
    let report = Report::new(stamp, vec![item]).with_warnings(warnings(&copied, &to));
    context.show(&report)?;
    Ok(Exit::Done)
}

/// Decides which store an argument means, and how long to wait for it.
fn settings_of(
    context: &mut Context,
    argument: &'static str,
    name: &str,
) -> Result<(StoreSettings, Duration), Cause> {
    let strongest = parse_one_of_two(name, &Origin::Argument(argument))?;
    let settings = context.sources.read_below(strongest)?;
    let (decision, warnings) = settings.decide()?;
    context.warn(&warnings);
    Ok((decision.store, settings.timeout()?))
}

/// Says whether two settings lead to one store, as far as can be told without asking.
fn is_same(one: &StoreSettings, other: &StoreSettings) -> bool {
    match (one, other) {
        (StoreSettings::Embedded { path: one }, StoreSettings::Embedded { path: other }) => {
            is_same_file(one, other)
        }
        (StoreSettings::Etcd(one), StoreSettings::Etcd(other)) => {
            one.endpoints.iter().any(|endpoint| other.endpoints.contains(endpoint))
        }
        (StoreSettings::Embedded { .. }, StoreSettings::Etcd(_))
        | (StoreSettings::Etcd(_), StoreSettings::Embedded { .. }) => false,
    }
}

/// A file may have several names.
fn is_same_file(one: &Path, other: &Path) -> bool {
    let number = |path: &Path| fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
    let whole = |path: &Path| path::absolute(path).ok();
    (number(one).is_some() && number(one) == number(other))
        || (whole(one).is_some() && whole(one) == whole(other))
}

/// Returns what empties a store that held nothing below the roots before.
fn emptying(store: &StoreSettings) -> String {
    match store {
        StoreSettings::Embedded { path } => {
            let path = path.display();
            format!("rm -f '{path}' '{path}-wal' '{path}-shm'")
        }
        StoreSettings::Etcd(_) => {
            key::ROOTS.map(|root| format!("etcdctl del --prefix {root}")).join(" && ")
        }
    }
}

/// Tells what must still be done, or may be missed.
fn warnings(copied: &Copied, target: &StoreSettings) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |code, message| warnings.push(Warning { code, message });
    let (from, to) = (&copied.source.store, &copied.target);
    if copied.source.is_locked {
        let then = match target {
            StoreSettings::Etcd(_) => "unlock it when the nodes use it",
            // Only calicoctl unlocks, and it does not reach a file.
            StoreSettings::Embedded { .. } => {
                "nobody gets an address there, and a file cannot be unlocked yet"
            }
        };
        warn("RF-W0701", format!("{to} is locked as {from} is: {then}"));
    } else {
        let message = format!(
            "{from} is not locked: what is given or returned there from now on is missing in {to}"
        );
        warn("RF-W0702", message);
    }
    if let Some(beside @ 1..) = copied.beside {
        let message = format!(
            "{beside} keys of {from} below /calico/ or /ringfence/ were not copied: they hold no addresses"
        );
        warn("RF-W0703", message);
    }
    warnings
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use ipam_etcd::EtcdSettings;
    use ipam_etcd::settings::Endpoints;

    use super::*;

    fn etcd(list: &str) -> StoreSettings {
        let endpoints = Endpoints::parse(list).unwrap().list;
        StoreSettings::Etcd(EtcdSettings { endpoints, tls: None, login: None })
    }

    fn embedded(path: &Path) -> StoreSettings {
        StoreSettings::Embedded { path: path.to_owned() }
    }

    #[test]
    fn a_store_is_known_by_each_of_its_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("a"), "").unwrap();
        fs::write(path("b"), "").unwrap();
        symlink(path("a"), path("symbolic")).unwrap();
        fs::hard_link(path("a"), path("hard")).unwrap();
        for (other, expected) in [
            ("a", true),
            ("./a", true),
            ("symbolic", true),
            ("hard", true),
            ("b", false),
            ("absent", false),
        ] {
            assert_eq!(
                is_same(&embedded(&path("a")), &embedded(&path(other))),
                expected,
                "{other}"
            );
        }
        assert!(is_same(&embedded(&path("absent")), &embedded(&path("./absent"))));
        assert!(is_same(&etcd("http://a,http://b"), &etcd("http://c,http://B:2379")));
        assert!(!is_same(&etcd("http://a,http://b"), &etcd("http://c,http://a:2380")));
        assert!(!is_same(&etcd("http://a"), &embedded(&path("a"))));
    }

    #[test]
    fn a_store_is_emptied_of_what_came_into_it() {
        let command = emptying(&etcd("http://a"));
        for root in key::ROOTS {
            assert!(command.contains(&format!("etcdctl del --prefix {root}")), "{command}");
        }
        let file = emptying(&embedded(Path::new("/x/s.db")));
        assert_eq!(file, "rm -f '/x/s.db' '/x/s.db-wal' '/x/s.db-shm'");
    }
}
