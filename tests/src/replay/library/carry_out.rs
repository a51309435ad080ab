//! Calls carried out, and their answers put as they were recorded.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipam_core::inventory::Inventory;
use ipam_core::ip::{Cidr, Family};
use ipam_core::model::{HandleId, ResourceKind, Timestamp, key};
use ipam_core::plan::{
    Assign, Assigned, AssignmentOf, Configure, GivenUp, HandleTarget, Held, HeldAddress, How,
    ReadAll, Release, ReleaseAddresses, Released, Request, Shortage, Want,
};
use ipam_etcd::Store;
use serde_json::{Map, Value, json};

use super::super::run::ReplayError;
use super::Replay;
use super::answer::{self, Answer};
use super::operation::Operation;

impl<S: Store> Replay<'_, S> {
    /// Carries a call out, and puts the answer as it was recorded.
    pub(super) async fn carry_out(
        &self,
        operation: Operation,
        now: Timestamp,
    ) -> Result<Answer, ReplayError> {
        match operation {
            Operation::Assign(request) => {
                let pools = self.pools().await?;
                self.ask(&*request, now, |reply| assigned(&request, &reply, &pools)).await
            }
            Operation::EnsureBlocks(request) => {
                let blocks = |reply: BTreeMap<Family, Cidr>| {
                    let of = |family| reply.get(&family).map(ToString::to_string);
                    Answer::of(json!({ "v4": of(Family::V4), "v6": of(Family::V6) }))
                };
                self.ask(&request, now, blocks).await
            }
            Operation::AssignAddress(request) => self.ask(&*request, now, |_| nothing()).await,
            Operation::ReleaseHandle(id) => {
                let held = self.drive(&Held { handle: id.clone() }, now).await?;
                let absent = matches!(held, Ok(None)).then(|| absent(&id));
                let request = Release { targets: vec![HandleTarget::all(id)], host: None };
                self.ask(&request, now, |_| unless(absent, json!({}))).await
            }
            Operation::ReleaseAddresses(request) => {
                let pools: Vec<Cidr> = self.pools().await?.into_values().collect();
                self.ask(&request, now, |reply| released(&request, &reply, &pools)).await
            }
            Operation::Claim(request) => {
                let claimed = |(mine, others)| {
                    Answer::of(json!({ "claimed": texts(mine), "failed": texts(others) }))
                };
                self.ask(&request, now, claimed).await
            }
            Operation::ReleaseClaims(request) => self.ask(&request, now, |r| given_up(&r)).await,
            Operation::Held(id) => {
                let absent = absent(&id);
                let answer = |reply: Option<Vec<HeldAddress>>| match reply {
                    Some(addresses) => Answer::of(held(&addresses)),
                    None => Answer::said(json!({}), absent),
                };
                self.ask(&Held { handle: id }, now, answer).await
            }
            Operation::SetOwners(request) => self.ask(&request, now, |()| nothing()).await,
            Operation::AssignmentOf(ip) => {
                self.ask(&AssignmentOf { ip }, now, |reply| answer::owners(&reply)).await
            }
            Operation::Configure(request) => self.ask(&request, now, |_| nothing()).await,
            Operation::ReadConfig => {
                self.ask(&Configure::default(), now, |r| answer::configuration(&r)).await
            }
            Operation::Utilization(pools) => {
                let counted = |snapshot| {
                    let (inventory, _) = Inventory::read(&snapshot);
                    answer::utilization(&inventory.utilization(&pools), pools.is_empty())
                };
                self.ask(&ReadAll, now, counted).await
            }
            Operation::Refused(text) => Ok(Answer::said(json!({}), text)),
            Operation::Nothing => Ok(nothing()),
        }
    }

    /// Returns the networks of all pools, by their names.
    async fn pools(&self) -> Result<BTreeMap<String, Cidr>, ReplayError> {
        let keys = self.keys().await?;
        let pools =
            keys.values().filter(|kv| kv.key.starts_with(&key::resources(ResourceKind::IpPool)));
        let networks = pools.filter_map(|kv| {
            let pool = serde_json::from_slice::<Value>(&kv.value).ok()?;
            let name = pool["metadata"]["name"].as_str()?.to_owned();
            Some((name, Cidr::parse(pool["spec"]["cidr"].as_str()?).ok()?))
        });
        Ok(networks.collect())
    }

    async fn ask<R: Request>(
        &self,
        request: &R,
        now: Timestamp,
        answer: impl FnOnce(R::Reply) -> Answer,
    ) -> Result<Answer, ReplayError> {
        Ok(self.drive(request, now).await?.map_or_else(Answer::refused, answer))
    }
}

