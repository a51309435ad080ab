//! ADD below any main plugin but Calico's: annotations are read here, and what is not understood is refused.

use ipam_core::ip::Family;
use ipam_core::model::Timestamp;
use ipam_core::plan::{
    AddressRule, Assign, Assigned, Assignment, DryRun, FamilyRequest, NodeRule, Replay, Rules, Want,
};
use ipnetwork::IpNetwork;
use tracing::warn;

use crate::addresses::{Wanted, wanted};
use crate::annotations::Annotations;
use crate::facts::Facts;
use crate::identity;
use crate::kubernetes::Inquiry;
use crate::protocol::{AddResult, Call, CniError, Code, Netconf, Route};
use crate::settings::{AddSettings, AnnotationRule, Fields, Prefix};

use super::super::{Answer, Session};
use super::{answer, log};

/// An ADD as it was asked for, with everything from outside judged.
struct Asked {
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
    let (settings, pod, inquiry) = question(call, netconf, fields)?;
    let session = Session::open(fields)?;
    let facts = match inquiry {
        None => Facts::of_runtime(pod),
        Some(inquiry) => {
            let answer = session.beside(|within| inquiry.answer(within)).await?;
            Facts::told(pod, answer, &call.ifname)?
        }
    };
    let Asked { request, settings, wanted } =
        request(call, netconf, fields, settings, &facts, now)?;
    if wanted.iter().any(|wanted| wanted.prefix.is_some()) {
        // The prefix depends on the pool: it is judged before anything is stored.
        let plan = session.drive(&DryRun(request.clone()), now).await?;
        refuse_other_prefix(&wanted, &plan, settings.prefix)?;
    }
    let assigned = session.drive_in_turn(&request, now).await?;
    log(call, netconf, &request, &assigned);
    let result = result(&assigned, &settings);
    Ok(answer(&result, netconf, &request, &assigned, session))
}

/// Judges a call as far as that is possible without asking anybody.
pub(super) fn judge(
    call: &Call,
    netconf: &Netconf,
    fields: &Fields,
    now: Timestamp,
) -> Result<(), CniError> {
    let (settings, pod, _) = question(call, netconf, fields)?;
    request(call, netconf, fields, settings, &Facts::of_runtime(pod), now).map(|_| ())
}

/// Reads what the configuration and the runtime say, and what remains to be asked.
fn question(
    call: &Call,
    netconf: &Netconf,
    fields: &Fields,
) -> Result<(AddSettings, Option<Annotations>, Option<Inquiry>), CniError> {
    call.arguments.judge()?;
    let settings = fields.add()?;
    let rule = settings.annotations;
    let pod = match rule {
        AnnotationRule::Off => None,
        AnnotationRule::Auto | AnnotationRule::Required => {
            Annotations::of_runtime(netconf, &call.ifname)?
        }
    };
    let inquiry = Inquiry::about(&call.arguments, rule, fields.kubernetes()?, pod.is_some())?;
    Ok((settings, pod, inquiry))
}

/// Turns a call into a request.
fn request(
    call: &Call,
    netconf: &Netconf,
    fields: &Fields,
    mut settings: AddSettings,
    facts: &Facts,
    now: Timestamp,
) -> Result<Asked, CniError> {
    let families_named = facts.families(&call.ifname, &settings.annotation_interfaces)?;
    settings.families = families_named.unwrap_or(settings.families);
    for annotations in [&facts.namespace, &facts.pod] {
        annotations.warn_of_idle(&call.ifname, &settings);
    }
    settings.judge_for(&netconf.upper_type)?;
    let wanted = wanted(netconf, call, &facts.pod, &settings)?;
    let node = identity::node_name(fields)?;
    let request = Assign {
        handle: Some(identity::handle(&netconf.name, call)?),
        tenant: Some(identity::tenant(&netconf.name, &call.arguments)),
        attributes: identity::attributes(&netconf.name, &node, call, now),
        host: node,
        families: families(&settings, &wanted, facts, call)?,
        rules: rules(&settings, facts),
    };
    Ok(Asked { request, settings, wanted })
}

fn rules(settings: &AddSettings, facts: &Facts) -> Rules {
    Rules {
        pool_order: settings.pool_order,
        node: NodeRule::Optional,
        replay: Replay::Same,
        addresses: settings.addresses,
        namespace_labels: facts.labels.clone(),
        blocks_max: 0,
        record_source: true,
        ..Rules::calico()
    }
}

fn families(
    settings: &AddSettings,
    wanted: &[Wanted],
    facts: &Facts,
    call: &Call,
) -> Result<Vec<FamilyRequest>, CniError> {
    let request = |family: &Family| {
        let address = wanted.iter().find(|wanted| Family::of(wanted.ip) == *family);
        let want = match address {
            Some(wanted) => Want::Address(wanted.ip, AddressRule::Permitted),
            None => Want::Any(1),
        };
        Ok(FamilyRequest { family: *family, want, levels: facts.levels(*family, call, settings)? })
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
    Some(Route { gateway: route.gateway.or(address.gateway), ..route.clone() })
}
