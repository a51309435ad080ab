//! The cluster in which mistakes are made, and what is handed to the plugin there.

use std::fs::{self, Permissions};
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use ipam_core::kv::{Range, Read, Txn, TxnReply};
use ipam_core::model::{Binding, BindingMode, Config, ResourceKind, key};
use ipam_core::plan::Bind;
use ipam_etcd::Store as _;
use ipam_tests::etcd::{EtcdWorld, block_on};
use ipam_tests::kubernetes::{ApiServer, Reply};
use ipam_tests::world::{Put, pool, reservation};
use serde_json::{Value, json};

const DEADLINE: Duration = Duration::from_secs(10);

/// A pool for each way to go wrong, and node `n1`.
pub(crate) struct Cluster {
    pub(crate) world: EtcdWorld,
    /// The Kubernetes API, where a mistake is about it.
    api: OnceLock<ApiServer>,
}

impl Default for Cluster {
    fn default() -> Self {
        Self::new()
    }
}

impl Cluster {
    pub(crate) fn new() -> Self {
        let cluster = Self { world: EtcdWorld::with_pools(&pools()), api: OnceLock::new() };
        cluster.pool("bank", json!({"cidr": "10.5.0.0/24"}), Some(true));
        let node = r#"{"kind":"Node","apiVersion":"projectcalico.org/v3","metadata":{"name":"n1"},"spec":{}}"#;
        cluster.put(&key::resource(ResourceKind::Node, "n1"), node);
        cluster
    }

    /// Returns the API, which knows the namespace `fin` and its pod `web-0`, both without annotations.
    pub(crate) fn api(&self) -> &ApiServer {
        self.api.get_or_init(|| {
            let api = ApiServer::start();
            api.namespace("fin", Reply::namespace("fin", &json!({}), &json!({})));
            api.pod("fin", "web-0", Reply::pod("fin", "web-0", &json!({})));
            api
        })
    }

    pub(crate) fn pool(&self, name: &str, spec: Value, exclusive: Option<bool>) {
        self.world.apply(pool(name, spec, exclusive));
    }

    pub(crate) fn reserve(&self, name: &str, networks: &[&str]) {
        self.world.apply(reservation(name, networks));
    }

    pub(crate) fn bind(&self, tenant: &str, binding: Binding) {
        self.world.drive(&Bind { tenant: tenant.to_owned(), binding }).unwrap();
    }

    /// Binds a tenant to the legacy pools, whatever else is said.
    pub(crate) fn require(&self, tenant: &str) {
        let only = |name: &str| Some(vec![name.to_owned()]);
        self.bind(tenant, Binding::new(BindingMode::Required, only("legacy"), only("legacy6")));
    }

    /// Stores bytes under a key, whatever they mean.
    pub(crate) fn put(&self, key: &str, value: impl Into<Vec<u8>>) {
        self.world.drive(&Put { key: key.into(), value: value.into().into() }).unwrap();
    }

    /// Changes the configuration that allocators obey.
    pub(crate) fn configure(&self, change: fn(&mut Config)) {
        let mut config = Config::default();
        change(&mut config);
        self.put(key::CONFIG, config.encode());
    }

    pub(crate) fn folder(&self) -> &Path {
        self.world.folder()
    }

    /// Writes a file beside the node's, readable by everybody.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        self.write_as(name, text, 0o644)
    }

    pub(crate) fn write_as(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.folder().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    /// Returns every key there is with its value, version and revisions, and the revision of the whole store, which tells
    /// of writes that were undone as well.
    pub(crate) fn state(&self) -> TxnReply {
        let everything = Read::values(Range::between("\0", "\u{10ffff}"));
        block_on(self.world.store().txn(&Txn::read([everything]), DEADLINE)).unwrap()
    }

    /// Returns every address that somebody holds, in order.
    pub(crate) fn taken(&self) -> Vec<IpAddr> {
        self.world.taken()
    }
}

/// Those that are named for a fault are there for it; nothing may ever come from `free`, `free6` and `bank` unless it is named.
fn pools() -> [(&'static str, Value); 8] {
    [
        ("legacy", json!({"cidr": "10.1.0.0/24", "blockSize": 28})),
        ("legacy6", json!({"cidr": "fd00:1::/112", "blockSize": 124})),
        ("free", json!({"cidr": "10.2.0.0/24", "blockSize": 28})),
        ("free6", json!({"cidr": "fd00:2::/112", "blockSize": 124})),
        ("tiny", json!({"cidr": "10.3.0.0/30", "blockSize": 30})),
        ("tiny6", json!({"cidr": "fd00:3::/127", "blockSize": 127, "assignmentMode": "Manual"})),
        ("off", json!({"cidr": "10.4.0.0/24", "disabled": true})),
        ("tunnels", json!({"cidr": "10.6.0.0/24", "allowedUses": ["Tunnel"]})),
    ]
}
