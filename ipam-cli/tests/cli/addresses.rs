//! Addresses: who has them, how many are left, and how they are taken back.

use std::io::Write;
use std::process::Stdio;

use ipam_core::ip::Family;
use serde_json::{Value, json};

use super::story::{FIN, MANIFEST, Machine, rows};

#[test]
fn addresses_are_listed_and_found() {
    let machine = Machine::with_pool(&FIN);
    machine.ok(&["pool", "create", "shared", "10.30.0.0/24"]);
    let run = machine.run(&["ips"]);
    assert_eq!((run.code, run.stdout.as_str()), (1, ""));
    let a = machine.assign("n1", "a", Family::V4, &["fin"]).to_string();
    let b = machine.assign("n2", "b", Family::V4, &["shared"]).to_string();
    let c = machine.assign("n2", "c", Family::V4, &["shared"]).to_string();
    let listed = |args: &[&str]| {
        let args: Vec<&str> = ["ips"].iter().chain(args).copied().collect();
        let (_, told) = machine.json(&args);
        let items = told["items"].as_array().unwrap().iter();
        (
            items.map(|item| item["ip"].as_str().unwrap().to_owned()).collect::<Vec<_>>(),
            told["complete"] == true,
        )
    };
    for (args, expected) in [
        (&[][..], vec![&a, &b, &c]),
        (&["--pool", "fin"], vec![&a]),
        (&["--node", "n2"], vec![&b, &c]),
        (&["--namespace", "fin"], vec![&a, &b, &c]),
        (&["--namespace", "hr"], vec![]),
        (&["--cidr", "10.30.0.0/16"], vec![&b, &c]),
        (&["--node", "n2", "--pool", "fin"], vec![]),
        (&["--limit", "3"], vec![&a, &b, &c]),
    ] {
        assert_eq!(listed(args), (expected.into_iter().cloned().collect(), true), "{args:?}");
    }
    assert_eq!(listed(&["--limit", "2"]), (vec![a.clone(), b.clone()], false));
    assert!(
        machine.run(&["ips", "--limit", "2"]).stderr.contains("1 more addresses are not shown")
    );
    machine.fails(&["ips", "--pool", "absent"], 1, "RF-E0306");
    machine.fails(&["ips", "--cidr", "10.30.0.1/24"], 2, "RF-E0102");
    let found = machine.ok(&["who", &a]);
    let row: Vec<&str> = found.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!((&row[..4], row[6]), (&[a.as_str(), "fin/a", "n1", "fin"][..], "net.a"), "{found}");
    for (subject, ip) in [("fin/b", &b), ("net.c", &c)] {
        let (code, told) = machine.json(&["who", subject]);
        assert_eq!((code, told["items"][0]["ip"].as_str()), (0, Some(ip.as_str())), "{subject}");
    }
    let explained = machine.ok(&["explain", &a]);
    assert!(rows(&explained)[1].contains(" fin pod-annotation "), "{explained}");
    for (subject, says) in [
        ("10.20.0.14", "10.20.0.14 is not assigned; it lies in pool fin"),
        ("10.99.0.1", "10.99.0.1 is not assigned; it lies in no pool"),
        ("fin/nobody", "pod fin/nobody holds no address"),
        ("net.nobody", "handle net.nobody holds no address"),
    ] {
        let run = machine.run(&["who", subject]);
        assert_eq!((run.code, run.stdout.as_str(), run.stderr.trim_end()), (1, "", says));
        let (code, told) = machine.json(&["who", subject]);
        assert_eq!((code, &told["items"]), (1, &json!([])));
    }
    assert_eq!(machine.run(&["explain", "10.20.0.14"]).code, 1);
    machine.fails(&["who", "a/b/c"], 2, "RF-E0102");
}

