//! What a CNI network configuration says about addresses, as the plugin reads it in standalone mode.

use std::net::IpAddr;

use ipam_core::ip::Family;
use ipam_core::pool::{AddressRules, AnnotationError, Gateway, PoolList};
use serde_json::{Map, Value};

/// What a configuration says; `None` where it says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NetConf {
    /// The name of the network.
    pub(crate) name: Option<String>,
    /// The name of the node.
    pub(crate) node: Option<String>,
    /// The IPv4 pools.
    pub(crate) ipv4_pools: Option<PoolList>,
    /// The IPv6 pools.
    pub(crate) ipv6_pools: Option<PoolList>,
    /// Whether IPv4 addresses are given.
    pub(crate) assign_ipv4: Option<bool>,
    /// Whether IPv6 addresses are given.
    pub(crate) assign_ipv6: Option<bool>,
    /// What the networks cannot give away.
    pub(crate) addresses: AddressRules,
}

impl NetConf {
    /// Reads a configuration, or the first of a list that has an `ipam` section.
    ///
    /// # Errors
    ///
    /// [`NetConfError`] with the first mistake.
    pub(crate) fn read(text: &str) -> Result<Self, NetConfError> {
        let value: Value = serde_json::from_str(text).map_err(NetConfError::NotJson)?;
        let Value::Object(top) = value else { return Err(NetConfError::NoIpam) };
        let network = match top.get("plugins") {
            Some(Value::Array(plugins)) => {
                plugins.iter().filter_map(Value::as_object).find(has_ipam)
            }
            _ => Some(&top).filter(has_ipam),
        };
        let network = network.ok_or(NetConfError::NoIpam)?;
        let fields = Fields { ipam: network.get("ipam").and_then(Value::as_object), network };
        Ok(Self {
            name: text_of("name", top.get("name"))?,
            node: text_of("nodename", fields.get("nodename"))?,
            ipv4_pools: pools("ipv4_pools", fields.get("ipv4_pools"))?,
            ipv6_pools: pools("ipv6_pools", fields.get("ipv6_pools"))?,
            assign_ipv4: flag("assign_ipv4", fields.get("assign_ipv4"))?,
            assign_ipv6: flag("assign_ipv6", fields.get("assign_ipv6"))?,
            addresses: addresses(&fields)?,
        })
    }

    /// Returns the pools of a family.
    pub(crate) fn pools(&self, family: Family) -> Option<&PoolList> {
        match family {
            Family::V4 => self.ipv4_pools.as_ref(),
            Family::V6 => self.ipv6_pools.as_ref(),
        }
    }

    /// Says whether addresses of a family are given.
    pub(crate) fn assigns(&self, family: Family) -> Option<bool> {
        match family {
            Family::V4 => self.assign_ipv4,
            Family::V6 => self.assign_ipv6,
        }
    }
}

impl Default for NetConf {
    /// What holds without a configuration.
    fn default() -> Self {
        Self {
            name: None,
            node: None,
            ipv4_pools: None,
            ipv6_pools: None,
            assign_ipv4: None,
            assign_ipv6: None,
            addresses: AddressRules { exclude_edges: true, ..AddressRules::default() },
        }
    }
}

/// A mistake in a network configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NetConfError {
    /// It is not JSON.
    #[error("the network configuration is not JSON")]
    NotJson(#[source] serde_json::Error),
    /// It asks nobody for addresses.
    #[error("the network configuration has no ipam section")]
    NoIpam,
    /// A list of pools is wrong.
    #[error("{field} of the network configuration is wrong")]
    Pools {
        /// The field.
        field: &'static str,
        /// What is wrong.
        source: AnnotationError,
    },
    /// A field holds something else than it must.
    #[error("{field} of the network configuration is {given}; it must be {expected}")]
    Value {
        /// The field.
        field: &'static str,
        /// What it holds.
        given: String,
        /// What it must hold.
        expected: &'static str,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "`filter` hands out references")]
fn has_ipam(network: &&Map<String, Value>) -> bool {
    network.get("ipam").is_some_and(Value::is_object)
}

/// The fields of one network; those inside `ipam` beat those beside it.
struct Fields<'a> {
    ipam: Option<&'a Map<String, Value>>,
    network: &'a Map<String, Value>,
}

impl<'a> Fields<'a> {
    fn get(&self, name: &str) -> Option<&'a Value> {
        let inner = self.ipam.and_then(|ipam| ipam.get(name));
        inner.or_else(|| self.network.get(name)).filter(|value| !value.is_null())
    }
}

fn wrong(field: &'static str, given: &Value, expected: &'static str) -> NetConfError {
    NetConfError::Value { field, given: given.to_string(), expected }
}

fn text_of(field: &'static str, value: Option<&Value>) -> Result<Option<String>, NetConfError> {
    match value {
        None => Ok(None),
        Some(Value::String(text)) => {
            Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
        }
        Some(other) => Err(wrong(field, other, "a text")),
    }
}

