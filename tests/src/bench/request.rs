//! A transaction as it was seen on its way to etcd, and the same in the words of etcd's client.
//!
//! As much of protocol buffers as etcd's `TxnRequest` takes. What is not known here is not left out but refused, so that a
//! reference never sends less than what it is the reference for.

use etcd_client::{Compare, CompareOp, GetOptions, Txn, TxnOp};

/// A revision that is never reached here, and takes three bytes, as revisions between 16,384 and 2,097,151 do.
const NEVER: i64 = 2_097_151;

/// What becomes of the compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compares {
    /// They are as they were.
    Recorded,
    /// Each asks of the same key or range whether it is older than a revision that is never reached, or of the same key
    /// whether it has another value than one as long, which it has.
    True,
    /// There are none.
    Absent,
}

/// Reads the bytes of a `TxnRequest`; `None` where there is something in it that is not known here.
#[must_use]
pub fn decode(bytes: &[u8], compares: Compares) -> Option<Txn> {
    let (mut when, mut then, mut otherwise) = (Vec::new(), Vec::new(), Vec::new());
    for field in Fields(bytes) {
        match field? {
            (1, Value::Bytes(_)) if compares == Compares::Absent => {}
            (1, Value::Bytes(bytes)) => when.push(compare(bytes, compares)?),
            (2, Value::Bytes(bytes)) => then.push(op(bytes)?),
            (3, Value::Bytes(bytes)) => otherwise.push(op(bytes)?),
            _ => return None,
        }
    }
    Some(Txn::new().when(when).and_then(then).or_else(otherwise))
}

/// Returns the numbers of compares, of writes and reads if they hold, and of reads otherwise.
#[must_use]
pub fn shape(bytes: &[u8]) -> [usize; 3] {
    let count = |wanted| Fields(bytes).flatten().filter(|(field, _)| *field == wanted).count();
    [count(1), count(2), count(3)]
}

/// Returns the key of the first write, `None` where nothing is written.
#[must_use]
pub fn first_put(bytes: &[u8]) -> Option<String> {
    let ops = Fields(bytes).flatten().filter(|(field, _)| *field == 2);
    let key = ops
        .filter_map(|(_, op)| Fields(op.bytes()?).flatten().find(|(field, _)| *field == 2))
        .find_map(|(_, put)| Fields(put.bytes()?).flatten().find(|(field, _)| *field == 1))?;
    String::from_utf8(key.1.bytes()?.to_vec()).ok()
}

fn compare(bytes: &[u8], compares: Compares) -> Option<Compare> {
    let (mut result, mut target, mut key, mut end) = (0, 0, None, None);
    let (mut revision, mut value) = (None, None);
    for field in Fields(bytes) {
        match field? {
            (1, Value::Number(number)) => result = number,
            (2, Value::Number(number)) => target = number,
            (3, Value::Bytes(bytes)) => key = Some(bytes),
            (6, Value::Number(number)) => revision = Some(i64::try_from(number).ok()?),
            (7, Value::Bytes(bytes)) => value = Some(bytes),
            (64, Value::Bytes(bytes)) => end = Some(bytes),
            _ => return None,
        }
    }
    let result = match result {
        0 => CompareOp::Equal,
        1 => CompareOp::Greater,
        2 => CompareOp::Less,
        3 => CompareOp::NotEqual,
        _ => return None,
    };
    let compare = match (target, revision, value) {
        (2, Some(_), None) if compares == Compares::True => {
            Compare::mod_revision(key?, CompareOp::Less, NEVER)
        }
        (2, Some(revision), None) => Compare::mod_revision(key?, result, revision),
        (3, None, Some(value)) if compares == Compares::True => {
            Compare::value(key?, CompareOp::NotEqual, other(value))
        }
        (3, None, Some(value)) => Compare::value(key?, result, value),
        _ => return None,
    };
    Some(match end {
        Some(end) => compare.with_range(end),
        None => compare,
    })
}

/// Returns a value of the same length that differs at its end.
fn other(value: &[u8]) -> Vec<u8> {
    let mut other = value.to_vec();
    if let Some(last) = other.last_mut() {
        *last ^= 1;
    }
    other
}

