//! Versions of the CNI specification.

use serde_json::json;

use super::{CniError, Code};

/// A version that is spoken here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Version {
    V0_1_0,
    V0_2_0,
    V0_3_0,
    V0_3_1,
    V0_4_0,
    V1_0_0,
    V1_1_0,
}

impl Version {
    pub(crate) const ALL: [Self; 7] = [
        Self::V0_1_0,
        Self::V0_2_0,
        Self::V0_3_0,
        Self::V0_3_1,
        Self::V0_4_0,
        Self::V1_0_0,
        Self::V1_1_0,
    ];
    pub(crate) const NEWEST: Self = Self::V1_1_0;

    /// Finds the version of a configuration; one that says nothing means the first there ever was. Runtimes write an empty
    /// text where their list has none.
    pub(crate) fn parse(text: Option<&str>) -> Result<Self, CniError> {
        let given = text.filter(|text| !text.is_empty()).unwrap_or("0.1.0");
        Self::ALL.into_iter().find(|version| version.text() == given).ok_or_else(|| {
            let spoken = Self::ALL.map(Self::text).join(", ");
            CniError::new(
                Code::Version,
                format!("cniVersion {given:?} is not supported; supported: {spoken}"),
            )
        })
    }

    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::V0_1_0 => "0.1.0",
            Self::V0_2_0 => "0.2.0",
            Self::V0_3_0 => "0.3.0",
            Self::V0_3_1 => "0.3.1",
            Self::V0_4_0 => "0.4.0",
            Self::V1_0_0 => "1.0.0",
            Self::V1_1_0 => "1.1.0",
        }
    }

    /// Whether a result has one place for each family instead of a list of addresses.
    pub(crate) fn is_by_family(self) -> bool {
        self < Self::V0_3_0
    }

    /// Whether an address in a result says which family it is of.
    pub(crate) fn tells_family(self) -> bool {
        self < Self::V1_0_0
    }

    /// Whether a route in a result says more than where it leads.
    pub(crate) fn details_routes(self) -> bool {
        self >= Self::V1_1_0
    }
}

/// Answers the command VERSION, whatever came with it.
pub(crate) fn version_answer(stdin: &[u8]) -> String {
    let value: Option<serde_json::Value> = serde_json::from_slice(stdin).ok();
    let asked = value.as_ref().and_then(|value| value.get("cniVersion")?.as_str());
    let known = asked.and_then(|asked| Version::parse(Some(asked)).ok());
    let version = known.unwrap_or(Version::NEWEST);
    json!({"cniVersion": version.text(), "supportedVersions": Version::ALL.map(Version::text)})
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_versions_are_spoken() {
        assert_eq!(Version::parse(Some("0.4.0")), Ok(Version::V0_4_0));
        for nothing in [None, Some("")] {
            assert_eq!(
                Version::parse(nothing),
                Ok(Version::V0_1_0),
                "what says nothing is the first"
            );
        }
        for text in [Some("9.9.9"), Some("1.0"), Some(" "), Some("0.5.0"), Some("1.2.0")] {
            assert_eq!(
                Version::parse(text).expect_err("not spoken").code,
                Code::Version,
                "{text:?}"
            );
        }
    }

    #[test]
    fn garbage_is_answered_too() {
        let answer = version_answer(b"\xff{");
        assert_eq!(
            answer,
            r#"{"cniVersion":"1.1.0","supportedVersions":["0.1.0","0.2.0","0.3.0","0.3.1","0.4.0","1.0.0","1.1.0"]}"#
        );
    }
}
