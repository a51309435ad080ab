//! `ringfence config`: the settings of the datastore.

use ipam_etcd::settings::{Origin, Setting};
use ipam_etcd::{EMBEDDED_PATH, StoreSettings};

use super::Context;
use crate::args::ConfigView;
use crate::args::TIMEOUT_SECONDS;
use crate::cause::Cause;
use crate::exit::Exit;
use crate::render::{Report, SettingItem, SettingWithOrigin};
use crate::sources::Settings;

/// Shows every setting of the datastore, and which store results; no store is asked.
pub(super) fn view(context: &mut Context, args: &ConfigView) -> Result<Exit, Cause> {
    let settings = context.sources.read()?;
    let decided = settings.decide();
    let (store, warnings) = match &decided {
        Ok((decision, warnings)) => (Some(&decision.store), warnings.clone()),
        Err(_) => (None, settings.warnings.clone()),
    };
    let items = items(&settings, store);
    let stamp = context.written();
    if args.origin {
        let items = items.into_iter().map(SettingWithOrigin).collect();
        context.show(&Report::new(stamp, items).with_warnings(warnings))?;
    } else {
        context.show(&Report::new(stamp, items).with_warnings(warnings))?;
    }
    // What is set is of use above all where it names no store.
    context.printer.finish().map_err(Cause::Output)?;
    decided?;
    settings.timeout()?;
    Ok(Exit::Done)
}

fn items(settings: &Settings, store: Option<&StoreSettings>) -> Vec<SettingItem> {
    let (file, named_by) = match &settings.file {
        Some((path, origin)) => (Some(path.display().to_string()), Some(origin.to_string())),
        None => (None, None),
    };
    let mut items = vec![SettingItem { setting: "config", value: file, origin: named_by }];
    for setting in Setting::ALL {
        let given = settings.merged.get(setting);
        let (value, origin) = match given {
            Some(given) => (Some(given.shown().to_owned()), Some(given.origin.clone())),
            None => unset(setting, store)
                .map_or((None, None), |(value, origin)| (Some(value), Some(origin))),
        };
        let origin = origin.map(|origin| origin.to_string());
        items.push(SettingItem { setting: setting.key(), value, origin });
    }
    if let Some(store) = store {
        let origin = Origin::Implied(Setting::DatastoreType).to_string();
        let value = Some(store.to_string());
        items.push(SettingItem { setting: "store", value, origin: Some(origin) });
    }
    items
}

/// Returns what holds for a setting of which nobody speaks.
fn unset(setting: Setting, store: Option<&StoreSettings>) -> Option<(String, Origin)> {
    match (setting, store) {
        (Setting::DatastoreType, Some(StoreSettings::Embedded { .. })) => {
            Some(("embedded".to_owned(), Origin::Default))
        }
        (Setting::DatastoreType, Some(StoreSettings::Etcd(_))) => {
            Some(("etcdv3".to_owned(), Origin::Implied(Setting::EtcdEndpoints)))
        }
        (Setting::DatastorePath, Some(StoreSettings::Embedded { .. })) => {
            Some((EMBEDDED_PATH.to_owned(), Origin::Default))
        }
        (Setting::Timeout, _) => Some((TIMEOUT_SECONDS.to_string(), Origin::Default)),
        (
            Setting::DatastoreType
            | Setting::DatastorePath
            | Setting::EtcdEndpoints
            | Setting::EtcdDiscoverySrv
            | Setting::EtcdUsername
            | Setting::EtcdPassword
            | Setting::EtcdCaCertFile
            | Setting::EtcdCertFile
            | Setting::EtcdKeyFile
            | Setting::EtcdCaCert
            | Setting::EtcdCert
            | Setting::EtcdKey,
            Some(_) | None,
        ) => None,
    }
}
