//! The CNI IPAM plugin of Ringfence: one process per call, configuration on stdin, answer on stdout.
//!
//! Stdout carries the protocol and nothing else. The process may be killed at any instruction: what it stores, it stores
//! in one transaction, so there is nothing to clean up.

mod addresses;
mod annotations;
mod calico_words;
mod command;
mod datastore;
mod facts;
mod identity;
mod kubernetes;
mod lock;
mod log;
mod mode;
mod protocol;
mod refusal_code;
mod settings;

pub use command::{Answer, judge, run};
pub use protocol::environment::command;
pub use protocol::{CniError, Code};
