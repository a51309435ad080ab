//! An embedded store with pools, as an administrator would have made it.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ipam_core::check::{Finding, check};
use ipam_core::kv::Kv;
use ipam_core::model::{
    Binding, IpPool, IpPoolSpec, IpReservation, IpReservationSpec, ResourceKind, Timestamp,
};
use ipam_core::plan::{ApplyResources, Bind, Manifest, ReadAll, Request, Snapshot};
use ipam_etcd::embedded::{Create, EmbeddedStore};
use ipam_etcd::{DriveError, drive};
use serde_json::Value;
use tempfile::TempDir;

const DEADLINE: Duration = Duration::from_secs(30);

/// A store in a folder of its own, which goes with it.
#[derive(Debug)]
pub struct World {
    folder: TempDir,
}

impl World {
    /// Makes a store with pools, each a name and what its manifest says under `spec`.
    ///
    /// # Panics
    ///
    /// If the store cannot be made, or a pool is refused.
    #[must_use]
    pub fn with_pools(pools: &[(&str, Value)]) -> Self {
        let world = Self { folder: tempfile::tempdir().expect("a folder for the store") };
        drop(EmbeddedStore::open(&world.path(), Create::IfMissing, DEADLINE).expect("the store is made"));
        for (name, spec) in pools {
            world.pool(name, spec.clone(), None);
        }
        world
    }

    /// Returns where the store lies.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("store.db")
    }

    /// Returns the folder of the store.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Adds or changes a pool.
    ///
    /// # Panics
    ///
    /// If it is refused.
    pub fn pool(&self, name: &str, spec: Value, exclusive: Option<bool>) {
        let spec: IpPoolSpec = serde_json::from_value(spec).expect("a pool's spec");
        let pool = IpPool::new(ResourceKind::IpPool, name, spec);
        self.apply(Manifest::Pool(Box::new(pool), exclusive));
    }

    /// Adds a reservation.
    ///
    /// # Panics
    ///
    /// If it is refused.
    pub fn reserve(&self, name: &str, networks: &[&str]) {
        let spec = IpReservationSpec::new(networks.iter().map(|n| (*n).to_owned()).collect());
        let reservation = IpReservation::new(ResourceKind::IpReservation, name, spec);
        self.apply(Manifest::Reservation(Box::new(reservation)));
    }

    /// Binds a namespace or network.
    ///
    /// # Panics
    ///
    /// If it is refused.
    pub fn bind(&self, tenant: &str, binding: Binding) {
        self.drive(&Bind { tenant: tenant.to_owned(), binding }).expect("the binding is stored");
    }

    /// Carries a request out.
    ///
    /// # Errors
    ///
    /// As [`drive`].
    ///
    /// # Panics
    ///
    /// If the store cannot be opened.
    pub fn drive<R: Request>(&self, request: &R) -> Result<R::Reply, DriveError> {
        let store = EmbeddedStore::open(&self.path(), Create::Never, DEADLINE).expect("the store opens");
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(drive(&store, request, now(), DEADLINE)).map(|driven| driven.reply)
    }

    /// Returns everything that is stored.
    ///
    /// # Panics
    ///
    /// If it cannot be read.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.drive(&ReadAll).expect("the store is read")
    }

    /// Returns every key with its value and revisions, to compare before with after.
    #[must_use]
    pub fn contents(&self) -> Vec<Kv> {
        self.snapshot().kvs
    }

    /// Judges the store.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        check(&self.snapshot(), now())
    }

    fn apply(&self, manifest: Manifest) {
        let random = u128::from(std::process::id()) << 64 | now().nanos().unsigned_abs();
        let request = ApplyResources { manifests: vec![manifest], create_only: false, random };
        self.drive(&request).expect("the resource is stored");
    }
}

/// Returns the time of the clock.
#[must_use]
pub fn now() -> Timestamp {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_nanos(i128::try_from(since_1970.as_nanos()).unwrap_or(i128::MAX))
}
