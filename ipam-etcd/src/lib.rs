//! Datastores: what a store promises, the backends that keep it, and the loop that carries plans to one.
//!
//! [`Store`] is the promise, [`drive()`] the loop. A backend lives in a folder of its own, and none of the types of the
//! library below it leaves that folder.

mod any;
mod backoff;
pub mod cache;
mod drive;
pub mod embedded;
pub mod etcd;
mod log;
pub mod migrate;
#[cfg(any(test, feature = "testing"))]
mod model;
mod names;
pub mod settings;
mod store;

pub use any::AnyStore;
#[cfg(any(test, feature = "testing"))]
pub use backoff::wait_after;
pub use cache::{CACHE_FOLDER, NodeCache};
pub use drive::{
    CONFLICTS_MAX, DriveError, Driven, Memory, READ_ROUNDS_MAX, SENDS_MAX, drive, drive_from,
};
pub use log::LineLog;
#[cfg(any(test, feature = "testing"))]
pub use model::ModelStore;
pub use names::{Addresses, look_up};
pub use settings::{EMBEDDED_PATH, EtcdSettings, SettingsError, StoreSettings};
pub use store::{Cause, Store, StoreError, check_shape};
