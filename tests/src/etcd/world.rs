//! A cluster with pools, as an administrator would have made it, and a node that uses it.

use std::future::Future;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipam_core::check::{Finding, check};
use ipam_core::kv::Kv;
use ipam_core::plan::{Manifest, ReadAll, Request};
use ipam_etcd::etcd::EtcdStore;
use ipam_etcd::settings::Endpoint;
use ipam_etcd::{DriveError, EtcdSettings, drive};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::shared::Shared;
use super::version::Version;
use crate::plugin;
use crate::world::{Place, applying, now, pool, taken};

const DEADLINE: Duration = Duration::from_secs(30);

/// A server with pools, and the folder of a node: its lock, and what it remembers.
#[derive(Debug)]
pub struct EtcdWorld {
    server: Shared,
    folder: TempDir,
}

impl EtcdWorld {
    /// Takes an empty server and makes pools, each a name and what its manifest says under `spec`.
    ///
    /// # Panics
    ///
    /// If there is no server, or a pool is refused.
    #[must_use]
    pub fn with_pools(pools: &[(&str, Value)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder for the node");
        let world = Self { server: Shared::take(Version::System), folder };
        for (name, spec) in pools {
            world.apply(pool(name, spec.clone(), None));
        }
        world
    }

    /// Returns the server.
    #[must_use]
    pub fn server(&self) -> &Shared {
        &self.server
    }

    /// Returns the folder of the node, which goes with it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns where the node keeps what it remembers.
    #[must_use]
    pub fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    /// Stores a resource.
    ///
    /// # Panics
    ///
    /// If it is refused.
    pub fn apply(&self, manifest: Manifest) {
        self.drive(&applying(manifest)).expect("the resource is stored");
    }

    /// Returns a configuration of the plugin; `ipam` adds to its part or replaces there.
    #[must_use]
    pub fn netconf(&self, ipam: &Value) -> Value {
        self.netconf_at(&self.server.endpoint(), ipam)
    }

    /// Returns a configuration of the plugin that reaches the server at another endpoint, such as a proxy's.
    ///
    /// # Panics
    ///
    /// If `ipam` is no object.
    #[must_use]
    pub fn netconf_at(&self, endpoint: &str, ipam: &Value) -> Value {
        let mut fields = json!({
            "datastore_type": "etcdv3",
            "datastore_path": null,
            "etcd_endpoints": endpoint,
            "cache_folder": self.cache(),
        });
        let given = ipam.as_object().expect("ipam is an object").clone();
        fields.as_object_mut().expect("it is an object").extend(given);
        plugin::netconf(&self.folder.path().join("store"), &fields)
    }

    /// Carries a request out.
    ///
    /// # Errors
    ///
    /// As [`drive`].
    pub fn drive<R: Request>(&self, request: &R) -> Result<R::Reply, DriveError> {
        block_on(drive(&self.store(), request, now(), DEADLINE)).map(|driven| driven.reply)
    }

    /// Returns a store of its own in the server.
    #[must_use]
    pub fn store(&self) -> EtcdStore {
        let endpoints = vec![Endpoint { url: self.server.endpoint() }];
        EtcdStore::new(EtcdSettings { endpoints, tls: None, login: None }, None)
    }

    /// Returns every key with its value and revisions, to compare before with after.
    ///
    /// # Panics
    ///
    /// If they cannot be read.
    #[must_use]
    pub fn contents(&self) -> Vec<Kv> {
        self.drive(&ReadAll).expect("the store is read").kvs
    }

    /// Returns every address that somebody holds, in order.
    #[must_use]
    pub fn taken(&self) -> Vec<IpAddr> {
        taken(&self.contents())
    }

    /// Judges what is stored.
    ///
    /// # Panics
    ///
    /// If it cannot be read.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        check(&self.drive(&ReadAll).expect("the store is read"), now())
    }
}

impl Place for EtcdWorld {
    fn conf(&self, ipam: &Value) -> Value {
        self.netconf(ipam)
    }

    fn drive<R: Request>(&self, request: &R) -> Result<R::Reply, DriveError> {
        self.drive(request)
    }

    fn taken(&self) -> Vec<IpAddr> {
        self.taken()
    }

    fn findings(&self) -> Vec<Finding> {
        self.findings()
    }
}

/// Waits for a future in a runtime of its own.
///
/// # Panics
///
/// If there is no runtime to be had.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}
