//! ADD below any main plugin but Calico's: annotations are read here, and what is not understood is refused.

use ipam_core::ip::Family;
use ipam_core::model::Timestamp;
use ipam_core::plan::{
    AddressRule, Assign, Assigned, Assignment, DryRun, FamilyRequest, NodeRule, Replay, Rules, Want,
};
use ipam_core::pool::NamespaceLabels;
use ipnetwork::IpNetwork;
use tracing::warn;

use crate::addresses::{Wanted, wanted};
use crate::annotations::{Annotations, levels};
use crate::identity;
use crate::protocol::{AddResult, Call, CniError, Code, Netconf, Route};
use crate::settings::{AddSettings, Fields, Prefix};

use super::super::{Answer, Session};
use super::{answer, log};

/// An ADD as it was asked for, with everything from outside judged.
pub(super) struct Asked {
    request: Assign,
    settings: AddSettings,
    wanted: Vec<Wanted>,
}

/// Gives addresses, or refuses and stores nothing.
pub(super) async fn run(
    call: &Call,
    netconf: &Netconf,
    fields: &Fields,
    now: Timestamp,
) -> Result<Answer, CniError> {
    let Asked { request, settings, wanted } = request(call, netconf, fields, now)?;
    let session = Session::open(fields)?;
    if wanted.iter().any(|wanted| wanted.prefix.is_some()) {
        // The prefix depends on the pool: it is judged before anything is stored.
        let plan = session.drive(&DryRun(request.clone()), now).await?;
        refuse_other_prefix(&wanted, &plan, settings.prefix)?;
    }
    let assigned = session.drive_in_turn(&request, now).await?;
    log(call, netconf, &request.host, &assigned);
    let result = result(&assigned, &settings);
    Ok(answer(&result, netconf, &request, &assigned, session))
}

/// Turns a call into a request.
pub(super) fn request(
    call: &Call,
    netconf: &Netconf,
    fields: &Fields,
    now: Timestamp,
) -> Result<Asked, CniError> {
    call.arguments.judge()?;
    let mut settings = fields.add()?;
    let annotations = Annotations::read(netconf, &call.ifname)?;
    if let Some(families) = annotations.families(&call.ifname, &settings.annotation_interfaces)? {
        settings.families = families;
    }
    annotations.warn_of_idle(&call.ifname, &settings);
    settings.judge_for(&netconf.upper_type)?;
    let wanted = wanted(netconf, call, &annotations, &settings)?;
    let node = identity::node_name(fields)?;
    let request = Assign {
        handle: Some(identity::handle(&netconf.name, call)?),
        tenant: Some(identity::tenant(&netconf.name, &call.arguments)),
        attributes: identity::attributes(&netconf.name, &node, call, now),
        host: node,
        families: families(&settings, &wanted, &annotations, call)?,
        rules: rules(&settings),
    };
    Ok(Asked { request, settings, wanted })
}

fn rules(settings: &AddSettings) -> Rules {
    Rules {
        pool_order: settings.pool_order,
        node: NodeRule::Optional,
        replay: Replay::Same,
        addresses: settings.addresses,
        namespace_labels: NamespaceLabels::Unknown,
        blocks_max: 0,
        record_source: true,
        ..Rules::calico()
    }
}

fn families(
    settings: &AddSettings,
    wanted: &[Wanted],
    annotations: &Annotations,
    call: &Call,
) -> Result<Vec<FamilyRequest>, CniError> {
    let request = |family: &Family| {
        let address = wanted.iter().find(|wanted| Family::of(wanted.ip) == *family);
        let want = match address {
            Some(wanted) => Want::Address(wanted.ip, AddressRule::Permitted),
            None => Want::Any(1),
        };
        Ok(FamilyRequest {
            family: *family,
            want,
            levels: levels(*family, annotations, call, settings)?,
        })
    };
    settings.families.iter().map(request).collect()
}

fn refuse_other_prefix(wanted: &[Wanted], plan: &Assigned, prefix: Prefix) -> Result<(), CniError> {
    for wanted in wanted {
        let Some(given) = wanted.prefix.filter(|given| *given != Family::of(wanted.ip).bits())
        else {
            continue;
        };
        let Some(address) = plan.addresses.iter().find(|address| address.ip == wanted.ip) else {
            continue;
        };
        let length = prefix.length(&address.pool_cidr);
        if given != length {
            let message = format!(
                "address {}/{given} is asked for, its network has a prefix of {length}",
                wanted.ip
            );
            return Err(CniError::new(Code::AddressInvalid, message));
        }
    }
    Ok(())
}

fn result(assigned: &Assigned, settings: &AddSettings) -> AddResult {
    let addresses: Vec<_> = assigned
        .addresses
        .iter()
        .filter_map(|address| {
            let length = settings.prefix.length(&address.pool_cidr);
            Some((IpNetwork::new(address.ip, length).ok()?, address.gateway))
        })
        .collect();
    let routes =
        settings.routes.iter().filter_map(|route| complete(route, &assigned.addresses)).collect();
    AddResult { addresses, routes, dns: settings.dns.clone() }
}

/// Gives a route the gateway of its family; a route of a family without an address goes.
fn complete(route: &Route, addresses: &[Assignment]) -> Option<Route> {
    let family = Family::of(route.destination.ip());
    let Some(address) = addresses.iter().find(|address| Family::of(address.ip) == family) else {
        warn!(destination = %route.destination, "no {family} address was given, so the route is left out");
        return None;
    };
    Some(Route { destination: route.destination, gateway: route.gateway.or(address.gateway) })
}