fn op(bytes: &[u8]) -> Option<TxnOp> {
    let mut fields = Fields(bytes);
    match fields.next()?? {
        (1, Value::Bytes(range)) => get(range),
        (2, Value::Bytes(put)) => {
            let [key, value] = texts(put, [1, 2])?;
            Some(TxnOp::put(key, value, None))
        }
        (3, Value::Bytes(delete)) => {
            let [key, end] = texts(delete, [1, 2])?;
            end.is_empty().then(|| TxnOp::delete(key, None))
        }
        _ => None,
    }
}

fn get(bytes: &[u8]) -> Option<TxnOp> {
    let mut options = GetOptions::new();
    let mut key: &[u8] = &[];
    for field in Fields(bytes) {
        match field? {
            (1, Value::Bytes(bytes)) => key = bytes,
            (2, Value::Bytes(end)) => options = options.with_range(end),
            (3, Value::Number(limit)) => options = options.with_limit(i64::try_from(limit).ok()?),
            (8, Value::Number(1)) => options = options.with_keys_only(),
            (9, Value::Number(1)) => options = options.with_count_only(),
            _ => return None,
        }
    }
    Some(TxnOp::get(key, Some(options)))
}

/// Returns the texts of two fields, empty where they are missing; `None` where there is another field.
fn texts(bytes: &[u8], [first, second]: [u64; 2]) -> Option<[&[u8]; 2]> {
    let mut texts: [&[u8]; 2] = [&[], &[]];
    for field in Fields(bytes) {
        let (number, value) = field?;
        let at = [first, second].iter().position(|wanted| *wanted == number)?;
        *texts.get_mut(at)? = value.bytes()?;
    }
    Some(texts)
}

#[derive(Clone, Copy)]
enum Value<'b> {
    Number(u64),
    Bytes(&'b [u8]),
}

impl<'b> Value<'b> {
    fn bytes(self) -> Option<&'b [u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            Self::Number(_) => None,
        }
    }
}

/// The fields of a message, in their order: numbers and values. Ends with `None` at what cannot be read.
struct Fields<'b>(&'b [u8]);

impl<'b> Iterator for Fields<'b> {
    type Item = Option<(u64, Value<'b>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'b> Fields<'b> {
    fn field(&mut self) -> Option<(u64, Value<'b>)> {
        let tag = self.number()?;
        let value = match tag & 7 {
            0 => Value::Number(self.number()?),
            2 => {
                let length = usize::try_from(self.number()?).ok()?;
                let (bytes, rest) = self.0.split_at_checked(length)?;
                self.0 = rest;
                Value::Bytes(bytes)
            }
            _ => return None,
        };
        Some((tag >> 3, value))
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A compare that `k` has revision 300, a put of `k`, a count of `k` to `l` otherwise.
    const SENT: &[u8] = &[
        0x0a, 0x08, 0x10, 2, 0x1a, 1, b'k', 0x30, 0xac, 2, //
        0x12, 0x08, 0x12, 6, 0x0a, 1, b'k', 0x12, 1, b'v', //
        0x1a, 0x0a, 0x0a, 8, 0x0a, 1, b'k', 0x12, 1, b'l', 0x48, 1,
    ];

    #[test]
    fn a_transaction_is_read_whole_or_not_at_all() {
        let then = [TxnOp::put("k", "v", None)];
        let count = GetOptions::new().with_range("l").with_count_only();
        let expected = |when| {
            let otherwise = [TxnOp::get("k", Some(count.clone()))];
            let txn = Txn::new().when([when]).and_then(then.clone()).or_else(otherwise);
            format!("{txn:?}")
        };
        for (compares, when) in [
            (Compares::Recorded, Compare::mod_revision("k", CompareOp::Equal, 300)),
            (Compares::True, Compare::mod_revision("k", CompareOp::Less, NEVER)),
        ] {
            let txn = decode(SENT, compares).unwrap();
            assert_eq!(format!("{txn:?}"), expected(when));
        }
        assert_eq!(shape(SENT), [1, 1, 1]);
        assert_eq!(first_put(SENT).as_deref(), Some("k"));
        for length in (1..SENT.len()).filter(|length| ![10, 20].contains(length)) {
            assert!(decode(&SENT[..length], Compares::Recorded).is_none(), "{length}");
        }
    }

    #[test]
    fn what_is_not_known_is_not_left_out() {
        assert!(decode(&[0x22, 0], Compares::Recorded).is_none(), "an unknown list");
        assert!(decode(&[0x12, 2, 0x22, 0], Compares::Recorded).is_none(), "a nested transaction");
    }
}
