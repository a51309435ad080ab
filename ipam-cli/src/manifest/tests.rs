use super::*;

const V3: &str = "apiVersion: projectcalico.org/v3";

fn pool(spec: &str) -> String {
    format!("{V3}\nkind: IPPool\nmetadata: {{name: fin}}\nspec: {{{spec}}}\n")
}

fn refusal(text: &str) -> String {
    let error = read(text).map(|read| read.len()).expect_err(text);
    crate::cause::Cause::from(error).chain()
}

#[test]
fn every_form_is_read() {
    let json = r#"{"apiVersion":"projectcalico.org/v3","kind":"IPPool","metadata":{"name":"j"},"spec":{"cidr":"10.0.0.0/24"}}"#;
    let list =
        format!("{V3}\nkind: IPPoolList\nitems:\n- {json}\n- {}", json.replace("\"j\"", "\"k\""));
    for (what, text, names) in [
        ("one document", pool("cidr: 10.20.0.0/24"), vec!["fin"]),
        ("JSON", json.to_owned(), vec!["j"]),
        (
            "JSON documents",
            format!("{json}\n---\n{}", json.replace("\"j\"", "\"k\"")),
            vec!["j", "k"],
        ),
        (
            "blank documents between",
            format!("---\n# talk\n---\n{}---\n---\n{json}\n---\n", pool("cidr: 10.20.0.0/24")),
            vec!["fin", "j"],
        ),
        ("a list", list, vec!["j", "k"]),
        (
            "what calicoctl prints",
            format!(
                "{V3}\nkind: IPPool\nmetadata:\n  creationTimestamp: \"2026-11-21T01:10:22Z\"\n  name: fin\n  resourceVersion: \"21278\"\n  uid: d52b\nspec:\n  allowedUses:\n  - Workload\n  - Tunnel\n  blockSize: 28\n  cidr: 10.20.0.0/26\nstatus: {{}}\n"
            ),
            vec!["fin"],
        ),
    ] {
        let read = read(&text).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(read.iter().map(name_of).collect::<Vec<_>>(), names, "{what}");
    }
}

#[test]
fn a_pool_says_what_its_manifest_says() {
    let text = pool(
        "cidr: 10.20.0.0/24, blockSize: 28, ipipMode: CrossSubnet, natOutgoing: true, disabled: false, nodeSelector: 'zone == \"finance\"', namespaceSelector: ~, allowedUses: [Workload], assignmentMode: Manual",
    );
    let read = read(&text).unwrap();
    let [Manifest::Pool(pool, None)] = read.as_slice() else { panic!("{read:?}") };
    let expected = r#"{"kind":"IPPool","apiVersion":"projectcalico.org/v3","metadata":{"name":"fin"},"spec":{"cidr":"10.20.0.0/24","ipipMode":"CrossSubnet","natOutgoing":true,"blockSize":28,"nodeSelector":"zone == \"finance\"","allowedUses":["Workload"],"assignmentMode":"Manual"}}"#;
    assert_eq!(String::from_utf8(pool.encode()).unwrap(), expected);
}

#[test]
fn a_node_is_written_in_calicos_order() {
    let text = format!(
        "{V3}\nkind: Node\nmetadata: {{name: n1, labels: {{zone: finance}}}}\nspec: {{orchRefs: [{{orchestrator: k8s, nodeName: n1}}], bgp: {{ipv4Address: 192.0.2.11/24, asNumber: 64512}}}}"
    );
    let read = read(&text).unwrap();
    let [Manifest::Node(node)] = read.as_slice() else { panic!("{read:?}") };
    let expected = r#"{"kind":"Node","apiVersion":"projectcalico.org/v3","metadata":{"name":"n1","labels":{"zone":"finance"}},"spec":{"bgp":{"asNumber":64512,"ipv4Address":"192.0.2.11/24"},"orchRefs":[{"nodeName":"n1","orchestrator":"k8s"}]}}"#;
    assert_eq!(String::from_utf8(node.encode()).unwrap(), expected);
}

/// Holds that each text is refused, in one line that says what it must.
fn check(rows: &[(String, &str)]) {
    for (text, says) in rows {
        let refusal = refusal(text);
        assert!(refusal.contains(says), "{text}\n{refusal}\n{says}");
        assert_eq!(refusal.lines().count(), 1, "{refusal}");
    }
}

