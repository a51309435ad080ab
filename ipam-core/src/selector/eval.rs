//! The expression of a selector: what it matches and how it is printed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Holds an expression whose depth is bounded by the parser.
///
/// Chains are flat lists, so only parentheses add depth, and the methods here may recurse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expr {
    All,
    Global,
    Has(String),
    Compare { label: String, comparison: Comparison, value: String },
    Member { label: String, membership: Membership, values: BTreeSet<String> },
    Not(Box<Self>),
    And(Vec<Self>),
    Or(Vec<Self>),
}

impl Expr {
    pub(super) fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        match self {
            Self::All | Self::Global => true,
            Self::Has(label) => labels.contains_key(label),
            Self::Compare { label, comparison, value } => {
                comparison.holds(labels.get(label), value)
            }
            Self::Member { label, membership, values } => {
                membership.holds(labels.get(label), values)
            }
            Self::Not(operand) => !operand.matches(labels),
            Self::And(operands) => operands.iter().all(|operand| operand.matches(labels)),
            Self::Or(operands) => operands.iter().any(|operand| operand.matches(labels)),
        }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all()"),
            Self::Global => f.write_str("global()"),
            Self::Has(label) => write!(f, "has({label})"),
            Self::Compare { label, comparison, value } => {
                write!(f, "{label} {comparison} {}", Quoted(value))
            }
            Self::Member { label, membership, values } => {
                write!(f, "{label} {membership} {{")?;
                separated(f, values.iter().map(Quoted), ", ")?;
                f.write_str("}")
            }
            Self::Not(operand) => write!(f, "!{operand}"),
            Self::And(operands) => {
                f.write_str("(")?;
                separated(f, operands, " && ")?;
                f.write_str(")")
            }
            Self::Or(operands) => {
                f.write_str("(")?;
                separated(f, operands, " || ")?;
                f.write_str(")")
            }
        }
    }
}

/// Compares the value of a label with one string, bytewise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equals,
    Differs,
    Contains,
    StartsWith,
    EndsWith,
}

impl Comparison {
    // A label which is not there differs from every string and is like none.
    fn holds(self, found: Option<&String>, value: &str) -> bool {
        match self {
            Self::Equals => found.is_some_and(|found| found == value),
            Self::Differs => found.is_none_or(|found| found != value),
            Self::Contains => found.is_some_and(|found| found.contains(value)),
            Self::StartsWith => found.is_some_and(|found| found.starts_with(value)),
            Self::EndsWith => found.is_some_and(|found| found.ends_with(value)),
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Equals => "==",
            Self::Differs => "!=",
            Self::Contains => "contains",
            Self::StartsWith => "starts with",
            Self::EndsWith => "ends with",
        })
    }
}

/// Compares the value of a label with a set of strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Membership {
    In,
    NotIn,
}

impl Membership {
    fn holds(self, found: Option<&String>, values: &BTreeSet<String>) -> bool {
        let is_member = found.is_some_and(|found| values.contains(found));
        match self {
            Self::In => is_member,
            Self::NotIn => !is_member,
        }
    }
}

impl fmt::Display for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::In => "in",
            Self::NotIn => "not in",
        })
    }
}

// The language has no escapes, so a string which itself has a double quote prints as a text that
// cannot be read back.
struct Quoted<'a>(&'a String);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

fn separated<T: fmt::Display>(
    f: &mut fmt::Formatter<'_>,
    items: impl IntoIterator<Item = T>,
    separator: &str,
) -> fmt::Result {
    let mut before = "";
    for item in items {
        write!(f, "{before}{item}")?;
        before = separator;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selector::Selector;

    #[test]
    fn matching_follows_the_rules() {
        let labels = BTreeMap::from([
            ("zone".to_owned(), "north-1".to_owned()),
            ("empty".to_owned(), String::new()),
        ]);
        let table = [
            ("all()", true),
            ("global()", true),
            ("has(zone)", true),
            ("has(empty)", true),
            ("has(Zone)", false),
            ("zone == 'north-1'", true),
            ("zone == 'North-1'", false),
            ("zone != 'north-1'", false),
            ("zone != 'north'", true),
            ("zone contains 'th-'", true),
            ("zone contains ''", true),
            ("zone contains 'south'", false),
            ("zone starts with 'north'", true),
            ("zone starts with 'orth'", false),
            ("zone ends with '-1'", true),
            ("zone ends with '-'", false),
            ("zone in {'x', 'north-1'}", true),
            ("zone in {'x'}", false),
            ("zone in {}", false),
            ("zone not in {'x'}", true),
            ("zone not in {'north-1'}", false),
            ("empty == ''", true),
            ("!zone == 'x'", true),
            ("!(zone == 'north-1')", false),
            ("has(zone) && has(none)", false),
            ("has(none) || has(zone)", true),
            ("has(none) || has(zone) && has(none)", false),
        ];
        for (text, expected) in table {
            let selector = Selector::parse(text).unwrap();
            assert_eq!(selector.matches(&labels), expected, "{text:?}");
        }
    }

    #[test]
    fn absent_labels_match_only_negatives() {
        let table = [
            ("has(a)", false),
            ("a == ''", false),
            ("a contains ''", false),
            ("a starts with ''", false),
            ("a ends with ''", false),
            ("a in {''}", false),
            ("a != ''", true),
            ("a not in {''}", true),
            ("a not in {}", true),
        ];
        for (text, expected) in table {
            let selector = Selector::parse(text).unwrap();
            assert_eq!(selector.matches(&BTreeMap::new()), expected, "{text:?}");
        }
    }

    #[test]
    fn printing_is_canonical() {
        let table = [
            ("a=='x'", "a == \"x\""),
            ("a!=\"it's\"", "a != \"it's\""),
            ("a contains'x'", "a contains \"x\""),
            ("a startswith 'x'", "a starts with \"x\""),
            ("a endswith 'x'", "a ends with \"x\""),
            ("a in{'b','','a'}", "a in {\"\", \"a\", \"b\"}"),
            ("a notin{ }", "a not in {}"),
            ("has( a )", "has(a)"),
            ("global( )", "global()"),
        ];
        for (text, expected) in table {
            let selector = Selector::parse(text).unwrap();
            assert_eq!(selector.to_string(), expected, "{text:?}");
        }
    }
}
