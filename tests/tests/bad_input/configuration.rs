//! Fields of the configuration that say what cannot be done. A slip of the pen never falls back to a default.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use ipam_tests::plugin::Call;
use ipam_tests::world::World;
use serde_json::{Value, json};

use super::{ANNOTATION_V4, Row, add, conf, every_command};

const FILE: &str = "config.json";

pub(crate) const ROWS: &[Row] = &[
    Row::new("pools-at-the-top", 7, "ipv", |world| {
        let with = |name: &str| {
            let mut conf = conf(world, &json!({}));
            conf[name] = json!(["legacy"]);
            add(&conf)
        };
        ["ipv4_pools", "ipv6_pools", "ipv4pools"].map(with).to_vec()
    })
    .names(&["it belongs into ipam"]),
    Row::new("runtime-config-not-an-object", 7, "runtimeConfig must be an object", |world| {
        let with = |value: Value| {
            let mut conf = conf(world, &json!({}));
            conf["runtimeConfig"] = value;
            add(&conf)
        };
        [json!([]), json!("x"), json!(7)].map(with).to_vec()
    }),
    Row::new("capability-misspelt", 7, "runtimeConfig \"io.kubernetes.cri.pod-", |world| {
        let pools = json!({ANNOTATION_V4: r#"["legacy"]"#});
        let mut conf = conf(world, &json!({}));
        conf["runtimeConfig"] = json!({"io.kubernetes.cri.pod-Annotations": pools});
        vec![add(&conf)]
    })
    .names(&["is misspelt; write "]),
    Row::new("runtime-config-misspelt", 7, "field \"RuntimeConfig\" is misspelt", |world| {
        let mut conf = conf(world, &json!({}));
        conf["RuntimeConfig"] = json!({});
        vec![add(&conf)]
    }),
    Row::new("pools-empty", 7, "ipv6_pools of the network configuration names no pool", |world| {
        each(world, "ipv6_pools", &[json!([])])
    }),
    Row::new("pool-order-unknown", 7, "pool_order must be", |world| {
        each(world, "pool_order", &[json!("random"), json!(7)])
    }),
    Row::new("mode-unknown", 7, "mode must be", |world| {
        each(world, "mode", &[json!("fast"), json!(7)])
    }),
    Row::new("timeout-unreadable", 7, "timeout_ms must be a number of milliseconds", |world| {
        [json!(0), json!(-1), json!("1000"), json!(1.5)]
            .iter()
            .flat_map(|value| every_command(&conf(world, &json!({"timeout_ms": value}))))
            .collect()
    }),
    Row::new("route-unreadable", 7, "routes[].", |world| {
        let destinations = ["", "10.0.0.0", "default", "10.0.0.0/33", "0.0.0.0/0 "];
        let mut routes: Vec<Value> = destinations.iter().map(|dst| json!([{"dst": dst}])).collect();
        routes.push(json!([{"gw": "10.1.0.1"}]));
        routes.push(json!([{"dst": "0.0.0.0/0", "gw": "10.1.0.999"}]));
        each(world, "routes", &routes)
    }),
    Row::new("dns-unreadable", 7, "dns must be an object", |world| {
        let values =
            [json!(true), json!("10.0.0.1"), json!([]), json!({"nameservers": "10.0.0.1"})];
        let more = [json!({"search": [1]}), json!({"domain": ["a"]}), json!({"options": null})];
        each(world, "dns", &[values.as_slice(), more.as_slice()].concat())
    }),
    Row::new("lock-file-relative", 7, "ipam_lock_file must be an absolute path", |world| {
        each(world, "ipam_lock_file", &[json!("lock")])
    }),
    Row::new("nodename-file-relative", 7, "nodename_file must be an absolute path", |world| {
        vec![add(&conf(world, &json!({"nodename": null, "nodename_file": "name"})))]
    }),
    Row::new("gateway-unreadable", 7, "gateway must be", |world| {
        let two_of_a_family = json!(["10.1.0.1", "10.1.0.2"]);
        each(world, "gateway", &[json!("middle"), json!(["first"]), two_of_a_family, json!(7)])
    }),
    Row::new("prefix-unreadable", 7, "prefix must be", |world| {
        let values = [
            json!("block"),
            json!([24]),
            json!([24, 129]),
            json!([0, 64]),
            json!(24),
            json!([24.5, 64]),
        ];
        each(world, "prefix", &values)
    }),
    Row::new("nodename-blank", 115, "the node's name is \"", |world| {
        each(world, "nodename", &[json!("  "), json!("\n"), json!("a b"), json!("a/b")])
    }),
    Row::new("config-file-unreadable", 7, "config_file ", with_file)
        .after(|world| write_file(world, "{", 0o600)),
    Row::new("config-file-not-an-object", 7, "config_file ", with_file)
        .after(|world| write_file(world, "[]", 0o600)),
    Row::new("config-file-misspelt", 7, "field \"Nodename\"", with_file)
        .after(|world| write_file(world, r#"{"Nodename": "n2"}"#, 0o600)),
    Row::new("config-file-missing", 7, "config_file ", with_file),
    Row::new("config-file-relative", 7, "config_file must be the absolute path", |world| {
        every_command(&conf(world, &json!({"config_file": FILE})))
    }),
];

/// Asks for addresses with each value of a field.
fn each(world: &World, name: &str, values: &[Value]) -> Vec<Call> {
    values.iter().map(|value| add(&conf(world, &json!({name: value})))).collect()
}

fn with_file(world: &World) -> Vec<Call> {
    every_command(&conf(world, &json!({"config_file": world.folder().join(FILE)})))
}

fn write_file(world: &World, text: &str, mode: u32) {
    let path = world.folder().join(FILE);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
}
