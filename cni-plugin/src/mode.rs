//! Below which main plugin this one runs.

use serde_json::Value;

use crate::protocol::{CniError, Object};

/// Whose rules hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Below Calico's main plugin, in the place of `calico-ipam`: what that accepts is accepted, and means the same.
    Calico,
    /// Below any other main plugin: what is not understood is refused.
    Standalone,
}

/// The type of Calico's main plugin.
const CALICOS_TYPE: &str = "calico";

impl Mode {
    /// Decides by the field `mode` of the strongest place that has it, else by the type of the main plugin.
    pub(crate) fn of(places: [&Object; 2], upper_type: &str) -> Result<Self, CniError> {
        let bad = || CniError::field("mode", "must be \"auto\", \"calico\" or \"standalone\"");
        match places.into_iter().find_map(|place| place.get("mode")).map(Value::as_str) {
            None | Some(Some("auto")) if upper_type == CALICOS_TYPE => Ok(Self::Calico),
            None | Some(Some("auto" | "standalone")) => Ok(Self::Standalone),
            Some(Some("calico")) => Ok(Self::Calico),
            Some(_) => Err(bad()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_field_beats_the_type_of_the_main_plugin() {
        let mode = |ipam: Value, file: Value, upper: &str| {
            let object = |value: Value| value.as_object().cloned().unwrap_or_default();
            Mode::of([&object(ipam), &object(file)], upper)
        };
        for (ipam, file, upper, expected) in [
            (json!({}), json!({}), "calico", Mode::Calico),
            (json!({}), json!({}), "bridge", Mode::Standalone),
            (json!({}), json!({}), "Calico", Mode::Standalone),
            (json!({"mode": "auto"}), json!({"mode": "standalone"}), "calico", Mode::Calico),
            (json!({"mode": "standalone"}), json!({}), "calico", Mode::Standalone),
            (json!({}), json!({"mode": "calico"}), "bridge", Mode::Calico),
        ] {
            assert_eq!(mode(ipam, file, upper), Ok(expected), "{upper}");
        }
        assert!(mode(json!({"mode": "fast"}), json!({}), "calico").is_err());
        assert!(mode(json!({"mode": 7}), json!({}), "bridge").is_err());
    }
}
