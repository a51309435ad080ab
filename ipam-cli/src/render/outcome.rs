//! What became of something.

use std::net::IpAddr;

use ipam_core::plan::Holder;
use serde::Serialize;

use super::address::Owner;
use super::{Item, or_dash};

/// What became of a resource or a binding.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Outcome {
    /// What it is.
    pub(crate) kind: &'static str,
    /// How it is called.
    pub(crate) name: String,
    /// What became of it, in a word.
    pub(crate) result: &'static str,
}

/// What became of an address that was to be released.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Released {
    ip: String,
    result: &'static str,
    owner: Option<Owner>,
    handle: Option<String>,
}

/// What this program is.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Version {
    /// How it is called.
    pub(crate) name: &'static str,
    /// Its version.
    pub(crate) version: &'static str,
}

impl Released {
    /// Makes the item of an address that somebody held.
    pub(crate) fn from(ip: IpAddr, holder: &Holder) -> Self {
        Self {
            ip: ip.to_string(),
            result: "released",
            owner: Owner::of(holder),
            handle: holder.handle.clone(),
        }
    }

    /// Makes the item of an address that nobody held.
    pub(crate) fn nobody(ip: IpAddr) -> Self {
        Self { ip: ip.to_string(), result: "not assigned", owner: None, handle: None }
    }
}

impl Item for Outcome {
    const KIND: &'static str = "Outcome";
    const HEADINGS: &'static [&'static str] = &[];

    fn rows(&self) -> Vec<Vec<String>> {
        vec![vec![format!("{} {}", self.name, self.result)]]
    }
}

impl Item for Released {
    const KIND: &'static str = "Release";
    const HEADINGS: &'static [&'static str] = &["IP", "RESULT", "OWNER", "HANDLE"];

    fn rows(&self) -> Vec<Vec<String>> {
        vec![vec![
            self.ip.clone(),
            self.result.to_owned(),
            or_dash(self.owner.as_ref().map(Owner::text).as_deref()),
            or_dash(self.handle.as_deref()),
        ]]
    }
}

impl Item for Version {
    const KIND: &'static str = "Version";
    const HEADINGS: &'static [&'static str] = &[];

    fn rows(&self) -> Vec<Vec<String>> {
        vec![vec![format!("{} {}", self.name, self.version)]]
    }
}
