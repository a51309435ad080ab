//! Names of stores, as a flag or a variable has them.

use super::{Given, Layer, Origin, Setting, SettingsError};

pub(super) const EMBEDDED: &str = "embedded";
pub(super) const ETCD_V3: &str = "etcdv3";

/// Reads the name of a store: `embedded`, `embedded:PATH` or `etcd`. An empty name says nothing.
///
/// # Errors
///
/// [`SettingsError::StoreName`].
pub fn parse_store_name(text: &str, origin: &Origin) -> Result<Layer, SettingsError> {
    let kind = |kind: &str| Given::new(Setting::DatastoreType, kind, origin.clone());
    match text.split_once(':') {
        None if text.is_empty() => Ok(Vec::new()),
        None if text == EMBEDDED => Ok(vec![kind(EMBEDDED)]),
        None if text == "etcd" => Ok(vec![kind(ETCD_V3)]),
        Some((EMBEDDED, path)) if !path.is_empty() => {
            Ok(vec![kind(EMBEDDED), Given::new(Setting::DatastorePath, path, origin.clone())])
        }
        _ => Err(SettingsError::StoreName { origin: origin.clone(), given: text.to_owned() }),
    }
}
