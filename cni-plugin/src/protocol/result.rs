//! Results: what ADD prints, and what CHECK is handed back.

use std::net::IpAddr;

use ipam_core::ip::Family;
use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{CniError, Code, Object, Version};

/// What ADD answers.
#[derive(Clone, Debug)]
pub(crate) struct AddResult {
    pub(crate) addresses: Vec<Address>,
    pub(crate) routes: Vec<Route>,
    pub(crate) dns: Option<Value>,
}

/// An address with the length of its network's prefix, and its gateway.
pub(crate) type Address = (IpNetwork, Option<IpAddr>);

/// A route that the upper plugin is to add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    /// Where to. Only what `calico-ipam` prints has bits set behind the prefix, and only Calico's main plugin takes that.
    pub(crate) destination: IpNetwork,
    pub(crate) gateway: Option<IpAddr>,
    /// What else is said of it, in the words of CNI 1.1.0.
    pub(crate) details: Object,
}

#[derive(Serialize)]
struct Wire<'a> {
    #[serde(rename = "cniVersion")]
    cni_version: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ips: Vec<WireAddress>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    routes: Vec<WireRoute>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dns: Option<Value>,
}

/// The shape of the first versions: at most one address of each family, with its routes.
#[derive(Serialize)]
struct WireByFamily<'a> {
    #[serde(rename = "cniVersion")]
    cni_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip4: Option<WireFamily>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip6: Option<WireFamily>,
    dns: Value,
}

#[derive(Serialize)]
struct WireFamily {
    ip: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway: Option<IpAddr>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    routes: Vec<WireRoute>,
}

#[derive(Serialize)]
struct WireAddress {
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway: Option<IpAddr>,
}

#[derive(Serialize)]
struct WireRoute {
    dst: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    gw: Option<IpAddr>,
    #[serde(flatten)]
    details: Object,
}

impl AddResult {
    /// Writes the result in the shape of a version.
    pub(crate) fn to_json(&self, version: Version) -> String {
        if version.is_by_family() { self.by_family(version) } else { self.as_list(version) }
    }

    fn by_family(&self, version: Version) -> String {
        let of = |family: Family| {
            let is_of = |network: &IpNetwork| Family::of(network.ip()) == family;
            let (network, gateway) = self.addresses.iter().find(|(network, _)| is_of(network))?;
            let routes = self.routes.iter().filter(|route| is_of(&route.destination));
            Some(WireFamily {
                ip: network.to_string(),
                gateway: *gateway,
                routes: routes.map(|route| WireRoute::of(route, version)).collect(),
            })
        };
        let wire = WireByFamily {
            cni_version: version.text(),
            ip4: of(Family::V4),
            ip6: of(Family::V6),
            dns: self.dns.clone().unwrap_or_else(no_dns),
        };
        serde_json::to_string(&wire).unwrap_or_default()
    }

    fn as_list(&self, version: Version) -> String {
        let address = |(network, gateway): &Address| WireAddress {
            version: version.tells_family().then(|| Family::of(network.ip()).number().to_string()),
            address: format!("{}/{}", network.ip(), network.prefix()),
            gateway: *gateway,
        };
        let dns = match (&self.dns, version.tells_family()) {
            (None, true) => Some(no_dns()),
            (dns, _) => dns.clone(),
        };
        let wire = Wire {
            cni_version: version.text(),
            ips: self.addresses.iter().map(address).collect(),
            routes: self.routes.iter().map(|route| WireRoute::of(route, version)).collect(),
            dns,
        };
        // Text keys and plain values: there is nothing that could fail.
        serde_json::to_string(&wire).unwrap_or_default()
    }
}

impl WireRoute {
    fn of(route: &Route, version: Version) -> Self {
        let details = if version.details_routes() { route.details.clone() } else { Object::new() };
        Self { dst: route.destination.to_string(), gw: route.gateway, details }
    }
}

/// Before 1.0.0 a result always had this part.
fn no_dns() -> Value {
    Value::Object(serde_json::Map::new())
}

/// The result of an earlier ADD, as CHECK is handed it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct PrevResult {
    #[serde(default)]
    ips: Vec<PrevAddress>,
}

#[derive(Clone, Debug, Deserialize)]
struct PrevAddress {
    address: String,
}

impl PrevResult {
    /// Reads the value of `prevResult`.
    pub(crate) fn parse(value: &Value) -> Result<Vec<IpAddr>, CniError> {
        let bad =
            |why: String| CniError::new(Code::Config, format!("prevResult cannot be read: {why}"));
        let result: Self =
            serde_json::from_value(value.clone()).map_err(|error| bad(error.to_string()))?;
        let addresses = result.ips.iter().map(|ip| {
            let network: IpNetwork =
                ip.address.parse().map_err(|_| bad(format!("{:?} is no address", ip.address)))?;
            Ok(network.ip())
        });
        addresses.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_has_its_shape() {
        let result = AddResult {
            addresses: vec![
                ("10.0.0.7/24".parse().unwrap(), Some("10.0.0.1".parse().unwrap())),
                ("fd00::7/64".parse().unwrap(), None),
            ],
            routes: vec![Route {
                destination: "0.0.0.0/0".parse().unwrap(),
                gateway: Some("10.0.0.1".parse().unwrap()),
                details: Object::new(),
            }],
            dns: None,
        };
        assert_eq!(
            result.to_json(Version::V0_2_0),
            r#"{"cniVersion":"0.2.0","ip4":{"ip":"10.0.0.7/24","gateway":"10.0.0.1","routes":[{"dst":"0.0.0.0/0","gw":"10.0.0.1"}]},"ip6":{"ip":"fd00::7/64"},"dns":{}}"#
        );
        assert_eq!(
            result.to_json(Version::V0_4_0),
            r#"{"cniVersion":"0.4.0","ips":[{"version":"4","address":"10.0.0.7/24","gateway":"10.0.0.1"},{"version":"6","address":"fd00::7/64"}],"routes":[{"dst":"0.0.0.0/0","gw":"10.0.0.1"}],"dns":{}}"#
        );
        assert_eq!(
            result.to_json(Version::V1_0_0),
            r#"{"cniVersion":"1.0.0","ips":[{"address":"10.0.0.7/24","gateway":"10.0.0.1"},{"address":"fd00::7/64"}],"routes":[{"dst":"0.0.0.0/0","gw":"10.0.0.1"}]}"#
        );
        let prev: Value = serde_json::from_str(&result.to_json(Version::V1_0_0)).unwrap();
        assert_eq!(PrevResult::parse(&prev).unwrap().len(), 2);
        assert!(PrevResult::parse(&serde_json::json!({"ips": [{"address": "x"}]})).is_err());
        assert!(PrevResult::parse(&serde_json::json!({"ips": 7})).is_err());
    }
}
