//! The command that replays recordings from files.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use ipam_etcd::embedded::{Create, EmbeddedStore};
use ipam_etcd::etcd::EtcdStore;
use ipam_etcd::settings::Endpoint;
use ipam_etcd::{EtcdSettings, ModelStore};

use super::library::{LibraryRecording, Replayed, replay_library};

const USAGE: &str = "usage: ringfence-replay [--store model|embedded|etcd=URL] FILE...
Replays recordings of stock Calico's IPAM library, each on an empty store: the in-memory one unless said otherwise. What an
etcd holds below /calico/ and /ringfence/ must be nothing, and stays there afterwards; so it takes one file.";
const EXIT_USAGE: u8 = 2;
const DEADLINE: Duration = Duration::from_secs(10);

/// Carries the command out; prints a line for each file to stdout, and what is wrong to stderr.
#[must_use]
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "it speaks to a person")]
pub fn command(arguments: &[String]) -> ExitCode {
    let (store, files) = match arguments {
        [flag, store, files @ ..] if flag == "--store" => (store.as_str(), files),
        files => ("model", files),
    };
    let is_known = matches!(store, "model" | "embedded") || store.starts_with("etcd=");
    let is_one_too_many = store.starts_with("etcd=") && files.len() > 1;
    if files.is_empty()
        || files.iter().any(|file| file.starts_with('-'))
        || !is_known
        || is_one_too_many
    {
        eprintln!("{USAGE}");
        return ExitCode::from(EXIT_USAGE);
    }
    let mut code = ExitCode::SUCCESS;
    for file in files {
        match replay_file(Path::new(file), store) {
            Ok(Replayed { same, intended, loaded, missing }) => {
                println!(
                    "{file}: {same} the same, {intended} different on purpose, {loaded} taken over"
                );
                if same == 0 {
                    eprintln!(
                        "{file}: nothing in it was compared; it must hold calls of Calico's library with their args"
                    );
                    code = ExitCode::FAILURE;
                }
                if !missing.is_empty() {
                    eprintln!("{file}: cannot be replayed: {}", missing.join(", "));
                    code = ExitCode::FAILURE;
                }
            }
            Err(error) => {
                eprintln!("{file}: {error}");
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}

fn replay_file(file: &Path, store: &str) -> Result<Replayed, String> {
    let recording = LibraryRecording::open(file).map_err(|error| chain(&error))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| chain(&error))?;
    let replayed = match store.strip_prefix("etcd=") {
        Some(url) => {
            let endpoints = vec![Endpoint { url: url.to_owned() }];
            let store = EtcdStore::new(EtcdSettings { endpoints, tls: None, login: None }, None);
            runtime.block_on(replay_library(&recording, &store))
        }
        None if store == "embedded" => {
            let folder = tempfile::tempdir().map_err(|error| chain(&error))?;
            let path = folder.path().join("store.db");
            let store = EmbeddedStore::open(&path, Create::IfMissing, DEADLINE);
            let store = store.map_err(|error| chain(&error))?;
            runtime.block_on(replay_library(&recording, &store))
        }
        None => runtime.block_on(replay_library(&recording, &ModelStore::default())),
    };
    replayed.map_err(|error| chain(&error))
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
