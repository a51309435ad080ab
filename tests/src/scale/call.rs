//! One call of the plugin.

use std::net::IpAddr;
use std::time::Duration;

use ipam_core::kv::Recollection;
use ipam_core::model::Timestamp;
use ipam_core::plan::Request;
use ipam_etcd::{Memory, Store, drive_from};

use super::pod::Pod;

/// No call takes as long, on whatever machine simulates it.
pub(super) const DEADLINE: Duration = Duration::from_hours(1);

/// What a plugin is called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Add,
    Del,
}

/// A call, with all that it begins with.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) verb: Verb,
    pub(super) pod: Pod,
    pub(super) host: String,
    pub(super) memory: Option<Recollection>,
    pub(super) now: Timestamp,
}

/// How a call ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) verb: Verb,
    pub(super) pod: Pod,
    /// The addresses that were given or taken back, or why there are none.
    pub(super) addresses: Result<Vec<IpAddr>, String>,
    pub(super) memory: Memory,
    pub(super) round_trips: u32,
}

/// Carries a call out.
pub(super) async fn carry_out<S: Store>(store: &S, call: Call) -> Ended {
    match call.verb {
        Verb::Add => {
            let request = call.pod.add(&call.host, call.now);
            drive(store, call, &request, |reply| {
                reply.addresses.iter().map(|given| given.ip).collect()
            })
            .await
        }
        Verb::Del => {
            let request = call.pod.del(&call.host);
            drive(store, call, &request, |released| released).await
        }
    }
}

async fn drive<S: Store, R: Request>(
    store: &S,
    call: Call,
    request: &R,
    addresses: impl FnOnce(R::Reply) -> Vec<IpAddr>,
) -> Ended {
    let Call { verb, pod, memory, now, .. } = call;
    match drive_from(store, request, memory, now, DEADLINE).await {
        Ok(driven) => Ended {
            verb,
            pod,
            addresses: Ok(addresses(driven.reply)),
            memory: driven.memory,
            round_trips: driven.round_trips,
        },
        Err(error) => Ended {
            verb,
            pod,
            addresses: Err(format!("{error}: {error:?}")),
            memory: Memory::Unchanged,
            round_trips: 0,
        },
    }
}
