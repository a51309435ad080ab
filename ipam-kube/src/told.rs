//! What a library says of its errors, said once.

use std::error::Error;

use thiserror::Error;

/// A chain of causes as one text, in which no cause is repeated by the one above it.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct Told(String);

impl Told {
    /// Tells an error and its causes.
    pub(crate) fn by(error: &(dyn Error + 'static)) -> Self {
        let texts: Vec<String> = chain(error).iter().map(ToString::to_string).collect();
        let mut told: Vec<&str> = Vec::new();
        for (at, text) in texts.iter().enumerate() {
            let below = texts.get(at + 1).map_or("", String::as_str);
            let own = text.strip_suffix(below).unwrap_or(text).trim_end_matches([':', ' ']);
            if !own.is_empty() {
                told.push(own);
            }
        }
        Self(told.join(": "))
    }

    /// Tells what was seen.
    pub(crate) fn as_seen(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

/// Returns an error and its causes.
pub(crate) fn chain<'a>(error: &'a (dyn Error + 'static)) -> Vec<&'a (dyn Error + 'static)> {
    let mut causes = vec![error];
    let mut source = error.source();
    while let Some(cause) = source {
        causes.push(cause);
        source = cause.source();
    }
    causes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Error)]
    #[error("the outer: {0}")]
    struct Outer(#[source] Inner);
    #[derive(Debug, Error)]
    #[error("the inner")]
    struct Inner(#[source] std::fmt::Error);

    #[test]
    fn nothing_is_said_twice() {
        let told = Told::by(&Outer(Inner(std::fmt::Error))).to_string();
        assert_eq!(told, format!("the outer: the inner: {}", std::fmt::Error));
    }
}
