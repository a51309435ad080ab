//! The rules of the house, as `ARCHITECTURE.md` states them.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]

use std::collections::BTreeSet;
use std::fs;

use ipam_etcd::settings::Setting;
use ipam_tests::source::{NamedTest, SourceFile, files, root};

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;

fn rust() -> Vec<SourceFile> {
    files(&[".rs"])
}

/// Fails with every offence at once.
fn none(offences: &[String]) {
    assert!(offences.is_empty(), "\n{}", offences.join("\n"));
}

#[test]
fn crates_depend_downwards_only() {
    for (krate, may) in [
        ("ipam-core", vec![]),
        ("ipam-etcd", vec!["ipam-core"]),
        ("ipam-kube", vec![]),
        ("cni-plugin", vec!["ipam-core", "ipam-etcd", "ipam-kube"]),
        ("ipam-cli", vec!["ipam-core", "ipam-etcd"]),
    ] {
        let manifest = fs::read_to_string(root().join(krate).join("Cargo.toml")).unwrap();
        let dependencies = manifest.split("[dependencies]").nth(1).unwrap();
        let dependencies = dependencies.split("\n[").next().unwrap();
        for other in ["ipam-core", "ipam-etcd", "ipam-kube", "cni-plugin", "ipam-cli", "ipam-tests"]
        {
            let depends = dependencies.lines().any(|line| line.starts_with(other));
            assert!(!depends || may.contains(&other), "{krate} must not depend on {other}");
        }
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{krate} must keep the workspace's lints"
        );
    }
}

#[test]
fn modules_of_the_core_depend_downwards_only() {
    let order: [(&str, &[&str]); 11] = [
        ("ip", &[]),
        ("kv", &[]),
        ("selector", &[]),
        ("model", &["ip", "kv"]),
        ("block", &["ip", "model"]),
        ("refusal", &["block", "ip", "model", "selector"]),
        ("pool", &["block", "ip", "kv", "model", "refusal", "selector"]),
        ("plan", &["block", "ip", "kv", "model", "pool", "refusal"]),
        ("check", &["block", "ip", "kv", "model", "plan"]),
        ("collector", &["block", "ip", "kv", "model", "plan"]),
        ("inventory", &["block", "ip", "kv", "model", "plan", "pool"]),
    ];
    let mut offences = Vec::new();
    for file in rust() {
        let Some(inside) = file.path.strip_prefix("ipam-core/src/") else { continue };
        let Some((module, _)) = inside.split_once('/') else { continue };
        let Some((_, may)) = order.iter().find(|(name, _)| *name == module) else {
            offences.push(format!("{}: module {module} has no place in the order", file.path));
            continue;
        };
        if file.is_test() {
            continue;
        }
        for line in file.without_tests().iter().filter(|line| !line.trim_start().starts_with("//"))
        {
            for named in line.split("crate::").skip(1) {
                let named: String =
                    named.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if named != module && !named.is_empty() && !may.contains(&named.as_str()) {
                    offences.push(format!("{}: {module} must not know {named}", file.path));
                }
            }
        }
    }
    none(&offences);
}

#[test]
fn each_thing_is_done_in_its_own_place() {
    let rules: [(&str, &[&str]); 9] = [
        (
            "std::env::",
            &[
                "cni-plugin/src/protocol/environment.rs",
                "cni-plugin/src/main.rs",
                "ipam-cli/src/install/surroundings.rs",
                "ipam-cli/src/main.rs",
                "ipam-etcd/src/settings/environment.rs",
            ],
        ),
        ("rusqlite::", &["ipam-etcd/src/embedded/"]),
        ("etcd_client::", &["ipam-etcd/src/etcd/"]),
        ("tonic::", &["ipam-etcd/src/etcd/"]),
        (
            "Serialize",
            &[
                "ipam-core/src/model/",
                "cni-plugin/src/protocol/",
                "ipam-cli/src/render/",
                "ipam-cli/src/manifest",
            ],
        ),
        ("tracing::", &["ipam-etcd/src/", "ipam-kube/src/", "cni-plugin/src/", "ipam-cli/src/"]),
        ("tokio::", &["ipam-etcd/src/", "ipam-kube/src/", "cni-plugin/src/", "ipam-cli/src/"]),
        ("comfy_table::", &["ipam-cli/src/render/"]),
        ("ipnetwork::", &["ipam-core/src/ip/cidr.rs", "cni-plugin/src/", "ipam-cli/src/"]),
    ];
    let mut offences = Vec::new();
    for file in rust().iter().filter(|file| !file.is_test()) {
        let code: Vec<&str> = file
            .without_tests()
            .into_iter()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect();
        for (what, places) in rules {
            let allowed = places.iter().any(|place| file.path.starts_with(place));
            if !allowed && code.iter().any(|line| line.contains(what)) {
                offences.push(format!("{}: {what} belongs into {}", file.path, places.join(", ")));
            }
        }
    }
    none(&offences);
}

