//! What is remembered, as bytes.
//!
//! A name of the format, a checksum of the rest, then numbers in little-endian order and texts behind their lengths.

use ipam_core::kv::{Key, Kv, Range, Recollection, Revision};

/// Another format has another name.
const FORMAT: &[u8; 8] = b"rfcache4";
const HEAD: usize = FORMAT.len() + SUM;
const SUM: usize = 8;
/// A factor that spreads each bit over the higher ones: 2^64 by the golden ratio.
const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
/// What a key takes besides its texts.
const PER_KEY: usize = 5 * 8;

/// Writes what is to be remembered.
#[must_use]
pub fn encode(recollection: &Recollection) -> Vec<u8> {
    let texts = recollection.kvs().map(|kv| kv.key.len() + kv.value.len());
    let room = texts.map(|length| length + PER_KEY).sum::<usize>() + 4096;
    let mut bytes = Vec::with_capacity(HEAD + room);
    bytes.extend_from_slice(FORMAT);
    bytes.extend_from_slice(&[0; SUM]);
    put_bytes(&mut bytes, recollection.witness().key.as_bytes());
    put_number(&mut bytes, length(recollection.kvs().count()));
    for kv in recollection.kvs() {
        put_bytes(&mut bytes, kv.key.as_bytes());
        put_bytes(&mut bytes, &kv.value);
        for number in [kv.create_revision.0, kv.mod_revision.0, kv.version] {
            put_number(&mut bytes, number);
        }
    }
    put_number(&mut bytes, length(recollection.absent().count()));
    for key in recollection.absent() {
        put_bytes(&mut bytes, key.as_bytes());
    }
    put_number(&mut bytes, length(recollection.scans().count()));
    for (range, revision) in recollection.scans() {
        put_bytes(&mut bytes, range.start().as_bytes());
        put_bytes(&mut bytes, range.end().unwrap_or_default().as_bytes());
        put_number(&mut bytes, revision.0);
    }
    if let Some((head, body)) = bytes.split_at_mut_checked(HEAD)
        && let Some(sum) = head.last_chunk_mut()
    {
        *sum = checksum(body);
    }
    bytes
}

/// Reads what was remembered; `None` for anything but what [`encode`] wrote.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<Recollection> {
    let rest = bytes.strip_prefix(FORMAT)?;
    let (sum, body) = rest.split_first_chunk::<SUM>()?;
    if checksum(body) != *sum {
        return None;
    }
    let mut reader = Reader(body);
    let witness = reader.text()?;
    let kvs = (0..reader.number()?).map(|_| reader.kv()).collect::<Option<Vec<Kv>>>()?;
    let absent =
        (0..reader.number()?).map(|_| reader.text().map(Key::from)).collect::<Option<Vec<_>>>()?;
    let scans = (0..reader.number()?).map(|_| reader.scan()).collect::<Option<Vec<_>>>()?;
    let recollection = Recollection::new(witness, kvs, absent, scans);
    recollection.filter(|_| reader.0.is_empty())
}

/// Returns what tells bytes that were cut off or damaged: no two bodies that differ in one word have the same.
#[must_use]
pub fn checksum(body: &[u8]) -> [u8; SUM] {
    // It is made in each call, twice. The hash of the standard library was a tenth of all instructions of a call, and a
    // faster one asks first what the processor can do, which takes longer on a virtual machine than all of this.
    let (words, rest) = body.as_chunks::<SUM>();
    let mut last = [0; SUM];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    let mixed = |sum: u64, word: &[u8; SUM]| {
        // Each step can be turned back, so a difference is never lost.
        let mixed = (sum ^ u64::from_le_bytes(*word)).wrapping_mul(ODD);
        mixed ^ (mixed >> 32)
    };
    let sum = words.iter().fold(length(body.len()), mixed);
    mixed(sum, &last).to_le_bytes()
}

fn put_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, length(bytes.len()));
    out.extend_from_slice(bytes);
}

fn length(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn number(&mut self) -> Option<u64> {
        let (number, rest) = self.0.split_first_chunk::<8>()?;
        self.0 = rest;
        Some(u64::from_le_bytes(*number))
    }

    fn bytes(&mut self) -> Option<&'b [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn text(&mut self) -> Option<&'b str> {
        str::from_utf8(self.bytes()?).ok()
    }

    fn kv(&mut self) -> Option<Kv> {
        Some(Kv {
            key: self.text()?.into(),
            value: self.bytes()?.to_vec().into(),
            create_revision: Revision(self.number()?),
            mod_revision: Revision(self.number()?),
            version: self.number()?,
        })
    }

    fn scan(&mut self) -> Option<(Range, Revision)> {
        let (start, end) = (self.text()?, self.text()?);
        Some((Range::between(start, end), Revision(self.number()?)))
    }
}
