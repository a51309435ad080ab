use clap::Parser;

use super::*;
use crate::args::{Arguments, Command};

fn explain(words: &[&str]) -> args::Explain {
    let words = ["ringfence", "explain"].iter().chain(words);
    let command = Arguments::try_parse_from(words).unwrap().command;
    let Command::Explain(args) = command else { panic!("{command:?}") };
    args
}

fn question(words: &[&str], conf: &str) -> Question {
    let conf = if conf.is_empty() { NetConf::default() } else { NetConf::read(conf).unwrap() };
    Question::read(&explain(words), conf, || Ok("this-machine".to_owned())).unwrap()
}

#[test]
fn the_node_and_the_tenant_are_those_that_are_named() {
    const CONF: &str = r#"{"name":"net","ipam":{"nodename":"conf-node"}}"#;
    for (words, conf, node, tenant) in [
        (&[][..], "", "this-machine", None),
        (&[], CONF, "conf-node", Some("network net")),
        (&["--node", "n1", "--namespace", "fin"], CONF, "n1", Some("namespace fin")),
    ] {
        let question = question(words, conf);
        assert_eq!(question.node, node, "{words:?}");
        assert_eq!(
            question.tenant.as_ref().map(ToString::to_string).as_deref(),
            tenant,
            "{words:?}"
        );
    }
}

#[test]
fn every_level_says_what_it_was_given() {
    let names = |list: &Option<PoolList>| {
        list.as_ref().map(|list| list.entries().join(",")).unwrap_or_default()
    };
    let key = "cni.projectcalico.org/ipv4pools";
    let pod = format!(r#"{key}=["a"]"#);
    let namespace = format!(r#"{key}=["b"]"#);
    let conf = r#"{"ipam":{"ipv4_pools":["c"],"ipv6_pools":["d"]}}"#;
    for (words, v4, v6) in [
        (vec![], ["", "", "c"], ["", "", "d"]),
        (vec!["--pod-annotation", &pod], ["a", "", "c"], ["", "", "d"]),
        (
            vec!["--namespace-annotation", &namespace, "--pod-annotation", "x=y"],
            ["", "b", "c"],
            ["", "", "d"],
        ),
        (
            vec!["--ipv4pools", r#"["e"]"#, "--ipv6pools", r#"["f"]"#],
            ["e", "", "c"],
            ["f", "", "d"],
        ),
        (vec!["--ipv4pools", ""], ["", "", "c"], ["", "", "d"]),
    ] {
        let question = question(&words, conf);
        for (family, expected) in [(Family::V4, v4), (Family::V6, v6)] {
            let levels = question.levels(family).unwrap();
            let found =
                [names(&levels.pod), names(&levels.namespace), names(&levels.configuration)];
            assert_eq!(found, expected, "{words:?} {family}");
        }
        assert_eq!(question.unread.len(), usize::from(words.contains(&"x=y")), "{words:?}");
    }
}

#[test]
fn mistakes_are_those_of_the_plugin_or_of_the_command_line() {
    let question = question(&["--ipv4pools", "[a]"], "");
    let mistake = question.levels(Family::V4).unwrap_err();
    assert_eq!(
        mistake,
        "annotation cni.projectcalico.org/ipv4pools of the pod is not JSON; write [\"a\"]"
    );
    assert!(question.levels(Family::V6).is_ok());
    for (words, mistake) in [
        (
            ["--pod-annotation", "cni.projectcalico.org/IPv4Pools=[]"],
            "annotation \"cni.projectcalico.org/IPv4Pools\" of the pod is misspelt; write \"cni.projectcalico.org/ipv4pools\"",
        ),
        (
            ["--namespace-annotation", "cni.projectcalico.org/ipv6pool=[]"],
            "annotation \"cni.projectcalico.org/ipv6pool\" of the namespace is misspelt; write \"cni.projectcalico.org/ipv6pools\"",
        ),
        (
            ["--namespace", "SHOP"],
            "namespace \"SHOP\" must consist of lower-case letters, digits and '-', and start and end with a letter or digit",
        ),
    ] {
        let question = self::question(&words, "");
        assert_eq!(question.levels(Family::V4).unwrap_err(), mistake, "{words:?}");
    }
    let both = ["--ipv4pools", "", "--pod-annotation", "cni.projectcalico.org/ipv4pools=[]"];
    let read = Question::read(&explain(&both), NetConf::default(), || Ok(String::new()));
    assert!(matches!(read, Err(Cause::Usage(UsageError::Twice { .. }))));
}

#[test]
fn families_are_those_that_are_named_or_that_the_plugin_asks_for() {
    let conf = |assigns: &str| format!(r#"{{"ipam":{{{assigns}}}}}"#);
    for (words, assigns, expected) in [
        (&[][..], "", "IPv4"),
        (&["--ipv6"], "", "IPv6"),
        (&["--ipv6", "--ipv4"], "", "IPv4 IPv6"),
        (&["--ipv6pools", "[]"], "", "IPv4 IPv6"),
        (&[], r#""assign_ipv6":"true""#, "IPv4 IPv6"),
        (&[], r#""assign_ipv6":true,"assign_ipv4":false"#, "IPv6"),
        (&["--ipv4"], r#""assign_ipv4":false"#, "IPv4"),
    ] {
        let conf = NetConf::read(&conf(assigns)).unwrap();
        let found: Vec<String> =
            families(&explain(words), &conf).iter().map(ToString::to_string).collect();
        assert_eq!(found.join(" "), expected, "{words:?} {assigns}");
    }
}
