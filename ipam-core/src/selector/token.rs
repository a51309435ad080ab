//! Cuts the text of a selector into tokens.

use std::fmt;

use super::eval::{Comparison, Membership};
use super::{MAX_LABEL_BYTES, SelectorError};

const BLANKS: [char; 2] = [' ', '\t'];

/// Lists the operators made of words, each with the words it is spelled with.
const WORD_OPERATORS: [(&[&str], Token); 5] = [
    (&["contains"], Token::Compare(Comparison::Contains)),
    (&["starts", "with"], Token::Compare(Comparison::StartsWith)),
    (&["ends", "with"], Token::Compare(Comparison::EndsWith)),
    (&["in"], Token::Member(Membership::In)),
    (&["not", "in"], Token::Member(Membership::NotIn)),
];

/// Lists what is spelled with signs; a sign which begins another one comes after it.
const SIGNS: [(&str, Token); 10] = [
    ("==", Token::Compare(Comparison::Equals)),
    ("!=", Token::Compare(Comparison::Differs)),
    ("&&", Token::And),
    ("||", Token::Or),
    ("!", Token::Not),
    ("(", Token::LParen),
    (")", Token::RParen),
    ("{", Token::LBrace),
    ("}", Token::RBrace),
    (",", Token::Comma),
];

/// Cuts a whole text, from the left.
pub(super) fn cut(text: &str) -> Result<Vec<Token>, SelectorError> {
    let mut cutter = Cutter { rest: text };
    let mut tokens = Vec::new();
    loop {
        cutter.skip_blanks();
        if cutter.rest.is_empty() {
            return Ok(tokens);
        }
        let token = match tokens.last() {
            Some(Token::Label(label)) => cutter.after_label(label)?,
            _ => cutter.elsewhere()?,
        };
        tokens.push(token);
    }
}

/// Represents the smallest meaningful piece of a selector.
///
/// `Display` gives the notation which error texts use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Label(String),
    StringLiteral(String),
    Has(String),
    All,
    Global,
    Compare(Comparison),
    Member(Membership),
    And,
    Or,
    Not,
    LParen,
    RParen,
    LBrace,
    RBrace,
    Comma,
    Eof,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, value) = match self {
            Self::Label(label) => ("Label", label.as_str()),
            Self::StringLiteral(text) => ("StringLiteral", text.as_str()),
            Self::Has(label) => ("Has", label.as_str()),
            Self::All => ("All", ""),
            Self::Global => ("Global", ""),
            Self::Compare(Comparison::Equals) => ("Eq", ""),
            Self::Compare(Comparison::Differs) => ("Ne", ""),
            Self::Compare(Comparison::Contains) => ("Contains", ""),
            Self::Compare(Comparison::StartsWith) => ("StartsWith", ""),
            Self::Compare(Comparison::EndsWith) => ("EndsWith", ""),
            Self::Member(Membership::In) => ("In", ""),
            Self::Member(Membership::NotIn) => ("NotIn", ""),
            Self::And => ("And", ""),
            Self::Or => ("Or", ""),
            Self::Not => ("Not", ""),
            Self::LParen => ("LParen", ""),
            Self::RParen => ("RParen", ""),
            Self::LBrace => ("LBrace", ""),
            Self::RBrace => ("RBrace", ""),
            Self::Comma => ("Comma", ""),
            Self::Eof => ("EOF", ""),
        };
        write!(f, "Tok{name}({value})")
    }
}

struct Cutter<'a> {
    rest: &'a str,
}

impl Cutter<'_> {
    // Only here are words operators: everywhere else they are labels, so that a label may be
    // called `in`.
    fn after_label(&mut self, label: &str) -> Result<Token, SelectorError> {
        if let Some(token) = self.word_operator() {
            return Ok(token);
        }
        self.quoted_or_sign()?
            .ok_or_else(|| SelectorError::ExpectedOperator { label: label.to_owned() })
    }

    fn elsewhere(&mut self) -> Result<Token, SelectorError> {
        if let Some(token) = self.quoted_or_sign()? {
            return Ok(token);
        }
        if let Some(token) = self.call()? {
            return Ok(token);
        }
        self.label().map(Token::Label)
    }

    fn word_operator(&mut self) -> Option<Token> {
        let (rest, token) = WORD_OPERATORS.into_iter().find_map(|(words, token)| {
            let rest = words.iter().try_fold(self.rest, |rest, word| {
                Some(rest.strip_prefix(word)?.trim_start_matches(BLANKS))
            })?;
            // `inside` is not `in`, and a label cannot be the right side of an operator.
            (!rest.starts_with(is_label_char)).then_some((rest, token))
        })?;
        self.rest = rest;
        Some(token)
    }

    fn quoted_or_sign(&mut self) -> Result<Option<Token>, SelectorError> {
        for quote in ['\'', '"'] {
            if let Some(quoted) = self.rest.strip_prefix(quote) {
                let (text, rest) =
                    quoted.split_once(quote).ok_or(SelectorError::UnterminatedString)?;
                self.rest = rest;
                return Ok(Some(Token::StringLiteral(text.to_owned())));
            }
        }
        for (sign, token) in SIGNS {
            if self.skip(sign) {
                return Ok(Some(token));
            }
        }
        for (half, operator) in [('=', "=="), ('&', "&&"), ('|', "||")] {
            if self.rest.starts_with(half) {
                return Err(SelectorError::HalfOperator { operator });
            }
        }
        Ok(None)
    }

    fn call(&mut self) -> Result<Option<Token>, SelectorError> {
        let (opening, token) = if self.skip("has(") {
            self.skip_blanks();
            ("has(", Token::Has(self.label()?))
        } else if self.skip("all(") {
            ("all(", Token::All)
        } else if self.skip("global(") {
            ("global(", Token::Global)
        } else {
            return Ok(None);
        };
        self.skip_blanks();
        if self.skip(")") { Ok(Some(token)) } else { Err(SelectorError::UnclosedCall { opening }) }
    }

    fn label(&mut self) -> Result<String, SelectorError> {
        let end = self.rest.find(|c| !is_label_char(c)).unwrap_or(self.rest.len());
        let (label, rest) =
            self.rest.split_at_checked(end).ok_or(SelectorError::ExpectedIdentifier)?;
        if label.is_empty() {
            return Err(SelectorError::ExpectedIdentifier);
        }
        let label = label.to_owned();
        if label.len() > MAX_LABEL_BYTES {
            return Err(SelectorError::LabelTooLong { label });
        }
        self.rest = rest;
        Ok(label)
    }

    fn skip(&mut self, sign: &str) -> bool {
        let rest = self.rest.strip_prefix(sign);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches(BLANKS);
    }
}

