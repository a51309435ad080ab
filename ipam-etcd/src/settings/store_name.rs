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

/// Reads the name of a store where it stands beside another one: as [`parse_store_name`], or `etcd:` and endpoints. What
/// else is known of etcd, such as its user, is taken from weaker sources.
///
/// # Errors
///
/// [`SettingsError::StoreName`].
pub fn parse_one_of_two(text: &str, origin: &Origin) -> Result<Layer, SettingsError> {
    if let Some(endpoints) = text.strip_prefix("etcd:").filter(|endpoints| !endpoints.is_empty()) {
        let given = |setting, value: &str| Given::new(setting, value, origin.clone());
        let kind = given(Setting::DatastoreType, ETCD_V3);
        return Ok(vec![kind, given(Setting::EtcdEndpoints, endpoints)]);
    }
    match parse_store_name(text, origin) {
        Ok(layer) if !layer.is_empty() => Ok(layer),
        Ok(_) | Err(_) => {
            // Whoever forgets what stands before a URL may have put a password into it.
            let given = if text.contains('@') { "<hidden>" } else { text };
            Err(SettingsError::StoreName { origin: origin.clone(), given: given.to_owned() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_two_stores_can_be_named_in_four_ways() {
        let origin = Origin::Argument("FROM");
        let given = |setting, value: &str| Given::new(setting, value, origin.clone());
        let kind = |kind| given(Setting::DatastoreType, kind);
        for (text, expected) in [
            ("embedded", vec![kind(EMBEDDED)]),
            ("embedded:/x:y", vec![kind(EMBEDDED), given(Setting::DatastorePath, "/x:y")]),
            ("etcd", vec![kind(ETCD_V3)]),
            (
                "etcd:http://a:1,b",
                vec![kind(ETCD_V3), given(Setting::EtcdEndpoints, "http://a:1,b")],
            ),
        ] {
            assert_eq!(parse_one_of_two(text, &origin), Ok(expected), "{text}");
        }
        for text in ["", "etcd:", "embedded:", "/x.db", "http://a", "ETCD:http://a"] {
            let given = text.to_owned();
            let expected = SettingsError::StoreName { origin: origin.clone(), given };
            assert_eq!(parse_one_of_two(text, &origin), Err(expected), "{text}");
        }
        let error = parse_one_of_two("http://root:hush@a", &origin).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
    }
}
