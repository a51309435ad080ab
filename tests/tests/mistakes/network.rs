//! Rows 75 to 77: gateways, prefixes and routes that do not fit.

use ipam_tests::plugin::annotated;
use serde_json::{Value, json};

use super::calls::{ANNOTATION_V4, ANNOTATION_V6, add, add_each, conf, hold, with_top};
use super::cluster::Cluster;
use super::row::{Case, Row};

pub(crate) const ROWS: &[Row] = &[
    Row::new(
        75,
        "a gateway outside of the prefix, or none that ptp could use",
        &[
            // A given gateway belongs to the pool that holds it; where no chosen pool does, it is a slip of the pen.
            Case::refused(114, "gateway ", |cluster| {
                let pools =
                    json!({ANNOTATION_V4: r#"["legacy"]"#, ANNOTATION_V6: r#"["legacy6"]"#});
                let gateways = [
                    json!("10.99.0.1"),
                    json!(["10.99.0.1", "fd00:1::1"]),
                    json!(["10.1.0.1", "fd99::1"]),
                    json!("10.2.0.1"),
                ];
                let with =
                    |gateway| add(&annotated(conf(cluster, &json!({"gateway": gateway})), &pools));
                gateways.iter().map(with).collect()
            })
            .names(&["lies outside"]),
            Case::refused(114, "prefix is \"host\"", |cluster| {
                vec![add(&below_ptp(cluster, &json!({"gateway": "first", "prefix": "host"})))]
            })
            .names(&["ptp"]),
            Case::refused(114, "gateway is none for IPv", |cluster| {
                [json!({}), json!({"gateway": "none"}), json!({"gateway": ["10.1.0.1"]})]
                    .iter()
                    .map(|ipam| add(&below_ptp(cluster, ipam)))
                    .collect()
            })
            .names(&["ptp"]),
        ],
    ),
    Row::new(
        76,
        "a gateway that a container holds",
        &[Case::refused(114, "gateway 10.1.0.1 of pool \"legacy\" is in use by", |cluster| {
            let conf = conf(cluster, &json!({"gateway": "first"}));
            vec![add(&annotated(conf, &json!({ANNOTATION_V4: r#"["legacy"]"#})))]
        })
        .after(|cluster| hold(cluster, "c8", &json!({}), "IP=10.1.0.1"))
        .names(&["pod fin/c8"])],
    ),
    Row::new(
        77,
        "a route with bits behind its prefix",
        &[Case::refused(7, "routes[].dst is \"10.0.0.5/24\"", |cluster| {
            let routes = json!([{"dst": "0.0.0.0/0"}, {"dst": "10.0.0.5/24"}]);
            add_each(cluster, "routes", &[routes])
        })
        .names(&["write 10.0.0.0/24"])],
    ),
];

fn below_ptp(cluster: &Cluster, ipam: &Value) -> Value {
    with_top(conf(cluster, ipam), "type", Some(&json!("ptp")))
}
