//! The engine of the plugin without its process: a node with one connection and what it remembers.

use std::collections::BTreeMap;
use std::mem;
use std::path::Path;
use std::time::Duration;

use ipam_core::ip::Family;
use ipam_core::kv::Recollection;
use ipam_core::model::{HandleId, IpPool, IpPoolSpec, ResourceKind, Timestamp};
use ipam_core::plan::{
    ApplyResources, Assign, Assigned, FamilyRequest, HandleTarget, Manifest, NodeRule, Release,
    Replay, Request, Rules, Want,
};
use ipam_core::pool::{Levels, NamespaceLabels, Tenant};
use ipam_etcd::etcd::EtcdStore;
use ipam_etcd::settings::{Endpoint, Pem, TlsSettings};
use ipam_etcd::{Driven, EtcdSettings, Memory, drive_from};
use serde_json::json;
use tokio::runtime::{Builder, Runtime};

use crate::etcd::{Identity, Pki};
use crate::world::now;

const DEADLINE: Duration = Duration::from_mins(1);
const NETWORK: &str = "net";

/// A node that stays connected.
pub(super) struct Node {
    host: String,
    store: EtcdStore,
    runtime: Runtime,
    recollection: Option<Recollection>,
    /// How many requests it has made.
    pub(super) requests: u32,
    /// How many round trips these took, and how many conflicts.
    pub(super) took: [u32; 2],
}

impl Node {
    /// Makes a node that knows nothing yet.
    pub(super) fn new(host: &str, settings: EtcdSettings) -> Self {
        let store = EtcdStore::new(settings, None);
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self {
            host: host.to_owned(),
            store,
            runtime,
            recollection: None,
            requests: 0,
            took: [0; 2],
        }
    }

    /// Returns the node's name.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Connects, so that the first request need not.
    pub(super) fn connect(&mut self) {
        self.runtime.block_on(self.store.connect(DEADLINE)).expect("the server answers");
    }

    /// Gives a container addresses.
    ///
    /// # Panics
    ///
    /// If there are none.
    pub(super) fn add(&mut self, container: &str, addresses: usize) -> Driven<Assigned> {
        let request = self.assign(container, addresses);
        let driven = self.drive(&request, now());
        assert_eq!(driven.reply.addresses.len(), addresses, "{container}");
        driven
    }

    /// Takes a container's address back.
    ///
    /// # Panics
    ///
    /// If it had none.
    pub(super) fn del(&mut self, container: &str) {
        let targets = vec![HandleTarget::all(handle(container))];
        let driven = self.drive(&Release { targets, host: None }, now());
        assert_eq!(driven.reply.len(), 1, "{container} had one address");
    }

    /// Carries a request out that writes, and keeps what is to be remembered; the answer says nothing of it any more.
    pub(super) fn drive<R: Request>(&mut self, request: &R, now: Timestamp) -> Driven<R::Reply> {
        let recollection = self.recollection.take();
        let driven = drive_from(&self.store, request, recollection, now, DEADLINE);
        let mut driven = self.runtime.block_on(driven).expect("the request is carried out");
        self.requests += 1;
        self.took[0] += driven.round_trips;
        self.took[1] += driven.conflicts;
        self.recollection = match mem::replace(&mut driven.memory, Memory::Lost) {
            // Whoever did not write has nothing new to say, and to keep what was known meanwhile would be to copy it.
            Memory::Unchanged | Memory::Lost => None,
            Memory::New(recollection) => Some(recollection),
        };
        driven
    }

    /// Asks what the plugin asks for a container.
    fn assign(&self, container: &str, addresses: usize) -> Assign {
        let attributes = [
            ("network", NETWORK),
            ("container-id", container),
            ("interface", "eth0"),
            ("node", &self.host),
            ("timestamp", &now().to_go_text()),
            ("writer", "bench"),
        ];
        let attributes: BTreeMap<String, String> =
            attributes.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        Assign {
            handle: Some(handle(container)),
            host: self.host.clone(),
            tenant: Some(Tenant::Network(NETWORK.to_owned())),
            attributes,
            families: vec![FamilyRequest {
                family: Family::V4,
                want: Want::Any(addresses),
                levels: Levels::default(),
            }],
            rules: Rules {
                replay: Replay::Same,
                node: NodeRule::Optional,
                namespace_labels: NamespaceLabels::Unknown,
                record_source: true,
                ..Rules::calico()
            },
        }
    }
}

/// Returns how a server is reached, with an authority and a certificate where it speaks TLS.
pub(super) fn settings(endpoint: String, tls: Option<(&Pki, &Identity)>) -> EtcdSettings {
    let file = |path: &Path| Pem::File(path.to_owned());
    let tls = tls.map(|(pki, identity)| TlsSettings {
        ca: Some(file(pki.authority())),
        identity: Some((file(&identity.certificate), file(&identity.key))),
    });
    EtcdSettings { endpoints: vec![Endpoint { url: endpoint }], tls, login: None }
}

/// Stores a pool with blocks of 64 addresses: always the same bytes, so that servers begin alike.
pub(super) fn make_pool(settings: EtcdSettings, cidr: &str) {
    let spec = json!({"cidr": cidr, "blockSize": 26});
    let spec: IpPoolSpec = serde_json::from_value(spec).expect("a pool's spec");
    let pool = IpPool::new(ResourceKind::IpPool, "p", spec);
    let manifests = vec![Manifest::Pool(Box::new(pool), None)];
    let request = ApplyResources { manifests, create_only: true, random: 7 };
    Node::new("administrator", settings).drive(&request, Timestamp::from_seconds(1_700_000_000));
}

fn handle(container: &str) -> HandleId {
    HandleId::new(format!("{NETWORK}.{container}.eth0")).expect("a handle")
}