#[test]
fn a_field_that_is_not_known_or_of_another_type_is_named() {
    let sound = pool("cidr: 10.20.0.0/24");
    let second = |text: &str| format!("{sound}---\n{text}");
    check(&[
        (
            second(&pool("cidr: 10.9.0.0/24, nope: 1")),
            "document 2: spec.nope is not a field of IPPool",
        ),
        (
            pool("cidr: 10.9.0.0/24, ipip: {enabled: true}"),
            "spec.ipip is not a field of IPPool; this is the spelling of Calico v1, write ipipMode",
        ),
        (pool("cidr: 10.9.0.0/24, nat-outgoing: true"), "write natOutgoing"),
        (
            sound.replace("metadata: {", "metadata: {namespace: x, "),
            "document 1: metadata.namespace is not a field of IPPool",
        ),
        (format!("{sound}more: 1"), "document 1: more is not a field of IPPool"),
        (
            pool("cidr: 10.9.0.0/24, blockSize: '26'"),
            "spec.blockSize is a text; it must be a whole number",
        ),
        (
            pool("cidr: 10.9.0.0/24, blockSize: 26.5"),
            "spec.blockSize is a number; it must be a whole number",
        ),
        (pool("cidr: 10.9.0.0/24, blockSize: 300"), "document 1: a value does not fit: "),
        (
            pool("cidr: 10.9.0.0/24, disabled: 'yes'"),
            "spec.disabled is a text; it must be true or false",
        ),
        (
            pool("cidr: 10.9.0.0/24, disabled: yes"),
            "spec.disabled is a text; it must be true or false",
        ),
        (pool("cidr: 10"), "spec.cidr is a number; it must be a text"),
        (
            pool("cidr: 10.9.0.0/24, allowedUses: Workload"),
            "spec.allowedUses is a text; it must be a list of texts",
        ),
        (
            pool("cidr: 10.9.0.0/24, allowedUses: [1]"),
            "spec.allowedUses is a number; it must be a list of texts",
        ),
    ]);
}

#[test]
fn a_document_that_is_no_resource_is_named() {
    let sound = pool("cidr: 10.20.0.0/24");
    let second = |text: &str| format!("{sound}---\n{text}");
    check(&[
        (
            sound.replace("name: fin", "name: fin, labels: {tier: 1}"),
            "metadata.labels.tier is a number; it must be a text; put it between quotes",
        ),
        (
            sound.replace("{name: fin}", "fin"),
            "document 1: metadata is a text; it must be a map of fields",
        ),
        (sound.replace("{name: fin}", "{}"), "document 1: metadata.name is missing"),
        (sound.replace("name: fin", "name: ''"), "document 1: metadata.name is missing"),
        (sound.replace("name: fin", "name: X_Y"), "the name \"X_Y\""),
        (second(&sound), "document 2: IPPool \"fin\" stands in document 1 already"),
        (sound.replace("kind: IPPool\n", ""), "document 1: kind is missing"),
        (
            sound.replace("IPPool", "NetworkPolicy"),
            "document 1: kind NetworkPolicy is none of IPPool, IPReservation, Node",
        ),
        (sound.replace("IPPool", "ipPool"), "Calico v1"),
        (
            sound.replace("projectcalico.org/v3", "v1"),
            "document 1: apiVersion is v1; it must be projectcalico.org/v3",
        ),
        (
            format!("{V3}\nkind: List\nitems: [7]"),
            "document 1, item 1: the item is a number; it must be a map of fields",
        ),
        (format!("{V3}\nkind: List"), "document 1: items is missing"),
        ("just text".to_owned(), "document 1: the document is a text; it must be a map of fields"),
        ("a: [".to_owned(), "the text is not YAML: "),
        (sound.replace("spec: {", "spec: {cidr: 10.1.0.0/24, "), "the text is not YAML: "),
        (String::new(), "the text holds no resource"),
        ("---\n# nothing\n".to_owned(), "the text holds no resource"),
    ]);
}

#[test]
fn every_kind_keeps_its_rules() {
    check(&[
        (
            pool("cidr: 10.9.0.7/24"),
            "pool \"fin\" is not valid: cidr 10.9.0.7/24 has bits set behind its prefix; write 10.9.0.0/24",
        ),
        (pool("blockSize: 26"), "pool \"fin\" is not valid: cidr is not a network"),
        (
            format!(
                "{V3}\nkind: IPReservation\nmetadata: {{name: r}}\nspec: {{reservedCIDRs: [10.0.0.0/8, x]}}"
            ),
            "a network of reservation \"r\" is none: \"x\"",
        ),
        (
            format!("{V3}\nkind: IPReservation\nmetadata: {{name: R}}\nspec: {{}}"),
            "document 1: IPReservation cannot be called \"R\"",
        ),
        (
            format!("{V3}\nkind: Node\nmetadata: {{name: n}}\nspec: {{bgp: {{asn: 1}}}}"),
            "spec.bgp.asn is not a field of Node",
        ),
        (
            format!("{V3}\nkind: Node\nmetadata: {{name: n}}\nspec: {{orchRefs: [{{node: n}}]}}"),
            "spec.orchRefs[0].node is not a field of Node",
        ),
    ]);
}
