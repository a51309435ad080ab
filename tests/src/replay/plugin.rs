//! Replays through the plugin's process: what it is called with, what it prints and what it stores, as recorded.

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use ipam_core::kv::{Range, Read, Txn};
use ipam_etcd::Store;
use ipam_etcd::etcd::EtcdStore;
use serde_json::{Value, json};

use super::compare::{Aspect, Difference, Keys, Runs, equal, untouched};
use super::meaning::part_of;
use super::recording::{Recording, Step};
use super::run::{Mismatch, ReplayError, Summary, load};
use crate::plugin::{Answer, Call};

const DEADLINE: Duration = Duration::from_secs(10);

/// A real etcd, and the folder of a node that uses it.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Where the server listens.
    pub endpoint: &'a str,
    /// The same server.
    pub store: &'a EtcdStore,
    /// Where the lock and the memory of the node lie.
    pub folder: &'a Path,
}

impl Place<'_> {
    /// Returns a recorded configuration for this place: the endpoint stood there as `ETCD`, and nothing may lie outside the folder.
    #[must_use]
    pub fn netconf(&self, recorded: &Value) -> Value {
        let mut conf = recorded.clone();
        if let Some(fields) = conf.as_object_mut() {
            fields.insert("etcd_endpoints".to_owned(), json!(self.endpoint));
            fields.insert("cache_folder".to_owned(), json!(self.folder.join("cache")));
            fields.insert("ipam_lock_file".to_owned(), json!(self.folder.join("ipam.lock")));
        }
        conf
    }

    /// Returns every key of the server.
    ///
    /// # Errors
    ///
    /// Those of the server.
    pub async fn keys(&self) -> Result<Keys, ReplayError> {
        let everything = Txn::read([Read::values(Range::prefix("/"))]);
        let reply = self.store.txn(&everything, DEADLINE).await?;
        let kvs = reply.reads.into_iter().flat_map(|read| read.kvs);
        Ok(kvs.map(|kv| (kv.key.clone(), kv)).collect())
    }
}

/// Replays a recording on an empty server, its calls of `calico-ipam` by the plugin as a process; pauses take their time.
///
/// # Errors
///
/// [`ReplayError`]: the first difference, or a server that fails.
pub async fn replay_through_plugin(
    recording: &Recording,
    place: Place<'_>,
) -> Result<Summary, ReplayError> {
    let mut runs = Runs::default();
    let mut summary = Summary::default();
    for (number, step) in recording.steps.iter().enumerate() {
        sleep(Duration::from_secs(step.pause_seconds.unsigned_abs()));
        let Some(call) = call(step, place) else {
            load(place.store, step).await?;
            runs.note(step);
            summary.loaded += 1;
            continue;
        };
        let before = place.keys().await?;
        let answer = call.run();
        let after = place.keys().await?;
        let mut differences =
            Vec::from_iter(prints_the_same(&step.stdout, step.exit, &answer).err());
        if !answer.success {
            differences.extend(untouched(&before, &after).err());
        }
        differences.extend(runs.changes(step, &before, &after));
        Mismatch::check(&recording.scenario, number, step, differences)?;
        *(if answer.success { &mut summary.succeeded } else { &mut summary.failed }) += 1;
    }
    Ok(summary)
}

/// Returns the call of a step; `None` for a step of another program.
fn call(step: &Step, place: Place<'_>) -> Option<Call> {
    let mut words = step.title.split(' ');
    let ("calico-ipam", verb @ ("ADD" | "DEL"), container) =
        (words.next()?, words.next()?, words.next()?)
    else {
        return None;
    };
    let conf = place.netconf(step.netconf.as_ref()?);
    Some(Call::new(verb, container, &conf).with("CNI_ARGS", &step.cni_args))
}

/// Compares what the plugin answers with what `calico-ipam` printed: a result to the letter as JSON, of an error the words
/// that people search for.
///
/// # Errors
///
/// The difference.
pub fn prints_the_same(
    recorded: &str,
    exit: Option<i32>,
    answer: &Answer,
) -> Result<(), Difference> {
    if exit != answer.exit {
        let here = format!("{:?} {} {}", answer.exit, answer.json, answer.stderr);
        return Err(Difference {
            aspect: Aspect::Exit,
            recorded: format!("{exit:?} {recorded}"),
            here,
        });
    }
    let recorded: Value = serde_json::from_str(recorded).unwrap_or_default();
    if answer.success {
        return equal(Aspect::Printed, &recorded, &answer.json);
    }
    let words = part_of(recorded.get("msg").and_then(Value::as_str).unwrap_or_default());
    if words.is_some_and(|words| answer.message().contains(words)) {
        return Ok(());
    }
    let here = answer.message().to_owned();
    Err(Difference { aspect: Aspect::Reason, recorded: recorded.to_string(), here })
}
