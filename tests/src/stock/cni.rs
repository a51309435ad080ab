//! The plugin `calico-ipam`: from what a runtime passes to calls of the library, and back to what is printed.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipam_core::block::Target;
use ipam_core::ip::{Cidr, Family};
use ipam_core::model::HandleId;
use ipam_etcd::Store;
use serde::Deserialize;
use serde_json::{Value, json};

use super::assign::{AutoAssign, Given, Shares};
use super::assign_ip::AssignIp;
use super::release_ips::ReleaseOption;
use super::{Fault, Stock};

/// One call of the plugin.
#[derive(Clone, Debug)]
pub struct Command {
    conf: NetConf,
    container: String,
    args: BTreeMap<String, String>,
}

/// How a call ends: what it prints, and the addresses that it tells the runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Printed {
    /// The exit status.
    pub exit: i32,
    /// The standard output.
    pub stdout: String,
    /// The addresses in it.
    pub addresses: Vec<IpAddr>,
}

/// The part of the network configuration that decides about addresses.
#[derive(Clone, Debug, Deserialize)]
struct NetConf {
    #[serde(rename = "cniVersion")]
    cni_version: String,
    name: String,
    nodename: String,
    ipam: Ipam,
}

/// The flags are texts: a stock plugin refuses booleans.
#[derive(Clone, Debug, Deserialize)]
struct Ipam {
    assign_ipv4: Option<String>,
    assign_ipv6: Option<String>,
    #[serde(default)]
    ipv4_pools: Vec<String>,
    #[serde(default)]
    ipv6_pools: Vec<String>,
}

impl Command {
    /// Reads what a runtime passes.
    ///
    /// # Errors
    ///
    /// The parser's, where the network configuration is not one.
    pub fn read(conf: Value, container: &str, args: &str) -> Result<Self, serde_json::Error> {
        let conf = serde_json::from_value(conf)?;
        let pairs = args.split(';').filter_map(|pair| pair.split_once('='));
        let args = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Ok(Self { conf, container: container.to_owned(), args })
    }

    fn handle(&self) -> HandleId {
        HandleId::new(format!("{}.{}", self.conf.name, self.container)).expect("a handle")
    }

    fn pod(&self) -> Option<(&str, &str)> {
        let text = |name: &str| self.args.get(name).map(String::as_str);
        text("K8S_POD_NAMESPACE").zip(text("K8S_POD_NAME"))
    }

    fn address(&self) -> Result<Option<IpAddr>, Fault> {
        let Some(text) = self.args.get("IP") else { return Ok(None) };
        text.parse().map(Some).map_err(|_| {
            Fault::other(format!(
                "ARGS: error parsing value of pair \"IP={text}\": invalid IP address: {text}"
            ))
        })
    }

    fn wants(&self, family: Family) -> bool {
        match family {
            Family::V4 => self.conf.ipam.assign_ipv4.as_deref() != Some("false"),
            Family::V6 => self.conf.ipam.assign_ipv6.as_deref() == Some("true"),
        }
    }

    fn result(&self, networks: &[(Family, String)]) -> Printed {
        let mut result = json!({"cniVersion": self.conf.cni_version});
        if !networks.is_empty() {
            let ip = |(family, network): &(Family, String)| json!({"version": family.number().to_string(), "address": network});
            let route = |(_, network): &(Family, String)| json!({"dst": network});
            result["ips"] = networks.iter().map(ip).collect();
            result["routes"] = networks.iter().map(route).collect();
        }
        result["dns"] = json!({});
        let addresses = networks.iter().filter_map(|(_, network)| network.split('/').next());
        let addresses = addresses.map(|ip| ip.parse().expect("an address")).collect();
        Printed { exit: 0, stdout: pretty(&result), addresses }
    }
}

