//! Addresses that are asked for by themselves.

use std::net::IpAddr;

use crate::kv::Lookup;
use crate::pool::{AddressRules, Choice, ChoiceRequest, Gateway, Level, refuse_kept_back};
use crate::refusal::{Forbidden, Refusal};

use super::super::Planned;
use super::super::facts::Facts;
use super::super::seek::{Seek, Take};
use super::AddressRule;

/// Chooses the enabled pool that an address lies in, whatever the levels name; bindings and exclusive pools hold.
pub(super) fn any_pool(facts: &Facts, ip: IpAddr, request: &ChoiceRequest<'_>) -> Planned<Choice> {
    let wanted = request.wanted;
    let pool = facts.pools.iter().find(|pool| pool.cidr.contains(ip) && pool.disabled.is_none());
    let pool = pool.ok_or(Refusal::AddressOutside { ip })?;
    let named_by = "IP of CNI_ARGS".to_owned();
    if !pool.allows(wanted) {
        let why = Forbidden::Use { wanted: wanted.name() };
        return Err(Refusal::PoolNotPermitted { named_by, pool: pool.name.clone(), why }.into());
    }
    refuse_kept_back(request, pool, &named_by)?;
    Ok(Choice {
        level: Level::Arguments,
        named_by,
        pools: vec![pool.clone()],
        dropped: Vec::new(),
        held_to: None,
    })
}

/// Refuses a given gateway that lies in none of the chosen pools.
pub(super) fn refuse_foreign_gateway(rules: &AddressRules, choice: &Choice) -> Result<(), Refusal> {
    let Some(first) = choice.pools.first() else {
        return Ok(());
    };
    match rules.of(first.family()) {
        Gateway::Address(gateway)
            if !choice.pools.iter().any(|pool| pool.cidr.contains(gateway)) =>
        {
            Err(Refusal::GatewayOutside { gateway, pool: first.name.clone(), cidr: first.cidr })
        }
        Gateway::Address(_) | Gateway::None | Gateway::First | Gateway::Last => Ok(()),
    }
}

/// Finds one given address, if it may be given.
pub(super) fn given_address(
    lookup: &mut Lookup<'_>,
    seek: &Seek<'_>,
    choice: &Choice,
    ip: IpAddr,
    rule: AddressRule,
) -> Planned<Take> {
    let Some(pool) = choice.pools.iter().find(|pool| pool.cidr.contains(ip)) else {
        let pool = seek.facts.pools.iter().find(|pool| pool.cidr.contains(ip));
        let permitted = choice.pools.iter().map(|pool| pool.name.clone()).collect();
        return Err(match pool {
            Some(pool) => Refusal::AddressNotPermitted { ip, pool: pool.name.clone(), permitted },
            None => Refusal::AddressOutside { ip },
        }
        .into());
    };
    if rule == AddressRule::Permitted
        && let Some(why) = seek.set_aside(pool, ip)
    {
        return Err(Refusal::AddressSetAside { ip, why }.into());
    }
    seek.address(lookup, pool, ip)
}
