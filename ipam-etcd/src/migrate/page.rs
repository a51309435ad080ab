//! Reading everything below the roots in pages of bounded size: which read comes next.

use ipam_core::kv::{Projection, Range, Read, ReadReply};
use ipam_core::model::key;

/// How many keys the first page may hold; nobody knows yet how large they are.
const KEYS_FIRST: u32 = 64;
const KEYS_MAX: u32 = 512;
/// The most bytes that a page should have: also a slow line carries them before a member of a cluster is given up.
const BYTES_AIM: usize = 256 * 1024;

/// Where a reader of everything stands.
#[derive(Clone, Debug)]
pub(super) struct Pages {
    /// What is left: the rest of a root, and the roots behind it, the last one first.
    left: Vec<Range>,
    limit: u32,
    projection: Projection,
}

impl Pages {
    /// Begins before the first key.
    pub(super) fn of(projection: Projection) -> Self {
        let left = key::ROOTS.iter().rev().map(|root| Range::prefix(*root)).collect();
        Self { left, limit: KEYS_FIRST, projection }
    }

    /// Returns the read of the next page, `None` behind the last one.
    pub(super) fn next(&self) -> Option<Read> {
        let range = self.left.last()?.clone();
        Some(Read { range, projection: self.projection, limit: self.limit })
    }

    /// Moves on behind a page that was read.
    pub(super) fn pass(&mut self, page: &ReadReply) {
        let Some(range) = self.left.pop() else { return };
        let is_full = u32::try_from(page.kvs.len()).is_ok_and(|found| found >= self.limit);
        if let (true, Some(last), Some(end)) = (is_full, page.kvs.last(), range.end()) {
            // The first key that can come behind another one is that key with a zero.
            self.left.push(Range::between(format!("{}\0", last.key), end));
        }
        let largest = page.kvs.iter().map(|kv| kv.key.len() + kv.value.len()).max();
        self.limit = next_limit(self.limit, largest.unwrap_or(0));
    }
}

/// Returns how many keys the next page may hold so that it is not too large, where none is larger than the largest of
/// the page before. It at most doubles: who goes on from small keys to large ones is never far off.
fn next_limit(limit: u32, largest: usize) -> u32 {
    let fitting = BYTES_AIM.checked_div(largest).unwrap_or(usize::MAX);
    u32::try_from(fitting).unwrap_or(u32::MAX).clamp(1, limit.saturating_mul(2).min(KEYS_MAX))
}

#[cfg(test)]
mod tests {
    use ipam_core::kv::{Op, Txn, model::Model};

    use super::*;

    fn read_all(model: &mut Model) -> (Vec<String>, Vec<(usize, usize)>) {
        let mut pages = Pages::of(Projection::Values);
        let (mut keys, mut sizes) = (Vec::new(), Vec::new());
        while let Some(read) = pages.next() {
            let reply = model.apply(&Txn { then: vec![Op::Read(read)], ..Txn::default() }).unwrap();
            let page = &reply.reads[0];
            keys.extend(page.kvs.iter().map(|kv| kv.key.to_string()));
            sizes.push((page.kvs.len(), page.kvs.iter().map(|kv| kv.value.len()).sum()));
            pages.pass(page);
        }
        (keys, sizes)
    }

    #[test]
    fn every_key_below_the_roots_is_read_once_in_order() {
        for count in [0_usize, 1, 63, 64, 65, 127, 128, 200, 3000] {
            let mut model = Model::default();
            let mut expected = Vec::new();
            for root in key::ROOTS {
                for at in 0..count {
                    // Some keys begin with others, and one is the root itself.
                    let key = if at == 0 { root.to_owned() } else { format!("{root}{at:b}") };
                    model.put(key.clone(), "v");
                    expected.push(key);
                }
            }
            for foreign in ["/calico/felix/v2/x", "/calico/ipam/v3/", "/ringfence/v10", "a", "/z"] {
                model.put(foreign, "v");
            }
            expected.sort();
            assert_eq!(read_all(&mut model).0, expected, "{count}");
        }
    }

    #[test]
    fn pages_grow_and_shrink_with_what_they_hold() {
        let mut model = Model::default();
        for at in 0..4000 {
            model.put(format!("/calico/ipam/v2/a{at:05}"), "small");
        }
        for at in 0..200 {
            model.put(format!("/calico/ipam/v2/b{at:05}"), vec![b'x'; 25_000]);
        }
        let (keys, sizes) = read_all(&mut model);
        assert_eq!(keys.len(), 4200);
        assert_eq!(sizes.iter().map(|(keys, _)| *keys).max(), Some(512));
        // One page may be too large, where the values become larger; the next one is not.
        let large: Vec<_> = sizes.iter().filter(|(_, bytes)| *bytes > BYTES_AIM).collect();
        assert_eq!(large.len(), 1, "{sizes:?}");
    }

    #[test]
    fn a_limit_stays_between_one_and_the_most() {
        for (limit, largest, expected) in [
            (64, 1, 128),
            (64, 0, 128),
            (512, 10, 512),
            (64, 64 * 1024 * 1024, 1),
            (1, 100, 2),
            (64, 8 * 1024, 32),
        ] {
            assert_eq!(next_limit(limit, largest), expected, "{limit} {largest}");
        }
    }
}
