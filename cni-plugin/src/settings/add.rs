//! What ADD needs to know of the configuration.

use std::net::IpAddr;

use ipam_core::ip::{Cidr, Family};
use ipam_core::plan::PoolOrder;
use ipam_core::pool::{AddressRules, Gateway, PoolList};
use ipnetwork::IpNetwork;
use serde_json::Value;

use crate::protocol::{CniError, Code, Object, Route};

use super::Fields;

/// The length of the prefix that an address is returned with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prefix {
    /// Its pool's.
    Pool,
    /// The address alone.
    Host,
    /// These, for IPv4 and IPv6.
    Lengths(u8, u8),
}

/// Whether annotations are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AnnotationRule {
    /// Not at all.
    Off,
    /// As far as somebody passes or shows them.
    Auto,
    /// Those of the pod and those of its namespace, or nothing is assigned.
    Required,
}

/// What ADD needs to know of the configuration.
#[derive(Clone, Debug)]
pub(crate) struct AddSettings {
    pub(crate) families: Vec<Family>,
    pub(crate) ipv4_pools: Option<PoolList>,
    pub(crate) ipv6_pools: Option<PoolList>,
    pub(crate) pool_order: PoolOrder,
    pub(crate) addresses: AddressRules,
    pub(crate) prefix: Prefix,
    pub(crate) routes: Vec<Route>,
    pub(crate) dns: Option<Value>,
    pub(crate) annotations: AnnotationRule,
    pub(crate) annotation_interfaces: Vec<String>,
}

impl Fields {
    /// Reads what only ADD needs.
    pub(crate) fn add(&self) -> Result<AddSettings, CniError> {
        let families = self.families()?;
        let addresses =
            AddressRules { exclude_edges: self.flag("exclude_edges", true)?, ..self.gateways()? };
        let prefix = self.prefix()?;
        Ok(AddSettings {
            families,
            ipv4_pools: self.pools("ipv4_pools")?,
            ipv6_pools: self.pools("ipv6_pools")?,
            pool_order: self.pool_order()?,
            addresses,
            prefix,
            routes: self.routes()?,
            dns: self.dns()?,
            annotations: self.annotation_rule()?,
            annotation_interfaces: self.annotation_interfaces()?,
        })
    }

    /// Reads what is handed on as it is; in another shape it would be an answer that nobody can read.
    fn dns(&self) -> Result<Option<Value>, CniError> {
        let is_text = |value: &Value| value.is_string();
        let are_texts =
            |value: &Value| value.as_array().is_some_and(|list| list.iter().all(is_text));
        let is_right = |(name, value): (&String, &Value)| match name.as_str() {
            "domain" => is_text(value),
            "nameservers" | "search" | "options" => are_texts(value),
            _ => true,
        };
        match self.own("dns") {
            None => Ok(None),
            Some(Value::Object(dns)) if dns.iter().all(is_right) => {
                Ok(Some(Value::Object(dns.clone())))
            }
            Some(_) => Err(CniError::field(
                "dns",
                "must be an object with the lists of texts nameservers, search and options, and the text domain",
            )),
        }
    }

    fn families(&self) -> Result<Vec<Family>, CniError> {
        let wanted = [
            (Family::V4, self.flag("assign_ipv4", true)?),
            (Family::V6, self.flag("assign_ipv6", false)?),
        ];
        let families: Vec<Family> =
            wanted.into_iter().filter_map(|(family, wanted)| wanted.then_some(family)).collect();
        if families.is_empty() {
            return Err(CniError::new(
                Code::Config,
                "assign_ipv4 and assign_ipv6 are both off: nothing is asked for",
            ));
        }
        Ok(families)
    }

    fn pool_order(&self) -> Result<PoolOrder, CniError> {
        match self.own("pool_order").map(Value::as_str) {
            None | Some(Some("listed")) => Ok(PoolOrder::Listed),
            Some(Some("calico")) => Ok(PoolOrder::Calico),
            Some(_) => Err(CniError::field("pool_order", "must be \"listed\" or \"calico\"")),
        }
    }

    fn gateways(&self) -> Result<AddressRules, CniError> {
        let bad = || {
            CniError::field(
                "gateway",
                "must be \"none\", \"first\", \"last\", or a list of one address per family",
            )
        };
        let (gateway_v4, gateway_v6) = match self.own("gateway") {
            None => (Gateway::None, Gateway::None),
            Some(Value::String(text)) => match text.as_str() {
                "none" => (Gateway::None, Gateway::None),
                "first" => (Gateway::First, Gateway::First),
                "last" => (Gateway::Last, Gateway::Last),
                address => one_per_family(&[address]).ok_or_else(bad)?,
            },
            Some(Value::Array(list)) => {
                let texts: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
                one_per_family(&texts.ok_or_else(bad)?).ok_or_else(bad)?
            }
            Some(_) => return Err(bad()),
        };
        Ok(AddressRules { gateway_v4, gateway_v6, ..AddressRules::default() })
    }

    fn prefix(&self) -> Result<Prefix, CniError> {
        let bad = || {
            CniError::field("prefix", "must be \"pool\", \"host\", or two lengths such as [24, 64]")
        };
        match self.own("prefix") {
            None => Ok(Prefix::Pool),
            Some(Value::String(text)) if text == "pool" => Ok(Prefix::Pool),
            Some(Value::String(text)) if text == "host" => Ok(Prefix::Host),
            Some(Value::Array(lengths)) => match lengths.as_slice() {
                [v4, v6] => {
                    let length = |value: &Value, max: u8| {
                        value
                            .as_u64()
                            .and_then(|n| u8::try_from(n).ok())
                            .filter(|n| (1..=max).contains(n))
                    };
                    let (v4, v6) =
                        (length(v4, 32).ok_or_else(bad)?, length(v6, 128).ok_or_else(bad)?);
                    Ok(Prefix::Lengths(v4, v6))
                }
                _ => Err(bad()),
            },
            Some(_) => Err(bad()),
        }
    }

