//! The rules that a pool must keep before it is stored.

use crate::ip::{Cidr, Family};
use crate::model::IpPool;
use crate::refusal::PoolFault;
use crate::selector::Selector;

use super::{block_prefix_default, block_prefixes};

const MODES: &str = "Never, Always, CrossSubnet";
const USES: [&str; 3] = ["Workload", "Tunnel", "LoadBalancer"];
const SELECTOR_BYTES_MAX: usize = 1024;
const NAME_BYTES_MAX: usize = 253;

/// Fills in what a pool leaves out, and refuses one that Calico would refuse.
///
/// Source: calico `libcalico-go/lib/clientv3/ippool.go::validateAndSetDefaults` and the rules of its resource
/// definition.
///
/// # Errors
///
/// [`PoolFault`] with the first rule that is broken.
pub fn validate(mut pool: IpPool) -> Result<(IpPool, Cidr), PoolFault> {
    check_name(&pool.metadata.name)?;
    let (cidr, host_bits) =
        Cidr::parse_with_host_bits(&pool.spec.cidr).map_err(|source| PoolFault::Cidr { source })?;
    if host_bits {
        return Err(PoolFault::HostBits { given: pool.spec.cidr, masked: cidr });
    }
    fill_in(&mut pool, cidr);
    check_network(&pool, cidr)?;
    check_modes(&pool, cidr.family())?;
    check_uses(&pool)?;
    check_selector("nodeSelector", &pool.spec.node_selector)?;
    check_selector("namespaceSelector", &pool.spec.namespace_selector)?;
    Ok((pool, cidr))
}

/// Says whether text may name a namespace or a network in a binding: a resource's name, or a network's.
#[must_use]
pub fn is_binding_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.bytes().all(allowed)
}

