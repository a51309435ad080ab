//! The attachments that a runtime knows, as GC is handed them.

use std::collections::BTreeSet;

use ipam_core::plan::Attachment;
use serde::Deserialize;
use serde_json::Value;

use super::{CniError, Code, Object};

/// The key of the list; the text of the specification's first edition named it otherwise, and runtimes send both.
const KEYS: [&str; 2] = ["cni.dev/valid-attachments", "cni.dev/attachments"];

#[derive(Deserialize)]
struct Wire {
    #[serde(rename = "containerID")]
    container: String,
    ifname: String,
}

/// Reads the attachments that are valid, `None` where the runtime does not say: then nothing may be collected. An empty list
/// says that none is. Of two lists that differ, what either of them names is valid.
pub(crate) fn valid_attachments(top: &Object) -> Result<Option<BTreeSet<Attachment>>, CniError> {
    let mut known = None;
    for key in KEYS {
        // A runtime in Go writes null for a list that it has not made.
        let Some(value) = top.get(key).filter(|value| !value.is_null()) else { continue };
        known.get_or_insert_with(BTreeSet::new).extend(read(key, value)?);
    }
    Ok(known)
}

fn read(key: &str, value: &Value) -> Result<Vec<Attachment>, CniError> {
    let bad = |details: String| {
        let rule = "must be a list of objects with containerID and ifname; nothing was released";
        CniError::field(key, rule).with_details(details)
    };
    let list = Vec::<Wire>::deserialize(value).map_err(|error| bad(error.to_string()))?;
    let read = |wire: Wire| {
        if wire.container.is_empty() || wire.ifname.is_empty() {
            return Err(bad("one of them is empty".to_owned()).under(Code::Config));
        }
        Ok(Attachment { container: wire.container, interface: wire.ifname })
    };
    list.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn either_key_counts_and_none_is_not_an_empty_list() {
        let (valid, first) = (KEYS[0], KEYS[1]);
        let c1 = json!([{"containerID": "c1", "ifname": "eth0"}]);
        let c2 = json!([{"containerID": "c2", "ifname": "eth0", "more": 1}]);
        for (top, count) in [
            (json!({}), None),
            (json!({valid: null, first: null}), None),
            (json!({valid: []}), Some(0)),
            (json!({valid: null, first: c1}), Some(1)),
            (json!({first: c1}), Some(1)),
            (json!({valid: c1, first: c1}), Some(1)),
            (json!({valid: c1, first: c2}), Some(2)),
        ] {
            let known = valid_attachments(top.as_object().unwrap()).unwrap();
            assert_eq!(known.map(|known| known.len()), count, "{top}");
        }
        for list in [
            json!({}),
            json!(["c1"]),
            json!([{"ifname": "eth0"}]),
            json!([{"containerID": "c1"}]),
            json!([{"containerID": "", "ifname": "eth0"}]),
        ] {
            let top = json!({valid: list});
            let error = valid_attachments(top.as_object().unwrap()).expect_err("no list");
            assert_eq!(error.code, Code::Config, "{top}");
        }
    }
}
