//! Builds the expression of a selector from its tokens, by recursive descent.

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::vec::IntoIter;

use super::eval::Expr;
use super::token::Token;
use super::{MAX_NESTING, SelectorError};

/// Builds the expression of a whole selector; no tokens at all select everything.
pub(super) fn expression(tokens: Vec<Token>) -> Result<Expr, SelectorError> {
    if tokens.is_empty() {
        return Ok(Expr::All);
    }
    let mut parser = Parser { tokens: tokens.into_iter().peekable(), open_groups: 0 };
    let root = parser.alternatives()?;
    parser.end()?;
    Ok(root)
}

struct Parser {
    tokens: Peekable<IntoIter<Token>>,
    open_groups: usize,
}

type Parsed = Result<Expr, SelectorError>;

impl Parser {
    fn alternatives(&mut self) -> Parsed {
        self.chain(&Token::Or, Self::conjunction, Expr::Or)
    }

    fn conjunction(&mut self) -> Parsed {
        self.chain(&Token::And, Self::operand, Expr::And)
    }

    // A lone operand stays what it is; only two or more make a group of their own.
    fn chain(
        &mut self,
        joint: &Token,
        operand: fn(&mut Self) -> Parsed,
        group: fn(Vec<Expr>) -> Expr,
    ) -> Parsed {
        let first = operand(self)?;
        if self.tokens.peek() != Some(joint) {
            return Ok(first);
        }
        let mut operands = vec![first];
        while self.take_if(joint) {
            operands.push(operand(self)?);
        }
        Ok(group(operands))
    }

    // Counts `!` instead of recursing: a run may be as long as the text.
    fn operand(&mut self) -> Parsed {
        let mut negated = false;
        while self.take_if(&Token::Not) {
            negated = !negated;
        }
        let operand = self.primary()?;
        Ok(if negated { Expr::Not(Box::new(operand)) } else { operand })
    }

    fn primary(&mut self) -> Parsed {
        match self.take() {
            Token::All => Ok(Expr::All),
            Token::Global => Ok(Expr::Global),
            Token::Has(label) => Ok(Expr::Has(label)),
            Token::Label(label) => self.comparison(label),
            Token::LParen => self.group(),
            other @ (Token::StringLiteral(_)
            | Token::Compare(_)
            | Token::Member(_)
            | Token::And
            | Token::Or
            | Token::Not
            | Token::RParen
            | Token::LBrace
            | Token::RBrace
            | Token::Comma
            | Token::Eof) => Err(SelectorError::UnexpectedToken { token: other.to_string() }),
        }
    }

    fn group(&mut self) -> Parsed {
        if self.open_groups == MAX_NESTING {
            return Err(SelectorError::NestedTooDeeply);
        }
        self.open_groups += 1;
        let inner = self.alternatives()?;
        self.open_groups -= 1;
        self.close(&Token::RParen, |token| SelectorError::UnclosedGroup { token })?;
        Ok(inner)
    }

    fn comparison(&mut self, label: String) -> Parsed {
        let token = self.take();
        if let Token::Compare(comparison) = token {
            let value = self.string()?;
            Ok(Expr::Compare { label, comparison, value })
        } else if let Token::Member(membership) = token {
            let values = self.set()?;
            Ok(Expr::Member { label, membership, values })
        } else if token == Token::Eof {
            Err(SelectorError::BareLabel { label })
        } else {
            Err(SelectorError::NotAComparison { token: token.to_string() })
        }
    }

    fn string(&mut self) -> Result<String, SelectorError> {
        self.take_string()
            .ok_or_else(|| SelectorError::ExpectedString { token: self.take().to_string() })
    }

    fn set(&mut self) -> Result<BTreeSet<String>, SelectorError> {
        self.close(&Token::LBrace, |token| SelectorError::ExpectedSet { token })?;
        let mut values = BTreeSet::new();
        while let Some(value) = self.take_string() {
            values.insert(value);
            if !self.take_if(&Token::Comma) {
                break;
            }
        }
        self.close(&Token::RBrace, |token| SelectorError::UnclosedSet { token })?;
        Ok(values)
    }

    fn end(&mut self) -> Result<(), SelectorError> {
        if self.tokens.peek().is_none() {
            return Ok(());
        }
        let rest = self.tokens.by_ref().chain([Token::Eof]);
        Err(SelectorError::TrailingContent { rest: rest.map(|token| token.to_string()).collect() })
    }

