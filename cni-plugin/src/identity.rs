//! Who calls: the node, the handle, and what is recorded of the workload.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use ipam_core::model::{HandleId, Timestamp};
use ipam_core::pool::Tenant;
use tracing::warn;

use crate::mode::Mode;
use crate::protocol::{Arguments, Call, CniError, Code};
use crate::settings::Fields;

/// Where Calico leaves the node's name.
const NODENAME_FILE: &str = "/var/lib/calico/nodename";
const KERNEL_HOSTNAME: &str = "/proc/sys/kernel/hostname";

/// Returns the name of the node: as configured, else as a file says, else the machine's.
pub(crate) fn node_name(fields: &Fields) -> Result<String, CniError> {
    let name = match fields.shared_text("nodename")? {
        Some(name) => name.trim().to_owned(),
        None => match from_file(fields)? {
            Some(name) => name,
            None => match fields.shared_text("hostname")? {
                Some(name) => name.trim().to_owned(),
                None => {
                    fs::read_to_string(KERNEL_HOSTNAME).unwrap_or_default().trim().to_lowercase()
                }
            },
        },
    };
    if name.is_empty() || name.contains(|c: char| c == '/' || c.is_whitespace() || c.is_control()) {
        return Err(CniError::new(
            Code::Node,
            format!("the node's name is {name:?}; set nodename"),
        ));
    }
    Ok(name)
}

fn from_file(fields: &Fields) -> Result<Option<String>, CniError> {
    let named = fields.stocks_path("nodename_file")?;
    let path = named.unwrap_or(Path::new(NODENAME_FILE));
    let bad = |why: &str| {
        CniError::new(Code::Node, format!("nodename_file {} {why}; set nodename", path.display()))
    };
    let is_lenient = fields.mode() == Mode::Calico;
    match fs::read_to_string(path) {
        Ok(text) if text.trim().is_empty() && is_lenient => {
            warn!(path = %path.display(), "nodename_file is blank, asking the next source");
            Ok(None)
        }
        Err(error) if is_lenient => {
            warn!(path = %path.display(), %error, "nodename_file cannot be read, asking the next source");
            Ok(None)
        }
        Ok(text) if text.trim().is_empty() => Err(bad("is blank")),
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && named.is_none() => Ok(None),
        Err(error) => Err(bad("cannot be read").with_details(error.to_string())),
    }
}

/// Returns the handle of one interface of a container.
pub(crate) fn handle(network: &str, call: &Call) -> Result<HandleId, CniError> {
    let text = format!("{network}.{}.{}", call.container_id, encode(&call.ifname));
    HandleId::new(text).map_err(|error| CniError::from_chain(Code::Environment, &error))
}

/// Returns the handle of a whole container, as other writers name it.
pub(crate) fn container_handle(network: &str, call: &Call) -> Result<HandleId, CniError> {
    HandleId::new(format!("{network}.{}", call.container_id))
        .map_err(|error| CniError::from_chain(Code::Environment, &error))
}

/// Returns the handle that Calico 2 gave a container, `None` where it cannot have given one.
pub(crate) fn calico_2_handle(call: &Call) -> Option<HandleId> {
    let pod = call.arguments.pod_namespace.as_ref().zip(call.arguments.pod_name.as_ref());
    let text = match pod {
        Some((namespace, pod)) => format!("{namespace}.{pod}"),
        None => call.container_id.clone(),
    };
    HandleId::new(text).ok()
}

/// Returns the namespace and the name of the pod, `None` for a workload that is none of Kubernetes'.
pub(crate) fn pod_of(arguments: &Arguments) -> Option<(&str, &str)> {
    let namespace = arguments.pod_namespace.as_deref().filter(|namespace| !namespace.is_empty())?;
    Some((namespace, arguments.pod_name.as_deref()?))
}

/// Returns in whose name addresses are asked for: the namespace, also of a pod that is not named, else the network.
pub(crate) fn tenant(network: &str, arguments: &Arguments) -> Tenant {
    match arguments.pod_namespace.as_deref().filter(|namespace| !namespace.is_empty()) {
        Some(namespace) => Tenant::Namespace(namespace.to_owned()),
        None => Tenant::Network(network.to_owned()),
    }
}

/// Returns what tells one attachment from another; the text of a handle does not, as its parts may hold dots.
pub(crate) fn attachment(network: &str, call: &Call) -> BTreeMap<String, String> {
    let parts = [
        ("network", network),
        ("container-id", call.container_id.as_str()),
        ("interface", call.ifname.as_str()),
    ];
    parts.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// Returns what is stored with each address: Calico's attributes, and ours, which its tools pass over.
pub(crate) fn attributes(
    network: &str,
    node: &str,
    call: &Call,
    now: Timestamp,
) -> BTreeMap<String, String> {
    let arguments = &call.arguments;
    let mut attributes = calicos_attributes(node, call, now);
    attributes.extend(attachment(network, call));
    let writer = concat!("ringfence ", env!("CARGO_PKG_VERSION"));
    attributes.insert("writer".to_owned(), writer.to_owned());
    if pod_of(arguments).is_some() {
        attributes.extend(arguments.pod_uid.clone().map(|uid| ("pod-uid".to_owned(), uid)));
    }
    attributes
}

/// Returns what stock Calico stores with each address.
pub(crate) fn calicos_attributes(
    node: &str,
    call: &Call,
    now: Timestamp,
) -> BTreeMap<String, String> {
    let mut attributes = BTreeMap::from([
        ("node".to_owned(), node.to_owned()),
        ("timestamp".to_owned(), now.to_go_text()),
    ]);
    if let Some((namespace, name)) = pod_of(&call.arguments) {
        attributes.insert("namespace".to_owned(), namespace.to_owned());
        attributes.insert("pod".to_owned(), name.to_owned());
    }
    attributes
}

/// Writes bytes that a handle should not have as a percent sign and two hexadecimal digits.
fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-') {
            encoded.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(ifname: &str) -> Call {
        Call {
            container_id: "c1".to_owned(),
            ifname: ifname.to_owned(),
            arguments: Arguments::default(),
        }
    }

    #[test]
    fn handles_tell_interfaces_apart() {
        assert_eq!(handle("net", &call("eth0")).unwrap().as_str(), "net.c1.eth0");
        assert_eq!(handle("net", &call("e@1%")).unwrap().as_str(), "net.c1.e%401%25");
        assert_eq!(container_handle("net", &call("eth0")).unwrap().as_str(), "net.c1");
    }

    #[test]
    fn without_kubernetes_the_network_is_the_tenant() {
        let pod = |namespace: Option<&str>| Arguments {
            pod_namespace: namespace.map(str::to_owned),
            pod_name: Some("web".to_owned()),
            ..Arguments::default()
        };
        assert_eq!(tenant("net", &pod(Some("fin"))), Tenant::Namespace("fin".to_owned()));
        assert_eq!(tenant("net", &pod(None)), Tenant::Network("net".to_owned()));
    }
}
