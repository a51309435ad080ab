//! JSON as Go's `encoding/json` writes it, and the helpers that the stored types share.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io;
use std::str::FromStr;

use serde::de::{DeserializeOwned, Error as _};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::ser::{CharEscape, Formatter};

/// Members that a type does not know, kept in the order in which they were read.
pub(super) type Unknown = serde_json::Map<String, serde_json::Value>;

/// Encodes a value as Calico would: compact, `<`, `>`, `&`, U+2028 and U+2029 escaped, no newline at the end.
///
/// # Panics
///
/// Never for the types of this crate: their keys are texts, and a `Vec` takes every byte.
#[must_use]
pub fn to_bytes<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(512);
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, GoFormatter);
    #[expect(clippy::expect_used, reason = "the stored types hold only text keys and cannot fail")]
    value
        .serialize(&mut serializer)
        .expect("a stored type has text keys and a Vec takes every byte");
    bytes
}

struct GoFormatter;

impl Formatter for GoFormatter {
    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        let mut rest = fragment;
        while let Some(at) = rest.find(['<', '>', '&', '\u{2028}', '\u{2029}']) {
            let (plain, special) = rest.split_at(at);
            writer.write_all(plain.as_bytes())?;
            let mut chars = special.chars();
            if let Some(c) = chars.next() {
                write!(writer, "\\u{:04x}", u32::from(c))?;
            }
            rest = chars.as_str();
        }
        writer.write_all(rest.as_bytes())
    }

    fn write_char_escape<W>(&mut self, writer: &mut W, char_escape: CharEscape) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        serde_json::ser::CompactFormatter.write_char_escape(writer, char_escape)
    }
}

/// Reads `null` as the default of a type, as Go leaves a field untouched that is null.
pub(super) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Says whether a number is what Go leaves out.
pub(super) fn is_zero<T: PartialEq + From<u8>>(number: &T) -> bool {
    *number == T::from(0)
}

/// Says whether a flag is what Go leaves out.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
pub(super) fn is_false(flag: &bool) -> bool {
    !*flag
}

/// A value that is stored as text.
pub(super) mod text {
    use super::{Deserialize, Deserializer, Display, FromStr, Serializer};
    use serde::de::Error as _;

    pub(in crate::model) fn serialize<S: Serializer, T: Display>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(in crate::model) fn deserialize<'de, D, T>(deserializer: D) -> Result<T, D::Error>
    where
        D: Deserializer<'de>,
        T: FromStr<Err: Display>,
    {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

/// A map whose keys are stored as text, in the order of that text (so `"10"` comes before `"2"`).
pub(super) mod text_keyed {
    use super::{
        BTreeMap, Deserialize, DeserializeOwned, Deserializer, Display, FromStr, Serialize,
        Serializer, read_keys, write_map,
    };

    #[expect(clippy::ref_option, reason = "serde hands out references")]
    pub(in crate::model) fn serialize<S, K, V>(
        map: &Option<BTreeMap<K, V>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error>
    where
        S: Serializer,
        K: Display,
        V: Serialize,
    {
        match map {
            None => serializer.serialize_none(),
            Some(map) => write_map(map, serializer),
        }
    }

    pub(in crate::model) fn deserialize<'de, D, K, V>(
        deserializer: D,
    ) -> Result<Option<BTreeMap<K, V>>, D::Error>
    where
        D: Deserializer<'de>,
        K: FromStr<Err: Display> + Ord,
        V: DeserializeOwned,
    {
        Option::<BTreeMap<String, V>>::deserialize(deserializer)?.map(read_keys).transpose()
    }
}

fn write_map<S, K, V>(map: &BTreeMap<K, V>, serializer: S) -> Result<S::Ok, S::Error>
where
    S: Serializer,
    K: Display,
    V: Serialize,
{
    let by_text: BTreeMap<String, &V> = map.iter().map(|(k, v)| (k.to_string(), v)).collect();
    let mut out = serializer.serialize_map(Some(by_text.len()))?;
    for (key, value) in by_text {
        out.serialize_entry(&key, value)?;
    }
    out.end()
}

fn read_keys<K, V, E>(map: BTreeMap<String, V>) -> Result<BTreeMap<K, V>, E>
where
    K: FromStr<Err: Display> + Ord,
    E: serde::de::Error,
{
    map.into_iter().map(|(key, value)| Ok((key.parse().map_err(E::custom)?, value))).collect()
}

/// Reads a number that Go would take as an unsigned one, refusing what only a double can hold.
pub(super) fn unsigned<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let number = Option::<serde_json::Number>::deserialize(deserializer)?;
    match number {
        None => Ok(0),
        Some(number) => number
            .as_u64()
            .ok_or_else(|| D::Error::custom(format_args!("{number} is not an unsigned number"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_as_go_does() {
        let bytes = to_bytes(&"a<b>&\u{2028}\u{2029}\u{8}\u{c}\n\"\\ü\u{7f}\u{1}");
        let expected =
            r#""a\u003cb\u003e\u0026\u2028\u2029\b\f\n\"\\ü"#.to_owned() + "\u{7f}" + r#"\u0001""#;
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }
}
