//! IP address management that shares its data with Calico, as pure functions.
//!
//! Nothing here reads a clock, an environment, a file or a socket, starts a thread or writes a log. A request is
//! planned against what has been read so far, and the plan says what to do next:
//!
//! ```text
//! plan(request, view, now) -> Read(ranges)    the driver reads them and plans again
//!                          -> Commit(txn)     the driver commits; on a conflict it takes over what changed and plans again
//!                          -> Done(reply)
//!                          or a refusal: typed, with the pools that were considered
//! ```
//!
//! The modules, from the bottom up: [`ip`] knows addresses, [`kv`] knows keys and transactions, [`model`] knows what is
//! stored, [`selector`] knows Calico's label language, [`block`] changes one block, [`pool`] chooses pools, [`plan`]
//! puts it together, [`check`] judges a whole store, and [`collector`] finds what nobody uses any more.

pub mod block;
pub mod check;
pub mod collector;
pub mod inventory;
pub mod ip;
pub mod kv;
pub mod model;
pub mod plan;
pub mod pool;
pub mod refusal;
pub mod selector;
