//! What a stock node does while we do something else.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipam_core::block::Target;
use ipam_core::ip::{Cidr, Family};
use ipam_core::model::HandleId;
use ipam_etcd::Store;
use serde_json::json;

use crate::stock::{AutoAssign, Command, ReleaseOption, Shares, Stock};

/// The node that does it.
pub(super) const HOST: &str = "n1";
/// The handle of the container that it is done for.
pub(super) const HANDLE: &str = "net.go";

/// An operation of a stock node, on `n1`, for the container `go`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// An ADD of these families.
    Add(Vec<Family>),
    /// An ADD of one address by name.
    AddAddress(IpAddr),
    /// Several IPv4 addresses at once, as the library gives them.
    Several(usize),
    /// A DEL.
    Del,
    /// Addresses are released by themselves.
    ReleaseAddresses(Vec<IpAddr>),
    /// The node gives a block up.
    ReleaseAffinity(Cidr),
    /// The node claims a block.
    ClaimAffinity(Cidr),
}

/// How a stock operation ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// The addresses that the caller was told.
    pub(super) told: Vec<IpAddr>,
    /// Why it failed.
    pub(super) failure: Option<String>,
}

impl Operation {
    /// Carries it out.
    pub(super) async fn run<S: Store>(&self, stock: &Stock<'_, S>) -> Outcome {
        let done = match self {
            Self::Add(families) => return add(stock, &command(families, "")).await,
            Self::AddAddress(ip) => {
                return add(stock, &command(&[Family::of(*ip)], &format!(";IP={ip}"))).await;
            }
            Self::Several(count) => return several(stock, *count).await,
            Self::Del => {
                let printed = stock.del(&command(&[], "")).await;
                let failure = (printed.exit != 0).then_some(printed.stdout);
                return Outcome { told: Vec::new(), failure };
            }
            Self::ReleaseAddresses(ips) => {
                let option = |ip: &IpAddr| ReleaseOption { ip: *ip, conditions: Target::default() };
                let options: Vec<ReleaseOption> = ips.iter().map(option).collect();
                stock.release_ips(&options).await.map(drop)
            }
            Self::ReleaseAffinity(cidr) => stock.release_affinity(cidr, HOST, false).await,
            Self::ClaimAffinity(cidr) => stock.claim_affinity(cidr, HOST).await.map(drop),
        };
        Outcome { told: Vec::new(), failure: done.err().map(|fault| fault.to_string()) }
    }

    /// Returns which families it is about.
    pub(super) fn families(&self) -> Vec<Family> {
        match self {
            Self::Add(families) => families.clone(),
            Self::AddAddress(ip) => vec![Family::of(*ip)],
            Self::Several(_)
            | Self::Del
            | Self::ReleaseAddresses(_)
            | Self::ReleaseAffinity(_)
            | Self::ClaimAffinity(_) => vec![Family::V4],
        }
    }
}

async fn add<S: Store>(stock: &Stock<'_, S>, command: &Command) -> Outcome {
    let printed = stock.add(command).await;
    let failure = (printed.exit != 0).then_some(printed.stdout);
    Outcome { told: printed.addresses, failure }
}

/// What is returned next to a failure is not told: the caller has nothing until it succeeds.
async fn several<S: Store>(stock: &Stock<'_, S>, count: usize) -> Outcome {
    let request = AutoAssign {
        host: HOST.to_owned(),
        handle: Some(HandleId::new(HANDLE).expect("a handle")),
        attributes: BTreeMap::from([("pod".to_owned(), "go".to_owned())]),
        counts: [(Family::V4, count), (Family::V6, 0)],
        pools: Vec::new(),
        blocks_max: 0,
    };
    let mut shares = Shares::new();
    if let Err(fault) = stock.auto_assign(&request, &mut shares).await {
        return Outcome { told: Vec::new(), failure: Some(fault.to_string()) };
    }
    let told = shares.values().flat_map(|given| given.addresses.iter().map(|(ip, _)| *ip));
    let failure = shares.iter().find_map(|(family, given)| given.shortage(*family));
    Outcome { told: told.collect(), failure }
}

fn command(families: &[Family], args: &str) -> Command {
    let flag = |family| if families.contains(&family) { "true" } else { "false" };
    let conf = json!({
        "cniVersion": "0.3.1",
        "name": "net",
        "nodename": HOST,
        "ipam": {"assign_ipv4": flag(Family::V4), "assign_ipv6": flag(Family::V6)},
    });
    let args = format!("K8S_POD_NAMESPACE=ns;K8S_POD_NAME=go{args}");
    Command::read(conf, "go", &args).expect("a configuration")
}
