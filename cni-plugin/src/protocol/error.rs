//! Errors as the runtime reads them.

use std::error::Error;
use std::io::{self, Write};

use serde::Serialize;

use super::Version;

/// The number of an error. Those below 100 are the specification's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// The CNI version is not spoken here.
    Version = 1,
    /// A field or value is not supported.
    Unsupported = 2,
    /// An environment variable is invalid.
    Environment = 4,
    /// Stdin or stdout failed.
    Io = 5,
    /// The configuration is not JSON.
    Undecodable = 6,
    /// The configuration is invalid.
    Config = 7,
    /// Try again later.
    TryAgain = 11,
    /// STATUS: no ADD can succeed now.
    NotReady = 50,
    /// An annotation is malformed.
    Annotation = 100,
    /// A pool does not exist.
    UnknownPool = 101,
    /// A pool is switched off.
    PoolDisabled = 102,
    /// A pool or address is of the wrong family.
    WrongFamily = 103,
    /// A pool or address is not permitted here.
    NotPermitted = 104,
    /// A requested address is invalid, or lies outside the pools.
    AddressInvalid = 105,
    /// A requested address is in use.
    AddressInUse = 106,
    /// A requested address is reserved or in cooldown.
    AddressSetAside = 107,
    /// The pools are exhausted.
    Exhausted = 108,
    /// The block limit or strict affinity prevents it.
    Affinity = 109,
    /// No pool selects this pod.
    NoPool = 110,
    /// Whoever knows the annotations refuses to tell.
    AnnotationSource = 111,
    /// The pod is gone, or another one has its name.
    PodGone = 112,
    /// The handle is in use with different contents.
    HandleInUse = 113,
    /// Gateway or prefix do not fit.
    Gateway = 114,
    /// The node name is unusable or unknown.
    Node = 115,
    /// CHECK: an address is not allocated.
    CheckMissing = 120,
    /// CHECK: an address belongs to another owner.
    CheckOther = 121,
    /// CHECK: the sets of addresses differ.
    CheckDiffers = 122,
    /// GC: not everything could be released.
    Incomplete = 130,
    /// A fault of this program, or data that cannot be understood.
    Internal = 999,
}

/// An error as the runtime reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CniError {
    pub(crate) code: Code,
    pub(crate) message: String,
    pub(crate) details: String,
    version: Option<Version>,
}

/// The longest message: it becomes part of an event, whose length is limited.
const MESSAGE_BYTES_MAX: usize = 500;
const DETAILS_BYTES_MAX: usize = 2000;

/// Phrases that make a runtime take a failed DEL for a successful one, and what is said instead.
const MISLEADING: [(&str, &str); 2] =
    [("not found", "absent"), ("no such file or directory", "missing path")];

#[derive(Serialize)]
struct Wire<'a> {
    #[serde(rename = "cniVersion")]
    cni_version: &'a str,
    code: u32,
    msg: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    details: &'a str,
}

impl CniError {
    /// Makes the error of a field of the configuration that breaks a rule.
    pub(crate) fn field(name: &str, rule: &str) -> Self {
        Self::new(Code::Config, format!("{name} {rule}"))
    }

    /// Makes an error without details.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: String::new(), version: None }
    }

    /// Makes an error from a chain of causes: the outermost is the message, all others are details.
    pub(crate) fn from_chain(code: Code, error: &dyn Error) -> Self {
        let mut causes = Vec::new();
        let mut source = error.source();
        while let Some(cause) = source {
            causes.push(cause.to_string());
            source = cause.source();
        }
        Self::new(code, error.to_string()).with_details(causes.join(": "))
    }

    /// Adds what helps to find the cause.
    #[must_use]
    pub fn with_details(mut self, details: impl Into<String>) -> Self {
        self.details = details.into();
        self
    }

    /// Puts the thing at fault in front of the message.
    pub(crate) fn prefixed(mut self, thing: &str) -> Self {
        self.message = format!("{thing} {}", self.message);
        self
    }

    /// Adds how others say the same.
    pub(crate) fn in_other_words(mut self, words: &str) -> Self {
        self.message = format!("{} ({words})", self.message);
        self
    }

    /// Tells the same under another number.
    pub(crate) fn under(mut self, code: Code) -> Self {
        self.code = code;
        self
    }

    /// Speaks the version of the configuration from here on.
    pub(crate) fn in_version(mut self, version: Version) -> Self {
        self.version.get_or_insert(version);
        self
    }

    /// Returns the message as one line of bounded length.
    pub(crate) fn line(&self) -> String {
        one_line(&self.message, MESSAGE_BYTES_MAX)
    }

    /// Removes the phrases that would turn a failed DEL into a successful one.
    pub(crate) fn for_del(mut self) -> Self {
        for text in [&mut self.message, &mut self.details] {
            for (phrase, instead) in MISLEADING {
                while let Some(at) = text.to_ascii_lowercase().find(phrase) {
                    text.replace_range(at..at + phrase.len(), instead);
                }
            }
        }
        self
    }

    /// Writes the error as JSON.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let wire = Wire {
            cni_version: self.version.unwrap_or(Version::NEWEST).text(),
            code: self.code as u32,
            msg: &self.line(),
            details: &one_line(&self.details, DETAILS_BYTES_MAX),
        };
        serde_json::to_writer(&mut *out, &wire)?;
        out.write_all(b"\n")?;
        out.flush()
    }
}

/// Returns text without control characters, cut to a length.
fn one_line(text: &str, bytes_max: usize) -> String {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut line = String::new();
    for c in clean {
        if line.len() + c.len_utf8() > bytes_max - '…'.len_utf8() {
            line.push('…');
            break;
        }
        line.push(c);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_del_never_sounds_like_success() {
        let error = CniError::new(Code::Config, "the store /x was Not Found")
            .with_details("No such file or directory (os error 2): not found, not found")
            .for_del();
        assert_eq!(error.message, "the store /x was absent");
        assert_eq!(error.details, "missing path (os error 2): absent, absent");
    }

    #[test]
    fn errors_are_one_line_of_bounded_length() {
        let error = CniError::new(Code::Config, "ü\n\u{1b}[1m".repeat(200));
        let mut out = Vec::new();
        error.print(&mut out).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let message = value["msg"].as_str().unwrap();
        assert!(message.len() <= MESSAGE_BYTES_MAX && !message.contains(char::is_control));
        assert_eq!(value["code"], 7);
        assert!(value.get("details").is_none());
    }
}
