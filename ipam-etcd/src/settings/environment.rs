//! What the environment says.

use std::ffi::OsString;

use super::origin::{CALICOS_PREFIX, OUR_PREFIX};
use super::store_name::parse_store_name;
use super::{Given, Layer, Origin, Setting, SettingsError};

/// Names a store in one word, and beats the variables that say the same in several.
const STORE: &str = "RINGFENCE_STORE";

/// Reads what the environment of this process says.
///
/// # Errors
///
/// [`SettingsError::NotUtf8`] and [`SettingsError::StoreName`].
pub fn environment() -> Result<Layer, SettingsError> {
    read(|name| std::env::var_os(name))
}

/// Reads variables: ours beat those with Calico's prefix, which beat those without, even where they are empty.
fn read(variable: impl Fn(&str) -> Option<OsString>) -> Result<Layer, SettingsError> {
    let text = |name: &str| match variable(name).map(OsString::into_string) {
        None => Ok(None),
        Some(Ok(text)) => Ok(Some(text)),
        Some(Err(_)) => Err(SettingsError::NotUtf8 { name: name.to_owned() }),
    };
    let mut layer = match text(STORE)? {
        Some(name) => parse_store_name(&name, &Origin::Variable(STORE.to_owned()))?,
        None => Vec::new(),
    };
    for setting in Setting::ALL {
        let Some(bare) = setting.variable() else { continue };
        if layer.iter().any(|given| given.setting == setting) {
            continue;
        }
        let prefixes: &[&str] =
            if setting.is_calicos() { &[OUR_PREFIX, CALICOS_PREFIX, ""] } else { &[OUR_PREFIX] };
        for prefix in prefixes {
            let name = format!("{prefix}{bare}");
            if let Some(value) = text(&name)? {
                layer.push(Given::new(setting, value, Origin::Variable(name)));
                break;
            }
        }
    }
    Ok(layer)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

    use super::*;

    fn layer(variables: &[(&str, &str)]) -> Result<Vec<(Setting, String, String)>, SettingsError> {
        let find = |name: &str| {
            let found = variables.iter().find(|(other, _)| *other == name);
            found.map(|(_, value)| OsString::from(value))
        };
        let shown = |given: Given| (given.setting, given.value, given.origin.to_string());
        read(find).map(|layer| layer.into_iter().map(shown).collect())
    }

    #[test]
    fn the_first_name_that_is_there_counts() {
        use Setting::{DatastorePath, DatastoreType, EtcdEndpoints, Timeout};
        let store = "RINGFENCE_STORE";
        for (variables, expected) in [
            (&[][..], vec![]),
            (&[("ETCD_ENDPOINTS", "a")], vec![(EtcdEndpoints, "a", "ETCD_ENDPOINTS")]),
            (
                &[("ETCD_ENDPOINTS", "a"), ("CALICO_ETCD_ENDPOINTS", "b")],
                vec![(EtcdEndpoints, "b", "CALICO_ETCD_ENDPOINTS")],
            ),
            (
                &[("ETCD_ENDPOINTS", "a"), ("CALICO_ETCD_ENDPOINTS", "")],
                vec![(EtcdEndpoints, "", "CALICO_ETCD_ENDPOINTS")],
            ),
            (
                &[("CALICO_ETCD_ENDPOINTS", "b"), ("RINGFENCE_ETCD_ENDPOINTS", "c")],
                vec![(EtcdEndpoints, "c", "RINGFENCE_ETCD_ENDPOINTS")],
            ),
            (&[(store, "embedded")], vec![(DatastoreType, "embedded", store)]),
            (&[(store, "etcd")], vec![(DatastoreType, "etcdv3", store)]),
            (
                &[(store, "embedded:/x:y"), ("DATASTORE_TYPE", "etcdv3")],
                vec![(DatastoreType, "embedded", store), (DatastorePath, "/x:y", store)],
            ),
            (
                &[(store, ""), ("DATASTORE_TYPE", "etcdv3")],
                vec![(DatastoreType, "etcdv3", "DATASTORE_TYPE")],
            ),
            // Names that Calico does not have are not its.
            (&[("TIMEOUT", "9"), ("CALICO_TIMEOUT", "9"), ("DATASTORE_PATH", "/x")], vec![]),
            (&[("RINGFENCE_TIMEOUT", "9")], vec![(Timeout, "9", "RINGFENCE_TIMEOUT")]),
            // What a file may hold has no variable.
            (&[("ETCD_KEY", "x"), ("RINGFENCE_ETCD_KEY", "x")], vec![]),
        ] {
            let expected: Vec<_> = expected
                .into_iter()
                .map(|(setting, value, name)| {
                    (setting, value.to_owned(), format!("environment variable {name}"))
                })
                .collect();
            assert_eq!(layer(variables), Ok(expected), "{variables:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let origin = Origin::Variable(STORE.to_owned());
        for name in ["sqlite", "embedded:", "etcd:http://a", "/x.db", "Embedded", " embedded"] {
            let expected =
                SettingsError::StoreName { origin: origin.clone(), given: name.to_owned() };
            assert_eq!(layer(&[(STORE, name)]), Err(expected));
        }
        let bytes = |name: &str| {
            (name == "CALICO_ETCD_PASSWORD").then(|| OsString::from_vec(b"se\xffcret".to_vec()))
        };
        let name = "CALICO_ETCD_PASSWORD".to_owned();
        assert_eq!(read(bytes), Err(SettingsError::NotUtf8 { name }));
    }
}
