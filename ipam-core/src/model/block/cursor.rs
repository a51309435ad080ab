//! A place in a text that is read from left to right.

/// The text from a place on.
///
/// It knows JSON without spaces, escapes, signs and fractions: what Calico writes. Every step returns `None`
/// where something else stands there, and then the place is good for nothing any more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Cursor<'t> {
    /// Starts at the beginning of a text.
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// Returns how many bytes lie behind.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Says whether nothing is left.
    pub(super) fn is_at_end(&self) -> bool {
        self.at == self.text.len()
    }

    /// Returns what lies between this place and a later one of the same text.
    pub(super) fn until(&self, later: &Self) -> Option<&'t str> {
        self.text.get(self.at..later.at)
    }

    /// Passes over exactly this; where something else stands there, the place stays.
    #[inline]
    pub(super) fn eat(&mut self, literal: &str) -> Option<()> {
        let is_there = self.rest().starts_with(literal.as_bytes());
        is_there.then(|| self.at += literal.len())
    }

    /// Reads an unsigned number of at most 64 bits.
    #[inline]
    pub(super) fn number(&mut self) -> Option<u64> {
        let (start, mut number) = (self.at, 0_u64);
        while let Some(digit @ b'0'..=b'9') = self.byte() {
            number = number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
            self.at += 1;
        }
        // JSON knows no zeros in front.
        let is_padded = self.text.as_bytes().get(start) == Some(&b'0') && self.at > start + 1;
        (self.at > start && !is_padded).then_some(number)
    }

    /// Reads a text in which nothing is escaped.
    #[inline]
    pub(super) fn text(&mut self) -> Option<&'t str> {
        self.step_over(b'"')?;
        let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..b' ');
        let length = self.rest().iter().position(is_special)?;
        let text = self.text.get(self.at..self.at + length)?;
        self.at += length;
        self.step_over(b'"')?;
        Some(text)
    }

    /// Reads items with commas between them, from an opening bracket to a closing one.
    #[inline]
    pub(super) fn each(
        &mut self,
        [open, close]: [u8; 2],
        mut item: impl FnMut(&mut Self) -> Option<()>,
    ) -> Option<()> {
        self.step_over(open)?;
        if self.step_over(close).is_some() {
            return Some(());
        }
        loop {
            item(self)?;
            if self.step_over(b',').is_none() {
                return self.step_over(close);
            }
        }
    }

    #[inline]
    fn rest(&self) -> &'t [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    #[inline]
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    fn step_over(&mut self, byte: u8) -> Option<()> {
        (self.byte() == Some(byte)).then(|| self.at += 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_numbers_are_read() {
        for (text, number, rest) in [
            ("0", Some(0), ""),
            ("7,8", Some(7), ",8"),
            ("999999999999999999]", Some(999_999_999_999_999_999), "]"),
            ("18446744073709551615", Some(u64::MAX), ""),
            ("18446744073709551616", None, ""),
            ("1.5", Some(1), ".5"),
            ("1e3", Some(1), "e3"),
            ("00", None, ""),
            ("01", None, ""),
            ("-1", None, ""),
            ("+1", None, ""),
            ("", None, ""),
            ("null", None, ""),
        ] {
            let mut cursor = Cursor::new(text);
            assert_eq!(cursor.number(), number, "{text}");
            assert!(number.is_none() || cursor.rest() == rest.as_bytes(), "{text}");
        }
    }

    #[test]
    fn only_plain_texts_are_read() {
        for (json, text) in [
            (r#""""#, Some("")),
            (r#""a b<ü>""#, Some("a b<ü>")),
            (r#""a\"b""#, None),
            (r#""a\u003c""#, None),
            ("\"a\nb\"", None),
            (r#""a"#, None),
            ("a", None),
            ("", None),
        ] {
            let mut cursor = Cursor::new(json);
            assert_eq!(cursor.text(), text, "{json}");
            assert_eq!(text.is_some(), cursor.is_at_end() && !json.is_empty(), "{json}");
        }
    }

    #[test]
    fn items_stand_between_brackets_and_commas() {
        for (text, numbers) in [
            ("[]", Some(vec![])),
            ("[1]", Some(vec![1])),
            ("[1,2]", Some(vec![1, 2])),
            ("[1,]", None),
            ("[,1]", None),
            ("[1 ,2]", None),
            ("[1,2", None),
            ("[1}", None),
            ("{1}", None),
            ("", None),
        ] {
            let mut read = Vec::new();
            let is_read = Cursor::new(text).each([b'[', b']'], |cursor| {
                read.push(cursor.number()?);
                Some(())
            });
            assert_eq!(is_read.map(|()| read), numbers, "{text}");
        }
    }

    #[test]
    fn what_lies_between_two_places_is_returned() {
        let start = Cursor::new("{}]");
        let mut end = start;
        end.eat("{}").unwrap();
        assert_eq!(start.until(&end), Some("{}"));
        assert_eq!(end.until(&start), None);
    }
}
