//! What the pod's annotations, the call's arguments and the configuration say about pools.

use std::collections::BTreeMap;

use ipam_core::ip::Family;
use ipam_core::pool::{Levels, PoolList, annotation_key};
use serde_json::Value;

use crate::protocol::{Call, CniError, Code, Netconf};
use crate::settings::AddSettings;

/// The name under which a runtime passes the pod's annotations.
const CAPABILITY: &str = "io.kubernetes.cri.pod-annotations";
/// The annotation that asks for single addresses.
pub(crate) const ADDRESSES: &str = "cni.projectcalico.org/ipAddrs";

/// The annotations of a pod, as the runtime passed them; none where it passed none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Annotations(BTreeMap<String, String>);

impl Annotations {
    /// Reads the annotations from the configuration; `null` is what a pod without any comes with.
    pub(crate) fn read(netconf: &Netconf) -> Result<Self, CniError> {
        let value = netconf.top.get("runtimeConfig").and_then(|config| config.get(CAPABILITY));
        match value {
            None | Some(Value::Null) => Ok(Self::default()),
            Some(value) => match serde_json::from_value(value.clone()) {
                Ok(annotations) => Ok(Self(annotations)),
                Err(error) => Err(CniError::new(
                    Code::Config,
                    format!("runtimeConfig {CAPABILITY:?} must be an object of texts"),
                )
                .with_details(error.to_string())),
            },
        }
    }

    /// Returns an annotation for an interface, and its full name.
    ///
    /// One with the interface's name behind it is stronger; the bare one counts for the interfaces that were named
    /// for that.
    pub(crate) fn get(
        &self,
        key: &str,
        ifname: &str,
        bare_for: &[String],
    ) -> Option<(String, &str)> {
        let scoped = format!("{key}.{ifname}");
        if let Some(text) = self.0.get(&scoped) {
            return Some((scoped, text));
        }
        let text = self.0.get(key).filter(|_| bare_for.iter().any(|name| name == ifname))?;
        Some((key.to_owned(), text))
    }
}

/// Collects what each level says about a family.
pub(crate) fn levels(
    family: Family,
    annotations: &Annotations,
    call: &Call,
    settings: &AddSettings,
) -> Result<Levels, CniError> {
    let pod =
        annotations.get(annotation_key(family), &call.ifname, &settings.annotation_interfaces);
    let pod = match pod {
        None => None,
        Some((key, text)) => PoolList::parse_annotation(text).map_err(|error| {
            let shown: String = text.chars().take(256).collect();
            let mut error = CniError::from_chain(Code::Annotation, &error)
                .prefixed(&format!("annotation {key} of the pod"));
            error.details = format!("value {shown:?}; {}", error.details);
            error
        })?,
    };
    let (name, arguments, configuration) = match family {
        Family::V4 => ("IPV4_POOLS", &call.arguments.ipv4_pools, &settings.ipv4_pools),
        Family::V6 => ("IPV6_POOLS", &call.arguments.ipv6_pools, &settings.ipv6_pools),
    };
    let arguments = match arguments {
        None => None,
        Some(text) => PoolList::parse_commas(text).map_err(|error| {
            CniError::from_chain(Code::Environment, &error).prefixed(&format!("{name} of CNI_ARGS"))
        })?,
    };
    Ok(Levels { pod, namespace: None, arguments, configuration: configuration.clone() })
}
