use super::*;
use crate::kv::model::Model;

const BLOCK: &str = "/calico/ipam/v2/assignment/ipv4/block/10.0.0.0-30";
const ROW: &str = "/calico/ipam/v2/host/n/ipv4/block/10.0.0.0-30";
const HANDLE: &str = "/calico/ipam/v2/handle/h";
const BLOCK_VALUE: &str = r#"{"cidr":"10.0.0.0/30","affinity":"host:n","allocations":[0,null,null,null],"unallocated":[1,2,3],"attributes":[{"handle_id":"h"}],"sequenceNumber":11,"sequenceNumberForAllocation":{"0":10},"deleted":false}"#;
const ROW_VALUE: &str = r#"{"state":"confirmed","deleted":false}"#;
const HANDLE_VALUE: &str = r#"{"block":{"10.0.0.0/30":1},"deleted":false}"#;

/// The sound store, changed by `change`.
fn codes<R>(change: impl FnOnce(&mut Model) -> R) -> Vec<&'static str> {
    let mut model = Model::default();
    model.put(BLOCK, BLOCK_VALUE);
    model.put(ROW, ROW_VALUE);
    model.put(HANDLE, HANDLE_VALUE);
    change(&mut model);
    let snapshot = Snapshot { kvs: model.iter().cloned().collect() };
    check(&snapshot, Timestamp::from_seconds(100))
        .iter()
        .map(|finding| finding.rule.code())
        .collect()
}

fn block(from: &str, to: &str) -> Vec<&'static str> {
    assert!(BLOCK_VALUE.contains(from), "{from}");
    codes(|model| model.put(BLOCK, BLOCK_VALUE.replace(from, to)))
}

#[test]
fn a_sound_store_has_no_findings() {
    assert!(codes(|_| {}).is_empty());
}

#[test]
fn rules_of_single_blocks() {
    for (code, from, to) in [
        ("K0", "\"deleted\":false}", ""),
        ("K1", "\"10.0.0.0/30\"", "\"10.0.0.4/30\""),
        ("K2", "[0,null,null,null]", "[0,null,null]"),
        ("K3", "[1,2,3]", "[1,2,3,0]"),
        ("K4", "[0,null", "[1,null"),
    ] {
        // A block that cannot be read is missing to its claim and its handle too.
        assert_eq!(block(from, to).first(), Some(&code), "{code}");
    }
    for (code, from, to) in [
        ("K5", "{\"handle_id\":\"h\"}", "{\"handle_id\":\"h\"},{\"handle_id\":\"i\"}"),
        ("K7", "{\"0\":10}", "{\"0\":11}"),
        ("K7", "{\"0\":10}", "{\"0\":10,\"1\":9}"),
        ("K10", "\"deleted\":false", "\"deleted\":true"),
    ] {
        assert_eq!(block(from, to), [code], "{to}");
    }
    let cooling = "{\"releasedAt\":\"1970-01-01T00:00:50Z\"}";
    assert_eq!(block("{\"handle_id\":\"h\"}", cooling), ["X6"], "in cooldown nobody holds it");
    let to_come = "{\"releasedAt\":\"1970-01-01T00:10:00Z\"}";
    assert_eq!(block("{\"handle_id\":\"h\"}", to_come), ["K6", "X6"]);
    assert_eq!(block("host:n", "rack:n"), ["K8", "X1"]);
}

#[test]
fn blocks_must_not_overlap() {
    let inner = "/calico/ipam/v2/assignment/ipv4/block/10.0.0.2-31";
    let value = r#"{"cidr":"10.0.0.2/31","affinity":"host:n","allocations":[null,null],"unallocated":[0,1],"attributes":null,"sequenceNumber":1,"sequenceNumberForAllocation":{},"deleted":false}"#;
    let found = codes(|model| model.put(inner, value));
    assert_eq!(found, ["K11", "X3"]);
}

#[test]
fn rules_between_keys() {
    assert_eq!(codes(|model| model.delete(ROW)), ["X3"]);
    assert_eq!(codes(|model| model.delete(HANDLE)), ["X4"]);
    assert_eq!(codes(|model| model.delete(BLOCK)), ["X1", "X6"]);
    let other = "/calico/ipam/v2/host/o/ipv4/block/10.0.0.0-30";
    assert_eq!(codes(|model| model.put(other, ROW_VALUE)), ["X1", "X2"]);
    let pending = r#"{"state":"pending","deleted":false}"#;
    assert_eq!(codes(|model| model.put(ROW, pending)), ["X7"]);
    assert_eq!(codes(|model| model.put(HANDLE, r#"{"block":null}"#)), ["X4", "X5"]);
    assert_eq!(codes(|model| model.put(HANDLE, r#"{"block":{"10.0.0.0/30":2}}"#)), ["X6"]);
    let unowned = |model: &mut Model| {
        let empty = BLOCK_VALUE
            .replace("\"host:n\"", "null")
            .replace("[0,null", "[null,null")
            .replace("[1,2,3]", "[0,1,2,3]")
            .replace("[{\"handle_id\":\"h\"}]", "[]")
            .replace("{\"0\":10}", "{}");
        model.put(BLOCK, empty);
        model.delete(ROW);
        model.delete(HANDLE);
    };
    assert_eq!(codes(unowned), ["X8"]);
}

#[test]
fn rules_of_pools_and_bindings() {
    let pool = |model: &mut Model, key: &str, name: &str, cidr: &str| {
        let value = format!(
            r#"{{"kind":"IPPool","apiVersion":"projectcalico.org/v3","metadata":{{"name":"{name}"}},"spec":{{"cidr":"{cidr}"}}}}"#
        );
        model.put(format!("/calico/resources/v3/projectcalico.org/ippools/{key}"), value);
    };
    let overlap = codes(|model| {
        pool(model, "a", "a", "10.0.0.0/8");
        pool(model, "b", "b", "10.1.0.0/16");
        pool(model, "c", "c", "10.2.0.0/16");
    });
    assert_eq!(overlap, ["P1", "P1"]);
    assert_eq!(codes(|model| pool(model, "a", "z", "10.0.0.0/8")), ["P2"]);
    let bound = r#"{"mode":"default","ipv4Pools":["nosuch"]}"#;
    assert_eq!(codes(|model| model.put("/ringfence/v1/bindings/fin", bound)), ["P3"]);
    let hole = r#"{"mode":"required","ipv4pools":["nosuch"]}"#;
    assert_eq!(codes(|model| model.put("/ringfence/v1/bindings/fin", hole)), ["K0"]);
}
