//! ADD: addresses for an interface.

mod calico;
mod standalone;

use ipam_core::block::Target;
use ipam_core::model::{HandleId, Timestamp};
use ipam_core::plan::{AddressTarget, Assign, Assigned, Assignment, ReleaseAddresses};
use tracing::info;

use crate::log;
use crate::mode::Mode;
use crate::protocol::{AddResult, Call, CniError, Netconf};
use crate::settings::Fields;

use super::{Answer, Session, now};

/// Gives addresses, or refuses and stores nothing.
pub(super) async fn run(call: &Call, netconf: &Netconf) -> Result<Answer, CniError> {
    let fields = Fields::collect(netconf)?;
    log::start(&fields)?;
    call.arguments.tell_repeated();
    match fields.mode() {
        Mode::Calico => calico::run(call, netconf, &fields, now()).await,
        Mode::Standalone => standalone::run(call, netconf, &fields, now()).await,
    }
}

/// Judges everything that comes from outside, and touches no store.
pub(super) fn judge(
    call: &Call,
    netconf: &Netconf,
    fields: &Fields,
    now: Timestamp,
) -> Result<(), CniError> {
    match fields.mode() {
        Mode::Calico => calico::judge(call, netconf, fields, now),
        Mode::Standalone => standalone::judge(call, netconf, fields, now),
    }
}

/// Answers with a result, and keeps what it takes to undo the allocation: exactly what this call has taken, as a handle may
/// hold more.
fn answer(
    result: &AddResult,
    netconf: &Netconf,
    request: &Assign,
    assigned: &Assigned,
    session: Session,
) -> Answer {
    let handle = request.handle.as_ref().map(ToString::to_string);
    let target = |address: &Assignment| AddressTarget {
        ip: address.ip,
        conditions: Target { handle: handle.clone(), ..Target::default() },
    };
    let targets = assigned.addresses.iter().map(target).collect();
    let is_new = !assigned.replayed;
    let undo = is_new.then(|| (session.into_store(), ReleaseAddresses { targets }));
    Answer { text: result.to_json(netconf.version), undo }
}

/// Writes who got what, and why: one line.
fn log(call: &Call, netconf: &Netconf, request: &Assign, assigned: &Assigned) {
    let handle = request.handle.as_ref().map(HandleId::as_str).unwrap_or_default();
    for (address, decision) in assigned.addresses.iter().zip(&assigned.decisions) {
        info!(
            ip = %address.ip,
            pool = address.pool,
            because = decision.named_by,
            network = netconf.name,
            container = call.container_id,
            interface = call.ifname,
            node = request.host,
            handle,
            namespace = call.arguments.pod_namespace.as_deref().unwrap_or_default(),
            pod = call.arguments.pod_name.as_deref().unwrap_or_default(),
            replayed = assigned.replayed,
            "AUDIT assigned"
        );
    }
}
