//! What a recorded step must look like; whatever else it might say is not compared.

use std::collections::{BTreeMap, BTreeSet};

use ipam_core::kv::Key;
use ipam_core::model::{Handle, key};
use serde_json::Value;

use super::super::compare::{Aspect, Difference};
use super::LibraryStep;

/// Says whether a step is no call: it has no arguments, is told in words, and returned nothing but an exit status.
pub(super) fn is_set_up(recorded: &LibraryStep) -> bool {
    let title = &recorded.step.title;
    let is_success = |(member, value): (&String, &Value)| member == "exit" && *value == 0;
    recorded.args.is_null()
        && (title == "setup" || title.contains(' '))
        && recorded.result.as_object().is_some_and(|result| result.iter().all(is_success))
}

/// Finds what a call of the library cannot have returned or written, given what the store held before.
pub(super) fn faults(recorded: &LibraryStep, before: &BTreeMap<Key, String>) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut tell = |aspect, recorded: String, here: &str| {
        found.push(Difference { aspect, recorded, here: here.to_owned() });
    };
    if !recorded.result.is_object() {
        tell(Aspect::Exit, recorded.result.to_string(), "a call returns an object");
    }
    let error = &recorded.result["error"];
    if !error.is_null() && !error.is_string() {
        tell(Aspect::Exit, error.to_string(), "an error is a text");
    }
    if let Some(exit) = recorded.step.exit {
        tell(Aspect::Exit, exit.to_string(), "a call has no exit status");
    }
    let mut touched = BTreeSet::new();
    for key in &recorded.step.deleted {
        if !before.contains_key(key) || !touched.insert(key) {
            tell(
                Aspect::Deleted,
                key.to_string(),
                "what is deleted was there, and is deleted once",
            );
        }
    }
    for put in &recorded.step.put {
        if !touched.insert(&put.key) {
            tell(Aspect::Put, put.key.to_string(), "a key has one value after a step");
        }
        if put.key.starts_with(key::HANDLES)
            && Handle::decode(&put.key, put.value.as_bytes())
                .is_ok_and(|h| !is_as_written(&h, &put.value))
        {
            let recorded = format!("{}: {}", put.key, put.value);
            tell(Aspect::Value, recorded, "a handle is written otherwise");
        }
    }
    found
}

/// Says whether stock Calico writes a handle like this: nothing that counts nothing, and no other spelling.
fn is_as_written(handle: &Handle, value: &str) -> bool {
    let is_counted = handle.blocks().values().all(|count| *count > 0);
    handle.is_null() || is_counted && handle.encode().as_deref() == Some(value.as_bytes())
}
