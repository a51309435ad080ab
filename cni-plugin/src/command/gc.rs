//! GC: giving back what the runtime does not know any more.

use ipam_core::plan::{HeldAddress, Leftovers, ReleaseAddresses};
use tracing::{error, info, warn};

use crate::identity;
use crate::log;
use crate::protocol::{CniError, Code, Netconf, valid_attachments};
use crate::settings::Fields;

use super::{Answer, Session, now};

/// Releases what this node holds for this network and no attachment of the list; without a list, nothing.
pub(super) async fn run(netconf: &Netconf) -> Result<Answer, CniError> {
    let fields = Fields::collect(netconf)?;
    log::start(&fields)?;
    let Some(attachments) = valid_attachments(&netconf.top)? else {
        warn!(network = netconf.name, "the runtime lists no attachments, so nothing is collected");
        return Ok(Answer::nothing());
    };
    let question = Leftovers {
        host: identity::node_name(&fields)?,
        network: netconf.name.clone(),
        attachments,
        grace_seconds: fields.gc_grace_seconds()?,
    };
    let session = Session::open(&fields)?;
    let leftovers = session.drive(&question, now()).await?;
    let failed = release(&session, netconf, &leftovers).await;
    match failed.last() {
        None => Ok(Answer::nothing()),
        Some(last) => {
            let message = format!(
                "{} of {} leftover addresses of network {} could not be released; try again",
                failed.len(),
                leftovers.len(),
                netconf.name
            );
            Err(CniError::new(Code::Incomplete, message).with_details(last.message.clone()))
        }
    }
}

/// Releases many at once, and those of a part that fails one by one, so that one cannot keep the others.
async fn release(session: &Session, netconf: &Netconf, leftovers: &[HeldAddress]) -> Vec<CniError> {
    let mut failed = Vec::new();
    for part in ReleaseAddresses::in_parts(leftovers.iter().map(HeldAddress::target).collect()) {
        if carry_out(session, netconf, &part).await.is_ok() {
            continue;
        }
        for target in part.targets {
            let ip = target.ip;
            let alone = ReleaseAddresses { targets: vec![target] };
            if let Err(failure) = carry_out(session, netconf, &alone).await {
                error!(%ip, failure = failure.message, "a leftover could not be released");
                failed.push(failure);
            }
        }
    }
    failed
}

async fn carry_out(
    session: &Session,
    netconf: &Netconf,
    request: &ReleaseAddresses,
) -> Result<(), CniError> {
    let reply = session.drive_in_turn(request, now()).await?;
    for (ip, holder) in reply.released {
        let handle = holder.handle.unwrap_or_default();
        info!(%ip, network = netconf.name, handle, "AUDIT released a leftover");
    }
    Ok(())
}
