//! The names of the fields, and what is done about slips in them.

use ipam_core::pool::near_miss;

use crate::datastore::GUARDED_FIELDS;
use crate::protocol::{CniError, Code, Object};

/// Fields that only the part `ipam` (or the file) may have: an upper plugin may use the same names for its own.
const OWN_FIELDS: [&str; 18] = [
    "type",
    "mode",
    "config_file",
    "env",
    "assign_ipv4",
    "assign_ipv6",
    "ipv4_pools",
    "ipv6_pools",
    "pool_order",
    "gateway",
    "prefix",
    "exclude_edges",
    "routes",
    "dns",
    "annotations",
    "annotation_interfaces",
    "gc_grace_seconds",
    "role",
];

/// Fields that may stand at the top as well, where Calico has them.
const SHARED_FIELDS: [&str; 20] = [
    "datastore_type",
    "datastore_path",
    "etcd_endpoints",
    "etcd_discovery_srv",
    "etcd_ca_cert_file",
    "etcd_cert_file",
    "etcd_key_file",
    "nodename",
    "nodename_file",
    "hostname",
    "log_level",
    "log_file_path",
    "log_file_max_size",
    "log_file_max_age",
    "log_file_max_count",
    "timeout_ms",
    "ipam_lock_file",
    "lock_wait_ms",
    "cache_folder",
    "kubernetes",
];

/// Fields at the top that runtimes write.
const TOP_FIELDS: [&str; 7] =
    ["cniVersion", "name", "type", "ipam", "args", "runtimeConfig", "prevResult"];

/// Says whether a name means nothing here; in a plugin of the list the runtime's own fields stand beside ours.
pub(super) fn is_unknown(name: &str) -> bool {
    let mut known = OWN_FIELDS.iter().chain(&SHARED_FIELDS).chain(&TOP_FIELDS);
    !known.any(|known| *known == name) && !name.starts_with("cni.dev/")
}

/// Returns the fields under the names that are known here: as Go reads JSON, case does not matter.
pub(super) fn in_known_case(object: &Object) -> Object {
    let known = OWN_FIELDS.iter().chain(&SHARED_FIELDS);
    let name = |given: &String| {
        let same = known.clone().find(|known| known.eq_ignore_ascii_case(given));
        same.map_or_else(|| given.clone(), |known| (*known).to_owned())
    };
    object.iter().map(|(given, value)| (name(given), value.clone())).collect()
}

/// Refuses `Ipv4_Pools` and `ipv4pools`: silently passed over they would mean any pool.
pub(super) fn refuse_misspelt(object: &Object) -> Result<(), CniError> {
    let known: Vec<&str> =
        OWN_FIELDS.into_iter().chain(SHARED_FIELDS).chain(GUARDED_FIELDS).collect();
    for name in object.keys() {
        if let Some(right) = near_miss(name, &known) {
            return Err(misspelt(name, right));
        }
    }
    Ok(())
}

/// Refuses slips at the top. An upper plugin has fields of its own there, so only what could not be its own counts.
pub(super) fn refuse_misspelt_at_top(object: &Object) -> Result<(), CniError> {
    let known = SHARED_FIELDS.iter().chain(&TOP_FIELDS).chain(&GUARDED_FIELDS).copied();
    for name in object.keys() {
        if let Some(right) =
            known.clone().find(|right| right.eq_ignore_ascii_case(name) && right != name)
        {
            return Err(misspelt(name, right));
        }
        let pools = ["ipv4_pools", "ipv6_pools"];
        if pools.contains(&name.as_str()) || near_miss(name, &pools).is_some() {
            return Err(CniError::field(
                name,
                "stands at the top of the configuration; it belongs into ipam",
            ));
        }
    }
    Ok(())
}

fn misspelt(name: &str, right: &str) -> CniError {
    CniError::new(Code::Config, format!("field {name:?} is misspelt; write {right:?}"))
}
