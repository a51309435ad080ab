//! The options that every command has.

use std::path::PathBuf;

use clap::Args;
use ipam_etcd::settings::{Origin, parse_one_of_two, parse_store_name};

use crate::render::Format;

/// The file that is read when none is named.
pub(crate) const CONFIG_FILE: &str = "/etc/calico/calicoctl.cfg";
/// How long is waited for a store when nobody says how long.
pub(crate) const TIMEOUT_SECONDS: u64 = 5;

/// Above the options that hold for every command.
const GLOBAL: &str = "Options of every command";
/// Above the options that say which store is meant.
const DATASTORE: &str = "Which store";

/// What holds for every command.
#[derive(Clone, Debug, Args)]
pub(crate) struct Globals {
    /// The store: `embedded`, `embedded:PATH`, or `etcd`; RINGFENCE_STORE says the same.
    #[arg(
        long,
        global = true, help_heading = DATASTORE,
        value_name = "STORE",
        value_parser = checked_store
    )]
    pub(crate) store: Option<String>,
    /// The endpoints of etcd, with commas between them.
    #[arg(long, global = true, help_heading = DATASTORE, value_name = "URLS")]
    pub(crate) etcd_endpoints: Option<String>,
    /// Who vouches for the servers of etcd, as PEM.
    #[arg(long, global = true, help_heading = DATASTORE, value_name = "FILE")]
    pub(crate) etcd_cacert: Option<String>,
    /// Our certificate for etcd, as PEM.
    #[arg(long, global = true, help_heading = DATASTORE, value_name = "FILE")]
    pub(crate) etcd_cert: Option<String>,
    /// The key of our certificate, as PEM.
    #[arg(long, global = true, help_heading = DATASTORE, value_name = "FILE")]
    pub(crate) etcd_key: Option<String>,
    /// The user of etcd.
    #[arg(long, global = true, help_heading = DATASTORE, value_name = "NAME")]
    pub(crate) etcd_user: Option<String>,
    /// A file that holds the user's password.
    #[arg(long, global = true, help_heading = DATASTORE, value_name = "FILE")]
    pub(crate) etcd_password_file: Option<PathBuf>,
    #[arg(
        short,
        long,
        global = true, help_heading = DATASTORE,
        value_name = "FILE",
        help = format!("A file of settings as calicoctl has it [default: {CONFIG_FILE}, if there is one]")
    )]
    pub(crate) config: Option<PathBuf>,
    #[arg(
        long,
        global = true, help_heading = DATASTORE,
        value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=3600),
        help = format!("How long to wait for the store, in seconds [default: {TIMEOUT_SECONDS}]")
    )]
    pub(crate) timeout: Option<u64>,
    /// How to show what is told.
    #[arg(short, long, global = true, help_heading = GLOBAL, value_enum, default_value_t)]
    pub(crate) output: Format,
    /// Print data and errors only.
    #[arg(short, long, global = true, help_heading = GLOBAL, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Tell each step on standard error; twice for more.
    #[arg(short, long, global = true, help_heading = GLOBAL, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// Finds out early whether a text names a store.
fn checked_store(text: &str) -> Result<String, String> {
    match parse_store_name(text, &Origin::Flag("--store")) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("a store is \"embedded\", \"embedded:PATH\" or \"etcd\"".to_owned()),
    }
}

/// Finds out early whether a text names one of two stores.
pub(super) fn checked_one_of_two(text: &str) -> Result<String, String> {
    match parse_one_of_two(text, &Origin::Argument("STORE")) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => {
            Err("a store is \"embedded\", \"embedded:PATH\", \"etcd\" or \"etcd:URL,URL\""
                .to_owned())
        }
    }
}
