//! Lists of pools as people write them.

use serde_json::Value;

/// The pools that one source names: each the name of a pool or its network, without repetitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolList(Vec<String>);

impl PoolList {
    /// The most entries that a list may have.
    pub const ENTRIES_MAX: usize = 64;
    /// The most bytes that an annotation may have.
    pub const BYTES_MAX: usize = 8 * 1024;

    /// Reads an annotation: a JSON list of texts. An empty text says nothing and gives `None`.
    ///
    /// # Errors
    ///
    /// [`AnnotationError`], by the mistake.
    pub fn parse_annotation(text: &str) -> Result<Option<Self>, AnnotationError> {
        if text.is_empty() {
            return Ok(None);
        }
        if text.len() > Self::BYTES_MAX {
            return Err(AnnotationError::TooLong { bytes: text.len() });
        }
        let value: Value = serde_json::from_str(text)
            .map_err(|source| AnnotationError::NotJson { guess: guess(text), source })?;
        Self::from_value(&value).map(Some)
    }

    /// Reads a JSON list of texts that is already parsed.
    ///
    /// # Errors
    ///
    /// [`AnnotationError`], by the mistake.
    pub fn from_value(value: &Value) -> Result<Self, AnnotationError> {
        let Value::Array(entries) = value else {
            return Err(AnnotationError::NotAList {
                found: kind_of(value),
                guess: quoted_twice(value),
            });
        };
        let mut names = Vec::with_capacity(entries.len());
        for (at, entry) in entries.iter().enumerate() {
            match entry {
                Value::String(name) if !name.trim().is_empty() => {
                    names.push(name.trim().to_owned());
                }
                Value::String(_) => return Err(AnnotationError::BlankEntry { at }),
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::Array(_)
                | Value::Object(_) => {
                    return Err(AnnotationError::NotText { at, found: kind_of(entry) });
                }
            }
        }
        Self::from_names(names)
    }

    /// Reads a list of names divided by commas, as `CNI_ARGS` carries it. An empty text says nothing and gives `None`.
    ///
    /// # Errors
    ///
    /// [`AnnotationError::BlankEntry`] and [`AnnotationError::TooMany`].
    pub fn parse_commas(text: &str) -> Result<Option<Self>, AnnotationError> {
        if text.is_empty() {
            return Ok(None);
        }
        let names: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
        match names.iter().position(String::is_empty) {
            Some(at) => Err(AnnotationError::BlankEntry { at }),
            None => Self::from_names(names).map(Some),
        }
    }

    /// Takes over names, dropping repetitions.
    ///
    /// # Errors
    ///
    /// [`AnnotationError::Empty`] and [`AnnotationError::TooMany`].
    pub fn from_names(names: Vec<String>) -> Result<Self, AnnotationError> {
        if names.is_empty() {
            return Err(AnnotationError::Empty);
        }
        if names.len() > Self::ENTRIES_MAX {
            return Err(AnnotationError::TooMany { entries: names.len() });
        }
        let mut list: Vec<String> = Vec::with_capacity(names.len());
        for name in names {
            if !list.contains(&name) {
                list.push(name);
            }
        }
        Ok(Self(list))
    }

    /// Returns the entries in their order.
    #[must_use]
    pub fn entries(&self) -> &[String] {
        &self.0
    }
}

