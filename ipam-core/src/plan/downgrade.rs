//! Claims on blocks that belong to somebody else.

use crate::kv::{Key, Lookup, Op};
use crate::model::{Affinity, AffinityState};

use super::Planned;

/// Returns what withdraws a claim: it is not confirmed any more. Nothing where it never was, or is gone.
///
/// It is not deleted: another process of its owner may be about to make the block, and must not find that it has no claim
/// on it. `check` deletes it when it has grown old.
pub(crate) fn downgrade(lookup: &mut Lookup<'_>, row_key: Key) -> Planned<Option<Op>> {
    let Some(kv) = lookup.get(&row_key)? else { return Ok(None) };
    if !Affinity::decode(&row_key, &kv.value)?.is_confirmed() {
        return Ok(None);
    }
    let value = Affinity::in_state(AffinityState::Pending).encode();
    Ok(Some(Op::put(row_key, value)))
}
