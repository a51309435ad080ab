//! The annotations of a pod and of its namespace.

use std::collections::BTreeMap;
use std::fmt;

use ipam_core::ip::Family;
use ipam_core::pool::{PoolList, annotation_key, near_miss};
use serde_json::Value;
use tracing::warn;

use crate::protocol::{CniError, Code, Netconf};
use crate::settings::AddSettings;

/// The name under which a runtime passes the pod's annotations.
const CAPABILITY: &str = "io.kubernetes.cri.pod-annotations";
/// The annotation that asks for single addresses.
pub(crate) const ADDRESSES: &str = "cni.projectcalico.org/ipAddrs";
/// The annotation that says which families the pod wants.
const FAMILIES: &str = "cni.projectcalico.org/ipFamilies";
/// The annotation that asks for addresses which no IPAM plugin has given.
const ADDRESSES_WITHOUT_IPAM: &str = "cni.projectcalico.org/ipAddrsNoIpam";

/// Whose annotations they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Pod,
    Namespace,
}

/// The annotations of a pod or a namespace.
#[derive(Clone, Debug)]
pub(crate) struct Annotations {
    source: Source,
    by_name: BTreeMap<String, String>,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pod => "pod",
            Self::Namespace => "namespace",
        })
    }
}

impl Annotations {
    /// Makes those of somebody who has none.
    pub(crate) fn none(source: Source) -> Self {
        Self { source, by_name: BTreeMap::new() }
    }

    /// Judges what was read.
    pub(crate) fn of(
        source: Source,
        by_name: BTreeMap<String, String>,
        ifname: &str,
    ) -> Result<Self, CniError> {
        let annotations = Self { source, by_name };
        annotations.refuse_misspelt(ifname)?;
        annotations.refuse_without_ipam()?;
        Ok(annotations)
    }

    /// Reads those of the pod from the configuration, `None` where the runtime passes none; `null` is what a pod without any
    /// comes with.
    pub(crate) fn of_runtime(netconf: &Netconf, ifname: &str) -> Result<Option<Self>, CniError> {
        let config = match netconf.top.get("runtimeConfig") {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::Object(config)) => config,
            Some(_) => {
                return Err(CniError::new(Code::Config, "runtimeConfig must be an object"));
            }
        };
        if let Some(name) = config.keys().find(|name| near_miss(name, &[CAPABILITY]).is_some()) {
            let message = format!("runtimeConfig {name:?} is misspelt; write {CAPABILITY:?}");
            return Err(CniError::new(Code::Config, message));
        }
        let by_name = match config.get(CAPABILITY) {
            None => return Ok(None),
            Some(Value::Null) => BTreeMap::new(),
            Some(value) => serde_json::from_value(value.clone()).map_err(|error| {
                let message = format!("runtimeConfig {CAPABILITY:?} must be an object of texts");
                CniError::new(Code::Config, message).with_details(error.to_string())
            })?,
        };
        Self::of(Source::Pod, by_name, ifname).map(Some)
    }

    /// Refuses names that were probably meant to be ours: passed over they would leave the pod to any pool.
    fn refuse_misspelt(&self, ifname: &str) -> Result<(), CniError> {
        let known = [annotation_key(Family::V4), annotation_key(Family::V6), ADDRESSES, FAMILIES];
        for name in self.by_name.keys() {
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
                let message = format!(
                    "annotation {name:?} of the {} is misspelt; write {right:?}",
                    self.source
                );
                return Err(CniError::new(Code::Annotation, message));
            }
        }
        Ok(())
    }

    /// Only Calico's main plugin can honour what goes past IPAM; here the pod would get another address than it asks for.
    fn refuse_without_ipam(&self) -> Result<(), CniError> {
        if self.source != Source::Pod || !self.by_name.contains_key(ADDRESSES_WITHOUT_IPAM) {
            return Ok(());
        }
        let message = format!(
            "annotation {ADDRESSES_WITHOUT_IPAM} of the pod cannot be honoured below this main plugin; use {ADDRESSES}"
        );
        Err(CniError::new(Code::Annotation, message))
    }

    /// Returns which families are wanted on an interface, `None` where nothing is said.
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
                "annotation {key} of the {} must be a list of families such as [\"IPv4\", \"IPv6\"]",
                self.source
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

    /// Returns the pools of a family that are named for an interface, `None` where nothing is said.
    pub(crate) fn pools(
        &self,
        family: Family,
        ifname: &str,
        bare_for: &[String],
    ) -> Result<Option<PoolList>, CniError> {
        let Some((key, text)) = self.get(annotation_key(family), ifname, bare_for) else {
            return Ok(None);
        };
        if text.is_empty() {
            warn!(annotation = key, "the annotation is empty, so the next level decides");
            return Ok(None);
        }
        PoolList::parse_annotation(text).map_err(|error| {
            let shown: String = text.chars().take(256).collect();
            let mut error = CniError::from_chain(Code::Annotation, &error)
                .prefixed(&format!("annotation {key} of the {}", self.source));
            error.details = format!("value {shown:?}; {}", error.details);
            error
        })
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
        if let Some(text) = self.by_name.get(&scoped) {
            return Some((scoped, text));
        }
        let text = self.by_name.get(key).filter(|_| bare_for.iter().any(|name| name == ifname))?;
        Some((key.to_owned(), text))
    }
}
