//! DEL: giving back what an interface holds.

use ipam_core::plan::{HandleTarget, Release};
use tracing::info;

use crate::identity;
use crate::log;
use crate::mode::Mode;
use crate::protocol::{Call, CniError, Netconf};
use crate::settings::Fields;

use super::{Answer, Session, now};

/// Releases the addresses; that there are none is no error, whatever the rest of the configuration says.
pub(super) async fn run(call: &Call, netconf: &Netconf) -> Result<Answer, CniError> {
    let fields = Fields::collect(netconf)?;
    log::start(&fields)?;
    let targets = match fields.mode() {
        Mode::Calico => of_container(call, netconf)?,
        Mode::Standalone => of_interface(call, netconf)?,
    };
    // Without a name of the node it only takes longer.
    let host = identity::node_name(&fields).ok();
    let request = Release { targets, host };
    let released = Session::open(&fields)?.drive_in_turn(&request, now()).await?;
    for ip in released {
        info!(
            %ip,
            network = netconf.name,
            container = call.container_id,
            interface = call.ifname,
            namespace = call.arguments.pod_namespace.as_deref().unwrap_or_default(),
            pod = call.arguments.pod_name.as_deref().unwrap_or_default(),
            "AUDIT released"
        );
    }
    Ok(Answer::nothing())
}

/// Names what one interface holds, also where another writer has stored it under the name of the container.
fn of_interface(call: &Call, netconf: &Netconf) -> Result<Vec<HandleTarget>, CniError> {
    let whose = identity::attachment(&netconf.name, call);
    let of_container = HandleTarget {
        whose: whose.clone(),
        with: Some("interface"),
        ..HandleTarget::all(identity::container_handle(&netconf.name, call)?)
    };
    let of_interface =
        HandleTarget { whose, ..HandleTarget::all(identity::handle(&netconf.name, call)?) };
    Ok(vec![of_interface, of_container])
}

/// Names what a container holds, also under the name that Calico 2 gave it.
fn of_container(call: &Call, netconf: &Netconf) -> Result<Vec<HandleTarget>, CniError> {
    let mut handles = vec![identity::container_handle(&netconf.name, call)?];
    handles.extend(identity::calico_2_handle(call));
    Ok(handles.into_iter().map(HandleTarget::all).collect())
}