fn is_label_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        match cut(text) {
            Ok(tokens) => {
                let tokens: Vec<_> = tokens.iter().map(ToString::to_string).collect();
                tokens.join(" ")
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn texts_are_cut_into_tokens() {
        let table = [
            (" \t", ""),
            ("a=='x'", "TokLabel(a) TokEq() TokStringLiteral(x)"),
            ("a != \"it's\"", "TokLabel(a) TokNe() TokStringLiteral(it's)"),
            ("a == '\n'", "TokLabel(a) TokEq() TokStringLiteral(\n)"),
            ("-./_9Z,", "TokLabel(-./_9Z) TokComma()"),
            ("!(&&||)", "TokNot() TokLParen() TokAnd() TokOr() TokRParen()"),
            ("in {}", "TokLabel(in) TokLBrace() TokRBrace()"),
            ("in in{", "TokLabel(in) TokIn() TokLBrace()"),
            ("a not \t in{", "TokLabel(a) TokNotIn() TokLBrace()"),
            ("a notin", "TokLabel(a) TokNotIn()"),
            ("not not in", "TokLabel(not) TokNotIn()"),
            ("a startswith'", "unterminated string"),
            ("a starts\twith''", "TokLabel(a) TokStartsWith() TokStringLiteral()"),
            ("a ends with(", "TokLabel(a) TokEndsWith() TokLParen()"),
            ("a endswith", "TokLabel(a) TokEndsWith()"),
            ("a contains contains", "expected operator after label \"a\""),
            ("contains contains", "TokLabel(contains) TokContains()"),
            ("has(\tb )all( )global()", "TokHas(b) TokAll() TokGlobal()"),
            ("hash(a)", "TokLabel(hash) TokLParen() TokLabel(a) TokRParen()"),
            ("has (a)", "TokLabel(has) TokLParen() TokLabel(a) TokRParen()"),
        ];
        for (text, expected) in table {
            assert_eq!(shown(text), expected, "{text:?}");
        }
    }

    #[test]
    fn texts_which_cannot_be_cut_are_refused() {
        let table = [
            ("'x", "unterminated string"),
            ("a == \"x'", "unterminated string"),
            ("a = 'x'", "expected =="),
            ("a &", "expected &&"),
            ("a |& b", "expected ||"),
            ("a b", "expected operator after label \"a\""),
            ("a has(b)", "expected operator after label \"a\""),
            ("a inside 'x'", "expected operator after label \"a\""),
            ("a not 'x'", "expected operator after label \"a\""),
            ("a\n", "expected operator after label \"a\""),
            ("a \u{fc}", "expected operator after label \"a\""),
            ("\u{fc}", "expected identifier"),
            ("\n", "expected identifier"),
            ("has()", "expected identifier"),
            ("has( ", "expected identifier"),
            ("has(a b)", "no closing ')' after has("),
            ("all(a)", "no closing ')' after all("),
            ("global(", "no closing ')' after global("),
        ];
        for (text, expected) in table {
            assert_eq!(shown(text), expected, "{text:?}");
        }
    }

    #[test]
    fn labels_are_limited_in_length() {
        let longest = "x".repeat(MAX_LABEL_BYTES);
        assert_eq!(shown(&longest), format!("TokLabel({longest})"));
        let longer = "x".repeat(MAX_LABEL_BYTES + 1);
        let refused = format!("label too long: {longer}");
        assert_eq!(shown(&longer), refused);
        assert_eq!(shown(&format!("has({longer}")), refused);
    }
}