#[test]
fn the_core_is_pure() {
    let banned = [
        "std::env",
        "std::fs",
        "std::net::Tcp",
        "std::net::Udp",
        "std::thread",
        "std::process",
        "SystemTime",
        "Instant::now",
        "tokio",
        "tracing",
        "println!",
        "HashMap",
        "HashSet",
    ];
    let mut offences = Vec::new();
    for file in
        rust().iter().filter(|file| file.path.starts_with("ipam-core/src/") && !file.is_test())
    {
        for (at, line) in file.without_tests().iter().enumerate() {
            if let Some(what) = banned.iter().find(|what| line.contains(**what)) {
                offences.push(format!("{}:{}: the core knows no {what}", file.path, at + 1));
            }
        }
    }
    none(&offences);
}

#[test]
fn files_and_functions_fit_on_a_screen_or_two() {
    let mut offences = Vec::new();
    for file in rust() {
        let lines = file.text.lines().count();
        let counted = if file.is_test() { lines } else { file.without_tests().len() };
        if counted > FILE_LINES_MAX {
            offences.push(format!("{}: {counted} lines, the most is {FILE_LINES_MAX}", file.path));
        }
        if let Some((at, length)) =
            file.longest_function().filter(|(_, length)| *length > FUNCTION_LINES_MAX)
        {
            offences.push(format!(
                "{}:{at}: {length} lines, the most is {FUNCTION_LINES_MAX}",
                file.path
            ));
        }
    }
    none(&offences);
}

#[test]
fn names_explain_themselves() {
    let empty = ["util", "utils", "helper", "helpers", "common", "misc"];
    let unsaying =
        |file: &&SourceFile| file.path.split(['/', '.']).any(|part| empty.contains(&part));
    let offences: Vec<String> =
        rust().iter().filter(unsaying).map(|file| file.path.clone()).collect();
    none(&offences);
}

#[test]
fn nothing_is_left_open() {
    let words = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("X", "XX"),
        concat!("#[", "ignore"),
        concat!("unimplemented", "!("),
        concat!("todo", "!("),
    ];
    let mut offences = Vec::new();
    for file in files(&[".rs", ".sh", ".md", ".toml"]) {
        for (at, line) in file.text.lines().enumerate() {
            if words.iter().any(|word| line.contains(word)) {
                offences.push(format!("{}:{}: {}", file.path, at + 1, line.trim()));
            }
        }
    }
    none(&offences);
}

#[test]
fn errors_do_not_repeat_their_source() {
    let mut offences = Vec::new();
    for file in rust() {
        for (at, line) in file.text.lines().enumerate() {
            let shown = line.trim_start().strip_prefix("#[error(");
            if shown.is_some_and(|text| text.contains("{source")) {
                offences.push(format!(
                    "{}:{}: the chain is printed once, at the edge",
                    file.path,
                    at + 1
                ));
            }
        }
    }
    none(&offences);
}

/// The nearest `clippy.toml` replaces the root's, so each must repeat its bans.
#[test]
fn every_clippy_file_keeps_the_bans_of_the_root() {
    let bans = fs::read_to_string(root().join("clippy.toml")).unwrap();
    for file in files(&["clippy.toml"]) {
        for ban in bans.lines().filter(|line| line.contains('=')) {
            assert!(file.text.contains(ban), "{} lacks {ban}", file.path);
        }
    }
}

