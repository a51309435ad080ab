//! The interface that a kubelet speaks to a runtime (CRI). `k8s-cri` is Kubernetes' own definition of it, compiled with the
//! gRPC library that etcd's client brings in anyway.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;

use futures_util::future::join_all;
use ipam_tests::etcd::block_on;
use ipam_tests::stage::{self, cgroup};
use k8s_cri::v1::runtime_service_client::RuntimeServiceClient;
use k8s_cri::v1::{
    LinuxPodSandboxConfig, ListPodSandboxRequest, PodSandboxConfig, PodSandboxMetadata,
    PodSandboxState, PodSandboxStatusRequest, PodSandboxStatusResponse, RemovePodSandboxRequest,
    RunPodSandboxRequest, StatusRequest, StopPodSandboxRequest,
};
use serde_json::Value;
use tonic::Status;
use tonic::transport::Channel;

type Client = RuntimeServiceClient<Channel>;

/// A client of a runtime.
#[derive(Clone, Debug)]
pub(crate) struct Cri {
    socket: String,
}

/// A sandbox that the runtime says is ready.
#[derive(Clone, Debug)]
pub(crate) struct Sandbox {
    pub(crate) id: String,
    pub(crate) address: IpAddr,
    /// A process in its network.
    pub(crate) pid: u64,
}

impl Cri {
    pub(crate) fn new(socket: &Path) -> Self {
        Self { socket: format!("unix://{}", socket.display()) }
    }

    /// Says what is missing before pods can be made.
    pub(crate) fn status(&self) -> Result<(), String> {
        let answered = block_on(async {
            let mut client = self.client().await?;
            client.status(StatusRequest::default()).await
        });
        let status = answered.map_err(|status| status.to_string())?.into_inner().status;
        let conditions = status.unwrap_or_default().conditions;
        match conditions.iter().find(|condition| !condition.status) {
            Some(condition) => Err(format!("{}: {}", condition.r#type, condition.message)),
            None => Ok(()),
        }
    }

    /// Makes pods, each a name and its annotations, all at once. Returns their sandboxes' names, or what went wrong.
    pub(crate) fn run(
        &self,
        pods: &[(String, HashMap<String, String>)],
    ) -> Vec<Result<String, String>> {
        block_on(async {
            let client = self.client().await.unwrap();
            let calls = pods.iter().map(|(name, annotations)| {
                let mut client = client.clone();
                async move {
                    let answer = client.run_pod_sandbox(pod(name, annotations)).await;
                    answer.map(|answer| answer.into_inner().pod_sandbox_id)
                }
            });
            let answers = join_all(calls).await;
            let message = |status: Status| status.message().to_owned();
            answers.into_iter().map(|answer| answer.map_err(message)).collect()
        })
    }

    /// Stops a sandbox, which takes its network away.
    pub(crate) fn stop(&self, id: &str) {
        let request = StopPodSandboxRequest { pod_sandbox_id: id.to_owned() };
        block_on(async { self.client().await?.stop_pod_sandbox(request).await }).unwrap();
    }

    /// Removes a sandbox.
    pub(crate) fn remove(&self, id: &str) {
        let request = RemovePodSandboxRequest { pod_sandbox_id: id.to_owned() };
        block_on(async { self.client().await?.remove_pod_sandbox(request).await }).unwrap();
    }

    /// Returns every sandbox that is ready.
    pub(crate) fn sandboxes(&self) -> Vec<Sandbox> {
        block_on(async {
            let mut client = self.client().await.unwrap();
            let known = client.list_pod_sandbox(ListPodSandboxRequest::default()).await.unwrap();
            let mut ready = Vec::new();
            for sandbox in known.into_inner().items {
                if sandbox.state() == PodSandboxState::SandboxReady {
                    let request =
                        PodSandboxStatusRequest { pod_sandbox_id: sandbox.id, verbose: true };
                    let status = client.pod_sandbox_status(request).await.unwrap();
                    ready.push(Sandbox::of(status.into_inner()));
                }
            }
            ready
        })
    }

    /// Returns the names of all sandboxes that it knows, those too that never became ready.
    pub(crate) fn known(&self) -> Vec<String> {
        let request = ListPodSandboxRequest::default();
        let known = block_on(async { self.client().await?.list_pod_sandbox(request).await });
        known.unwrap().into_inner().items.into_iter().map(|sandbox| sandbox.id).collect()
    }

    async fn client(&self) -> Result<Client, Status> {
        let connected = Client::connect(self.socket.clone()).await;
        connected.map_err(|error| Status::unavailable(error.to_string()))
    }
}

impl Sandbox {
    fn of(answer: PodSandboxStatusResponse) -> Self {
        let status = answer.status.unwrap();
        let info: Value = serde_json::from_str(&answer.info["info"]).unwrap();
        Self {
            id: status.id,
            address: status.network.unwrap().ip.parse().unwrap(),
            pid: info["pid"].as_u64().unwrap(),
        }
    }
}

fn pod(name: &str, annotations: &HashMap<String, String>) -> RunPodSandboxRequest {
    let metadata = PodSandboxMetadata {
        name: name.to_owned(),
        uid: format!("uid-{name}"),
        namespace: "fin".to_owned(),
        attempt: 0,
    };
    let linux =
        LinuxPodSandboxConfig { cgroup_parent: cgroup::of(&stage::name()), ..Default::default() };
    let config = PodSandboxConfig {
        metadata: Some(metadata),
        hostname: name.to_owned(),
        annotations: annotations.clone(),
        linux: Some(linux),
        ..Default::default()
    };
    RunPodSandboxRequest { config: Some(config), ..Default::default() }
}
