//! The behaviours of Calico's IPAM, one test for each that no other test shows; `docs/calico-compat.md` says which is where.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

mod assign;
mod blocks;
mod claims;
mod cold;
mod collector;
mod handles;
mod host_reserved;
mod oracle;
mod owners;
mod pools;
mod races;
mod release;
mod repairs;
mod reservations;
mod scene;
mod table;
mod world;
