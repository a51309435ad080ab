//! Putting the plugin, and what it needs to know, on a node.
//!
//! [`Wanted`] is what shall lie there, [`Plan`] holds that against what [`place`] finds and what the [`Record`] says was
//! put there before, and refuses before anything is changed. Carried out, every step is one rename, and the record knows of
//! each file before it exists: a run that is cut short is completed by the next one.

mod config;
mod contents;
mod error;
mod folder;
mod kubeconfig;
mod place;
mod plan;
mod record;
mod surroundings;
mod wanted;

pub(crate) use contents::{plugin_path, wanted};
pub(crate) use error::InstallError;
pub(crate) use folder::Folder;
pub(crate) use place::{Found, look};
pub(crate) use plan::{Act, Plan};
pub(crate) use record::Record;
pub(crate) use wanted::Wanted;

#[cfg(test)]
mod deploy_tests;
