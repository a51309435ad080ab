//! DEL: giving back what an interface holds.

use ipam_core::plan::{HandleTarget, Release};
use tracing::info;

use crate::identity;
use crate::protocol::{Call, CniError, Netconf};
use crate::settings::Fields;

use super::{Answer, Session, now, start_logging};

/// Releases the addresses; that there are none is no error, whatever the rest of the configuration says.
pub(super) async fn run(call: &Call, netconf: &Netconf) -> Result<Answer, CniError> {
    let fields = Fields::collect(netconf)?;
    start_logging(&fields)?;
    let whose = identity::attachment(&netconf.name, call);
    let of_container = HandleTarget {
        whose: whose.clone(),
        with: Some("interface"),
        ..HandleTarget::all(identity::container_handle(&netconf.name, call)?)
    };
    let of_interface =
        HandleTarget { whose, ..HandleTarget::all(identity::handle(&netconf.name, call)?) };
    // Without a name of the node it only takes longer.
    let host = identity::node_name(&fields).ok();
    let request = Release { targets: vec![of_interface, of_container], host };
    let released = Session::open(&fields)?.drive_in_turn(&request, now()).await?;
    for ip in released {
        info!(
            %ip,
            network = netconf.name,
            container = call.container_id,
            interface = call.ifname,
            "released"
        );
    }
    Ok(Answer::nothing())
}
