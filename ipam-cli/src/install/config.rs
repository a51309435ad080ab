//! The fields that the plugin is told beside the network configuration.

use std::fs;
use std::path::Path;

use ipam_etcd::StoreSettings;
use ipam_etcd::settings::{Merged, Setting};
use serde_json::{Map, Value};

use super::InstallError;
use super::wanted::{SECRET_MODE, Wanted};

/// Settings that name a file, what it is, and how its copy is called.
const COPIED: [(Setting, &str, &str); 3] = [
    (Setting::EtcdCaCertFile, "the authority of etcd", "etcd-ca.crt"),
    (Setting::EtcdCertFile, "our certificate for etcd", "etcd.crt"),
    (Setting::EtcdKeyFile, "the key of our certificate", "etcd.key"),
];

/// The fields that name a store; settings of another kind of store are left out.
pub(super) fn store_fields(merged: &Merged, store: &StoreSettings) -> Map<String, Value> {
    let (kind, is_for_store): (_, fn(Setting) -> bool) = match store {
        StoreSettings::Embedded { .. } => ("embedded", |setting| setting == Setting::DatastorePath),
        StoreSettings::Etcd(_) => ("etcdv3", Setting::is_for_etcd),
    };
    let mut fields = Map::new();
    fields.insert(Setting::DatastoreType.field().to_owned(), kind.into());
    for setting in Setting::ALL.into_iter().filter(|setting| is_for_store(*setting)) {
        if let Some(given) = merged.get(setting) {
            fields.insert(setting.field().to_owned(), given.value.clone().into());
        }
    }
    fields
}

/// Copies the files that the fields name into the folder, and names the copies instead: the paths of a pod are not those
/// of its node.
///
/// # Errors
///
/// [`InstallError::Unreadable`].
pub(super) fn copy_files(
    fields: &mut Map<String, Value>,
    folder: &Path,
) -> Result<Vec<Wanted>, InstallError> {
    let mut copies = Vec::new();
    for (setting, what, name) in COPIED {
        let Some(field) = fields.get_mut(setting.field()) else { continue };
        let path = Path::new(field.as_str().unwrap_or_default()).to_path_buf();
        let bytes =
            fs::read(&path).map_err(|source| InstallError::Unreadable { what, path, source })?;
        let copy = folder.join(name);
        *field = copy.to_string_lossy().into();
        copies.push(Wanted::new(copy, bytes, SECRET_MODE));
    }
    Ok(copies)
}
