//! What the end-to-end tests need.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on says so and stops"
)]

pub mod bench;
pub mod binaries;
pub mod etcd;
pub mod interleave;
pub mod kubernetes;
pub mod mixed;
mod network;
pub mod parsers;
pub mod plugin;
pub mod refusal;
pub mod replay;
pub mod scale;
pub mod sim;
pub mod source;
pub mod sqlite;
pub mod stage;
pub mod stock;
pub mod transition;
pub mod world;
