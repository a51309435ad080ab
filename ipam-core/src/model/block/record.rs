//! The metadata of a block as it is stored: kept as text, and understood when somebody asks.
//!
//! A block in use has a record for nearly each of its addresses, and to allocate one more none of them needs to be
//! understood. Their texts are checked when the block is read, so that asking later cannot fail.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::{Deref, Range};
use std::sync::{Arc, OnceLock};

use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::Attributes;
use super::attributes::before_return;
use crate::model::json::append;
use crate::model::{Timestamp, to_bytes};

/// One record: its text, and what that says. A copy costs nothing.
#[derive(Clone, Debug)]
pub struct Record(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    text: Box<str>,
    outline: Option<Outline>,
    read: OnceLock<Attributes>,
}

/// Most records are shorter, in bytes.
const TEXT_TYPICAL: usize = 512;
const HANDLE_MEMBER: &str = r#""handle_id":"#;

/// What is known of a text that is written as Calico does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outline {
    /// Where the handle stands in the text.
    pub(super) handle: Option<Range<usize>>,
    /// Whether the time of a release is in it.
    pub(super) is_cooling: bool,
}

impl Record {
    /// Makes the record of an allocation: of the handle that holds it, and what is known of its owner.
    #[must_use]
    pub fn new(handle: Option<&str>, secondary: &BTreeMap<&str, &str>) -> Self {
        let mut text = Vec::with_capacity(TEXT_TYPICAL);
        let mut outline = Some(Outline::default());
        text.push(b'{');
        if let Some(handle) = handle {
            text.extend_from_slice(HANDLE_MEMBER.as_bytes());
            let start = text.len() + 1;
            append(&mut text, handle);
            // Where anything in it is escaped it does not stand in the text as it is.
            let place = start..start + handle.len();
            let is_plain = text.len() == place.end + 1;
            outline = is_plain.then_some(Outline { handle: Some(place), is_cooling: false });
        }
        if !secondary.is_empty() {
            text.extend_from_slice(if handle.is_some() { b"," } else { b"" });
            text.extend_from_slice(br#""secondary":"#);
            append(&mut text, secondary);
        }
        text.push(b'}');
        let text = String::from_utf8(text).unwrap_or_default().into_boxed_str();
        Self(Arc::new(Inner { text, outline, read: OnceLock::new() }))
    }

    /// Takes over a text that was checked.
    pub(super) fn of_checked(text: &str, outline: Outline) -> Self {
        Self(Arc::new(Inner { text: text.into(), outline: Some(outline), read: OnceLock::new() }))
    }

    /// Returns what is stored.
    pub(super) fn text(&self) -> &str {
        &self.0.text
    }

    /// Returns the handle as it is stored.
    #[must_use]
    pub fn handle_id(&self) -> Option<&str> {
        match &self.0.outline {
            Some(Outline { handle, .. }) => self.text().get(handle.clone()?),
            None => self.deref().handle_id.as_deref(),
        }
    }

    /// Returns the handle as Calico compares it: an old defect left text behind a carriage return in some.
    #[must_use]
    pub fn handle(&self) -> Option<&str> {
        self.handle_id().map(before_return)
    }

    /// Returns when the ordinals were released, where they are in cooldown.
    #[must_use]
    pub fn released_at(&self) -> Option<Timestamp> {
        match &self.0.outline {
            Some(Outline { is_cooling: false, .. }) => None,
            Some(_) | None => self.deref().released_at,
        }
    }

    /// Says whether the record is written like this one. Equal records of any Calico are.
    #[must_use]
    pub fn is_written_like(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.text() == other.text()
    }
}

impl From<Attributes> for Record {
    fn from(attributes: Attributes) -> Self {
        // What it means is read from the text, which says times less exactly than they may have been given.
        let text = String::from_utf8(to_bytes(&attributes)).unwrap_or_default();
        Self(Arc::new(Inner { text: text.into(), outline: None, read: OnceLock::new() }))
    }
}

impl Deref for Record {
    type Target = Attributes;

