//! Binding namespaces to pools.

use crate::ip::Family;
use crate::kv::{Lookup, Op, Range, Read};
use crate::model::{Binding, ResourceKind, Timestamp, key};
use crate::pool::{Pool, is_binding_name};
use crate::refusal::Refusal;

use super::facts::refuse_if_locked;
use super::{Outcome, Planned, Request};

/// Asks to bind a namespace, or a network without Kubernetes, to pools; an earlier binding is replaced.
#[derive(Clone, Debug)]
pub struct Bind {
    /// The namespace or network.
    pub tenant: String,
    /// Its pools.
    pub binding: Binding,
}

/// Asks to remove the binding of a namespace or network.
#[derive(Clone, Debug)]
pub struct Unbind {
    /// The namespace or network.
    pub tenant: String,
}

impl Request for Bind {
    /// The binding that was replaced.
    type Reply = Option<Binding>;

    fn plan(&self, lookup: &mut Lookup<'_>, _now: Timestamp) -> Planned<Outcome<Self::Reply>> {
        if !is_binding_name(&self.tenant) {
            return Err(Refusal::Missing { kind: "namespace", name: self.tenant.clone() }.into());
        }
        let pools = Range::prefix(key::resources(ResourceKind::IpPool));
        let binding_key = key::binding(&self.tenant);
        lookup.require([
            Read::values(pools.clone()),
            Read::values(Range::key(binding_key.clone())),
        ])?;
        refuse_if_locked(lookup)?;
        let stored: Vec<Pool> =
            lookup.peek_scan(&pools)?.into_iter().filter_map(|kv| Pool::of(kv).ok()?).collect();
        for family in Family::ALL {
            for name in self.binding.pools(family).into_iter().flatten() {
                self.check_pool(lookup, &stored, family, name)?;
            }
        }
        let before = lookup.get(&binding_key)?;
        let before = before.map(|kv| Binding::decode(&binding_key, &kv.value)).transpose()?;
        let value = self.binding.encode();
        Ok(Outcome::Write { ops: vec![Op::put(binding_key, value)], reply: before })
    }
}

impl Bind {
    /// Refuses a pool that does not exist or is of the other family, and keeps it from vanishing unnoticed.
    fn check_pool(
        &self,
        lookup: &mut Lookup<'_>,
        stored: &[Pool],
        family: Family,
        name: &str,
    ) -> Planned<()> {
        lookup.get(&key::resource(ResourceKind::IpPool, name))?;
        let Some(pool) = stored.iter().find(|pool| pool.name == name) else {
            return Err(Refusal::Missing { kind: "pool", name: name.to_owned() }.into());
        };
        if pool.family() != family {
            let named_by = format!("ipv{}Pools of the binding of {}", family.number(), self.tenant);
            let refusal =
                Refusal::WrongFamily { named_by, pool: name.to_owned(), found: pool.family() };
            return Err(refusal.into());
        }
        Ok(())
    }
}

impl Request for Unbind {
    /// The binding that was removed.
    type Reply = Binding;

    fn plan(&self, lookup: &mut Lookup<'_>, _now: Timestamp) -> Planned<Outcome<Self::Reply>> {
        let binding_key = key::binding(&self.tenant);
        refuse_if_locked(lookup)?;
        let Some(kv) = lookup.get(&binding_key)? else {
            return Err(Refusal::Missing { kind: "binding of", name: self.tenant.clone() }.into());
        };
        let before = Binding::decode(&binding_key, &kv.value)?;
        Ok(Outcome::Write { ops: vec![Op::delete(binding_key)], reply: before })
    }
}
