//! What tests with a real etcd stand on does what it says.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]

mod faults;
mod servers;
