//! What stock Calico's IPAM plugin asks for when it is called, as requests to the planner.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::IpAddr;

use ipam_core::ip::Family;
use ipam_core::model::{HandleId, Timestamp};
use ipam_core::plan::{
    AddressRule, Assign, Assigned, FamilyRequest, HandleTarget, Release, Rules, Want,
};
use ipam_core::pool::{Levels, PoolList, Tenant};
use serde::Deserialize;

use super::recording::Step;

/// What a call of the plugin comes to.
#[derive(Clone, Debug)]
pub enum Call {
    /// An ADD.
    Add(Assign),
    /// An ADD with both families off, which succeeds without an address.
    AddNothing,
    /// A DEL.
    Del(Release),
}

/// Input that the plugin refuses before it looks at the store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the input is wrong: {why}")]
pub struct BadInput {
    why: String,
}

/// The part of the network configuration that decides about addresses.
#[derive(Debug, Deserialize)]
struct NetConf {
    name: String,
    nodename: String,
    ipam: Ipam,
}

/// The flags are texts: a stock plugin refuses booleans.
#[derive(Debug, Deserialize)]
struct Ipam {
    assign_ipv4: Option<String>,
    assign_ipv6: Option<String>,
    #[serde(default)]
    ipv4_pools: Vec<String>,
    #[serde(default)]
    ipv6_pools: Vec<String>,
}

impl Call {
    /// Reads a recorded step; `None` for one that is no ADD or DEL of the plugin.
    ///
    /// # Errors
    ///
    /// [`BadInput`] where the plugin would say no more than that.
    pub fn read(step: &Step, now: Timestamp) -> Result<Option<Self>, BadInput> {
        let mut words = step.title.split(' ');
        let (Some("calico-ipam"), Some(verb), Some(container)) =
            (words.next(), words.next(), words.next())
        else {
            return Ok(None);
        };
        if !matches!(verb, "ADD" | "DEL") {
            return Ok(None);
        }
        let conf: NetConf = step
            .netconf
            .clone()
            .ok_or_else(|| bad(&"there is no network configuration"))
            .and_then(|conf| serde_json::from_value(conf).map_err(|error| bad(&error)))?;
        let args = parse_args(&step.cni_args)?;
        let handle =
            HandleId::new(format!("{}.{container}", conf.name)).map_err(|error| bad(&error))?;
        if verb == "DEL" {
            let targets = vec![HandleTarget::all(handle)];
            return Ok(Some(Self::Del(Release { targets, host: None })));
        }
        add(&conf, &args, handle, now).map(Some)
    }
}

/// Returns the addresses as the plugin prints them: with the mask of their block, or alone where asked for by name.
#[must_use]
pub fn printed(request: &Assign, reply: &Assigned) -> Vec<String> {
    let prefix = |family: Family, block_prefix: u8| {
        let by_name = |wanted: &FamilyRequest| {
            wanted.family == family && matches!(wanted.want, Want::Address(..))
        };
        if request.families.iter().any(by_name) { family.bits() } else { block_prefix }
    };
    let addresses = reply.addresses.iter();
    addresses.map(|a| format!("{}/{}", a.ip, prefix(Family::of(a.ip), a.block.prefix()))).collect()
}

fn add(
    conf: &NetConf,
    args: &BTreeMap<&str, &str>,
    handle: HandleId,
    now: Timestamp,
) -> Result<Call, BadInput> {
    let families = match args.get("IP") {
        Some(text) => vec![one_address(text)?],
        None => any_addresses(&conf.ipam)?,
    };
    if families.is_empty() {
        return Ok(Call::AddNothing);
    }
    let mut attributes = BTreeMap::from([
        ("node".to_owned(), conf.nodename.clone()),
        ("timestamp".to_owned(), now.to_go_text()),
    ]);
    let pod = args.get("K8S_POD_NAMESPACE").zip(args.get("K8S_POD_NAME"));
    if let Some((namespace, name)) = pod {
        attributes.insert("namespace".to_owned(), (*namespace).to_owned());
        attributes.insert("pod".to_owned(), (*name).to_owned());
    }
    Ok(Call::Add(Assign {
        handle: Some(handle),
        host: conf.nodename.clone(),
        tenant: pod.map(|(namespace, _)| Tenant::Namespace((*namespace).to_owned())),
        attributes,
        families,
        rules: Rules::calico(),
    }))
}

/// An address by name is the only one that is given, whatever the configuration says about families and pools.
fn one_address(text: &str) -> Result<FamilyRequest, BadInput> {
    let ip: IpAddr = text.parse().map_err(|error| bad(&format!("IP={text}: {error}")))?;
    Ok(FamilyRequest {
        family: Family::of(ip),
        want: Want::Address(ip, AddressRule::AnyPool),
        levels: Levels::default(),
    })
}

fn any_addresses(ipam: &Ipam) -> Result<Vec<FamilyRequest>, BadInput> {
    let v4 = ipam.assign_ipv4.as_deref() != Some("false");
    let v6 = ipam.assign_ipv6.as_deref() == Some("true");
    [(Family::V4, v4, &ipam.ipv4_pools), (Family::V6, v6, &ipam.ipv6_pools)]
        .into_iter()
        .filter(|(_, is_on, _)| *is_on)
        .map(|(family, _, pools)| {
            let levels = Levels { configuration: named(pools)?, ..Levels::default() };
            Ok(FamilyRequest { family, want: Want::Any(1), levels })
        })
        .collect()
}

/// To stock Calico an empty list says nothing, so that any automatic pool will do.
fn named(pools: &[String]) -> Result<Option<PoolList>, BadInput> {
    if pools.is_empty() {
        return Ok(None);
    }
    PoolList::from_names(pools.to_vec()).map(Some).map_err(|error| bad(&error))
}

fn parse_args(text: &str) -> Result<BTreeMap<&str, &str>, BadInput> {
    let pairs = text.split(';').filter(|pair| !pair.is_empty());
    let mut args = BTreeMap::new();
    for pair in pairs {
        let (name, value) =
            pair.split_once('=').ok_or_else(|| bad(&format!("{pair:?} is no pair")))?;
        args.insert(name, value);
    }
    Ok(args)
}

fn bad(why: &dyn Display) -> BadInput {
    BadInput { why: why.to_string() }
}