#[test]
fn usage_counts_what_is_in_use_also_without_a_pool() {
    let machine = Machine::with_pool(&FIN);
    machine.run_with_input(&["apply", "-f", "-"], &MANIFEST[MANIFEST.find("---").unwrap()..]);
    machine.ok(&["pool", "create", "gone", "10.30.0.0/26"]);
    let ip = machine.assign("n1", "a", Family::V4, &["gone"]);
    machine
        .put("/calico/ipam/v2/config", r#"{"auto_allocate_blocks":true,"ipCooldownSeconds":3600}"#);
    let cooling = machine.assign("n1", "b", Family::V4, &["fin"]);
    machine.release(cooling);
    machine.delete("/calico/resources/v3/projectcalico.org/ippools/gone");
    let (_, told) = machine.json(&["usage"]);
    let fin = &told["items"][0];
    let counts = ["total", "used", "cooling", "reserved", "reservedInUse", "free"]
        .map(|key| fin[key].clone());
    // Half of the pool is reserved, and one address of the other half cools down.
    assert_eq!(
        counts,
        [json!("16"), json!(0), json!(1), json!("8"), json!(0), json!("7")],
        "{told}"
    );
    let outside = &told["items"][1];
    assert_eq!(
        (&outside["name"], &outside["used"], &outside["free"]),
        (&Value::Null, &json!(1), &json!("0"))
    );
    assert!(machine.ok(&["usage"]).contains("(no pool, IPv4)"));
    let (code, told) = machine.json(&["who", &ip.to_string()]);
    assert_eq!(
        (code, &told["items"][0]["pool"]),
        (0, &Value::Null),
        "an address without a pool is still held"
    );
    let run = machine.run(&["who", &cooling.to_string()]);
    assert!(run.code == 1 && run.stderr.contains("is in cooldown since"), "{run:?}");
    let (_, told) = machine.json(&["ips", "--pool", "fin"]);
    assert_eq!(told["items"][0]["state"], "cooling");
    machine
        .put("/calico/ipam/v2/config", r#"{"auto_allocate_blocks":true,"ipCooldownSeconds":-1}"#);
    let (code, _) = machine.json(&["ips", "--pool", "fin"]);
    assert_eq!(code, 1, "what has cooled down is free, although its block was not written since");
}

#[test]
fn addresses_are_released_only_when_somebody_is_sure() {
    let machine = Machine::with_pool(&FIN);
    let ips: Vec<String> = ["a", "b", "c"]
        .iter()
        .map(|pod| machine.assign("n1", pod, Family::V4, &["fin"]).to_string())
        .collect();
    let told = machine.fails(&["release", "--ip", &ips[0]], 2, "RF-E0103");
    assert!(told.contains("fin/a") && told.contains("nobody is there to confirm it"), "{told}");
    machine.fails(&["release", "--yes"], 2, "RF-E0101");
    machine.fails(&["release", "--pod", "net.a", "--yes"], 2, "RF-E0102");
    machine.fails(&["release", "--handle", "fin/a", "--yes"], 2, "RF-E0102");
    assert_eq!(machine.json(&["ips"]).1["items"].as_array().unwrap().len(), 3);
    let run = machine.run(&["release", "--ip", &ips[0], "10.20.0.14", "--yes"]);
    let result = rows(&run.stdout);
    assert_eq!(
        result[1..],
        [format!("{} released fin/a net.a", ips[0]), "10.20.0.14 not assigned - -".to_owned()]
    );
    assert!(run.code == 0 && run.stderr.contains("fin/a"), "{run:?}");
    machine.ok(&["release", "--pod", "fin/b", "--yes"]);
    machine.ok(&["release", "--handle", "net.c", "--yes"]);
    for target in [["--pod", "fin/b"], ["--handle", "net.c"], ["--ip", &ips[0]]] {
        let run = machine.run(&["release", target[0], target[1], "--yes"]);
        assert_eq!(run.code, 1, "{run:?}");
        assert!(run.stderr.contains("nothing was released"), "{run:?}");
    }
    assert_eq!(machine.run(&["ips"]).code, 1);
    assert_eq!(machine.run(&["check"]).code, 0);
}

#[test]
fn an_address_that_changed_hands_while_somebody_thought_is_not_released() {
    let machine = Machine::with_pool(&FIN);
    let ip = machine.assign("n1", "a", Family::V4, &["fin"]);
    for at in 1..14 {
        machine.assign("n1", &format!("other-{at}"), Family::V4, &["fin"]);
    }
    let program = machine.command(&["release", "--ip", &ip.to_string()]);
    let line = format!("{} release --ip {ip}", program.get_program().to_str().unwrap());
    // A terminal of its own, so that somebody can be asked.
    let mut command = std::process::Command::new("script");
    command.args(["-qefc", &line, "/dev/null"]).env_clear();
    command.envs(program.get_envs().filter_map(|(key, value)| Some((key, value?))));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let Ok(mut child) = command.spawn() else {
        // No tool here that makes a terminal.
        return;
    };
    let mut output = child.stdout.take().unwrap();
    let mut seen = String::new();
    while !seen.contains("type 1 to release them: ") {
        let mut bytes = [0; 1024];
        let count = std::io::Read::read(&mut output, &mut bytes).unwrap();
        assert!(count > 0, "{seen}");
        seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
    }
    assert!(seen.contains("fin/a"), "{seen}");
    machine.release(ip);
    // The pod is made anew under its name and its handle, and the only address that is left is the same too.
    assert_eq!(machine.assign("n1", "a", Family::V4, &["fin"]), ip);
    child.stdin.take().unwrap().write_all(b"1\n").unwrap();
    std::io::Read::read_to_string(&mut output, &mut seen).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(5), "{seen}");
    assert!(seen.contains("RF-E0509") && seen.contains("sequence number"), "{seen}");
    assert_eq!(machine.json(&["who", &ip.to_string()]).0, 0, "whoever has it now keeps it");
}

#[test]
fn a_check_tells_findings_from_notes() {
    let machine = Machine::with_pool(&FIN);
    machine.assign("n1", "a", Family::V4, &["fin"]);
    let run = machine.run(&["check"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, ""), "{run:?}");
    machine.put(
        "/calico/ipam/v2/host/n1/ipv4/block/10.99.0.0-30",
        r#"{"state":"pending","deleted":false}"#,
    );
    let run = machine.run(&["check"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(rows(&run.stdout)[1].starts_with("X7 note /calico/ipam/v2/host/n1/"), "{run:?}");
    machine.put("/calico/ipam/v2/handle/leaked", r#"{"block":{},"deleted":false}"#);
    machine.put("/calico/resources/v3/projectcalico.org/ippools/broken", "{");
    let (code, told) = machine.json(&["check"]);
    assert_eq!(code, 1);
    let codes: Vec<&str> =
        told["items"].as_array().unwrap().iter().map(|f| f["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["K0", "X5", "X7"], "{told}");
    // What cannot be read is left out of every answer, and that is said.
    let (code, told) = machine.json(&["pool", "list"]);
    assert_eq!(
        (code, &told["complete"], &told["warnings"][0]["code"]),
        (0, &json!(false), &json!("RF-W0201"))
    );
    let told = machine.fails(&["export", "plain", "broken"], 1, "RF-E0306");
    assert!(
        told.contains(
            "warning: the value of /calico/resources/v3/projectcalico.org/ippools/broken"
        ),
        "{told}"
    );
}

#[test]
fn a_check_mends_what_nobody_is_at_work_on() {
    let machine = Machine::with_pool(&FIN);
    machine.assign("n1", "a", Family::V4, &["fin"]);
    let stray = "/calico/ipam/v2/host/n1/ipv4/block/10.99.0.0-30";
    machine.put(stray, r#"{"state":"confirmed","deleted":false}"#);
    machine.put("/calico/ipam/v2/handle/leaked", r#"{"block":{},"deleted":false}"#);
    let (_, told) = machine.json(&["check"]);
    let repairs: Vec<&str> =
        told["items"].as_array().unwrap().iter().map(|f| f["repair"].as_str().unwrap()).collect();
    assert_eq!(repairs, ["withdraw the claim", "count only the addresses that are held"]);
    let run = machine.run(&["check", "--repair", "--grace", "0"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, ""), "{run:?}");
    for told in [
        format!("mended X1 {stray}: withdraw the claim"),
        "waiting 0 s: nodes may be at work on 2 of the findings".to_owned(),
        "mended X5 /calico/ipam/v2/handle/leaked".to_owned(),
        format!("mended X7 {stray}"),
        "0 findings, 0 notes".to_owned(),
    ] {
        assert!(run.stderr.contains(&told), "{told}: {run:?}");
    }
    let run = machine.run(&["check", "--repair"]);
    assert!(
        run.code == 0 && !run.stderr.contains("waiting"),
        "nothing is left to wait for: {run:?}"
    );
    machine.put("/calico/resources/v3/projectcalico.org/ippools/broken", "{");
    let (code, told) = machine.json(&["check", "--repair"]);
    assert_eq!((code, told["items"][0]["repair"].is_null()), (1, true), "people must mend {told}");
}