    fn routes(&self) -> Result<Vec<Route>, CniError> {
        match self.own("routes") {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(routes)) => routes.iter().map(parse_route).collect(),
            Some(_) => {
                Err(CniError::field("routes", "must be a list of objects with dst, and perhaps gw"))
            }
        }
    }

    fn annotation_rule(&self) -> Result<AnnotationRule, CniError> {
        match self.own("annotations").map(Value::as_str) {
            None | Some(Some("auto")) => Ok(AnnotationRule::Auto),
            Some(Some("off")) => Ok(AnnotationRule::Off),
            Some(Some("required")) => Ok(AnnotationRule::Required),
            Some(_) => {
                Err(CniError::field("annotations", "must be \"auto\", \"off\" or \"required\""))
            }
        }
    }

    fn annotation_interfaces(&self) -> Result<Vec<String>, CniError> {
        let bad = || CniError::field("annotation_interfaces", "must be a list of interface names");
        match self.own("annotation_interfaces") {
            None => Ok(vec!["eth0".to_owned()]),
            Some(Value::Array(names)) => {
                let names: Option<Vec<String>> =
                    names.iter().map(|name| name.as_str().map(str::to_owned)).collect();
                names.ok_or_else(bad)
            }
            Some(_) => Err(bad()),
        }
    }
}

impl Prefix {
    /// Returns the length for an address of a pool.
    pub(crate) fn length(self, pool: &Cidr) -> u8 {
        match (self, pool.family()) {
            (Self::Pool, _) => pool.prefix(),
            (Self::Host, family) => family.bits(),
            (Self::Lengths(v4, _), Family::V4) => v4,
            (Self::Lengths(_, v6), Family::V6) => v6,
        }
    }
}

impl AddSettings {
    /// Returns the pools of a family that the configuration names.
    pub(crate) fn pools(&self, family: Family) -> Option<&PoolList> {
        match family {
            Family::V4 => self.ipv4_pools.as_ref(),
            Family::V6 => self.ipv6_pools.as_ref(),
        }
    }

    /// Refuses what the main plugin cannot work with: ptp replaces the connected route by one through the gateway, so it needs
    /// one, and a prefix that contains it.
    pub(crate) fn judge_for(&self, upper_type: &str) -> Result<(), CniError> {
        if upper_type != "ptp" {
            return Ok(());
        }
        if self.prefix == Prefix::Host {
            return Err(CniError::new(
                Code::Gateway,
                "prefix is \"host\", with which ptp cannot work; use \"pool\"",
            ));
        }
        let is_without = |family: &&Family| self.addresses.of(**family) == Gateway::None;
        match self.families.iter().find(is_without) {
            None => Ok(()),
            Some(family) => Err(CniError::new(
                Code::Gateway,
                format!(
                    "gateway is none for {family}, without which ptp cannot work; use \"first\""
                ),
            )),
        }
    }
}

fn one_per_family(texts: &[&str]) -> Option<(Gateway, Gateway)> {
    let (mut v4, mut v6) = (Gateway::None, Gateway::None);
    for text in texts {
        let ip: IpAddr = text.parse().ok()?;
        let slot = if ip.is_ipv4() { &mut v4 } else { &mut v6 };
        if *slot != Gateway::None {
            return None;
        }
        *slot = Gateway::Address(ip);
    }
    Some((v4, v6))
}

fn parse_route(value: &Value) -> Result<Route, CniError> {
    let dst = value.get("dst").and_then(Value::as_str).unwrap_or_default();
    let bad = |why: &str| CniError::new(Code::Config, format!("routes[].dst is {dst:?}; {why}"));
    // Without a slash the crate would take an address for a network of one.
    let network: IpNetwork = dst
        .parse()
        .ok()
        .filter(|_| dst.contains('/'))
        .ok_or_else(|| bad("it must be a network such as 0.0.0.0/0"))?;
    let destination = Cidr::try_from(network).map_err(|error| bad(&error.to_string()))?;
    if destination.first_address() != network.ip() {
        return Err(bad(&format!("it has bits set behind its prefix; write {destination}")));
    }
    let gateway = match value.get("gw") {
        None | Some(Value::Null) => None,
        Some(gw) => Some(gw.as_str().and_then(|gw| gw.parse().ok()).ok_or_else(|| {
            CniError::new(Code::Config, format!("routes[].gw is {gw}; it must be an address"))
        })?),
    };
    Ok(Route { destination: network, gateway, details: route_details(value)? })
}

/// Reads what CNI 1.1.0 lets a route say besides.
fn route_details(value: &Value) -> Result<Object, CniError> {
    let mut details = Object::new();
    for name in ["mtu", "advmss", "priority", "table", "scope"] {
        match value.get(name) {
            None | Some(Value::Null) => {}
            Some(number) if number.is_u64() => {
                details.insert(name.to_owned(), number.clone());
            }
            Some(_) => {
                return Err(CniError::field(&format!("routes[].{name}"), "must be a number"));
            }
        }
    }
    Ok(details)
}
