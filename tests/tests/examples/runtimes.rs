//! What each runtime says of a container: its variables, and what comes with capabilities.

use serde_json::{Map, Value, json};

use crate::list::Attachment;

const ANNOTATIONS: &str = "io.kubernetes.cri.pod-annotations";

fn attachment(container: &str, args: String, capabilities: Value) -> Attachment {
    Attachment {
        container: container.to_owned(),
        netns: format!("/run/netns/{container}"),
        ifname: "eth0".to_owned(),
        args,
        capabilities: match capabilities {
            Value::Object(capabilities) => capabilities,
            _ => Map::new(),
        },
    }
}

/// Names a pod of the namespace `fin` as Kubernetes' runtimes do.
fn pod(container: &str, ignore_unknown: &str) -> String {
    format!(
        "IgnoreUnknown={ignore_unknown};K8S_POD_NAMESPACE=fin;K8S_POD_NAME={container};K8S_POD_INFRA_CONTAINER_ID={container};K8S_POD_UID=uid-{container}"
    )
}

/// containerd, and with it K3s; a pod without annotations comes with null.
pub(crate) fn containerd(container: &str, annotations: &Value) -> Attachment {
    let capabilities = json!({ANNOTATIONS: annotations, "portMappings": []});
    attachment(container, pod(container, "1"), capabilities)
}

/// CRI-O; a pod without annotations comes with an empty object.
pub(crate) fn cri_o(container: &str, annotations: &Value) -> Attachment {
    let annotations = if annotations.is_null() { json!({}) } else { annotations.clone() };
    attachment(container, pod(container, "1"), json!({ANNOTATIONS: annotations}))
}

/// Calico's main plugin, which says `IgnoreUnknown` once more, and hands no annotations down.
pub(crate) fn calico(container: &str) -> Attachment {
    attachment(container, format!("IgnoreUnknown=1;{}", pod(container, "1")), Value::Null)
}

/// Multus, for the first further network of a pod.
pub(crate) fn multus(container: &str) -> Attachment {
    let ifname = "net1".to_owned();
    Attachment { ifname, ..attachment(container, pod(container, "true"), Value::Null) }
}

/// podman; an address that is asked for comes with the arguments.
pub(crate) fn podman(container: &str, ip: Option<&str>) -> Attachment {
    let ip = ip.map(|ip| format!(";IP={ip}")).unwrap_or_default();
    attachment(container, format!("IgnoreUnknown=1;K8S_POD_NAME={container}{ip}"), Value::Null)
}

/// nerdctl; an IPv4 address that is asked for comes with the arguments.
pub(crate) fn nerdctl(container: &str, ip: Option<&str>) -> Attachment {
    let ip = ip.map(|ip| format!(";IP={ip}")).unwrap_or_default();
    let args = format!("NERDCTL_CNI_DHCP_HOSTNAME={container};IgnoreUnknown=1{ip}");
    attachment(container, args, json!({"portMappings": []}))
}

/// Nomad, for a group of a job that says this under `cni.args`.
pub(crate) fn nomad(container: &str, args: &str) -> Attachment {
    let nomad = "IgnoreUnknown=true;NOMAD_REGION=global;NOMAD_NAMESPACE=default;NOMAD_JOB_ID=ledger;NOMAD_GROUP_NAME=web";
    let args = format!("{nomad};NOMAD_ALLOC_ID={container}{args}");
    attachment(container, args, json!({"portMappings": []}))
}