impl<S: Store> Stock<'_, S> {
    /// Carries out an ADD.
    pub async fn add(&self, command: &Command) -> Printed {
        match self.try_add(command).await {
            Ok(networks) => command.result(&networks),
            Err(fault) => failed(&fault),
        }
    }

    /// Carries out a DEL: releases the container's handle, then the one that old versions gave the pod.
    ///
    /// # Panics
    ///
    /// If the pod's names cannot be part of a key.
    pub async fn del(&self, command: &Command) -> Printed {
        let mut handles = vec![command.handle()];
        handles.extend(command.pod().map(|(namespace, name)| {
            HandleId::new(format!("{namespace}.{name}")).expect("a handle")
        }));
        for handle in handles {
            match self.release_by_handle(&handle).await {
                Ok(()) | Err(Fault::NotFound(_)) => {}
                Err(fault) => return failed(&fault),
            }
        }
        Printed { exit: 0, stdout: String::new(), addresses: Vec::new() }
    }

    async fn try_add(&self, command: &Command) -> Result<Vec<(Family, String)>, Fault> {
        let address = command.address()?;
        let mut attributes = BTreeMap::from([
            ("node".to_owned(), command.conf.nodename.clone()),
            ("timestamp".to_owned(), self.clock.now().to_go_text()),
        ]);
        if let Some((namespace, name)) = command.pod() {
            attributes.insert("namespace".to_owned(), namespace.to_owned());
            attributes.insert("pod".to_owned(), name.to_owned());
        }
        let (handle, host) = (Some(command.handle()), command.conf.nodename.clone());
        if let Some(ip) = address {
            let attributes = Some(attributes);
            self.assign_ip(&AssignIp { ip, host, handle, attributes }).await?;
            let family = Family::of(ip);
            return Ok(vec![(family, format!("{ip}/{}", family.bits()))]);
        }
        let count = |family| (family, usize::from(command.wants(family)));
        let request = AutoAssign {
            host,
            handle,
            attributes,
            counts: Family::ALL.map(count),
            pools: self.resolve_pools(&command.conf.ipam).await?,
            blocks_max: 0,
        };
        let mut shares = Shares::new();
        self.auto_assign(&request, &mut shares).await?;
        self.refuse_short(&shares).await?;
        let networks = shares.iter().flat_map(|(family, given)| {
            given.networks().into_iter().map(|network| (*family, network))
        });
        Ok(networks.collect())
    }

    /// Finds the networks of pools that are named; what is no pool's name must be a network.
    async fn resolve_pools(&self, ipam: &Ipam) -> Result<Vec<Cidr>, Fault> {
        let mut networks = Vec::new();
        for (family, names) in [(Family::V4, &ipam.ipv4_pools), (Family::V6, &ipam.ipv6_pools)] {
            if names.is_empty() {
                continue;
            }
            let pools = self.all_pools().await?;
            for name in names {
                let cidr = match pools.iter().find(|pool| pool.name == *name) {
                    Some(pool) => pool.cidr,
                    None => Cidr::parse(name).map_err(|_| {
                        Fault::other(format!(
                            "error parsing pool {name:?}: invalid CIDR address: {name}"
                        ))
                    })?,
                };
                if cidr.family() != family {
                    let first = cidr.first_address().to_string();
                    return Err(Fault::other(format!("{first:?} isn't a {family} address")));
                }
                networks.push(cidr);
            }
        }
        Ok(networks)
    }

    /// A short family fails the call, and what the other one was given is released by address.
    async fn refuse_short(&self, shares: &Shares) -> Result<(), Fault> {
        let shortage =
            |(family, given): (&Family, &Given)| Some((*family, given.shortage(*family)?));
        let Some((short, why)) = shares.iter().find_map(shortage) else {
            return Ok(());
        };
        let others = shares.iter().filter(|(family, _)| **family != short);
        let addresses = others.flat_map(|(_, given)| &given.addresses);
        let options: Vec<ReleaseOption> = addresses
            .map(|(ip, _)| ReleaseOption { ip: *ip, conditions: Target::default() })
            .collect();
        if !options.is_empty() {
            drop(self.release_ips(&options).await);
        }
        Err(Fault::other(format!("failed to request {short} addresses: {why}")))
    }
}

fn failed(fault: &Fault) -> Printed {
    let stdout = pretty(&json!({"code": 999, "msg": fault.to_string()}));
    Printed { exit: 1, stdout, addresses: Vec::new() }
}

/// Writes JSON as the plugin does: with four spaces a level, and without characters that mean something in HTML.
fn pretty(value: &Value) -> String {
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut out = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    serde::Serialize::serialize(value, &mut out).expect("JSON is written");
    let text = String::from_utf8(bytes).expect("JSON is text");
    text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}
