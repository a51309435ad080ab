//! Blocks letter by letter, as Calico writes them.
//!
//! Every request reads and writes a block, and most of a block are two lists with an entry for each address. What any
//! program may write is read through serde; what Calico writes, always in this form, is read here in a fraction of the
//! time, and all blocks are written here.

use std::collections::BTreeMap;
use std::mem;

use crate::ip::Ordinal;
use crate::model::Timestamp;
use crate::model::json::{Unknown, append, by_text};

use super::cursor::Cursor;
use super::fault::size_of;
use super::record::Outline;
use super::{Block, Record};

const LIST: [u8; 2] = [b'[', b']'];
const MAP: [u8; 2] = [b'{', b'}'];
const NULL: &str = "null";
const ALLOCATIONS: &str = r#","allocations":"#;
const ATTRIBUTES: &str = r#","attributes":"#;

/// Reads a block that is written exactly as Calico does; `None` does not mean that it is wrong.
///
/// Whatever it takes is read the same through serde. The rules of a block are not checked.
pub(super) fn read(text: &str) -> Option<Block> {
    let mut cursor = Cursor::new(text);
    let block = block(&mut cursor)?;
    cursor.is_at_end().then_some(block)
}

fn block(cursor: &mut Cursor<'_>) -> Option<Block> {
    cursor.eat(r#"{"cidr":"#)?;
    let cidr = cursor.text()?.parse().ok()?;
    cursor.eat(r#","affinity":"#)?;
    let affinity = match cursor.eat(NULL) {
        Some(()) => None,
        None => Some(cursor.text()?.to_owned()),
    };
    let affinity_claim_time = match cursor.eat(r#","affinity_claim_time":"#) {
        Some(()) => Some(cursor.text()?.parse().ok()?),
        None => None,
    };
    cursor.eat(ALLOCATIONS)?;
    let allocations = allocations(cursor, size_of(&cidr).ok()?)?;
    cursor.eat(r#","unallocated":"#)?;
    let free = allocations.iter().filter(|allocation| allocation.is_none()).count();
    let unallocated = list(cursor, free, |cursor| index(cursor).and_then(Ordinal::new))?;
    cursor.eat(ATTRIBUTES)?;
    let attributes = match cursor.eat(NULL) {
        Some(()) => None,
        None => Some(list(cursor, 0, Record::read_written)?),
    };
    let (sequence_number, sequence_number_for_allocation) = end(cursor)?;
    Some(Block {
        cidr,
        affinity,
        affinity_claim_time,
        allocations,
        unallocated,
        attributes,
        sequence_number,
        sequence_number_for_allocation,
        deleted: false,
        host_affinity: None,
        unknown: Unknown::new(),
    })
}

/// Reads what comes after the records: the sequence numbers of the block and of its addresses.
fn end(cursor: &mut Cursor<'_>) -> Option<(u64, Option<BTreeMap<Ordinal, u64>>)> {
    cursor.eat(r#","sequenceNumber":"#)?;
    let sequence_number = cursor.number()?;
    cursor.eat(r#","sequenceNumberForAllocation":"#)?;
    let of_addresses = match cursor.eat(NULL) {
        Some(()) => None,
        None => Some(sequence_numbers(cursor)?),
    };
    cursor.eat(r#","deleted":false}"#)?;
    Some((sequence_number, of_addresses))
}

fn allocations(cursor: &mut Cursor<'_>, expected: usize) -> Option<Vec<Option<usize>>> {
    let mut allocations = Vec::with_capacity(expected);
    cursor.each(LIST, |cursor| {
        let index = match cursor.eat(NULL) {
            Some(()) => None,
            None => Some(index(cursor)?),
        };
        allocations.push(index);
        Some(())
    })?;
    Some(allocations)
}

/// Reads a list of about this many items.
fn list<'t, T>(
    cursor: &mut Cursor<'t>,
    expected: usize,
    item: impl Fn(&mut Cursor<'t>) -> Option<T>,
) -> Option<Vec<T>> {
    let mut items = Vec::with_capacity(expected);
    cursor.each(LIST, |cursor| {
        items.push(item(cursor)?);
        Some(())
    })?;
    Some(items)
}

fn index(cursor: &mut Cursor<'_>) -> Option<usize> {
    usize::try_from(cursor.number()?).ok()
}

fn sequence_numbers(cursor: &mut Cursor<'_>) -> Option<BTreeMap<Ordinal, u64>> {
    let mut numbers = BTreeMap::new();
    cursor.each(MAP, |cursor| {
        cursor.eat("\"")?;
        let ordinal = index(cursor).and_then(Ordinal::new)?;
        cursor.eat("\":")?;
        numbers.insert(ordinal, cursor.number()?);
        Some(())
    })?;
    Some(numbers)
}

impl Record {
    fn read_written(cursor: &mut Cursor<'_>) -> Option<Self> {
        let (text, outline) = outlined(cursor)?;
        Some(Self::of_checked(text, outline))
    }
}

/// Reads a record that is written exactly as Calico does: each member at most once and in its order.
fn outlined<'t>(cursor: &mut Cursor<'t>) -> Option<(&'t str, Outline)> {
    let start = *cursor;
    let mut outline = Outline::default();
    let mut last = 0;
    cursor.each(MAP, |cursor| {
        let name = cursor.text()?;
        cursor.eat(":")?;
        let place = match name {
            "handle_id" => {
                let from = cursor.at() - start.at() + 1;
                outline.handle = Some(from..from + cursor.text()?.len());
                1
            }
            "secondary" => pairs(cursor).map(|()| 2)?,
            "alternateOwnerAttrs" => pairs(cursor).map(|()| 3)?,
            "releasedAt" => {
                cursor.text()?.parse::<Timestamp>().ok()?;
                outline.is_cooling = true;
                4
            }
            _ => return None,
        };
        (place > mem::replace(&mut last, place)).then_some(())
    })?;
    Some((start.until(cursor)?, outline))
}

fn pairs(cursor: &mut Cursor<'_>) -> Option<()> {
    cursor.each(MAP, |cursor| {
        cursor.text()?;
        cursor.eat(":")?;
        cursor.text().map(|_| ())
    })
}

/// Writes a block.
pub(super) fn write(block: &Block) -> Vec<u8> {
    let mut out = Vec::with_capacity(length_of(block));
    out.extend_from_slice(br#"{"cidr":""#);
    out.extend_from_slice(block.cidr.to_string().as_bytes());
    out.extend_from_slice(br#"","affinity":"#);
    append(&mut out, &block.affinity);
    if let Some(time) = &block.affinity_claim_time {
        out.extend_from_slice(br#","affinity_claim_time":""#);
        out.extend_from_slice(time.to_string().as_bytes());
        out.push(b'"');
    }
    out.extend_from_slice(ALLOCATIONS.as_bytes());
    write_all(&mut out, LIST, &block.allocations, |out, allocation| match allocation {
        Some(index) => write_index(out, *index),
        None => out.extend_from_slice(NULL.as_bytes()),
    });
    out.extend_from_slice(br#","unallocated":"#);
    write_all(&mut out, LIST, &block.unallocated, |out, ordinal| {
        write_index(out, ordinal.index());
    });
    out.extend_from_slice(ATTRIBUTES.as_bytes());
    match &block.attributes {
        Some(records) => write_all(&mut out, LIST, records, |out, record| {
            out.extend_from_slice(record.text().as_bytes());
        }),
        None => out.extend_from_slice(NULL.as_bytes()),
    }
    out.extend_from_slice(br#","sequenceNumber":"#);
    append(&mut out, &block.sequence_number);
    out.extend_from_slice(br#","sequenceNumberForAllocation":"#);
    match &block.sequence_number_for_allocation {
        Some(numbers) => write_all(&mut out, MAP, by_text(numbers), |out, (ordinal, number)| {
            out.push(b'"');
            write_index(out, ordinal.index());
            out.extend_from_slice(b"\":");
            append(out, number);
        }),
        None => out.extend_from_slice(NULL.as_bytes()),
    }
    out.extend_from_slice(br#","deleted":"#);
    append(&mut out, &block.deleted);
    if let Some(host) = &block.host_affinity {
        out.extend_from_slice(br#","hostAffinity":"#);
        append(&mut out, host);
    }
    for (name, value) in &block.unknown {
        out.push(b',');
        append(&mut out, name);
        out.push(b':');
        append(&mut out, value);
    }
    out.push(b'}');
    out
}

/// Returns about how many bytes a block takes.
fn length_of(block: &Block) -> usize {
    const FRAME: usize = 300;
    const PER_ADDRESS: usize = 6;
    const PER_NUMBER: usize = 30;
    let records = block.records().iter().map(|record| record.text().len() + 1).sum::<usize>();
    let numbers = block.sequence_number_for_allocation.as_ref().map_or(0, BTreeMap::len);
    let addresses = block.allocations.len() + block.unallocated.len();
    FRAME + addresses * PER_ADDRESS + numbers * PER_NUMBER + records
}

fn write_all<T>(
    out: &mut Vec<u8>,
    [open, close]: [u8; 2],
    items: impl IntoIterator<Item = T>,
    write: impl Fn(&mut Vec<u8>, T),
) {
    out.push(open);
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(close);
}

/// Writes a number, of which nearly all have one or two digits.
fn write_index(out: &mut Vec<u8>, number: usize) {
    match u8::try_from(number) {
        Ok(digit @ 0..10) => out.push(b'0' + digit),
        Ok(digits @ 10..100) => out.extend_from_slice(&[b'0' + digits / 10, b'0' + digits % 10]),
        Ok(_) | Err(_) => append(out, &number),
    }
}

#[cfg(test)]
mod tests {
    use super::super::examples::{FRESH, USED};
    use super::*;

    /// What a block is read as by whoever knows all of JSON.
    fn read_as_any(text: &str) -> Option<Block> {
        serde_json::from_str(text).ok()
    }

    #[test]
    fn what_calico_writes_is_read_here() {
        let unaffine = FRESH.replace(r#""host:node-a""#, "null");
        let old = FRESH.replace(r#","affinity_claim_time":"2026-08-22T10:15:30Z""#, "");
        let full = USED.replace("[3,4,5,6,7]", "[]").replace("\"2\":", "\"10\":");
        let lost = USED.replace(r#""secondary":{"node":"node-a","type":"ipipTunnelAddress"}"#, r#""secondary":{},"alternateOwnerAttrs":{"pod":"ü"},"releasedAt":"2026-08-22T10:20:00Z""#);
        let bare = USED.replace(r#"{"releasedAt":"2026-08-22T10:20:00Z"}"#, "{}");
        for text in [FRESH, USED, &unaffine, &old, &full, &lost, &bare] {
            let block = read(text).expect(text);
            let other = read_as_any(text).expect(text);
            assert_eq!(block, other, "{text}");
            for (record, other) in block.records().iter().zip(other.records()) {
                assert_eq!(record.handle_id(), other.handle_id(), "{text}");
                assert_eq!(record.released_at(), other.released_at(), "{text}");
            }
            assert_eq!(String::from_utf8(write(&block)).unwrap(), text);
        }
    }

    #[test]
    fn what_is_written_otherwise_is_left_to_others() {
        for (what, text) in [
            ("a space", USED.replace(",\"unallocated\"", ", \"unallocated\"")),
            ("a space in front", [" ", USED].concat()),
            ("a newline behind", [USED, "\n"].concat()),
            ("another order", USED.replace("cidr", "x").replace("affinity\"", "cidr\"")),
            ("an escape", USED.replace("web-0", r"web\u002d0")),
            ("an unknown member", USED.replace(",\"deleted\":", ",\"new\":1,\"deleted\":")),
            ("an old member", USED.replace("false}", "false,\"hostAffinity\":\"x\"}")),
            ("deleted", USED.replace("false}", "true}")),
            ("a member of a record", USED.replace("\"secondary\":{\"node\"", "\"new\":{\"node\"")),
            (
                "a record's members swapped",
                USED.replace(
                    r#""releasedAt":"2026-08-22T10:20:00Z""#,
                    r#""secondary":{},"handle_id":"h""#,
                ),
            ),
            (
                "a member twice",
                USED.replace(
                    r#""releasedAt":"2026-08-22T10:20:00Z""#,
                    r#""secondary":{},"secondary":{}"#,
                ),
            ),
            (
                "a null in a record",
                USED.replace(r#"{"releasedAt":"2026-08-22T10:20:00Z"}"#, r#"{"handle_id":null}"#),
            ),
            ("a time that is none", USED.replace("10:20:00Z", "10:20")),
            ("a signed ordinal", USED.replace("{\"0\":", "{\"+0\":")),
            ("a zero in front", USED.replace("[3,4", "[03,4")),
            ("a double", USED.replace("[3,4", "[3.0,4")),
            ("no ordinal", USED.replace("[3,4", "[4096,4")),
            ("cut off", USED.chars().take(600).collect()),
            ("nothing", String::new()),
        ] {
            assert_eq!(read(&text), None, "{what}: {text}");
        }
    }

    /// Whatever is changed in a text, it is either left to others, or read as others would.
    #[test]
    fn nothing_is_read_that_others_would_read_otherwise() {
        let odd = [
            "", "\"", "\\", "0", "9", "-", ".", "e", ",", ":", "{", "}", "[", "]", " ", "null",
            "\u{1}", "ü",
        ];
        let mut taken = 0;
        for text in [FRESH, USED] {
            for at in 0..text.len() {
                for put in odd {
                    for length in [0, 1, 4] {
                        let (Some(front), Some(back)) = (text.get(..at), text.get(at + length..))
                        else {
                            continue;
                        };
                        let changed = [front, put, back].concat();
                        if let Some(block) = read(&changed) {
                            taken += 1;
                            assert_eq!(Some(block), read_as_any(&changed), "{changed}");
                        }
                    }
                }
            }
        }
        assert!(taken > 1000, "{taken} of the changed texts are still in Calico's form");
    }
}
