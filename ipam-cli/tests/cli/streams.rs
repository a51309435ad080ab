//! What goes to which stream, and how a run ends.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use ipam_core::ip::Family;
use serde_json::{Value, json};

use super::story::{FIN, Machine};

#[test]
fn programs_get_one_object_on_either_stream() {
    let machine = Machine::with_pool(&["fin", "10.20.0.0/24"]);
    let ip = machine.assign("n1", "a", Family::V4, &["fin"]).to_string();
    machine.ok(&["namespace", "bind", "hr", "--ipv4pools", "fin"]);
    for (args, code, kind, has_revision) in [
        (&["pool", "list"][..], 0, "PoolList", true),
        (&["pool", "get", "fin"], 0, "PoolList", true),
        (&["pool", "create", "b", "10.21.0.0/24"], 0, "PoolList", false),
        (&["pool", "delete", "b"], 0, "OutcomeList", false),
        (&["namespace", "bind", "fin", "--ipv4pools", "fin"], 0, "BindingList", false),
        (&["namespace", "list"], 0, "BindingList", true),
        (&["namespace", "unbind", "fin"], 0, "OutcomeList", false),
        (&["ips"], 0, "AddressList", true),
        (&["usage"], 0, "UsageList", true),
        (&["explain", "--node", "n1"], 0, "DecisionList", true),
        (&["explain", &ip], 0, "HoldingList", true),
        (&["who", &ip], 0, "HoldingList", true),
        (&["who", "10.20.0.200"], 1, "HoldingList", true),
        (&["check"], 0, "FindingList", true),
        (&["release", "--ip", &ip, "--yes"], 0, "ReleaseList", false),
        (&["config", "view"], 0, "SettingList", false),
        (&["version"], 0, "VersionList", false),
    ] {
        let (found, told) = machine.json(args);
        assert_eq!((found, &told["kind"]), (code, &json!(kind)), "{args:?}: {told}");
        assert_eq!(told["apiVersion"], "ringfence/v1", "{args:?}");
        assert_eq!(told["revision"].is_u64(), has_revision, "{args:?}: {told}");
        assert!(
            told["readAt"].is_string() && told["complete"] == true && told["warnings"] == json!([]),
            "{told}"
        );
        assert!(told["items"].is_array(), "{args:?}: {told}");
    }
    for (args, code, name) in [
        (&["pool", "get", "absent"][..], 1, "RF-E0306"),
        (&["pool", "create", "c", "10.0.0.1/24"], 2, "RF-E0102"),
        (&["nonsense"], 2, "RF-E0101"),
        (&["usage", "--store", "embedded:/nonexistent/x/y.db"], 3, "RF-E0201"),
        (&["pool", "create", "fin", "10.20.0.0/24"], 5, "RF-E0305"),
    ] {
        let args: Vec<&str> = args.iter().copied().chain(["-o", "json"]).collect();
        let run = machine.run(&args);
        assert_eq!((run.code, run.stdout.as_str()), (code, ""), "{run:?}");
        let error: Value = serde_json::from_str(&run.stderr).unwrap();
        let fields: Vec<&String> = error.as_object().unwrap().keys().collect();
        assert_eq!(fields, ["kind", "code", "exit", "what", "why", "fix", "endpoints"]);
        assert_eq!(
            (&error["kind"], &error["code"], &error["exit"]),
            (&json!("Error"), &json!(name), &json!(code))
        );
        assert_eq!(error["endpoints"].as_array().unwrap().len(), usize::from(code == 3), "{error}");
    }
}

#[test]
fn talk_never_reaches_standard_output() {
    let machine = Machine::with_pool(&FIN);
    let run = machine.run(&["-v", "pool", "create", "b", "10.21.0.0/24"]);
    assert_eq!(run.stdout.lines().count(), 2, "{run:?}");
    assert!(run.stderr.contains("opened") && run.stderr.contains("round_trips="), "{run:?}");
    assert_eq!(machine.run(&["ips", "-q"]).stderr, "");
    assert_eq!(
        machine.run(&["pool", "get", "absent", "-q"]).stderr.lines().count(),
        3,
        "errors are no talk"
    );
    machine.fails(&["pool", "list", "-q", "-v"], 2, "RF-E0101");
    for args in
        [&["--help"][..], &["pool", "create", "--help"], &["--version"], &["completion", "bash"]]
    {
        let run = machine.run(args);
        assert!(
            run.code == 0 && !run.stdout.is_empty() && run.stderr.is_empty(),
            "{args:?}: {run:?}"
        );
    }
    for args in [&[][..], &["pool"]] {
        let run = machine.run(args);
        assert!(
            run.code == 2 && run.stdout.is_empty() && !run.stderr.is_empty(),
            "{args:?}: {run:?}"
        );
    }
    let output = machine.command(&["who"]).arg(OsStr::from_bytes(b"\xff")).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "a slip of the keyboard is no defect: {output:?}");
    assert_eq!(machine.ok(&["version"]), format!("ringfence {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_reader_that_has_gone_ends_the_run_quietly() {
    let machine = Machine::with_pool(&FIN);
    for args in
        [&["pool", "list"][..], &["usage", "-o", "json"], &["completion", "bash"], &["--help"]]
    {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = machine.command(args).stdout(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(141), "{args:?}");
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{args:?}");
    }
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = machine.command(&["pool", "list"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8(output.stderr).unwrap().contains("[RF-E0902]"));
}