    fn take(&mut self) -> Token {
        self.tokens.next().unwrap_or(Token::Eof)
    }

    fn take_if(&mut self, wanted: &Token) -> bool {
        self.tokens.next_if_eq(wanted).is_some()
    }

    fn take_string(&mut self) -> Option<String> {
        let is_string = |token: &Token| matches!(token, Token::StringLiteral(_));
        match self.tokens.next_if(is_string) {
            Some(Token::StringLiteral(text)) => Some(text),
            _ => None,
        }
    }

    fn close(
        &mut self,
        wanted: &Token,
        otherwise: fn(String) -> SelectorError,
    ) -> Result<(), SelectorError> {
        let token = self.take();
        if token == *wanted { Ok(()) } else { Err(otherwise(token.to_string())) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selector::Selector;

    fn shown(text: &str) -> String {
        match Selector::parse(text) {
            Ok(selector) => selector.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn structure_follows_the_precedence() {
        let table = [
            ("has(a)||has(b)&&has(c)", "(has(a) || (has(b) && has(c)))"),
            ("(has(a)||has(b))&&has(c)", "((has(a) || has(b)) && has(c))"),
            ("has(a)&&has(b)&&has(c)", "(has(a) && has(b) && has(c))"),
            ("has(a)&&(has(b)&&has(c))", "(has(a) && (has(b) && has(c)))"),
            ("!a == 'x' && has(b)", "(!a == \"x\" && has(b))"),
            ("!(a == 'x' && has(b))", "!(a == \"x\" && has(b))"),
            ("(((has(a))))", "has(a)"),
            ("! !\t!has(a)", "!has(a)"),
            ("!!has(a)", "has(a)"),
            ("!(!has(a))", "!!has(a)"),
            ("a in {}", "a in {}"),
            ("a notin {'y', \"x\",'y',}", "a not in {\"x\", \"y\"}"),
        ];
        for (text, expected) in table {
            assert_eq!(shown(text), expected, "{text:?}");
        }
    }

    #[test]
    fn grammar_faults_are_named() {
        let table = [
            ("!", "unexpected token: TokEOF()"),
            ("()", "unexpected token: TokRParen()"),
            ("'x' == a", "unexpected token: TokStringLiteral(x)"),
            ("has(a) && || has(b)", "unexpected token: TokOr()"),
            ("a", "unexpected end of string looking for op"),
            ("all (", "expected == or != not: TokLParen()"),
            ("a 'x'", "expected == or != not: TokStringLiteral(x)"),
            ("a == b", "expected string"),
            ("a ends with {'x'}", "expected string"),
            ("a in 'x'", "expected set literal"),
            ("a not in", "expected set literal"),
            ("a in {,}", "expected }"),
            ("a in {'x',,}", "expected }"),
            ("a in {'x' 'y'}", "expected }"),
            ("a in {'x'", "expected }"),
            ("(has(a)", "expected )"),
            ("(has(a) has(b))", "expected )"),
            (
                "has(a)) && b in",
                "unexpected content at end of selector \
                 [TokRParen() TokAnd() TokLabel(b) TokIn() TokEOF()]",
            ),
        ];
        for (text, expected) in table {
            assert_eq!(shown(text), expected, "{text:?}");
        }
    }

    #[test]
    fn faults_in_cutting_win() {
        assert_eq!(shown(") && a = 'x'"), "expected ==");
        assert_eq!(shown("a == b && 'x"), "unterminated string");
    }

    #[test]
    fn nesting_is_limited() {
        let nested = |depth| format!("{}has(a){}", "!(".repeat(depth), ")".repeat(depth));
        let deepest = Selector::parse(&nested(MAX_NESTING)).unwrap();
        assert_eq!(deepest.to_string(), format!("{}has(a)", "!".repeat(MAX_NESTING)));
        assert_eq!(Selector::parse(&nested(MAX_NESTING + 1)), Err(SelectorError::NestedTooDeeply));
    }

    #[test]
    fn groups_side_by_side_are_not_nested() {
        let text = vec!["(has(a))"; MAX_NESTING * 2].join(" && ");
        assert!(Selector::parse(&text).is_ok());
    }
}