fn nothing() -> Answer {
    Answer::of(json!({}))
}

/// Answers, unless there is nothing to be asked about.
fn unless(absent: Option<String>, value: Value) -> Answer {
    match absent {
        None => Answer::of(value),
        Some(text) => Answer::said(json!({}), text),
    }
}

/// Stock Calico calls an address released, too, that was free, if it lies in a pool; and as often as it was asked for.
fn released(request: &ReleaseAddresses, reply: &Released, pools: &[Cidr]) -> Answer {
    let was_held = |ip: &IpAddr| reply.released.iter().any(|(released, _)| released == ip);
    let has_pool = |ip: &IpAddr| pools.iter().any(|pool| pool.contains(*ip));
    let asked = request.targets.iter().map(|target| &target.ip);
    let released = asked.filter(|ip| was_held(ip) || has_pool(ip));
    let text = |ip: &IpAddr| ip.to_string();
    let free: Vec<String> = reply.unallocated.iter().map(text).collect();
    let released: Vec<String> = released.map(text).collect();
    Answer::of(json!({ "released": released, "unallocated": free }))
}

fn given_up(reply: &GivenUp) -> Answer {
    match reply.in_use.last() {
        None => nothing(),
        Some(cidr) => Answer::said(json!({}), format!("block '{cidr}' is not empty")),
    }
}

fn held(reply: &[HeldAddress]) -> Value {
    let ips: Vec<String> = reply.iter().map(|held| held.ip.to_string()).collect();
    json!({ "ips": ips })
}

fn assigned(request: &Assign, reply: &Assigned, pools: &BTreeMap<String, Cidr>) -> Answer {
    let mut value = Map::new();
    let mut limit = None;
    for wanted in &request.families {
        let of_family = reply.addresses.iter().filter(|a| Family::of(a.ip) == wanted.family);
        let prefix = |how: Option<_>, block: Cidr| match how {
            Some(_) => block.prefix(),
            None => wanted.family.bits(),
        };
        let ips: Vec<String> =
            of_family.map(|a| format!("{}/{}", a.ip, prefix(a.how, a.block))).collect();
        let short = reply.short.iter().find(|short| short.family == wanted.family);
        let requested = match wanted.want {
            Want::Any(count) => count,
            Want::Address(..) => 1,
        };
        let partial = short.map_or_else(|| "<nil>".to_owned(), ToString::to_string);
        let member = format!("v{}", wanted.family.number());
        let message = match short {
            Some(short) => short.message(),
            None => used_up(wanted.family, reply, pools),
        };
        let msgs = message.map(|message| vec![message]);
        let share = json!({ "ips": ips, "msgs": msgs, "partial": partial, "requested": requested });
        value.insert(member, share);
        if short.is_some_and(|short| matches!(short.why, Shortage::BlockLimit { .. })) {
            limit = Some("cannot allocate new block due to per host block limit");
            break;
        }
    }
    match limit {
        Some(text) => Answer::said(Value::Object(value), text),
        None => Answer::of(Value::Object(value)),
    }
}

/// Of a request that is fulfilled by borrowing, stock Calico tells which pools it borrowed from to their end on the way.
fn used_up(family: Family, reply: &Assigned, pools: &BTreeMap<String, Cidr>) -> Option<String> {
    let mut given = reply.addresses.iter().filter(|a| Family::of(a.ip) == family);
    let last = given.next_back().filter(|last| last.how == Some(How::Borrowed))?;
    let decision = reply.decisions.iter().find(|decision| decision.family == family)?;
    let before = decision.pools.iter().take_while(|pool| **pool != last.pool);
    let before: Vec<Cidr> = before.filter_map(|pool| pools.get(pool).copied()).collect();
    if before.is_empty() { None } else { Shortage::Full.message(&before) }
}

/// Returns what stock Calico says of a handle that does not exist.
fn absent(id: &HandleId) -> String {
    format!("resource does not exist: IPAMHandleKey(id={id}) with error: <nil>")
}

fn texts(cidrs: Vec<Cidr>) -> Vec<String> {
    cidrs.into_iter().map(|cidr| cidr.to_string()).collect()
}