/// Says whether text may name a resource: a DNS subdomain.
#[must_use]
pub fn is_resource_name(name: &str) -> bool {
    let is_label = |label: &str| {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        !label.is_empty()
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= NAME_BYTES_MAX && name.split('.').all(is_label)
}

/// What a namespace's name must be, in words.
pub const NAMESPACE_RULE: &str =
    "must consist of lower-case letters, digits and '-', and start and end with a letter or digit";

/// Says whether text may name a namespace: as a resource, but without dots.
#[must_use]
pub fn is_namespace_name(name: &str) -> bool {
    !name.contains('.') && is_resource_name(name)
}

fn check_name(name: &str) -> Result<(), PoolFault> {
    if is_resource_name(name) { Ok(()) } else { Err(PoolFault::Name { name: name.to_owned() }) }
}

fn fill_in(pool: &mut IpPool, cidr: Cidr) {
    let spec = &mut pool.spec;
    let or = |field: &mut String, default: &str| {
        if field.is_empty() {
            default.clone_into(field);
        }
    };
    spec.cidr = cidr.to_string();
    or(&mut spec.node_selector, "all()");
    or(&mut spec.ipip_mode, "Never");
    or(&mut spec.vxlan_mode, "Never");
    if spec.block_size == 0 {
        spec.block_size = block_prefix_default(cidr.family());
    }
    if spec.allowed_uses.is_empty() {
        spec.allowed_uses = vec!["Workload".to_owned(), "Tunnel".to_owned()];
    }
    spec.assignment_mode.get_or_insert_with(|| "Automatic".to_owned());
}

fn check_network(pool: &IpPool, cidr: Cidr) -> Result<(), PoolFault> {
    for range in ["169.254.0.0/16", "fe80::/10"] {
        if Cidr::parse(range).is_ok_and(|local| local.overlaps(&cidr)) {
            return Err(PoolFault::LinkLocal { cidr, range });
        }
    }
    let block_size = pool.spec.block_size;
    let allowed = block_prefixes(cidr.family());
    if !allowed.contains(&block_size) {
        return Err(PoolFault::BlockSize {
            block_size,
            min: *allowed.start(),
            max: *allowed.end(),
        });
    }
    if cidr.prefix() > block_size && !pool.spec.disabled {
        return Err(PoolFault::Small { cidr, block_size });
    }
    Ok(())
}

fn check_modes(pool: &IpPool, family: Family) -> Result<(), PoolFault> {
    let spec = &pool.spec;
    for (field, value) in [("ipipMode", &spec.ipip_mode), ("vxlanMode", &spec.vxlan_mode)] {
        if !matches!(value.as_str(), "Never" | "Always" | "CrossSubnet") {
            return Err(PoolFault::Value { field, value: value.clone(), known: MODES });
        }
    }
    let mode = spec.assignment_mode.as_deref().unwrap_or_default();
    if !matches!(mode, "Automatic" | "Manual") {
        let known = "Automatic, Manual";
        return Err(PoolFault::Value { field: "assignmentMode", value: mode.to_owned(), known });
    }
    let (ipip, vxlan) = (spec.ipip_mode != "Never", spec.vxlan_mode != "Never");
    if ipip && vxlan {
        return Err(PoolFault::Conflict("ipipMode and vxlanMode cannot both be on"));
    }
    if ipip && family == Family::V6 {
        return Err(PoolFault::Conflict("ipipMode cannot be on in an IPv6 pool"));
    }
    Ok(())
}

fn check_uses(pool: &IpPool) -> Result<(), PoolFault> {
    let spec = &pool.spec;
    if let Some(unknown) = spec.allowed_uses.iter().find(|used| !USES.contains(&used.as_str())) {
        let known = "Workload, Tunnel, LoadBalancer";
        return Err(PoolFault::Value { field: "allowedUses", value: unknown.clone(), known });
    }
    let has = |wanted: &str| spec.allowed_uses.iter().any(|used| used == wanted);
    if has("Tunnel") && !spec.namespace_selector.is_empty() {
        return Err(PoolFault::Conflict(
            "a pool with a namespaceSelector cannot be used for tunnels; set allowedUses to [Workload]",
        ));
    }
    if !has("LoadBalancer") {
        return Ok(());
    }
    if has("Workload") || has("Tunnel") {
        return Err(PoolFault::Conflict("the use LoadBalancer stands alone"));
    }
    if spec.node_selector != "all()" {
        return Err(PoolFault::Conflict("a pool for LoadBalancer needs the nodeSelector all()"));
    }
    if spec.ipip_mode != "Never" || spec.vxlan_mode != "Never" || spec.disable_bgp_export {
        return Err(PoolFault::Conflict(
            "a pool for LoadBalancer cannot be encapsulated, and its routes must be exported",
        ));
    }
    Ok(())
}

fn check_selector(field: &'static str, text: &str) -> Result<(), PoolFault> {
    if text.len() > SELECTOR_BYTES_MAX {
        return Err(PoolFault::SelectorRule { field, why: "is longer than 1024 bytes" });
    }
    if text.contains("global(") {
        return Err(PoolFault::SelectorRule { field, why: "must not use global()" });
    }
    Selector::parse(text).map(drop).map_err(|source| PoolFault::Selector { field, source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{IpPoolSpec, ResourceKind};

    fn pool(spec: serde_json::Value) -> IpPool {
        let spec: IpPoolSpec = serde_json::from_value(spec).unwrap();
        IpPool::new(ResourceKind::IpPool, "p", spec)
    }

    #[test]
    fn what_is_left_out_is_filled_in_as_calico_does() {
        let (pool, _) = validate(pool(serde_json::json!({"cidr": "fd00:1::/64"}))).unwrap();
        let expected = r#"{"cidr":"fd00:1::/64","vxlanMode":"Never","ipipMode":"Never","blockSize":122,"nodeSelector":"all()","allowedUses":["Workload","Tunnel"],"assignmentMode":"Automatic"}"#;
        assert_eq!(serde_json::to_string(&pool.spec).unwrap(), expected);
    }

    #[test]
    fn what_calico_refuses_is_refused() {
        for (spec, says) in [
            (serde_json::json!({"cidr": "10.9.0.0/33"}), "cidr is not a network"),
            (serde_json::json!({"cidr": "10.5.0.7/24"}), "write 10.5.0.0/24"),
            (serde_json::json!({"cidr": "169.254.1.0/24"}), "link-local"),
            (serde_json::json!({"cidr": "10.0.0.0/8", "blockSize": 19}), "not between 20 and 32"),
            (serde_json::json!({"cidr": "10.0.0.0/28", "blockSize": 26}), "smaller than one block"),
            (
                serde_json::json!({"cidr": "10.0.0.0/24", "ipipMode": "Always", "vxlanMode": "Always"}),
                "both",
            ),
            (serde_json::json!({"cidr": "fd00::/64", "ipipMode": "Always"}), "IPv6"),
            (serde_json::json!({"cidr": "10.0.0.0/24", "ipipMode": "Sometimes"}), "must be one of"),
            (serde_json::json!({"cidr": "10.0.0.0/24", "assignmentMode": "x"}), "must be one of"),
            (serde_json::json!({"cidr": "10.0.0.0/24", "nodeSelector": "a ==="}), "not a selector"),
            (serde_json::json!({"cidr": "10.0.0.0/24", "nodeSelector": "global()"}), "global()"),
            (
                serde_json::json!({"cidr": "10.0.0.0/24", "namespaceSelector": "has(a)"}),
                "[Workload]",
            ),
            (serde_json::json!({"cidr": "10.0.0.0/24", "allowedUses": ["Nope"]}), "must be one of"),
            (
                serde_json::json!({"cidr": "10.0.0.0/24", "allowedUses": ["LoadBalancer", "Workload"]}),
                "alone",
            ),
            (
                serde_json::json!({"cidr": "10.0.0.0/24", "allowedUses": ["LoadBalancer"], "nodeSelector": "has(a)"}),
                "all()",
            ),
        ] {
            let error = validate(pool(spec.clone())).expect_err(says).to_string();
            assert!(error.contains(says), "{spec}: {error}");
        }
        for name in ["", "X_Y", "a..b", "-a", "a-", "a/b"] {
            let mut named = pool(serde_json::json!({"cidr": "10.0.0.0/24"}));
            name.clone_into(&mut named.metadata.name);
            assert!(matches!(validate(named), Err(PoolFault::Name { .. })), "{name}");
        }
    }
}
