//! What is known of a workload besides the call, and what it all says about pools.

use ipam_core::ip::Family;
use ipam_core::pool::{Levels, NamespaceLabels, PoolList};
use ipam_kube::Object;

use crate::annotations::{Annotations, Source};
use crate::protocol::{Call, CniError, Code};
use crate::settings::AddSettings;

/// What is known of a workload besides the call.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    pub(crate) pod: Annotations,
    pub(crate) namespace: Annotations,
    pub(crate) labels: NamespaceLabels,
}

impl Facts {
    /// Makes what is known where nobody is asked.
    pub(crate) fn of_runtime(pod: Option<Annotations>) -> Self {
        Self {
            pod: pod.unwrap_or_else(|| Annotations::none(Source::Pod)),
            namespace: Annotations::none(Source::Namespace),
            labels: NamespaceLabels::Unknown,
        }
    }

    /// Puts together what the runtime and the API have told.
    pub(crate) fn told(
        pod: Option<Annotations>,
        (asked_pod, namespace): (Option<Object>, Object),
        ifname: &str,
    ) -> Result<Self, CniError> {
        let pod = match (pod, asked_pod) {
            (Some(pod), _) => pod,
            (None, Some(pod)) => Annotations::of(Source::Pod, pod.annotations, ifname)?,
            (None, None) => Annotations::none(Source::Pod),
        };
        let labels = NamespaceLabels::Known(namespace.labels);
        let namespace = Annotations::of(Source::Namespace, namespace.annotations, ifname)?;
        Ok(Self { pod, namespace, labels })
    }

    /// Returns which families are wanted on an interface, `None` where nothing is said. What a stronger one replaces is not judged.
    pub(crate) fn families(
        &self,
        ifname: &str,
        bare_for: &[String],
    ) -> Result<Option<Vec<Family>>, CniError> {
        match self.pod.families(ifname, bare_for)? {
            None => self.namespace.families(ifname, bare_for),
            families => Ok(families),
        }
    }

    /// Collects what each level says about a family. What a stronger one replaces is not judged.
    pub(crate) fn levels(
        &self,
        family: Family,
        call: &Call,
        settings: &AddSettings,
    ) -> Result<Levels, CniError> {
        let bare_for = &settings.annotation_interfaces;
        let pod = self.pod.pools(family, &call.ifname, bare_for)?;
        let namespace = match pod {
            None => self.namespace.pools(family, &call.ifname, bare_for)?,
            Some(_) => None,
        };
        let (name, arguments) = match family {
            Family::V4 => ("IPV4_POOLS", &call.arguments.ipv4_pools),
            Family::V6 => ("IPV6_POOLS", &call.arguments.ipv6_pools),
        };
        let arguments = match arguments {
            None => None,
            Some(text) => PoolList::parse_commas(text).map_err(|error| {
                CniError::from_chain(Code::Environment, &error)
                    .prefixed(&format!("{name} of CNI_ARGS"))
            })?,
        };
        let configuration = settings.pools(family).cloned();
        Ok(Levels { pod, namespace, arguments, configuration, ..Levels::default() })
    }
}