/// What a user may get wrong, and the row of the table that shows what happens then.
#[test]
fn every_bad_input_has_its_row() {
    let rows: BTreeSet<String> = files(&[".rs"])
        .iter()
        .filter(|file| file.path.starts_with("tests/tests/bad_input"))
        .flat_map(|file| file.text.split('"').map(str::to_owned).collect::<Vec<_>>())
        .collect();
    let required = [
        "missing-ifname",
        "no-store-named",
        "etcd-endpoints-unreadable",
        "etcd-secret-on-stdin",
        "store-contradiction",
        "store-unreadable",
        "store-newer-format",
        "store-truncated",
        "store-locked",
    ];
    let missing: Vec<String> = required
        .iter()
        .filter(|row| !rows.contains(**row))
        .map(|row| format!("no row {row}"))
        .collect();
    none(&missing);
}

/// What is promised has a test that shows it.
#[test]
fn promises_name_tests_that_exist() {
    let page = fs::read_to_string(root().join("docs/promises.md")).unwrap();
    let rows: Vec<&str> = page.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert!(rows.len() >= 12, "{} promises", rows.len());
    for row in rows {
        let tests = NamedTest::in_text(row);
        assert!(!tests.is_empty(), "no test: {row}");
        none(&tests.iter().filter_map(NamedTest::fault).collect::<Vec<_>>());
    }
}

/// Every number of an error stands in its document, with the name that it has in the code.
#[test]
fn errors_are_documented() {
    let source = fs::read_to_string(root().join("cni-plugin/src/protocol/error.rs")).unwrap();
    let (_, body) = source.split_once("pub enum Code {").unwrap();
    let variants = body.split('}').next().unwrap().lines().filter_map(|line| {
        let (name, number) = line.trim().strip_suffix(',')?.split_once(" = ")?;
        Some((number.to_owned(), in_words(name)))
    });
    let page = fs::read_to_string(root().join("docs/errors.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| ")).skip(1).map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 5, "{line}");
        assert!(["yes", "no"].contains(&cells[3]), "whether a retry helps: {line}");
        (cells[0].to_owned(), cells[1].to_owned())
    });
    assert_eq!(rows.collect::<Vec<_>>(), variants.collect::<Vec<_>>());
}

/// Writes `UnknownPool` as `unknown pool`.
fn in_words(name: &str) -> String {
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}

/// Every name of every setting stands in its document.
#[test]
fn settings_are_documented() {
    let text = fs::read_to_string(root().join("docs/settings.md")).unwrap();
    let plugin = fs::read_to_string(root().join("docs/plugin.md")).unwrap();
    for setting in Setting::ALL {
        let names = [Some(setting.key()), setting.variable(), setting.flag()];
        for name in names.into_iter().flatten() {
            assert!(text.contains(name), "{name} is missing in docs/settings.md");
        }
        assert!(
            setting == Setting::Timeout || plugin.contains(&format!("`{}`", setting.field())),
            "{} is missing in docs/plugin.md",
            setting.field()
        );
    }
}

/// Documents that are linked must exist, so that they are found where people look.
#[test]
fn links_between_documents_lead_somewhere() {
    let mut offences = Vec::new();
    for file in files(&[".md"]) {
        let folder = root().join(&file.path);
        let folder = folder.parent().unwrap();
        for target in file.text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = target.split('#').next().unwrap();
            if !target.is_empty() && !target.contains("://") && !folder.join(target).exists() {
                offences.push(format!("{}: {target} does not exist", file.path));
            }
        }
    }
    none(&offences);
}

/// `docs/testing.md` names every deliberate bug of `tests/mutants`, what it does and what finds it.
#[test]
fn every_deliberate_bug_is_listed() {
    let page = fs::read_to_string(root().join("docs/testing.md")).unwrap();
    let mut listed: BTreeSet<String> =
        page.lines().filter(|line| line.starts_with("| `")).map(str::to_owned).collect();
    for entry in fs::read_dir(root().join("tests/mutants")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        let (what, rest) = text.split_once('\n').unwrap();
        let killer = rest.lines().next().unwrap().strip_prefix("Killer: ").unwrap();
        let killer = match killer {
            "sim" => "the simulation".to_owned(),
            command => format!("`{command}`"),
        };
        let row = format!("| `{name}` | {what} | {killer} |");
        assert!(listed.remove(&row), "docs/testing.md misses: {row}");
    }
}