    fn deref(&self) -> &Attributes {
        // The text was checked when the record was made.
        self.0.read.get_or_init(|| serde_json::from_str(self.text()).unwrap_or_default())
    }
}

impl PartialEq for Record {
    fn eq(&self, other: &Self) -> bool {
        self.is_written_like(other) || **self == **other
    }
}

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<str>::from(Box::<RawValue>::deserialize(deserializer)?);
        if let Err(error) = serde_json::from_str::<Shape>(&text) {
            // The place is one in the record; that in the whole value is not known here.
            let message = error.to_string();
            let what = message.rsplit_once(" at line").map_or(message.as_str(), |(what, _)| what);
            return Err(D::Error::custom(format_args!("a record is wrong: {what}")));
        }
        Ok(Self(Arc::new(Inner { text, outline: None, read: OnceLock::new() })))
    }
}

/// What [`Attributes`] can be read from, read without keeping anything.
#[derive(Deserialize)]
struct Shape {
    #[serde(default, rename = "handle_id")]
    _handle_id: Option<Text>,
    #[serde(default, rename = "secondary")]
    _secondary: Option<Pairs>,
    #[serde(default, rename = "alternateOwnerAttrs")]
    _alternate_owner_attrs: Option<Pairs>,
    #[serde(default, rename = "releasedAt")]
    _released_at: Option<Timestamp>,
    #[serde(flatten)]
    _unknown: IgnoredAny,
}

/// Any text.
struct Text;

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Self)
    }
}

impl Visitor<'_> for Text {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E>(self, _text: &str) -> Result<Self, E> {
        Ok(self)
    }
}

/// Any pairs of texts.
struct Pairs;

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Self)
    }
}

impl<'de> Visitor<'de> for Pairs {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self, A::Error> {
        while access.next_entry::<Text, Text>()?.is_some() {}
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_of_an_allocation_is_written_as_its_attributes_are() {
        let pairs = [("node", "n"), ("pod", "<p>\n")];
        for (handle, secondary) in [
            (None, &pairs[..0]),
            (None, &pairs),
            (Some("h"), &pairs[..0]),
            (Some("net.c1.eth0"), &pairs[..1]),
            (Some(r#"a"b\c<ü>"#), &pairs),
            (Some(""), &pairs),
        ] {
            let record = Record::new(handle, &secondary.iter().copied().collect());
            let owned = secondary.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
            let attributes = Attributes::new(
                handle.map(str::to_owned),
                (!secondary.is_empty()).then(|| owned.collect()),
            );
            assert_eq!(record.text(), Record::from(attributes.clone()).text());
            assert_eq!(record.handle_id(), handle);
            assert_eq!(*record, attributes);
        }
    }

    #[test]
    fn a_record_is_checked_like_its_attributes_and_keeps_its_text() {
        for text in [
            "{}",
            r#"{"handle_id":"h"}"#,
            r#"{"handle_id":null,"secondary":null}"#,
            r#"{ "handle_id" : "h\u003c" , "secondary" : {"a":"b\n"} }"#,
            r#"{"releasedAt":"2026-08-22T10:20:00Z"}"#,
            r#"{"handle_id":"h","new":[1,{"x":null}]}"#,
            r#"{"handle_id":1}"#,
            r#"{"handle_id":["h"]}"#,
            r#"{"secondary":{"a":1}}"#,
            r#"{"secondary":["a"]}"#,
            r#"{"secondary":{"a":null}}"#,
            r#"{"alternateOwnerAttrs":"a"}"#,
            r#"{"releasedAt":"yesterday"}"#,
            r#"{"releasedAt":7}"#,
            r#"{"handle_id":"h","handle_id":"h"}"#,
            "[]",
            "null",
            r#""text""#,
        ] {
            let (record, attributes) =
                (serde_json::from_str::<Record>(text), serde_json::from_str::<Attributes>(text));
            assert_eq!(record.is_ok(), attributes.is_ok(), "{text}");
            if let (Ok(record), Ok(attributes)) = (record, attributes) {
                assert_eq!(*record, attributes, "{text}");
                assert_eq!(record.text(), text);
                assert!(record == Record::from(attributes.clone()));
                assert_eq!(record.handle_id(), attributes.handle_id.as_deref(), "{text}");
                assert_eq!(record.released_at(), attributes.released_at, "{text}");
            }
        }
    }
}