fn pools(field: &'static str, value: Option<&Value>) -> Result<Option<PoolList>, NetConfError> {
    let list = value.map(PoolList::from_value).transpose();
    list.map_err(|source| NetConfError::Pools { field, source })
}

fn flag(field: &'static str, value: Option<&Value>) -> Result<Option<bool>, NetConfError> {
    match value {
        None => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(Value::String(text)) if text == "true" => Ok(Some(true)),
        Some(Value::String(text)) if text == "false" => Ok(Some(false)),
        Some(other) => Err(wrong(field, other, "true or false")),
    }
}

fn addresses(fields: &Fields<'_>) -> Result<AddressRules, NetConfError> {
    let mut rules = NetConf::default().addresses;
    if let Some(exclude) = flag("exclude_edges", fields.get("exclude_edges"))? {
        rules.exclude_edges = exclude;
    }
    let given = match fields.get("gateway") {
        None => return Ok(rules),
        Some(Value::Array(entries)) => entries.iter().collect(),
        Some(one) => vec![one],
    };
    for entry in given {
        match entry.as_str() {
            Some("none") => {}
            Some("first") => rules = both(rules, Gateway::First),
            Some("last") => rules = both(rules, Gateway::Last),
            text => match text.and_then(|text| text.parse::<IpAddr>().ok()) {
                Some(ip @ IpAddr::V4(_)) => rules.gateway_v4 = Gateway::Address(ip),
                Some(ip @ IpAddr::V6(_)) => rules.gateway_v6 = Gateway::Address(ip),
                None => {
                    let expected = "none, first, last, or an address for each family";
                    return Err(wrong("gateway", entry, expected));
                }
            },
        }
    }
    Ok(rules)
}

fn both(rules: AddressRules, gateway: Gateway) -> AddressRules {
    AddressRules { gateway_v4: gateway, gateway_v6: gateway, ..rules }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(names: &[&str]) -> PoolList {
        PoolList::from_names(names.iter().map(|name| (*name).to_owned()).collect()).unwrap()
    }

    #[test]
    fn what_stands_inside_ipam_beats_what_stands_beside_it() {
        let edges = AddressRules { exclude_edges: true, ..AddressRules::default() };
        let v4: IpAddr = "10.0.0.1".parse().unwrap();
        for (text, expected) in [
            (r#"{"type":"bridge","ipam":{"type":"ringfence-ipam"}}"#, NetConf::default()),
            (
                r#"{"name":"net","ipv4_pools":["a"],"nodename":"n1","ipam":{"ipv4_pools":["b","b"],"ipv6_pools":["c"],"assign_ipv4":"true","assign_ipv6":false}}"#,
                NetConf {
                    name: Some("net".to_owned()),
                    node: Some("n1".to_owned()),
                    ipv4_pools: Some(list(&["b"])),
                    ipv6_pools: Some(list(&["c"])),
                    assign_ipv4: Some(true),
                    assign_ipv6: Some(false),
                    addresses: edges,
                },
            ),
            (
                r#"{"name":"net","plugins":[{"type":"tuning"},{"type":"ptp","ipv4_pools":["a"],"ipam":{"gateway":"first","exclude_edges":false}}]}"#,
                NetConf {
                    name: Some("net".to_owned()),
                    ipv4_pools: Some(list(&["a"])),
                    addresses: AddressRules {
                        exclude_edges: false,
                        gateway_v4: Gateway::First,
                        gateway_v6: Gateway::First,
                    },
                    ..NetConf::default()
                },
            ),
            (
                r#"{"ipam":{"gateway":["10.0.0.1"],"nodename":" ","ipv4_pools":null}}"#,
                NetConf {
                    addresses: AddressRules { gateway_v4: Gateway::Address(v4), ..edges },
                    ..NetConf::default()
                },
            ),
        ] {
            assert_eq!(NetConf::read(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn mistakes_name_the_field() {
        for (text, says) in [
            ("{", "is not JSON"),
            ("[]", "has no ipam section"),
            (r#"{"type":"bridge"}"#, "has no ipam section"),
            (r#"{"plugins":[{"type":"bridge"}]}"#, "has no ipam section"),
            (r#"{"ipam":{"ipv4_pools":"a"}}"#, "ipv4_pools of the network configuration is wrong"),
            (r#"{"ipam":{"ipv4_pools":[]}}"#, "ipv4_pools of the network configuration is wrong"),
            (
                r#"{"ipam":{"assign_ipv4":"False"}}"#,
                "assign_ipv4 of the network configuration is \"False\"; it must be true or false",
            ),
            (
                r#"{"ipam":{"gateway":"10.0.0"}}"#,
                "gateway of the network configuration is \"10.0.0\"",
            ),
            (r#"{"ipam":{"gateway":7}}"#, "gateway of the network configuration is 7"),
            (
                r#"{"name":7,"ipam":{}}"#,
                "name of the network configuration is 7; it must be a text",
            ),
        ] {
            let error = NetConf::read(text).expect_err(text).to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
