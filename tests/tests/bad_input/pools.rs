//! Pools that cannot be used, are not permitted, or are used up. Nothing else takes their place.

use ipam_core::model::{Binding, BindingMode};
use serde_json::json;

use super::{ANNOTATION_V4, Row, add, add_annotated, conf};

const UNKNOWN: &str = "annotation cni.projectcalico.org/ipv4pools of the pod: there is no pool ";

pub(crate) const ROWS: &[Row] = &[
    // What a pod's author writes must not reach an operator's terminal, nor make a message without end.
    Row::new("unknown-pool-with-hostile-name", 101, UNKNOWN, |world| {
        let long = json!(["x".repeat(5000)]).to_string();
        add_annotated(world, ANNOTATION_V4, &[r#"["\u001b[2J\nlegacy"]"#, r#"["../legacy"]"#, &long])
    }),
    Row::new(
        "binding-permits-nothing",
        104,
        "required binding of namespace fin: no IPv6 pool is permitted",
        |world| vec![add(&conf(world, &json!({})))],
    )
    .after(|world| {
        let pools = Some(vec!["legacy".to_owned()]);
        world.bind("fin", Binding::new(BindingMode::Required, pools, Some(Vec::new())));
    }),
    Row::new(
        "exclusive-pool-unbound",
        104,
        "annotation cni.projectcalico.org/ipv4pools of the pod: pool \"bank\" is not permitted here",
        |world| {
            let texts = [r#"["bank"]"#, r#"["10.5.0.0/24"]"#, r#"["legacy", "bank"]"#];
            add_annotated(world, ANNOTATION_V4, &texts)
        },
    )
    .after(|world| {
        let pools = Some(vec!["bank".to_owned()]);
        world.bind("treasury", Binding::new(BindingMode::Default, pools, None));
    })
    .names(&["it is exclusive, and no binding of namespace fin names it"]),
];
