use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use ipam_core::block::{OwnersError, ReleaseError};
use ipam_core::ip::{Cidr, Family};
use ipam_core::kv::Revision;
use ipam_core::model::DecodeError;
use ipam_core::refusal::{Forbidden, PoolFault, Unassigned};
use ipam_core::selector::Selector;
use ipam_etcd::migrate::Held;
use ipam_etcd::{DriveError, SettingsError};

use super::*;
use crate::api_config::ApiConfigError;
use crate::cause::{MigrateFailure, UsageError};
use crate::diagnose::Diagnosis;
use crate::install::InstallError;
use crate::manifest::ManifestError;
use crate::netconf::NetConfError;

/// An error, the code that its run ends with, and its name.
type Row = (Cause, u8, &'static str);

fn text() -> String {
    "x".to_owned()
}

fn ip() -> IpAddr {
    IpAddr::from([10, 0, 0, 1])
}

fn cidr() -> Cidr {
    Cidr::parse("10.0.0.0/24").unwrap()
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

fn own() -> Vec<Row> {
    let exhausted =
        DriveError::Exhausted { limit: "x", round_trips: 1, elapsed_ms: 1, key: text() };
    let several = ApiConfigError::Several { documents: 2 };
    vec![
        (Cause::CommandLine { message: text(), tip: None }, 2, "RF-E0101"),
        (UsageError::Network { given: text() }.into(), 2, "RF-E0102"),
        (Cause::Unconfirmed { why: "x" }, 2, "RF-E0103"),
        (Cause::File { path: PathBuf::new(), source: not_found() }, 2, "RF-E0104"),
        (ManifestError::Empty.into(), 2, "RF-E0105"),
        (NetConfError::NoIpam.into(), 2, "RF-E0106"),
        (Cause::SettingsFile { path: PathBuf::new(), source: not_found() }, 2, "RF-E0107"),
        (Cause::NoPassword { path: PathBuf::new() }, 2, "RF-E0108"),
        (Cause::ApiConfig { path: PathBuf::new(), source: several.into() }, 2, "RF-E0109"),
        (SettingsError::Nothing.into(), 2, "RF-E0110"),
        (exhausted.into(), 3, "RF-E0206"),
        (Cause::NothingToExport { pools: vec![text()] }, 1, "RF-E0601"),
        (Cause::OutFile { path: PathBuf::new(), source: not_found() }, 3, "RF-E0602"),
        (Cause::Machine { needed: "x", source: "x".into() }, 3, "RF-E0901"),
        (Cause::Output(not_found()), 3, "RF-E0902"),
        (Cause::Bug { what: text() }, 70, "RF-E0999"),
    ]
}

fn of_the_store() -> Vec<Row> {
    let missing = EmbeddedError::Missing { path: PathBuf::from("/x") };
    let row = |error: StoreError, exit, code| (Cause::from(DriveError::Store(error)), exit, code);
    vec![
        row(StoreError::Unusable { store: text(), source: missing.into() }, 3, "RF-E0201"),
        row(StoreError::Unusable { store: text(), source: "x".into() }, 3, "RF-E0202"),
        row(
            StoreError::Unavailable { store: text(), waited_ms: 1, source: "x".into() },
            3,
            "RF-E0203",
        ),
        row(StoreError::Indeterminate { store: text(), source: "x".into() }, 3, "RF-E0204"),
        row(StoreError::Denied { store: text(), source: "x".into() }, 4, "RF-E0205"),
        row(StoreError::TooLarge { entries: 2, limit: 1 }, 70, "RF-E0991"),
        row(StoreError::WrittenTwice { key: text().into() }, 70, "RF-E0992"),
    ]
}

fn of_migration() -> Vec<Row> {
    let stopped = |why: Stop| MigrateError::Stopped { store: text(), held: Held::default(), why };
    let (key, revision) = (text, Revision::INITIAL);
    let denied = || StoreError::Denied { store: text(), source: "x".into() };
    let rows = [
        (MigrateError::Nothing { store: text() }, 1, "RF-E0701"),
        (MigrateError::Occupied { store: text(), keys: 3, first: key().into() }, 5, "RF-E0702"),
        (MigrateError::NotABeginning { store: text(), key: key().into() }, 5, "RF-E0703"),
        (
            stopped(Stop::Changed { store: text(), key: None, from: revision, to: revision }),
            5,
            "RF-E0704",
        ),
        (stopped(Stop::Taken { store: text(), key: key().into() }), 5, "RF-E0705"),
        (stopped(Stop::Differs { store: text(), key: None }), 5, "RF-E0706"),
        (stopped(Stop::Store(denied())), 4, "RF-E0707"),
    ];
    let row = |(error, exit, code)| {
        (MigrateFailure { error, emptying: "rm x".to_owned() }.into(), exit, code)
    };
    rows.map(row).into()
}

fn of_installation() -> Vec<Row> {
    let path = PathBuf::new;
    let rows = [
        (InstallError::Unreadable { what: "x", path: path(), source: not_found() }, 2, "RF-E0801"),
        (InstallError::Unfit { what: "x", path: path(), why: "x" }, 2, "RF-E0802"),
        (InstallError::NoServer, 2, "RF-E0803"),
        (InstallError::Foreign { path: path() }, 5, "RF-E0804"),
        (InstallError::Changed { path: path() }, 5, "RF-E0805"),
        (InstallError::KeptGone { path: path() }, 5, "RF-E0806"),
        (InstallError::Unwanted { path: path() }, 5, "RF-E0807"),
        (InstallError::Unsafe { path: path(), why: "x" }, 5, "RF-E0808"),
        (InstallError::Busy { path: path() }, 5, "RF-E0809"),
        (InstallError::Record { path: path(), why: text() }, 3, "RF-E0810"),
        (InstallError::Look { path: path(), source: not_found() }, 3, "RF-E0811"),
        (InstallError::Change { path: path(), source: not_found() }, 3, "RF-E0812"),
    ];
    rows.map(|(error, exit, code)| (error.into(), exit, code)).into()
}

fn of_resources() -> Vec<(Refusal, u8, &'static str)> {
    let pool = text;
    let selector = || Selector::parse("a ===").unwrap_err();
    vec![
        (Refusal::Corrupt(DecodeError::NullHandle { key: text() }), 3, "RF-E0207"),
        (Refusal::Locked, 5, "RF-E0208"),
        (Refusal::Pool { pool: pool(), source: PoolFault::Conflict("x") }, 2, "RF-E0301"),
        (
            Refusal::PoolOverlap { pool: pool(), cidr: cidr(), other: text(), other_cidr: cidr() },
            5,
            "RF-E0302",
        ),
        (Refusal::BlockSizeClash { pool: pool(), block_size: 26, block: cidr() }, 5, "RF-E0303"),
        (
            Refusal::Immutable { pool: pool(), field: "x", stored: text(), given: text() },
            5,
            "RF-E0304",
        ),
        (Refusal::Exists { kind: "x", name: text() }, 5, "RF-E0305"),
        (Refusal::Missing { kind: "x", name: text() }, 1, "RF-E0306"),
        (Refusal::TooLarge { ops: 2, max: 1 }, 2, "RF-E0307"),
        (Refusal::Selector { pool: pool(), field: "x", source: selector() }, 5, "RF-E0308"),
        (Refusal::Unclaimable { cidr: cidr(), why: "x" }, 5, "RF-E0309"),
        (Refusal::Configuration { why: "x" }, 5, "RF-E0310"),
        (Refusal::PoolInUse { pool: pool(), addresses: 41, blocks: 5 }, 5, "RF-E0312"),
        (Refusal::PoolBound { pool: pool(), namespaces: vec![text()] }, 5, "RF-E0313"),
        (Refusal::UnknownNode { name: text() }, 1, "RF-E0314"),
    ]
}

fn of_choices() -> Vec<(Refusal, u8, &'static str)> {
    let (named_by, pool, family, host) = (text, text, Family::V4, text);
    let forbidden = || Forbidden::Exclusive { tenant: None };
    vec![
        (
            Refusal::UnknownPool {
                named_by: named_by(),
                name: text(),
                nearest: vec![],
                enclosing: None,
            },
            1,
            "RF-E0401",
        ),
        (Refusal::PoolDisabled { named_by: named_by(), pool: pool(), why: "x" }, 5, "RF-E0402"),
        (Refusal::WrongFamily { named_by: named_by(), pool: pool(), found: family }, 2, "RF-E0403"),
        (
            Refusal::PoolNotPermitted { named_by: named_by(), pool: pool(), why: forbidden() },
            5,
            "RF-E0404",
        ),
        (Refusal::NothingPermitted { named_by: named_by(), family }, 5, "RF-E0405"),
        (Refusal::NoPoolSelects { family, dropped: vec![] }, 5, "RF-E0406"),
        (Refusal::Exhausted { named_by: named_by(), family, pools: vec![pool()] }, 7, "RF-E0411"),
        (Refusal::BlockLimit { host: host(), family, claimed: 4, limit: 4 }, 7, "RF-E0412"),
        (Refusal::StrictAffinity { host: host(), family, pools: vec![pool()] }, 7, "RF-E0413"),
        (Refusal::ClaimsOff { host: host(), family }, 7, "RF-E0414"),
    ]
}

fn of_addresses() -> Vec<(Refusal, u8, &'static str)> {
    let (pool, holder) = (text, text);
    let changed = || ReleaseError::Sequence { ip: ip(), expected: 1, found: 2 };
    let elsewhere = OwnersError::Handle { ip: ip(), expected: text(), found: None };
    vec![
        (Refusal::AddressOutside { ip: ip() }, 1, "RF-E0501"),
        (Refusal::AddressNotPermitted { ip: ip(), pool: pool(), permitted: vec![] }, 5, "RF-E0502"),
        (Refusal::AddressInUse { ip: ip(), holder: holder() }, 5, "RF-E0503"),
        (Refusal::AddressSetAside { ip: ip(), why: "x" }, 5, "RF-E0504"),
        (Refusal::AddressCooling { ip: ip(), seconds_left: 9 }, 5, "RF-E0513"),
        (Refusal::AddressElsewhere { ip: ip(), block: cidr(), owner: text() }, 5, "RF-E0505"),
        (Refusal::HandleInUse { handle: text(), why: text() }, 5, "RF-E0506"),
        (Refusal::GatewayInUse { gateway: ip(), pool: pool(), holder: holder() }, 5, "RF-E0507"),
        (Refusal::GatewayOutside { gateway: ip(), pool: pool(), cidr: cidr() }, 2, "RF-E0508"),
        (Refusal::Release(changed()), 5, "RF-E0509"),
        (Refusal::AddressUnassigned { ip: ip(), why: Unassigned::Free }, 1, "RF-E0510"),
        (Refusal::Owners(elsewhere), 5, "RF-E0511"),
        (Refusal::HoldsNothing { handle: text() }, 1, "RF-E0512"),
    ]
}

fn all() -> Vec<Row> {
    let refusals = of_resources().into_iter().chain(of_choices()).chain(of_addresses());
    let refused =
        |(refusal, exit, code)| (Cause::from(DriveError::Refused(Box::new(refusal))), exit, code);
    own()
        .into_iter()
        .chain(of_the_store())
        .chain(of_migration())
        .chain(of_installation())
        .chain(refusals.map(refused))
        .collect()
}

#[test]
fn every_error_has_its_exit_code_and_its_name() {
    for (cause, exit, code) in all() {
        let verdict = verdict(&cause);
        assert_eq!((verdict.exit.code(), verdict.code), (exit, code), "{cause:?}");
    }
}

#[test]
fn no_error_is_left_out_and_no_name_is_used_twice() {
    let mut tested: Vec<&str> = all().iter().map(|(_, _, code)| *code).collect();
    tested.sort_unstable();
    let source = include_str!("exit.rs");
    let mut written: Vec<&str> =
        source.match_indices("\"RF-E").filter_map(|(at, _)| source.get(at + 1..at + 9)).collect();
    written.sort_unstable();
    assert_eq!(tested, written);
    written.dedup();
    assert_eq!(tested, written, "a name stands for two errors");
}

#[test]
fn every_error_is_told_in_three_lines() {
    for (cause, exit, code) in all() {
        let diagnosis = Diagnosis::of("do it", &cause);
        assert_eq!((diagnosis.exit.code(), diagnosis.code), (exit, code));
        let text = diagnosis.text();
        let lines: Vec<&str> = text.lines().collect();
        let [what, why, how] = lines.as_slice() else { panic!("{text}") };
        assert!(what.starts_with("error: ") && what.ends_with(&format!("[{code}]")), "{text}");
        assert!(what.contains("do it"), "{text}");
        for (line, start) in [(why, "  why: "), (how, "  how: ")] {
            let told = line.strip_prefix(start).unwrap_or_else(|| panic!("{text}"));
            assert!(!told.is_empty() && !told.ends_with('.'), "{text}");
        }
    }
}

#[test]
fn a_copy_that_was_cut_short_says_what_is_there_and_how_to_go_on() {
    let source = StoreError::Unavailable { store: text(), waited_ms: 9, source: "gone".into() };
    let (held, store) = (Held { keys: 96, unsure: 4, of: 200 }, text());
    let error = MigrateError::Stopped { store, held, why: Stop::Store(source) };
    let cause = MigrateFailure { error, emptying: "rm /x".to_owned() }.into();
    let diagnosis = Diagnosis::of("migrate", &cause);
    assert_eq!(
        diagnosis.why,
        "x holds the first 96 of 200 keys, and perhaps 4 more, of the source: x did not answer in 9 ms: gone"
    );
    assert!(diagnosis.how.contains("--resume") && diagnosis.how.ends_with("rm /x"));
    assert_eq!(diagnosis.endpoints, ["x"]);
}

#[test]
fn an_unknown_outcome_is_not_told_as_a_failure() {
    let error = StoreError::Indeterminate { store: text(), source: "x".into() };
    let diagnosis = Diagnosis::of("create pool fin", &Cause::Store(error));
    assert_eq!(diagnosis.what, "nobody knows whether this was done: create pool fin");
}

#[test]
fn what_others_have_written_cannot_break_the_lines() {
    let refusal = Refusal::Missing { kind: "pool", name: "a\nerror: b\u{1b}[2J".to_owned() };
    let cause = Cause::Bug { what: format!("{refusal}\r\n{refusal}") };
    let diagnosis = Diagnosis::of("show pool a\nb\u{1b}[2J", &cause);
    assert_eq!(diagnosis.text().lines().count(), 3);
    assert!(!diagnosis.text().contains('\u{1b}'));
}

#[test]
fn what_clap_says_is_taken_apart() {
    use clap::Parser;
    for (words, why, how) in [
        (&["nonsense"][..], "unrecognized subcommand 'nonsense'", "--help"),
        (&["pol"], "unrecognized subcommand 'pol'", "a similar subcommand exists: 'pool'"),
        (&["pool", "get"], "required arguments were not provided: <NAME>", "--help"),
        (&["usage", "--quite"], "unexpected argument '--quite' found", "--quiet"),
        (&["release"], "<--ip <IP>...|--handle <HANDLE>|--pod <NAMESPACE/POD>>", "--help"),
        (&["pool", "create", "a", "10.0.0.0/24", "--for", "firewall", "--nat"], "--nat", "--help"),
        (&["explain", "10.0.0.1", "--namespace", "fin"], "--namespace", "--help"),
        (&["namespace", "bind", "fin"], "--ipv4pools", "--help"),
    ] {
        let words = ["ringfence"].iter().chain(words);
        let error = crate::args::Arguments::try_parse_from(words.clone()).unwrap_err();
        let cause = Cause::from_clap(&error.render().to_string());
        let diagnosis = Diagnosis::of("understand the command line", &cause);
        assert!(diagnosis.why.contains(why), "{words:?}: {}", diagnosis.why);
        assert!(!diagnosis.why.contains("Usage"), "{words:?}: {}", diagnosis.why);
        assert!(diagnosis.how.contains(how), "{words:?}: {}", diagnosis.how);
    }
}
