//! Where the settings of the datastore come from, and which counts.

use std::fs;
use std::process::Output;

use serde_json::Value;

use super::story::Machine;

const HEAD: &str = "apiVersion: projectcalico.org/v3\nkind: CalicoAPIConfig\n";

/// Runs the program with variables, and without the store that a machine has.
fn run(machine: &Machine, variables: &[(&str, &str)], args: &[&str]) -> Output {
    let mut command = machine.command(args);
    command.env_remove("RINGFENCE_STORE").envs(variables.iter().copied());
    command.output().unwrap()
}

/// Returns what `config view` says of a setting: its value and its origin.
fn viewed(output: &Output, setting: &str) -> (String, String) {
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let items = report["items"].as_array().unwrap().clone();
    let item = items.into_iter().find(|item| item["setting"] == setting).unwrap();
    let text = |name: &str| item[name].as_str().unwrap_or("-").to_owned();
    (text("value"), text("origin"))
}

fn told(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn flags_beat_the_environment_which_beats_the_file() {
    let machine = Machine::fresh();
    let path = machine.path("calicoctl.cfg");
    let spec = "spec:\n  datastoreType: etcdv3\n  etcdEndpoints: https://file\n  etcdUsername: of-the-file\n  \
                etcdPassword: hush\n  etcdCACertFile: ca.pem\n  timeout: 7\n";
    fs::write(&path, format!("{HEAD}{spec}")).unwrap();
    let path = path.to_str().unwrap();
    let args = ["config", "view", "-o", "json", "-c", path, "--etcd-endpoints", "https://flag"];
    let variables = [
        ("ETCD_ENDPOINTS", "https://plain"),
        ("CALICO_ETCD_USERNAME", "of-the-environment"),
        ("ETCD_USERNAME", "weaker"),
        ("CALICO_ETCD_CA_CERT_FILE", ""),
        ("ETCD_CA_CERT_FILE", "masked.pem"),
    ];
    let output = run(&machine, &variables, &args);
    assert!(output.status.success(), "{output:?}");
    let file = |name: &str| format!("field {name} of file {path}");
    for (setting, value, origin) in [
        ("config", path, "flag --config".to_owned()),
        ("datastoreType", "etcdv3", file("datastoreType")),
        ("datastorePath", "-", "-".to_owned()),
        ("etcdEndpoints", "https://flag", "flag --etcd-endpoints".to_owned()),
        (
            "etcdUsername",
            "of-the-environment",
            "environment variable CALICO_ETCD_USERNAME".to_owned(),
        ),
        ("etcdPassword", "<set>", file("etcdPassword")),
        ("etcdCACertFile", "ca.pem", file("etcdCACertFile")),
        ("etcdKeyFile", "-", "-".to_owned()),
        ("timeout", "7", file("timeout")),
        ("store", "etcd https://flag:2379", "follows from datastoreType".to_owned()),
    ] {
        assert_eq!(viewed(&output, setting), (value.to_owned(), origin), "{setting}");
    }
    assert!(!format!("{output:?}").contains("hush"));
    assert!(String::from_utf8_lossy(&output.stdout).contains("RF-W0103"), "everybody can read it");
}

#[test]
fn a_view_needs_no_store_and_shows_what_is_the_default() {
    let machine = Machine::fresh();
    let table = run(&machine, &[], &["config", "view", "--origin", "-c", "/dev/null"]);
    let table = String::from_utf8(table.stdout).unwrap();
    let rows: Vec<Vec<&str>> =
        table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["SETTING", "VALUE", "ORIGIN"]);
    for row in [
        &["config", "/dev/null", "flag", "--config"][..],
        &["datastoreType", "embedded", "default"],
        &["datastorePath", "/var/lib/ringfence/store.db", "default"],
        &["etcdEndpoints", "-", "-"],
        &["timeout", "5", "default"],
    ] {
        assert!(rows.iter().any(|found| found == row), "{row:?}: {table}");
    }
    let plain = String::from_utf8(run(&machine, &[], &["config", "view"]).stdout).unwrap();
    assert!(!plain.contains("ORIGIN") && plain.contains("datastoreType"), "{plain}");
    let etcd = run(&machine, &[("ETCD_ENDPOINTS", "a")], &["config", "view", "-o", "json"]);
    let expected = ("etcdv3".to_owned(), "follows from etcdEndpoints".to_owned());
    assert_eq!(viewed(&etcd, "datastoreType"), expected);
    // What is wrong is told after what is set.
    let wrong = run(&machine, &[("ETCD_ENDPOINTS", "ftp://a")], &["config", "view", "-o", "json"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert_eq!(viewed(&wrong, "etcdEndpoints").0, "ftp://a");
    assert!(told(&wrong).contains("RF-E0110") && told(&wrong).contains("ftp"), "{wrong:?}");
}

#[test]
fn settings_that_name_no_store_are_refused_before_any_is_asked() {
    let machine = Machine::fresh();
    let config = machine.path("config");
    let write = |text: &str| fs::write(&config, format!("{HEAD}{text}")).unwrap();
    write("spec: {etcdEndpoint: a}");
    let config = config.to_str().unwrap();
    let missing = machine.path("missing");
    let missing = missing.to_str().unwrap();
    for (variables, args, code, says) in [
        (&[][..], &["-c", missing][..], "RF-E0107", "cannot be read"),
        (&[], &["-c", config], "RF-E0109", "write etcdEndpoints"),
        (
            &[("DATASTORE_TYPE", "kubernetes")],
            &[],
            "RF-E0110",
            "environment variable DATASTORE_TYPE",
        ),
        (&[("RINGFENCE_STORE", "sqlite")], &[], "RF-E0110", "environment variable RINGFENCE_STORE"),
        (&[("RINGFENCE_TIMEOUT", "soon")], &[], "RF-E0110", "1 to 3600"),
        (&[("DATASTORE_TYPE", "embedded")], &["--etcd-endpoints", "a"], "RF-E0110", "remove one"),
        (&[], &["--store", "etcd"], "RF-E0110", "set --etcd-endpoints"),
        (&[], &["--etcd-endpoints", "a,"], "RF-E0110", "flag --etcd-endpoints: entry 2"),
        (&[], &["--etcd-endpoints", "a", "--etcd-cert", "c"], "RF-E0110", "without --etcd-key"),
        (&[], &["--etcd-endpoints", "a", "--etcd-user", "u"], "RF-E0110", "--etcd-password-file"),
        (&[], &["--etcd-password-file", "/dev/null"], "RF-E0108", "no password"),
        (&[("ETCD_DISCOVERY_SRV", "example.com")], &[], "RF-E0110", "in ETCD_ENDPOINTS instead"),
    ] {
        let args: Vec<&str> = ["usage"].iter().chain(args).copied().collect();
        let output = run(&machine, variables, &args);
        let told = told(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {told}");
        assert!(
            output.stdout.is_empty() && told.contains(code) && told.contains(says),
            "{args:?}: {told}"
        );
        assert!(told.lines().count() == 3, "{told}");
    }
    // What needs no store does not care.
    let output = run(&machine, &[("RINGFENCE_STORE", "sqlite")], &["version", "-c", missing]);
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_password_is_read_from_a_file_and_what_is_odd_is_told() {
    let machine = Machine::fresh();
    let file = machine.path("password");
    fs::write(&file, "hush\n").unwrap();
    let file = file.to_str().unwrap();
    let args = [
        "--etcd-endpoints",
        "http://a,https://b",
        "--etcd-user",
        "u",
        "--etcd-password-file",
        file,
    ];
    let view: Vec<&str> = ["config", "view", "--origin"].iter().chain(&args).copied().collect();
    let output = run(&machine, &[], &view);
    assert!(output.status.success(), "{output:?}");
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), told(&output));
    assert!(!text.contains("hush") && text.contains("flag --etcd-password-file"), "{text}");
    assert!(text.contains("http, of its first entry") && text.contains("unencrypted"), "{text}");
}

#[test]
fn a_file_can_name_the_embedded_store() {
    let machine = Machine::fresh();
    let config = machine.path("config");
    let store = machine.path("of-the-file.db");
    let spec = format!("spec: {{datastoreType: embedded, datastorePath: {}}}", store.display());
    fs::write(&config, format!("{HEAD}{spec}\n")).unwrap();
    let config = config.to_str().unwrap();
    let output = run(&machine, &[], &["pool", "create", "a", "10.0.0.0/24", "-c", config]);
    assert!(output.status.success() && store.exists(), "{output:?}");
    // The environment is stronger.
    let variables = [("RINGFENCE_DATASTORE_PATH", "/nonexistent/x.db")];
    let output = run(&machine, &variables, &["pool", "list", "-c", config]);
    assert!(told(&output).contains("/nonexistent/x.db"), "{output:?}");
}
