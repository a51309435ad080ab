//! Single addresses that somebody asks for.

use std::net::IpAddr;

use ipam_core::ip::{Cidr, Family};
use ipnetwork::IpNetwork;
use serde_json::Value;
use tracing::info;

use crate::annotations::{ADDRESSES, Annotations};
use crate::protocol::{Call, CniError, Code, Netconf};
use crate::settings::AddSettings;

/// An address that is asked for, perhaps with the length of its network's prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) ip: IpAddr,
    pub(crate) prefix: Option<u8>,
}

/// Returns the addresses that the strongest source asks for, at most one of a family.
///
/// Whoever understands the runtime's configuration must ignore the same wish in `CNI_ARGS`, so one source counts.
pub(crate) fn wanted(
    netconf: &Netconf,
    call: &Call,
    annotations: &Annotations,
    settings: &AddSettings,
) -> Result<Vec<Wanted>, CniError> {
    let runtime = netconf.top.get("runtimeConfig").and_then(|config| config.get("ips"));
    let arguments = netconf.top.get("args").and_then(|args| args.get("cni")?.get("ips"));
    if let Some(value) = runtime.filter(|value| !value.is_null()) {
        if let Some(ignored) = &call.arguments.ip {
            info!(%ignored, "IP of CNI_ARGS does not count beside runtimeConfig.ips");
        }
        return judge("runtimeConfig.ips", from_list(value, "runtimeConfig.ips")?, settings);
    }
    if let Some(value) = arguments.filter(|value| !value.is_null()) {
        return judge("args.cni.ips", from_list(value, "args.cni.ips")?, settings);
    }
    if let Some(text) = &call.arguments.ip {
        let source = "IP of CNI_ARGS";
        return judge(source, vec![parse(text, source)?], settings);
    }
    match annotations.get(ADDRESSES, &call.ifname, &settings.annotation_interfaces) {
        None => Ok(Vec::new()),
        Some((key, text)) => {
            let source = format!("annotation {key} of the pod");
            let value: Value = serde_json::from_str(text).map_err(|error| {
                let message = format!("{source} is not JSON; write [\"10.0.0.7\"]");
                CniError::new(Code::Annotation, message).with_details(error.to_string())
            })?;
            let wanted = from_list(&value, &source)?;
            if wanted.is_empty() {
                return Err(CniError::new(
                    Code::Annotation,
                    format!("{source} names no address; remove it"),
                ));
            }
            judge(&source, wanted, settings)
        }
    }
}

/// Refuses two addresses of a family, and one of a family that is off.
fn judge(
    source: &str,
    wanted: Vec<Wanted>,
    settings: &AddSettings,
) -> Result<Vec<Wanted>, CniError> {
    for (at, first) in wanted.iter().enumerate() {
        let family = Family::of(first.ip);
        if !settings.families.contains(&family) {
            let message =
                format!("{source}: {} is an {family} address, and {family} is off", first.ip);
            return Err(CniError::new(Code::WrongFamily, message));
        }
        if let Some(second) =
            wanted.iter().skip(at + 1).find(|other| Family::of(other.ip) == family)
        {
            let message = format!(
                "{source}: {} and {} are both {family}; at most one can be given",
                first.ip, second.ip
            );
            return Err(CniError::new(Code::Annotation, message));
        }
    }
    Ok(wanted)
}

fn from_list(value: &Value, source: &str) -> Result<Vec<Wanted>, CniError> {
    let Value::Array(entries) = value else {
        let message = format!("{source} must be a list of addresses such as [\"10.0.0.7\"]");
        return Err(CniError::new(Code::Annotation, message));
    };
    entries.iter().map(|entry| parse(entry.as_str().unwrap_or_default(), source)).collect()
}

fn parse(text: &str, source: &str) -> Result<Wanted, CniError> {
    let bad = || {
        CniError::new(
            Code::AddressInvalid,
            format!("{source}: {text:?} is no address; write one such as 10.0.0.7"),
        )
    };
    let wanted = if let Ok(ip) = text.parse::<IpAddr>() {
        Wanted { ip, prefix: None }
    } else {
        let network: IpNetwork = text.parse().map_err(|_| bad())?;
        Wanted { ip: network.ip(), prefix: Some(network.prefix()) }
    };
    // An IPv4 address in IPv6 clothing would be stored under a key that nobody else uses.
    Cidr::host(wanted.ip).map_err(|_| bad())?;
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_addresses() {
        let list = serde_json::json!(["10.0.0.7", "fd00::7/64"]);
        let wanted = from_list(&list, "x").unwrap();
        assert_eq!(wanted.iter().map(|w| w.prefix).collect::<Vec<_>>(), [None, Some(64)]);
        for (value, code) in [
            (serde_json::json!("10.0.0.7"), Code::Annotation),
            (serde_json::json!(["10.0.0.999"]), Code::AddressInvalid),
            (serde_json::json!([7]), Code::AddressInvalid),
            (serde_json::json!(["::ffff:10.0.0.7"]), Code::AddressInvalid),
        ] {
            assert_eq!(from_list(&value, "x").expect_err("no address").code, code, "{value}");
        }
    }
}
