//! The stored node.

use serde_json::Value;

use super::Resource;
use super::json::Unknown;

/// A node; its labels decide which pools it draws from.
///
/// The order of the members of `spec` is not recorded for all of them, so they are kept as they were read.
///
/// Source: calico `libcalico-go/lib/apis/internalapi/node.go`.
pub type Node = Resource<Unknown, Unknown>;

impl Node {
    /// Returns what Kubernetes calls the node; `None` where it is no node of Kubernetes.
    ///
    /// That is `nodeName` of the first entry of `spec.orchRefs` whose `orchestrator` is `k8s`.
    ///
    /// Source: calico `kube-controllers/pkg/controllers/node/controller.go::getK8sNodeName`.
    #[must_use]
    pub fn kubernetes_name(&self) -> Option<&str> {
        let references = self.spec.get("orchRefs")?.as_array()?;
        let is_kubernetes =
            |reference: &&Value| reference.get("orchestrator").is_some_and(|name| name == "k8s");
        let name = references.iter().find(is_kubernetes)?.get("nodeName")?.as_str()?;
        (!name.is_empty()).then_some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ResourceKind, key};

    #[test]
    fn the_orchestrator_reference_names_the_kubernetes_node() {
        for (spec, expected) in [
            (r#"{"orchRefs":[{"nodeName":"k","orchestrator":"k8s"}]}"#, Some("k")),
            (
                r#"{"orchRefs":[{"nodeName":"o","orchestrator":"openstack"},{"nodeName":"k","orchestrator":"k8s"}]}"#,
                Some("k"),
            ),
            (r#"{"orchRefs":[{"nodeName":"o","orchestrator":"openstack"}]}"#, None),
            (r#"{"orchRefs":[{"nodeName":"","orchestrator":"k8s"}]}"#, None),
            (r#"{"orchRefs":[{"orchestrator":"k8s"}]}"#, None),
            (r#"{"orchRefs":[]}"#, None),
            (r#"{"orchRefs":null}"#, None),
            ("{}", None),
        ] {
            let key = key::resource(ResourceKind::Node, "n");
            let value = format!(
                r#"{{"kind":"Node","apiVersion":"projectcalico.org/v3","metadata":{{"name":"n"}},"spec":{spec}}}"#
            );
            let node = Node::decode(&key, value.as_bytes()).unwrap();
            assert_eq!(node.kubernetes_name(), expected, "{spec}");
        }
    }
}
