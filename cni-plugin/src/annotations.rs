//! What the pod's annotations, the call's arguments and the configuration say about pools.

use std::collections::BTreeMap;

use ipam_core::ip::Family;
use ipam_core::pool::{Levels, PoolList, annotation_key};
use serde_json::Value;
use tracing::warn;

use crate::protocol::{Call, CniError, Code, Netconf};
use crate::settings::AddSettings;
use crate::spelling::near_miss;

/// The name under which a runtime passes the pod's annotations.
const CAPABILITY: &str = "io.kubernetes.cri.pod-annotations";
/// The annotation that asks for single addresses.
pub(crate) const ADDRESSES: &str = "cni.projectcalico.org/ipAddrs";
/// The annotation that says which families the pod wants.
const FAMILIES: &str = "cni.projectcalico.org/ipFamilies";
/// The annotation that asks for addresses which no IPAM plugin has given.
const ADDRESSES_WITHOUT_IPAM: &str = "cni.projectcalico.org/ipAddrsNoIpam";

/// The annotations of a pod, as the runtime passed them; none where it passed none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Annotations(BTreeMap<String, String>);

impl Annotations {
    /// Reads the annotations from the configuration; `null` is what a pod without any comes with.
    pub(crate) fn read(netconf: &Netconf, ifname: &str) -> Result<Self, CniError> {
        let config = match netconf.top.get("runtimeConfig") {
            None | Some(Value::Null) => return Ok(Self::default()),
            Some(Value::Object(config)) => config,
            Some(_) => {
                return Err(CniError::new(Code::Config, "runtimeConfig must be an object"));
            }
        };
        if let Some(name) = config.keys().find(|name| near_miss(name, &[CAPABILITY]).is_some()) {
            let message = format!("runtimeConfig {name:?} is misspelt; write {CAPABILITY:?}");
            return Err(CniError::new(Code::Config, message));
        }
        let annotations = match config.get(CAPABILITY) {
            None | Some(Value::Null) => return Ok(Self::default()),
            Some(value) => serde_json::from_value(value.clone()).map_err(|error| {
                let message = format!("runtimeConfig {CAPABILITY:?} must be an object of texts");
                CniError::new(Code::Config, message).with_details(error.to_string())
            })?,
        };
        let annotations = Self(annotations);
        annotations.refuse_misspelt(ifname)?;
        annotations.refuse_without_ipam()?;
        Ok(annotations)
    }

    /// Refuses names that were probably meant to be ours: passed over they would leave the pod to any pool.
    fn refuse_misspelt(&self, ifname: &str) -> Result<(), CniError> {
        let known = [annotation_key(Family::V4), annotation_key(Family::V6), ADDRESSES, FAMILIES];
        for name in self.0.keys() {
            let (bare, scope) = match known.iter().find(|key| name.starts_with(&format!("{key}.")))
            {
                Some(key) => (*key, name.get(key.len() + 1..)),
                None => (name.as_str(), None),
            };
            let slip = match scope {
                Some("") => true,
                Some(scope) => scope != ifname && scope.eq_ignore_ascii_case(ifname),
                None => near_miss(bare, &known).is_some(),
            };
            if slip {
                let right = near_miss(bare, &known).unwrap_or(bare);
                let message =
                    format!("annotation {name:?} of the pod is misspelt; write {right:?}");
                return Err(CniError::new(Code::Annotation, message));
            }
        }
        Ok(())
    }

    /// Only Calico's main plugin can honour what goes past IPAM; here the pod would get another address than it asks for.
    fn refuse_without_ipam(&self) -> Result<(), CniError> {
        if !self.0.contains_key(ADDRESSES_WITHOUT_IPAM) {
            return Ok(());
        }
        let message = format!(
            "annotation {ADDRESSES_WITHOUT_IPAM} of the pod cannot be honoured below this main plugin; use {ADDRESSES}"
        );
        Err(CniError::new(Code::Annotation, message))
    }

    /// Returns which families the pod wants on an interface, `None` where it does not say.
    pub(crate) fn families(
        &self,
        ifname: &str,
        bare_for: &[String],
    ) -> Result<Option<Vec<Family>>, CniError> {
        let Some((key, text)) = self.get(FAMILIES, ifname, bare_for) else { return Ok(None) };
        if text.is_empty() {
            return Ok(None);
        }
        let bad = |details: String| {
            let message = format!(
                "annotation {key} of the pod must be a list of families such as [\"IPv4\", \"IPv6\"]"
            );
            CniError::new(Code::Annotation, message).with_details(details)
        };
        let named: Vec<String> =
            serde_json::from_str(text).map_err(|error| bad(error.to_string()))?;
        if named.is_empty() {
            return Err(bad("it names none; remove it".to_owned()));
        }
        let families = named.iter().map(|name| match name.as_str() {
            "IPv4" => Ok(Family::V4),
            "IPv6" => Ok(Family::V6),
            other => Err(bad(format!("{other:?} is no family"))),
        });
        let mut families: Vec<Family> = families.collect::<Result<_, _>>()?;
        families.sort_unstable();
        families.dedup();
        Ok(Some(families))
    }

    /// Tells of pools that are named for a family which is not wanted: somebody may have forgotten to switch it on.
    pub(crate) fn warn_of_idle(&self, ifname: &str, settings: &AddSettings) {
        for family in [Family::V4, Family::V6] {
            let pools = self.get(annotation_key(family), ifname, &settings.annotation_interfaces);
            if let Some((key, _)) = pools.filter(|_| !settings.families.contains(&family)) {
                warn!(annotation = key, "{family} is off, so the annotation says nothing");
            }
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
        Some((key, "")) => {
            warn!(annotation = key, "the annotation is empty, so the next level decides");
            None
        }
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