/// A mistake in a list of pools.
#[derive(Debug, thiserror::Error)]
pub enum AnnotationError {
    /// It is not JSON.
    #[error("is not JSON; write {guess}")]
    NotJson {
        /// What was probably meant.
        guess: String,
        /// What the parser met.
        source: serde_json::Error,
    },
    /// It is JSON, but no list.
    #[error("is {found} and not a list; write {guess}")]
    NotAList {
        /// What it is instead.
        found: &'static str,
        /// What was probably meant.
        guess: String,
    },
    /// An entry is no text.
    #[error("has {found} in place of a pool's name at position {at}; write [\"pool-1\"]")]
    NotText {
        /// The position, from 0.
        at: usize,
        /// What stands there.
        found: &'static str,
    },
    /// An entry is blank.
    #[error("has a blank entry at position {at}; name a pool or remove it")]
    BlankEntry {
        /// The position, from 0.
        at: usize,
    },
    /// The list is empty. Read as "any pool" it would let a pod out of its range.
    #[error("names no pool; name at least one, or remove it to leave the choice to the next level")]
    Empty,
    /// There are too many entries.
    #[error("has {entries} entries, the most is {max}", max = PoolList::ENTRIES_MAX)]
    TooMany {
        /// How many there are.
        entries: usize,
    },
    /// There is too much text.
    #[error("has {bytes} bytes, the most is {max}", max = PoolList::BYTES_MAX)]
    TooLong {
        /// How many there are.
        bytes: usize,
    },
}

/// Writes what was probably meant by text that is no JSON: the names without brackets and foreign quotes.
fn guess(text: &str) -> String {
    let bare = text.trim().trim_matches(['[', ']']);
    let quotes = ['\'', '"', '\u{2018}', '\u{2019}', '\u{201c}', '\u{201d}', '`', ' ', '\\'];
    let entries =
        bare.split(',').map(|name| name.trim_matches(quotes)).filter(|name| !name.is_empty());
    let guessed: Vec<String> = entries
        .take(3)
        .map(|name| Value::from(name.chars().take(64).collect::<String>()).to_string())
        .collect();
    match guessed.as_slice() {
        [] => "[\"pool-1\"]".to_owned(),
        names => format!("[{}]", names.join(", ")),
    }
}

/// Writes what was probably meant by a value that is no list: the list that a text holds, or the text as a list.
fn quoted_twice(value: &Value) -> String {
    match value {
        Value::String(text) => guess(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            "[\"pool-1\"]".to_owned()
        }
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read() {
        for (text, names) in [
            (r#"["a"]"#, vec!["a"]),
            (" [ \"a\" ,\"10.0.0.0/24\", \"a\" ]\n", vec!["a", "10.0.0.0/24"]),
            (r#"[" a "]"#, vec!["a"]),
        ] {
            let list = PoolList::parse_annotation(text).unwrap().unwrap();
            assert_eq!(list.entries(), names, "{text}");
        }
        assert_eq!(PoolList::parse_annotation("").unwrap(), None);
        assert_eq!(PoolList::parse_commas("a, b").unwrap().unwrap().entries(), ["a", "b"]);
    }

    #[test]
    fn every_mistake_is_told_with_the_right_form() {
        let long = format!("[\"{}\"]", "x".repeat(PoolList::BYTES_MAX));
        let many = serde_json::to_string(&vec!["a"; PoolList::ENTRIES_MAX + 1]).unwrap();
        for (text, says) in [
            ("[pool-1]", "is not JSON; write [\"pool-1\"]"),
            ("pool-1", "is not JSON; write [\"pool-1\"]"),
            ("['a', 'b']", "is not JSON; write [\"a\", \"b\"]"),
            ("[\u{201c}a\u{201d}]", "is not JSON; write [\"a\"]"),
            ("[\"a\"", "is not JSON; write [\"a\"]"),
            (r#""[\"p\"]""#, "is a text and not a list; write [\"p\"]"),
            (r#""pool-1""#, "is a text and not a list; write [\"pool-1\"]"),
            ("[]", "names no pool"),
            ("null", "is null and not a list"),
            ("[1]", "has a number in place of a pool's name at position 0"),
            (r#"["a",null]"#, "has null in place of a pool's name at position 1"),
            (r#"[""]"#, "has a blank entry at position 0"),
            (r#"{"a":1}"#, "is an object and not a list"),
            (many.as_str(), "has 65 entries, the most is 64"),
            (long.as_str(), "bytes, the most is 8192"),
        ] {
            let error = PoolList::parse_annotation(text).expect_err(text).to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
