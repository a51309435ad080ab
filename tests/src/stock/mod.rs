//! A stand-in of a stock Calico node: Calico's allocator step by step, one key at a time.
//!
//! Stock Calico is written in Go and keeps its data consistent without transactions over several keys: it announces a
//! claim before it creates a block, and counts an address in a handle before it takes it. Other processes see every
//! state in between, and a process that dies leaves one behind. This stand-in makes the same requests in the same
//! order, each as one transaction over one key, so that tests can put our own operations between any two of them.
//!
//! Values are changed by the pure parts of `ipam-core`; which key is read or written when, and what is done about a
//! conflict, is written here. That it does what stock Calico does is shown by replaying recordings, see [`replay()`].

mod admin;
mod affinity;
mod assign;
mod assign_ip;
mod borrow;
mod claim;
mod clock;
mod cni;
mod fault;
mod find;
mod handles;
mod library;
mod pools;
mod release;
mod release_ips;
mod replay;
mod verbs;

use ipam_etcd::Store;

pub use assign::{AutoAssign, Given, Shares};
pub use assign_ip::AssignIp;
pub use clock::Clock;
pub use cni::{Command, Printed};
pub use fault::Fault;
pub use library::{LibrarySummary, replay_library};
pub use release_ips::{ReleaseOption, Released};
pub use replay::{Summary, replay};

use verbs::Verbs;

/// How often stock Calico tries again what a conflict foiled.
const RETRIES: usize = 100;

/// A process of a stock Calico node: a plugin that was called, or a client of the library.
#[derive(Debug)]
pub struct Stock<'s, S> {
    verbs: Verbs<'s, S>,
    clock: &'s Clock,
}

impl<'s, S: Store> Stock<'s, S> {
    /// Starts a process.
    #[must_use]
    pub fn new(store: &'s S, clock: &'s Clock) -> Self {
        Self { verbs: Verbs::new(store), clock }
    }
}
