//! Changes to what was recorded, to see that a replay shows them.

use serde_json::{Value, json};

use super::recording::Put;

/// Changes the first value below a key in which there is what is changed; says whether there was one.
pub fn in_value(puts: &mut [Put], key: &str, change: fn(&mut Value) -> bool) -> bool {
    puts.iter_mut().filter(|put| put.key.contains(key)).any(|put| {
        let Ok(mut value) = serde_json::from_str::<Value>(&put.value) else { return false };
        let is_changed = change(&mut value);
        put.value = value.to_string();
        is_changed
    })
}

/// Moves an address of a block to another place.
pub fn swap_ordinals(block: &mut Value) -> bool {
    let Some(ordinals) = block["allocations"].as_array_mut() else { return false };
    let taken = ordinals.iter().position(|ordinal| !ordinal.is_null());
    let free = ordinals.iter().position(Value::is_null);
    let (Some(taken), Some(free)) = (taken, free) else { return false };
    ordinals.swap(taken, free);
    true
}

/// Lets a handle count one address more than it holds.
pub fn raise_count(handle: &mut Value) -> bool {
    let blocks = handle["block"].as_object_mut().into_iter().flatten();
    let mut counts = blocks.filter_map(|(_, count)| Some((count.as_u64()?, count)));
    let Some((number, count)) = counts.next() else { return false };
    *count = json!(number + 1);
    true
}

/// Raises the sequence number of a block that holds others, which are compared with it.
pub fn raise_number(block: &mut Value) -> bool {
    let has_others =
        block["sequenceNumberForAllocation"].as_object().is_some_and(|o| !o.is_empty());
    let Some(number) = block["sequenceNumber"].as_u64().filter(|_| has_others) else {
        return false;
    };
    block["sequenceNumber"] = json!(number + 1);
    true
}

/// Leaves a claim on a block unfinished.
pub fn unfinish(row: &mut Value) -> bool {
    row["state"] = json!("pending");
    true
}
