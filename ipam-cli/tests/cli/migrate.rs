//! Copying a store to another file of the same machine.

use serde_json::json;

use super::story::{FIN, Machine, rows};

fn named(machine: &Machine, name: &str) -> String {
    format!("embedded:{}", machine.path(name).display())
}

#[test]
fn a_store_is_copied_into_a_new_file_and_reported() {
    let machine = Machine::with_pool(&FIN);
    machine.assign("n1", "a", ipam_core::ip::Family::V4, &["fin"]);
    let copy = named(&machine, "new/copy.db");
    let (code, report) = machine.json(&["migrate", "embedded", &copy]);
    assert_eq!((code, &report["kind"]), (0, &json!("MigrationList")), "{report}");
    let item = &report["items"][0];
    let fields: Vec<&String> = item.as_object().unwrap().keys().collect();
    let expected = [
        "from",
        "to",
        "keys",
        "bytes",
        "kinds",
        "digest",
        "copied",
        "elapsedMs",
        "locked",
        "leftBehind",
    ];
    assert_eq!(fields, expected);
    assert_eq!(
        item["kinds"][0],
        json!({"kind": "blocks", "keys": 1, "bytes": item["kinds"][0]["bytes"]})
    );
    assert!(item["digest"].as_str().unwrap().starts_with("sha256:"), "{item}");
    assert!(report["revision"].is_u64() && report["warnings"][0]["code"] == "RF-W0702");
    let usage = |store: &str| rows(&machine.ok(&["usage", "--store", store]));
    assert_eq!(usage(&copy), usage(&named(&machine, "store.db")));
    // A second time there is something.
    let told = machine.fails(&["migrate", "embedded", &copy], 5, "RF-E0702");
    assert!(told.contains("is not empty") && told.contains("--resume"), "{told}");
    let again = machine.ok(&["migrate", "embedded", &copy, "--resume"]);
    assert!(rows(&again).contains(&"copied now 0 keys".to_owned()), "{again}");
}

#[test]
fn what_cannot_be_meant_is_refused_before_any_store_is_opened() {
    let machine = Machine::with_pool(&FIN);
    let own = named(&machine, "store.db");
    for (args, code, name, says) in [
        (&["migrate"][..], 2, "RF-E0101", "<FROM>"),
        (&["migrate", "embedded"], 2, "RF-E0101", "<TO>"),
        (&["migrate", "sqlite", "etcd"], 2, "RF-E0101", "etcd:URL,URL"),
        (&["migrate", "embedded", "etcd:"], 2, "RF-E0101", "etcd:URL,URL"),
        (&["migrate", "embedded", "etcd"], 2, "RF-E0110", "argument TO"),
        (&["migrate", "etcd", "embedded"], 2, "RF-E0110", "argument FROM"),
        (&["migrate", "embedded", "etcd:ftp://a"], 2, "RF-E0110", "argument TO"),
        (&["migrate", "embedded", "etcd:http://root:hush@a"], 2, "RF-E0110", "user name"),
        (&["migrate", "embedded", &own], 2, "RF-E0102", "are the same store"),
        (&["migrate", "embedded", "embedded"], 2, "RF-E0102", "are the same store"),
    ] {
        let told = machine.fails(args, code, name);
        assert!(told.contains(says) && !told.contains("hush"), "{args:?}: {told}");
    }
}

#[test]
fn a_store_that_is_not_there_is_not_made() {
    let machine = Machine::fresh();
    let copy = named(&machine, "copy.db");
    machine.fails(&["migrate", "embedded", &copy], 3, "RF-E0201");
    assert!(!machine.path("copy.db").exists() && !machine.path("store.db").exists());
}

#[test]
fn help_tells_how_a_store_is_named() {
    let machine = Machine::fresh();
    let help = machine.ok(&["migrate", "--help"]);
    for told in ["FROM", "TO", "--resume", "embedded:PATH", "etcd:URL,URL"] {
        assert!(help.contains(told), "{told}: {help}");
    }
    assert!(machine.ok(&["--help"]).contains("migrate"));
}
