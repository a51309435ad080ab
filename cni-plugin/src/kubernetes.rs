//! What Kubernetes says about a workload: asked where the runtime has not told.

use std::time::Duration;

use futures_util::future::{OptionFuture, try_join};
use ipam_etcd::look_up;
use ipam_kube::{Access, KubeError, Kubernetes, Object, Resource};

use crate::identity::pod_of;
use crate::protocol::{Arguments, CniError, Code};
use crate::settings::AnnotationRule;

/// Where a static pod's mirror carries the identity that the kubelet gives the pod itself.
const CONFIG_HASH: &str = "kubernetes.io/config.hash";

/// What the API is to be asked about a workload.
#[derive(Clone, Debug)]
pub(crate) struct Inquiry {
    access: Access,
    namespace: Resource,
    pod: Option<Resource>,
    /// The identity that the runtime gives the pod.
    pod_uid: Option<String>,
}

impl Inquiry {
    /// Decides what must be asked, `None` where there is nothing: no API is configured, the workload is none of Kubernetes',
    /// or annotations are off.
    pub(crate) fn about(
        arguments: &Arguments,
        rule: AnnotationRule,
        access: Option<Access>,
        pod_is_known: bool,
    ) -> Result<Option<Self>, CniError> {
        if rule == AnnotationRule::Off {
            return Ok(None);
        }
        let Some((namespace, name)) = pod_of(arguments) else {
            let is_half = arguments.pod_name.is_some();
            if is_half && (access.is_some() || rule == AnnotationRule::Required) {
                let message = "K8S_POD_NAMESPACE of CNI_ARGS is missing beside K8S_POD_NAME; without it the pod's annotations cannot be asked for";
                return Err(CniError::new(Code::Environment, message));
            }
            return Ok(None);
        };
        let Some(access) = access else {
            return match rule {
                AnnotationRule::Required => Err(CniError::field(
                    "annotations",
                    "is \"required\", but kubernetes.kubeconfig is not set, so nobody can be asked",
                )),
                AnnotationRule::Auto | AnnotationRule::Off => Ok(None),
            };
        };
        let pod = if pod_is_known {
            None
        } else {
            Some(Resource::pod(namespace, name).map_err(|error| refused(&error))?)
        };
        Ok(Some(Self {
            access,
            namespace: Resource::namespace(namespace).map_err(|error| refused(&error))?,
            pod,
            pod_uid: arguments.pod_uid.clone(),
        }))
    }

    /// Makes the question for the labels of a namespace alone.
    pub(crate) fn about_namespace(namespace: &str, access: Access) -> Result<Self, CniError> {
        let namespace = Resource::namespace(namespace).map_err(|error| refused(&error))?;
        Ok(Self { access, namespace, pod: None, pod_uid: None })
    }

    /// Asks for everything at once. Whatever cannot be learnt is an error: a guess could be an address from a wrong pool.
    pub(crate) async fn answer(
        &self,
        within: Duration,
    ) -> Result<(Option<Object>, Object), CniError> {
        let kubernetes =
            Kubernetes::open(&self.access, look_up).await.map_err(|error| refused(&error))?;
        let pod = OptionFuture::from(self.pod.as_ref().map(|pod| kubernetes.get(pod, within)));
        let pod = async { pod.await.transpose() };
        let (pod, namespace) = try_join(pod, kubernetes.get(&self.namespace, within))
            .await
            .map_err(|error| refused(&error))?;
        if let Some(pod) = &pod {
            self.judge_identity(pod)?;
        }
        Ok((pod, namespace))
    }

    /// Refuses another pod of the same name. A static pod is known to the runtime by the hash of its configuration.
    fn judge_identity(&self, pod: &Object) -> Result<(), CniError> {
        let Some(given) = self.pod_uid.as_deref() else { return Ok(()) };
        let is_mirror = pod.annotations.get(CONFIG_HASH).is_some_and(|hash| hash == given);
        if pod.uid == given || is_mirror {
            return Ok(());
        }
        let resource = self.pod.as_ref().map(ToString::to_string).unwrap_or_default();
        let message = format!(
            "{resource} has uid {:?} in the Kubernetes API, the runtime asks for {given:?}: it was deleted and made again",
            pod.uid
        );
        Err(CniError::new(Code::PodGone, message))
    }
}

/// Asks the API for something that every cluster has, so that it is known to answer; whether it has that does not matter.
pub(crate) async fn reach(access: &Access, within: Duration) -> Result<(), CniError> {
    let kubernetes = Kubernetes::open(access, look_up).await.map_err(|error| refused(&error))?;
    let namespace = Resource::namespace("default").map_err(|error| refused(&error))?;
    match kubernetes.get(&namespace, within).await {
        Ok(_) | Err(KubeError::Absent { .. }) => Ok(()),
        Err(error) => Err(refused(&error)),
    }
}

/// Says whose fault it is that something cannot be learnt.
fn refused(error: &KubeError) -> CniError {
    let code = match error {
        KubeError::Name { .. } => Code::Environment,
        KubeError::Malformed { .. } | KubeError::Program { .. } => Code::Config,
        KubeError::Absent { resource, .. } if resource.is_pod() => Code::PodGone,
        KubeError::Unreadable { .. } | KubeError::Refused { .. } | KubeError::Absent { .. } => {
            Code::AnnotationSource
        }
        KubeError::Unavailable { .. } => Code::TryAgain,
    };
    let told = CniError::from_chain(code, error);
    if code != Code::PodGone {
        return told;
    }
    told.with_details(
            "it was deleted; or it is a static pod whose mirror does not exist yet, which can do without one where the runtime passes annotations (capability io.kubernetes.cri.pod-annotations)",
    )
}
