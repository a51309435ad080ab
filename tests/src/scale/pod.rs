//! Pods: what they are called, and what the plugin asks for them.

use std::collections::BTreeMap;

use fastrand::Rng;
use ipam_core::ip::Family;
use ipam_core::model::{HandleId, Timestamp};
use ipam_core::plan::{
    Assign, FamilyRequest, HandleTarget, NodeRule, PoolOrder, Release, Replay, Rules, Want,
};
use ipam_core::pool::{Levels, NamespaceLabels, Tenant};

const NETWORK: &str = "k8s-pod-network";
const NAMESPACES: u64 = 50;

/// A pod, by number. Names as long as Kubernetes and containerd make them follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pod(pub(super) u64);

impl Pod {
    /// Returns what the plugin asks for when the pod is added.
    pub(super) fn add(self, host: &str, now: Timestamp) -> Assign {
        Assign {
            handle: Some(self.handle()),
            host: host.to_owned(),
            tenant: Some(Tenant::Namespace(self.namespace())),
            attributes: self.attributes(host, now),
            families: vec![FamilyRequest {
                family: Family::V4,
                want: Want::Any(1),
                levels: Levels::default(),
            }],
            rules: Rules {
                pool_order: PoolOrder::Listed,
                node: NodeRule::Optional,
                replay: Replay::Same,
                namespace_labels: NamespaceLabels::Unknown,
                record_source: true,
                ..Rules::calico()
            },
        }
    }

    /// Returns what the plugin asks for when the pod is deleted.
    pub(super) fn del(self, host: &str) -> Release {
        let container = HandleId::new(format!("{NETWORK}.{}", self.container()));
        let of_interface =
            HandleTarget { whose: self.attachment(), ..HandleTarget::all(self.handle()) };
        let of_container = HandleTarget {
            whose: self.attachment(),
            with: Some("interface"),
            ..HandleTarget::all(container.expect("a handle"))
        };
        Release { targets: vec![of_interface, of_container], host: Some(host.to_owned()) }
    }

    fn handle(self) -> HandleId {
        HandleId::new(format!("{NETWORK}.{}.eth0", self.container())).expect("a handle")
    }

    fn namespace(self) -> String {
        format!("team-{:02}", self.0 % NAMESPACES)
    }

    fn container(self) -> String {
        let mut rng = Rng::with_seed(self.0);
        format!("{:032x}{:032x}", rng.u128(..), rng.u128(..))
    }

    fn attachment(self) -> BTreeMap<String, String> {
        let container = self.container();
        let parts = [("network", NETWORK), ("container-id", &container), ("interface", "eth0")];
        parts.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    fn attributes(self, host: &str, now: Timestamp) -> BTreeMap<String, String> {
        let mut rng = Rng::with_seed(!self.0);
        let [a, b, c] = [rng.u32(..), rng.u32(..), rng.u32(..)];
        let uid = format!("{a:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}", b >> 16, b & 0xfff, c >> 20, c);
        let mut attributes = self.attachment();
        attributes.extend(
            [
                ("node", host.to_owned()),
                ("timestamp", now.to_go_text()),
                ("writer", concat!("ringfence ", env!("CARGO_PKG_VERSION")).to_owned()),
                ("namespace", self.namespace()),
                ("pod", format!("web-{:08x}f-{:05x}", self.0 % 1_000, self.0 & 0xf_ffff)),
                ("pod-uid", uid),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        attributes
    }
}
