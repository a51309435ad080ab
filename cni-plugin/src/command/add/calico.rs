//! ADD below Calico's main plugin, which has read the annotations and hands them down as configuration.
//!
//! What `calico-ipam` accepts is accepted and means the same; bindings and exclusive pools hold all the same.
//!
//! Source: `calico cni-plugin/pkg/ipamplugin/ipam_plugin.go::cmdAdd`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipam_core::ip::{Cidr, Family};
use ipam_core::model::Timestamp;
use ipam_core::plan::{AddressRule, Assign, Assigned, FamilyRequest, Rules, Want};
use ipam_core::pool::{Levels, NamespaceLabels, Tenant};
use ipnetwork::IpNetwork;

use crate::identity;
use crate::kubernetes::Inquiry;
use crate::protocol::{AddResult, Call, CniError, Code, Netconf, Object, Route, judge_namespace};
use crate::settings::Fields;

use super::super::{Answer, Session};
use super::{answer, log};

/// Gives addresses as `calico-ipam` does: the mask is the block's, and a route per address tells the main plugin that the
/// pod is to be reached.
pub(super) async fn run(
    call: &Call,
    netconf: &Netconf,
    fields: &Fields,
    now: Timestamp,
) -> Result<Answer, CniError> {
    let (mut request, inquiry) = question(call, netconf, fields, now)?;
    if request.families.is_empty() {
        let nothing = AddResult { addresses: Vec::new(), routes: Vec::new(), dns: None };
        return Ok(Answer { text: nothing.to_json(netconf.version), undo: None });
    }
    let session = Session::open(fields)?;
    if let Some(inquiry) = inquiry {
        let (_, namespace) = session.beside(|within| inquiry.answer(within)).await?;
        request.rules.namespace_labels = NamespaceLabels::Known(namespace.labels);
    }
    let assigned = session.drive_in_turn(&request, now).await?;
    log(call, netconf, &request, &assigned);
    let result = result(&request, &assigned);
    Ok(answer(&result, netconf, &request, &assigned, session))
}

/// Judges a call as far as that is possible without asking anybody.
pub(super) fn judge(
    call: &Call,
    netconf: &Netconf,
    fields: &Fields,
    now: Timestamp,
) -> Result<(), CniError> {
    question(call, netconf, fields, now).map(|_| ())
}

/// Turns a call into a request, and says what remains to be asked; a request without a family asks for nothing, and succeeds.
fn question(
    call: &Call,
    netconf: &Netconf,
    fields: &Fields,
    now: Timestamp,
) -> Result<(Assign, Option<Inquiry>), CniError> {
    let tenant = identity::tenant(&netconf.name, &call.arguments);
    if let Tenant::Namespace(namespace) = &tenant {
        // It becomes part of a key: what holds for a namespace must not be dodged by a name that cannot be one.
        judge_namespace(namespace)?;
    }
    let node = identity::node_name(fields)?;
    let (families, inquiry) = match &call.arguments.ip {
        // Who asks for an address by itself is not held against selectors.
        Some(text) => (vec![one_address(text)?], None),
        None => (any_addresses(fields)?, inquiry(fields, identity::pod_of(&call.arguments))?),
    };
    // Where nobody is asked for them a pod has no labels of its namespace, as stock Calico has it.
    let namespace_labels = NamespaceLabels::Known(BTreeMap::new());
    let request = Assign {
        handle: Some(identity::container_handle(&netconf.name, call)?),
        attributes: identity::calicos_attributes(&node, call, now),
        tenant: Some(tenant),
        host: node,
        families,
        rules: Rules { namespace_labels, ..Rules::calico() },
    };
    Ok((request, inquiry))
}

/// Asks for the labels of the pod's namespace where `calico-ipam` would.
fn inquiry(fields: &Fields, pod: Option<(&str, &str)>) -> Result<Option<Inquiry>, CniError> {
    match (pod, fields.kubernetes()?) {
        (Some(_), Some(access)) if access.is_empty() => Err(CniError::new(
            Code::Config,
            "policy.type is \"k8s\", but neither kubernetes.kubeconfig nor policy.k8s_api_root says where the API is",
        )),
        (Some((namespace, _)), Some(access)) => {
            Inquiry::about_namespace(namespace, access).map(Some)
        }
        (Some(_), None) | (None, _) => Ok(None),
    }
}

/// An address by name is the only one that is given, whatever the configuration says about families and pools.
fn one_address(text: &str) -> Result<FamilyRequest, CniError> {
    let ip = text.parse::<IpAddr>().ok().filter(|ip| Cidr::host(*ip).is_ok());
    let ip = ip.ok_or_else(|| {
        let message = format!("IP of CNI_ARGS: {text:?} is no address; write one such as 10.0.0.7");
        let words =
            format!("ARGS: error parsing value of pair \"IP={text}\": invalid IP address: {text}");
        CniError::new(Code::AddressInvalid, message).in_other_words(&words)
    })?;
    Ok(FamilyRequest {
        family: Family::of(ip),
        want: Want::Address(ip, AddressRule::AnyPool),
        levels: Levels::default(),
    })
}

fn any_addresses(fields: &Fields) -> Result<Vec<FamilyRequest>, CniError> {
    let mut requests = Vec::new();
    for family in fields.calicos_families()? {
        let handed_down = fields.calicos_pools(family)?;
        let levels = Levels { handed_down, ..Levels::default() };
        requests.push(FamilyRequest { family, want: Want::Any(1), levels });
    }
    Ok(requests)
}

fn result(request: &Assign, assigned: &Assigned) -> AddResult {
    let by_name = request.families.iter().any(|family| matches!(family.want, Want::Address(..)));
    let networks = assigned.addresses.iter().filter_map(|address| {
        let bits = Family::of(address.ip).bits();
        let length = if by_name { bits } else { address.block.prefix() };
        IpNetwork::new(address.ip, length).ok()
    });
    let networks: Vec<IpNetwork> = networks.collect();
    let route = |network: &IpNetwork| Route {
        destination: *network,
        gateway: None,
        details: Object::new(),
    };
    AddResult {
        addresses: networks.iter().map(|network| (*network, None)).collect(),
        routes: networks.iter().map(route).collect(),
        dns: None,
    }
}
