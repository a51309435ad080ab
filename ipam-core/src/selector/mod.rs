//! The selector language with which pools choose nodes and namespaces.
//!
//! Follows the Calico selector language (libcalico-go/lib/selector): the same texts are accepted
//! and refused, with the same canonical form and the same error texts. The one addition is a limit
//! on nested parentheses, because a stored text must never be able to exhaust the stack.

mod eval;
mod parse;
mod token;

use std::collections::BTreeMap;
use std::fmt;

use eval::Expr;

/// Limits how many parentheses may be open at once in a selector.
///
/// Calico knows no such limit; selectors written by people stay far below it.
pub const MAX_NESTING: usize = 128;

/// Limits the length of a label name in a selector, in bytes.
pub const MAX_LABEL_BYTES: usize = 512;

/// Decides which sets of labels are selected, as parsed from one selector text.
///
/// Two selectors are equal if they have the same structure, whatever blanks, quotes or redundant
/// parentheses they were written with. `Display` prints the canonical form, which is not always a
/// fixed point: `!(!has(a))` prints as `!!has(a)`, and that prints as `has(a)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    root: Expr,
}

impl Selector {
    /// Parses a selector; an empty or blank text selects everything.
    ///
    /// # Errors
    ///
    /// Reports the first fault of the text. A text which cannot be cut into tokens is refused for
    /// that, even if its grammar is wrong at an earlier place.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let tokens = token::cut(text)?;
        let root = parse::expression(tokens)?;
        Ok(Self { root })
    }

    /// Tells whether the selector selects something with these labels.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.root.matches(labels)
    }

    /// Builds the selector which selects everything, `all()`.
    #[must_use]
    pub const fn all() -> Self {
        Self { root: Expr::All }
    }

    /// Tells whether the canonical form is `all()`, as it is for an empty text.
    ///
    /// Other selectors may select everything too (`global()`, `a not in {}`); this does not look
    /// for them.
    #[must_use]
    pub const fn is_all(&self) -> bool {
        matches!(self.root, Expr::All)
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.root.fmt(f)
    }
}

/// Explains why a text is no selector, in the words of Calico.
///
/// Tokens are carried in the notation of those words, for example `TokLabel(zone)`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// Reports a quote without its counterpart.
    #[error("unterminated string")]
    UnterminatedString,

    /// Reports a lone `=`, `&` or `|`.
    #[error("expected {operator}")]
    HalfOperator {
        /// The operator which has the lone character twice.
        operator: &'static str,
    },

    /// Reports a label followed by text which is neither an operator nor punctuation.
    #[error("expected operator after label \"{label}\"")]
    ExpectedOperator {
        /// The label before that text.
        label: String,
    },

    /// Reports a character which begins no token, or `has(` without a label.
    #[error("expected identifier")]
    ExpectedIdentifier,

    /// Reports a label of more than [`MAX_LABEL_BYTES`] bytes.
    #[error("label too long: {label}")]
    LabelTooLong {
        /// The whole label.
        label: String,
    },

    /// Reports a call whose parenthesis does not close where it must.
    #[error("no closing ')' after {opening}")]
    UnclosedCall {
        /// The beginning of the call, for example `has(`.
        opening: &'static str,
    },

    /// Reports a token in the place of an operand.
    #[error("unexpected token: {token}")]
    UnexpectedToken {
        /// The token found there.
        token: String,
    },

    /// Reports a text which ends after a bare label.
    #[error("unexpected end of string looking for op")]
    BareLabel {
        /// The label at the end.
        label: String,
    },

    /// Reports a label followed by a token which compares nothing.
    #[error("expected == or != not: {token}")]
    NotAComparison {
        /// The token after the label.
        token: String,
    },

    /// Reports a comparison without a quoted string on its right.
    #[error("expected string")]
    ExpectedString {
        /// The token found there.
        token: String,
    },

    /// Reports `in` or `not in` without a set on its right.
    #[error("expected set literal")]
    ExpectedSet {
        /// The token found there.
        token: String,
    },

    /// Reports a set which does not close after its last string.
    #[error("expected }}")]
    UnclosedSet {
        /// The token found there.
        token: String,
    },

    /// Reports a parenthesis which does not close after its expression.
    #[error("expected )")]
    UnclosedGroup {
        /// The token found there.
        token: String,
    },

    /// Reports a complete selector with more tokens behind it.
    #[error("unexpected content at end of selector [{}]", .rest.join(" "))]
    TrailingContent {
        /// The tokens left over, the end of the text included.
        rest: Vec<String>,
    },

    /// Reports more than [`MAX_NESTING`] open parentheses.
    #[error("selector has more than {MAX_NESTING} nested parentheses")]
    NestedTooDeeply,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_texts_are_the_all_selector() {
        for text in ["", " ", "\t \t", "all()", "(all( ))", "!!all()"] {
            let selector = Selector::parse(text).unwrap();
            assert!(selector.is_all(), "{text:?}");
            assert_eq!(selector, Selector::all(), "{text:?}");
            assert_eq!(selector.to_string(), "all()", "{text:?}");
            assert!(selector.matches(&BTreeMap::new()), "{text:?}");
        }
        for text in ["global()", "!all()", "all() && all()", "a not in {}"] {
            assert!(!Selector::parse(text).unwrap().is_all(), "{text:?}");
        }
    }

    #[test]
    fn equality_ignores_the_spelling() {
        let spelled = |text| Selector::parse(text).unwrap();
        assert_eq!(spelled("((a=='b'))"), spelled("a == \"b\""));
        assert_eq!(spelled("a in {'y','x','y',}"), spelled("a in {'x', \"y\"}"));
        assert_ne!(spelled("has(a) && has(b)"), spelled("has(b) && has(a)"));
    }

    #[test]
    fn extreme_texts_do_not_exhaust_the_stack() {
        let long = 100_000;
        let nots = format!("{}has(a)", "!".repeat(long));
        let chain = vec!["has(a)"; long].join(" || ");
        for text in [nots, chain] {
            let selector = Selector::parse(&text).unwrap();
            assert!(!selector.matches(&BTreeMap::new()));
            assert_eq!(selector.clone(), selector);
        }
        let deep = format!("{}has(a){}", "!(".repeat(long), ")".repeat(long));
        assert_eq!(Selector::parse(&deep), Err(SelectorError::NestedTooDeeply));
    }
}
