//! What stock Calico says where something is refused: people search their logs for it.

use ipam_core::ip::{Cidr, Family};
use ipam_core::refusal::{Forbidden, Refusal};

/// Returns the words that `calico-ipam` uses for a refusal, `None` where it has none.
///
/// Source: `calico cni-plugin/pkg/ipamplugin/ipam_plugin.go`, `libcalico-go/lib/ipam/ipam.go`.
pub(crate) fn of_refusal(refusal: &Refusal) -> Option<String> {
    let short = |why: &str| format!("failed to request addresses: Assigned 0 out of 1; {why}");
    Some(match refusal {
        Refusal::UnknownPool { name, .. } => unknown_pool(name),
        Refusal::PoolDisabled { pool, .. }
        | Refusal::PoolNotPermitted { pool, why: Forbidden::SmallBlocks { .. }, .. } => {
            no_pool(pool)
        }
        Refusal::PoolNotPermitted { why: Forbidden::Use { wanted }, .. } => {
            format!("cannot find a qualified ippool, no pools match the required use ({wanted})")
        }
        Refusal::WrongFamily { pool, found, .. } => {
            format!("{pool:?} isn't a {} address", other(*found))
        }
        Refusal::NoPoolSelects { .. } => "cannot find a qualified ippool".to_owned(),
        Refusal::Exhausted { pools, .. } => {
            short(&format!("No IPs available in pools: [{}]", pools.join(" ")))
        }
        Refusal::StrictAffinity { .. } => {
            short("No more free affine blocks and strict affinity enabled")
        }
        Refusal::BlockLimit { .. } => {
            "cannot allocate new block due to per host block limit".to_owned()
        }
        Refusal::AddressOutside { .. } => {
            "The provided IP address is not in a configured pool".to_owned()
        }
        Refusal::AddressInUse { .. } => "Address already assigned in block".to_owned(),
        Refusal::AddressElsewhere { .. } => "Block host affinity does not match".to_owned(),
        Refusal::Corrupt(damage) => {
            format!("failed to parse datastore entry key={}", damage.key())
        }
        Refusal::UnknownNode { name } => {
            format!("resource does not exist: Node({name}) with error: <nil>")
        }
        Refusal::PoolNotPermitted {
            why: Forbidden::Binding { .. } | Forbidden::Exclusive { .. },
            ..
        }
        | Refusal::NothingPermitted { .. }
        | Refusal::Selector { .. }
        | Refusal::ClaimsOff { .. }
        | Refusal::AddressNotPermitted { .. }
        | Refusal::AddressSetAside { .. }
        | Refusal::AddressCooling { .. }
        | Refusal::HandleInUse { .. }
        | Refusal::GatewayInUse { .. }
        | Refusal::GatewayOutside { .. }
        | Refusal::Locked
        | Refusal::Release(_)
        | Refusal::AddressUnassigned { .. }
        | Refusal::Owners(_)
        | Refusal::HoldsNothing { .. }
        | Refusal::TooLarge { .. }
        | Refusal::Pool { .. }
        | Refusal::PoolOverlap { .. }
        | Refusal::BlockSizeClash { .. }
        | Refusal::Immutable { .. }
        | Refusal::Exists { .. }
        | Refusal::Missing { .. }
        | Refusal::PoolInUse { .. }
        | Refusal::PoolBound { .. }
        | Refusal::Configuration { .. }
        | Refusal::Unclaimable { .. } => return None,
    })
}

/// Any text that is no pool's name is taken for a network.
fn unknown_pool(name: &str) -> String {
    match Cidr::parse(name) {
        Ok(_) => no_pool(name),
        Err(_) => format!("error parsing pool {name:?}: invalid CIDR address: {name}"),
    }
}

fn no_pool(pool: &str) -> String {
    format!("the given pool ({pool}) does not exist, or is not enabled")
}

fn other(family: Family) -> Family {
    match family {
        Family::V4 => Family::V6,
        Family::V6 => Family::V4,
    }
}

/// The words for a call that met others too often.
pub(crate) const TOO_MANY_CONFLICTS: &str = "Max retries hit - excessive concurrent IPAM requests";
