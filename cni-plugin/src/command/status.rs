//! STATUS: whether an ADD could succeed now.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::try_join;
use ipam_core::ip::Family;
use ipam_core::plan::{Assign, FamilyRequest, NodeRule, Probe, Rules, Want};
use ipam_core::pool::{Levels, NamespaceLabels, Tenant};
use tracing::info;

use crate::identity;
use crate::kubernetes::reach;
use crate::log;
use crate::protocol::{CniError, Code, Netconf};
use crate::settings::{AddSettings, AnnotationRule, Fields};

use super::{Answer, Session, now};

/// The longest that the answer takes: runtimes ask every few seconds.
const LONGEST: Duration = Duration::from_secs(2);
/// How many blocks of a full pool are looked at. In a larger one somebody else will have found room, or will be told.
const BLOCKS_MAX: u128 = 256;

/// Answers nothing where an ADD could succeed. It reads, and changes nothing.
pub(super) async fn run(netconf: &Netconf) -> Result<Answer, CniError> {
    let fields = Fields::collect(netconf)?;
    log::start(&fields)?;
    let settings = fields.add()?;
    let probe = Probe { request: request(netconf, &fields, &settings)?, blocks_max: BLOCKS_MAX };
    let access = fields.kubernetes()?.filter(|_| settings.annotations != AnnotationRule::Off);
    let session = Session::open_within(&fields, LONGEST)?;
    let api = async {
        match access {
            Some(access) => reach(&access, LONGEST).await.map_err(not_ready),
            None => Ok(()),
        }
    };
    let room = async {
        match session.drive(&probe, now()).await {
            Ok(room) => Ok(room),
            // That no pool is for everybody is how a cluster may be meant: annotated pods have theirs.
            Err(error) if matches!(error.code, Code::NoPool | Code::NotPermitted) => {
                info!(reason = error.message, "no pool for pods without annotations");
                Ok(ipam_core::plan::Room::Unknown)
            }
            Err(error) => Err(not_ready(error)),
        }
    };
    try_join(api, room).await?;
    Ok(Answer::nothing())
}

fn not_ready(error: CniError) -> CniError {
    error.under(Code::NotReady)
}

/// Makes the request of a workload that nobody says anything about.
fn request(netconf: &Netconf, fields: &Fields, settings: &AddSettings) -> Result<Assign, CniError> {
    let family = |family: &Family| FamilyRequest {
        family: *family,
        want: Want::Any(1),
        levels: Levels { configuration: settings.pools(*family).cloned(), ..Levels::default() },
    };
    Ok(Assign {
        handle: None,
        tenant: Some(Tenant::Network(netconf.name.clone())),
        attributes: BTreeMap::new(),
        host: identity::node_name(fields)?,
        families: settings.families.iter().map(family).collect(),
        rules: Rules {
            node: NodeRule::Optional,
            addresses: settings.addresses,
            namespace_labels: NamespaceLabels::Unknown,
            ..Rules::calico()
        },
    })
}
