//! What is remembered, as bytes.
//!
//! A name of the format, a checksum of the rest, then numbers in little-endian order and texts behind their lengths.

use ipam_core::kv::{Kv, Range, Recollection, Revision};

/// Another format has another name.
const FORMAT: &[u8; 8] = b"rfcache2";
const HEAD: usize = FORMAT.len() + 4;
/// What a key takes besides its texts.
const PER_KEY: usize = 5 * 8;

/// Writes what is to be remembered.
#[must_use]
pub fn encode(recollection: &Recollection) -> Vec<u8> {
    let texts = recollection.kvs.iter().map(|kv| kv.key.len() + kv.value.len());
    let mut body = Vec::with_capacity(texts.map(|length| length + PER_KEY).sum::<usize>() + 4096);
    put_bytes(&mut body, recollection.witness.as_bytes());
    put_number(&mut body, length(recollection.kvs.len()));
    for kv in &recollection.kvs {
        put_bytes(&mut body, kv.key.as_bytes());
        put_bytes(&mut body, &kv.value);
        for number in [kv.create_revision.0, kv.mod_revision.0, kv.version] {
            put_number(&mut body, number);
        }
    }
    put_number(&mut body, length(recollection.absent.len()));
    for key in &recollection.absent {
        put_bytes(&mut body, key.as_bytes());
    }
    put_number(&mut body, length(recollection.scans.len()));
    for (range, revision) in &recollection.scans {
        put_bytes(&mut body, range.start().as_bytes());
        put_bytes(&mut body, range.end().unwrap_or_default().as_bytes());
        put_number(&mut body, revision.0);
    }
    let mut bytes = Vec::with_capacity(HEAD + body.len());
    bytes.extend_from_slice(FORMAT);
    bytes.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
    bytes.append(&mut body);
    bytes
}

/// Reads what was remembered; `None` for anything but what [`encode`] wrote.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<Recollection> {
    let rest = bytes.strip_prefix(FORMAT)?;
    let (sum, body) = rest.split_first_chunk::<4>()?;
    if crc32fast::hash(body) != u32::from_le_bytes(*sum) {
        return None;
    }
    let mut reader = Reader(body);
    let witness = reader.text()?;
    let kvs = (0..reader.number()?).map(|_| reader.kv()).collect::<Option<Vec<Kv>>>()?;
    let absent = (0..reader.number()?).map(|_| reader.text()).collect::<Option<Vec<_>>>()?;
    let scans = (0..reader.number()?).map(|_| reader.scan()).collect::<Option<Vec<_>>>()?;
    reader.0.is_empty().then_some(Recollection { witness, kvs, absent, scans })
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

    fn text(&mut self) -> Option<String> {
        String::from_utf8(self.bytes()?.to_vec()).ok()
    }

    fn kv(&mut self) -> Option<Kv> {
        Some(Kv {
            key: self.text()?,
            value: self.bytes()?.to_vec(),
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
