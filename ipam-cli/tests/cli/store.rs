//! Which store is used, and that it is made only by what is stored.

use super::story::Machine;

#[test]
fn a_fresh_machine_has_no_store_and_reading_makes_none() {
    let machine = Machine::fresh();
    for args in [
        &["pool", "list"][..],
        &["pool", "get", "a"],
        &["pool", "delete", "a"],
        &["namespace", "bind", "a", "--ipv4pools", "b"],
        &["namespace", "unbind", "a"],
        &["namespace", "list"],
        &["ips"],
        &["usage"],
        &["explain"],
        &["explain", "10.0.0.1"],
        &["who", "10.0.0.1"],
        &["release", "--ip", "10.0.0.1", "--yes"],
        &["check"],
        &["export", "plain", "a"],
    ] {
        let told = machine.fails(args, 3, "RF-E0201");
        assert!(
            told.contains("there is no store at") && told.contains("ringfence pool create"),
            "{told}"
        );
    }
    // What cannot be stored is found out before the store is made.
    machine.fails(&["pool", "create", "a", "10.0.0.7/24"], 2, "RF-E0102");
    machine.fails(&["apply", "-f", "-"], 2, "RF-E0105");
    assert!(!machine.path("store.db").exists());
    machine.ok(&["pool", "create", "a", "10.0.0.0/24"]);
    assert!(machine.path("store.db").exists());
}

#[test]
fn the_flag_beats_the_environment() {
    let machine = Machine::with_pool(&["a", "10.0.0.0/24"]);
    let other = format!("embedded:{}", machine.path("other.db").display());
    machine.fails(&["--store", &other, "usage"], 3, "RF-E0201");
    machine.ok(&["pool", "create", "b", "10.1.0.0/24", "--store", &other]);
    assert!(machine.ok(&["pool", "list", "--store", &other]).contains("10.1.0.0/24"));
    assert!(!machine.ok(&["pool", "list"]).contains("10.1.0.0/24"));
    machine.fails(&["--store", "sqlite", "usage"], 2, "RF-E0101");
}
