//! An embedded store with pools, as an administrator would have made it.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ipam_core::check::{Finding, check};
use ipam_core::kv::{self, Key, Kv, Lookup, Op};
use ipam_core::model::{
    Binding, Block, IpPool, IpPoolSpec, IpReservation, IpReservationSpec, ResourceKind, Timestamp,
    key,
};
use ipam_core::plan::{
    ApplyResources, Bind, Manifest, Outcome, Planned, ReadAll, Request, Snapshot,
};
use ipam_etcd::embedded::{Create, EmbeddedStore};
use ipam_etcd::{DriveError, drive};
use serde_json::Value;
use tempfile::TempDir;

use crate::plugin::netconf;

const DEADLINE: Duration = Duration::from_secs(30);

/// A store with pools, and a node that uses it.
pub trait Place: Sync {
    /// Returns a configuration of the plugin; `ipam` adds to its part or replaces there.
    fn conf(&self, ipam: &Value) -> Value;

    /// Carries a request out.
    ///
    /// # Errors
    ///
    /// As [`drive`].
    fn drive<R: Request>(&self, request: &R) -> Result<R::Reply, DriveError>;

    /// Returns every address that somebody holds, in order.
    fn taken(&self) -> Vec<IpAddr>;

    /// Judges the store.
    fn findings(&self) -> Vec<Finding>;
}

impl Place for World {
    fn conf(&self, ipam: &Value) -> Value {
        netconf(&self.path(), ipam)
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
        drop(
            EmbeddedStore::open(&world.path(), Create::IfMissing, DEADLINE)
                .expect("the store is made"),
        );
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
        self.apply(pool(name, spec, exclusive));
    }

    /// Adds a reservation.
    ///
    /// # Panics
    ///
    /// If it is refused.
    pub fn reserve(&self, name: &str, networks: &[&str]) {
        self.apply(reservation(name, networks));
    }

    /// Binds a namespace or network.
    ///
    /// # Panics
    ///
    /// If it is refused.
    pub fn bind(&self, tenant: &str, binding: Binding) {
        self.drive(&Bind { tenant: tenant.to_owned(), binding }).expect("the binding is stored");
    }

    /// Stores bytes under a key, whatever they mean.
    ///
    /// # Panics
    ///
    /// If they cannot be stored.
    pub fn put(&self, key: &str, value: impl Into<Vec<u8>>) {
        self.drive(&Put { key: key.into(), value: value.into().into() })
            .expect("the value is stored");
    }

    /// Says whether the store can be opened.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        EmbeddedStore::open(&self.path(), Create::Never, DEADLINE).is_ok()
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
        let store =
            EmbeddedStore::open(&self.path(), Create::Never, DEADLINE).expect("the store opens");
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
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

    /// Returns every address that somebody holds, in order.
    ///
    /// # Panics
    ///
    /// If a block cannot be read.
    #[must_use]
    pub fn taken(&self) -> Vec<IpAddr> {
        taken(&self.contents())
    }

    /// Returns the bytes of every file in the store's folder, to compare before with after. Left out is what holds
    /// nothing that lasts: locks, an empty log, and the log's index.
    ///
    /// # Panics
    ///
    /// If one cannot be read.
    #[must_use]
    pub fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        collect_files(self.folder.path(), &mut files);
        files
    }

    /// Judges the store.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        check(&self.snapshot(), now())
    }

    fn apply(&self, manifest: Manifest) {
        self.drive(&applying(manifest)).expect("the resource is stored");
    }
}

/// Asks to store one resource.
#[must_use]
pub fn applying(manifest: Manifest) -> ApplyResources {
    let random = u128::from(std::process::id()) << 64 | now().nanos().unsigned_abs();
    ApplyResources { manifests: vec![manifest], create_only: false, random }
}

/// Describes a pool by its name and what its manifest says under `spec`.
///
/// # Panics
///
/// If that is no pool.
#[must_use]
pub fn pool(name: &str, spec: Value, exclusive: Option<bool>) -> Manifest {
    let spec: IpPoolSpec = serde_json::from_value(spec).expect("a pool's spec");
    Manifest::Pool(Box::new(IpPool::new(ResourceKind::IpPool, name, spec)), exclusive)
}

/// Describes a reservation.
#[must_use]
pub fn reservation(name: &str, networks: &[&str]) -> Manifest {
    let spec = IpReservationSpec::new(networks.iter().map(|n| (*n).to_owned()).collect());
    let kind = ResourceKind::IpReservation;
    Manifest::Reservation(Box::new(IpReservation::new(kind, name, spec)))
}

/// Returns every address that somebody holds, in order.
///
/// # Panics
///
/// If a block cannot be read.
#[must_use]
pub fn taken(kvs: &[Kv]) -> Vec<IpAddr> {
    let blocks = kvs.iter().filter(|kv| matches!(key::parse(&kv.key), Some(key::Named::Block(_))));
    let mut taken: Vec<IpAddr> = blocks
        .flat_map(|kv| {
            let block = Block::decode(&kv.key, &kv.value).expect("a sound block");
            let held = block.taken().filter(|(_, record)| record.released_at.is_none());
            held.map(|(ordinal, _)| block.cidr.address_at(ordinal)).collect::<Vec<_>>()
        })
        .collect();
    taken.sort();
    taken
}

/// Asks to store bytes under a key, whatever they mean.
#[derive(Clone, Debug)]
pub struct Put {
    /// Where.
    pub key: Key,
    /// Which bytes.
    pub value: kv::Value,
}

impl Request for Put {
    type Reply = ();

    fn plan(&self, lookup: &mut Lookup<'_>, _now: Timestamp) -> Planned<Outcome<()>> {
        lookup.get(&self.key)?;
        let put = Op::put(self.key.clone(), self.value.clone());
        Ok(Outcome::Write { ops: vec![put], reply: () })
    }
}

fn collect_files(folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(folder).expect("the folder is read") {
        let path = entry.expect("the folder is read").path();
        let is = |ending: &str| path.to_string_lossy().ends_with(ending);
        if path.is_dir() {
            files.insert(path.clone(), Vec::new());
            collect_files(&path, files);
        } else if !is("-shm") && !is(".lock") {
            let bytes = fs::read(&path).expect("the file is read");
            if !(is("-wal") && bytes.is_empty()) {
                files.insert(path, bytes);
            }
        }
    }
}

/// Returns the time of the clock.
#[must_use]
pub fn now() -> Timestamp {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_nanos(i128::try_from(since_1970.as_nanos()).unwrap_or(i128::MAX))
}
