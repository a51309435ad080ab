//! The network configuration on stdin.

use std::env;
use std::io::Read;
use std::path::PathBuf;

use serde_json::{Map, Value};

use super::{CniError, Code, Version};

/// A JSON object of the configuration.
pub(crate) type Object = Map<String, Value>;

/// The most bytes that are read.
const BYTES_MAX: usize = 1024 * 1024;
/// The deepest nesting that is read.
const NESTING_MAX: usize = 64;

/// Who calls this plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Another plugin, which needs addresses.
    Delegate,
    /// The runtime itself, for a plugin of its list: nothing is assigned, but the network can be cleaned up.
    Chained,
}

/// The name of this program, as configurations know it.
const OWN_TYPE: &str = "ringfence-ipam";

/// The configuration: whose network it is, and everything else as it stands there.
#[derive(Clone, Debug)]
pub(crate) struct Netconf {
    pub(crate) version: Version,
    pub(crate) name: String,
    pub(crate) role: Role,
    /// The type of the plugin that delegates to this one.
    pub(crate) upper_type: String,
    pub(crate) top: Object,
    /// The part that is meant for this plugin.
    pub(crate) ipam: Object,
}

/// Reads stdin to its end, up to a limit.
pub(crate) fn read_stdin(stdin: impl Read) -> Result<Vec<u8>, CniError> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(BYTES_MAX).unwrap_or(u64::MAX) + 1;
    stdin.take(limit).read_to_end(&mut bytes).map_err(|error| {
        CniError::new(Code::Io, "stdin cannot be read").with_details(error.to_string())
    })?;
    if bytes.len() > BYTES_MAX {
        return Err(undecodable(&format!("it is larger than {BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

impl Netconf {
    /// Reads a configuration as far as every command needs it.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, CniError> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            undecodable(&format!("it is not UTF-8 from byte {} on", error.valid_up_to()))
        })?;
        if text.trim().is_empty() {
            return Err(undecodable("it is empty"));
        }
        if nesting(text) > NESTING_MAX {
            return Err(undecodable(&format!("it is nested more than {NESTING_MAX} deep")));
        }
        let value: Value =
            serde_json::from_str(text).map_err(|error| undecodable(&error.to_string()))?;
        let Value::Object(top) = value else {
            return Err(undecodable("it is not an object"));
        };
        let version = match top.get("cniVersion") {
            None | Some(Value::Null) => Version::parse(None),
            Some(Value::String(text)) => Version::parse(Some(text)),
            Some(other) => Version::parse(Some(&other.to_string())),
        }?;
        Self::from_object(version, top).map_err(|error| error.in_version(version))
    }

    fn from_object(version: Version, top: Object) -> Result<Self, CniError> {
        let name = top.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        if !is_network_name(&name) {
            let rule = "it must consist of letters, digits, '_', '.' and '-'";
            return Err(CniError::new(
                Code::Config,
                format!("the network's name is {name:?}; {rule}"),
            ));
        }
        let upper_type = top.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        let (role, ipam) = match top.get("ipam") {
            Some(Value::Object(ipam)) => (Role::Delegate, ipam.clone()),
            Some(_) => return Err(CniError::new(Code::Config, "ipam must be an object")),
            // A plugin of the list has its fields at the top.
            None if is_own_type(&upper_type) => (Role::Chained, top.clone()),
            None => return Err(CniError::new(Code::Config, "ipam is missing")),
        };
        Ok(Self { version, name, role, upper_type, top, ipam })
    }
}

/// Says whether a type names this very program, under whatever name it was installed.
fn is_own_type(upper_type: &str) -> bool {
    let program = env::args_os().next().map(PathBuf::from).unwrap_or_default();
    upper_type == OWN_TYPE || program.file_name().is_some_and(|name| name == upper_type)
}

fn undecodable(why: &str) -> CniError {
    CniError::new(Code::Undecodable, format!("the configuration on stdin cannot be read: {why}"))
}

fn is_network_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    !name.is_empty() && name.bytes().all(allowed)
}

/// Returns how deep brackets nest outside of texts.
fn nesting(text: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let (mut in_text, mut escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_told_apart() {
        let deep = format!("{}{}", "[".repeat(70), "]".repeat(70));
        for (bytes, code, says) in [
            (b"".as_slice(), Code::Undecodable, "empty"),
            (b" \n", Code::Undecodable, "empty"),
            (b"\xff", Code::Undecodable, "UTF-8"),
            (b"[]", Code::Undecodable, "not an object"),
            (b"{\"cniVersion\":\"1.0.0\",", Code::Undecodable, "EOF"),
            (deep.as_bytes(), Code::Undecodable, "nested"),
            (b"{\"cniVersion\":\"9.9.9\",\"name\":\"n\",\"ipam\":{}}", Code::Version, "9.9.9"),
            (b"{\"cniVersion\":\"1.0.0\",\"ipam\":{}}", Code::Config, "name"),
            (b"{\"cniVersion\":\"1.0.0\",\"name\":\"a b\",\"ipam\":{}}", Code::Config, "a b"),
            (b"{\"cniVersion\":\"1.0.0\",\"name\":\"n\"}", Code::Config, "ipam is missing"),
            (b"{\"cniVersion\":\"1.0.0\",\"name\":\"n\",\"ipam\":7}", Code::Config, "ipam must be"),
        ] {
            let error = Netconf::parse(bytes).expect_err(says);
            assert_eq!(error.code, code, "{says}");
            assert!(error.message.contains(says), "{says}: {error:?}");
        }
        let long = std::io::repeat(b' ').take(2 * 1024 * 1024);
        assert_eq!(read_stdin(long).expect_err("too long").code, Code::Undecodable);
    }

    #[test]
    fn brackets_in_texts_do_not_nest() {
        assert_eq!(nesting(r#"{"a":"[[[\"[","b":[{}]}"#), 3);
    }
}
