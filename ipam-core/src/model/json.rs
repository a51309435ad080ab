//! JSON as Go's `encoding/json` writes it, and the helpers that the stored types share.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::io;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::ser::{CharEscape, Formatter};

use crate::ip::{Cidr, Ordinal};

/// Members that a type does not know, kept in the order in which they were read.
pub(super) type Unknown = serde_json::Map<String, serde_json::Value>;

/// Most values are smaller; those that are not are blocks in use.
const BYTES_TYPICAL: usize = 2048;

/// Encodes a value as Calico would: compact, `<`, `>`, `&`, U+2028 and U+2029 escaped, no newline at the end.
///
/// # Panics
///
/// Never for the types of this crate: their keys are texts, and a `Vec` takes every byte.
#[must_use]
pub fn to_bytes<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(BYTES_TYPICAL);
    append(&mut bytes, value);
    bytes
}

/// Appends a value as [`to_bytes`] encodes it.
pub(super) fn append<T: Serialize + ?Sized>(bytes: &mut Vec<u8>, value: &T) {
    let mut serializer = serde_json::Serializer::with_formatter(bytes, GoFormatter);
    #[expect(clippy::expect_used, reason = "the stored types hold only text keys and cannot fail")]
    value
        .serialize(&mut serializer)
        .expect("a stored type has text keys and a Vec takes every byte");
}

struct GoFormatter;

/// The first byte of U+2028 and U+2029 in UTF-8.
const FIRST_OF_SEPARATORS: u8 = 0xe2;

impl Formatter for GoFormatter {
    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + io::Write,
    {
        // Few texts hold any of them, and a look at the bytes is cheaper than one at the characters.
        let may_be_special = |byte| matches!(byte, b'<' | b'>' | b'&' | FIRST_OF_SEPARATORS);
        if !fragment.bytes().any(may_be_special) {
            return writer.write_all(fragment.as_bytes());
        }
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
        BTreeMap, Deserialize, DeserializeOwned, Deserializer, Display, FromStr, Read, Serialize,
        Serializer, TextKey, write_map,
    };

    #[expect(clippy::ref_option, reason = "serde hands out references")]
    pub(in crate::model) fn serialize<S, K, V>(
        map: &Option<BTreeMap<K, V>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error>
    where
        S: Serializer,
        K: TextKey,
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
        let read = Option::<Read<K, V>>::deserialize(deserializer)?;
        Ok(read.map(|Read(map)| map))
    }
}

/// A key whose text has an order of its own.
pub(super) trait TextKey: Display {
    /// Compares the texts of two keys.
    fn compare_texts(&self, other: &Self) -> Ordering {
        self.to_string().cmp(&other.to_string())
    }
}

impl TextKey for Cidr {}

impl TextKey for Ordinal {
    // A block has one for each of its addresses, so no text is made of them just to sort them.
    fn compare_texts(&self, other: &Self) -> Ordering {
        digits(self.index()).cmp(&digits(other.index()))
    }
}

/// Returns the decimal digits of a number from the left, with zero bytes behind them.
fn digits(number: usize) -> [u8; 20] {
    let mut digits = [0; 20];
    let length = number.checked_ilog10().unwrap_or(0) as usize + 1;
    let mut rest = number;
    for place in digits.iter_mut().take(length).rev() {
        *place = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        rest /= 10;
    }
    digits
}

fn write_map<S, K, V>(map: &BTreeMap<K, V>, serializer: S) -> Result<S::Ok, S::Error>
where
    S: Serializer,
    K: TextKey,
    V: Serialize,
{
    let mut out = serializer.serialize_map(Some(map.len()))?;
    for (key, value) in by_text(map) {
        out.serialize_entry(&Displayed(key), value)?;
    }
    out.end()
}

/// Returns the entries of a map in the order of their keys' texts.
pub(super) fn by_text<K: TextKey, V>(map: &BTreeMap<K, V>) -> Vec<(&K, &V)> {
    let mut entries: Vec<(&K, &V)> = map.iter().collect();
    entries.sort_unstable_by(|(one, _), (other, _)| one.compare_texts(other));
    entries
}

/// A key that is written as its text.
struct Displayed<'k, K>(&'k K);

impl<K: Display> Serialize for Displayed<'_, K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self.0)
    }
}

/// A map whose keys are read from their texts one by one.
struct Read<K, V>(BTreeMap<K, V>);

impl<'de, K, V> Deserialize<'de> for Read<K, V>
where
    K: FromStr<Err: Display> + Ord,
    V: DeserializeOwned,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ReadKeys(PhantomData))
    }
}

struct ReadKeys<K, V>(PhantomData<(K, V)>);

impl<'de, K, V> Visitor<'de> for ReadKeys<K, V>
where
    K: FromStr<Err: Display> + Ord,
    V: DeserializeOwned,
{
    type Value = Read<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut map = BTreeMap::new();
        while let Some(key) = access.next_key_seed(KeyText(PhantomData))? {
            map.insert(key, access.next_value()?);
        }
        Ok(Read(map))
    }
}

/// A key that is read from its text, which stays where it is.
struct KeyText<K>(PhantomData<K>);

impl<'de, K: FromStr<Err: Display>> DeserializeSeed<'de> for KeyText<K> {
    type Value = K;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<K, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<K: FromStr<Err: Display>> Visitor<'_> for KeyText<K> {
    type Value = K;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<K, E> {
        text.parse().map_err(E::custom)
    }
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
    fn ordinals_are_sorted_as_their_texts_are() {
        let mut ordinals: Vec<Ordinal> = (0..1200).filter_map(Ordinal::new).collect();
        ordinals.sort_by(Ordinal::compare_texts);
        let texts: Vec<String> = ordinals.iter().map(ToString::to_string).collect();
        assert!(texts.is_sorted(), "{texts:?}");
    }

    #[test]
    fn text_is_escaped_as_go_does() {
        let bytes = to_bytes(&"a<b>&\u{2028}\u{2029}\u{8}\u{c}\n\"\\ü\u{7f}\u{1}");
        let expected =
            r#""a\u003cb\u003e\u0026\u2028\u2029\b\f\n\"\\ü"#.to_owned() + "\u{7f}" + r#"\u0001""#;
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
    }
}
