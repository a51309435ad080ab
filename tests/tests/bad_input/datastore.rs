//! Fields and variables that name no store, or one that cannot be used. None falls back to another store.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;

use ipam_tests::plugin::Call;
use ipam_tests::world::World;
use serde_json::{Value, json};

use super::{Row, conf, conf_without, every_command};

const FILE: &str = "config.json";

pub(crate) const ROWS: &[Row] = &[
    Row::new("no-store-named", 7, "no datastore is named", |world| {
        let mut calls = every_command(&conf_without(world, &["datastore_type", "datastore_path"]));
        // A path alone is no decision: the misspelt type beside it may have meant another store.
        calls.extend(every_command(&conf_without(world, &["datastore_type"])));
        // The environment counts only where the configuration says so.
        let unasked = every_command(&conf_without(world, &["datastore_type"]));
        let store = format!("embedded:{}", world.path().display());
        calls.extend(unasked.into_iter().map(|call| call.with("RINGFENCE_STORE", &store)));
        calls
    })
    .names(&["set datastore_type to \"embedded\" or \"etcdv3\""]),
    Row::new("unknown-datastore-type", 7, "field datastore_type of ipam is \"", |world| {
        let names = ["embeded", "sqlite", "Embedded", " embedded", "etcd"];
        each(world, "datastore_type", &names.map(|name| json!(name)))
    })
    .names(&["it must be \"embedded\" or \"etcdv3\""]),
    Row::new("datastore-type-not-a-text", 7, "datastore_type must be a text", |world| {
        each(world, "datastore_type", &[json!(["embedded"]), json!(7)])
    }),
    Row::new("store-path-relative", 7, "field datastore_path of ipam is \"store.db\"", |world| {
        each(world, "datastore_path", &[json!("store.db")])
    })
    .names(&["must be an absolute path"]),
    Row::new("etcd-endpoints-unreadable", 7, "field etcd_endpoints of ipam: ", |world| {
        let lists = [
            "http://a:2379,",
            "http://a,,http://b",
            "ftp://a",
            "unix:///run/etcd.sock",
            "http://",
            "http://a b",
            "http://10.0.0.999",
            "http://a:0",
            "http://a:65536",
            "http://a:2379/v3",
            "http://a?x",
            "http://fd00::1:2379",
        ];
        lists.iter().flat_map(|list| etcd(world, &json!({"etcd_endpoints": list}))).collect()
    }),
    Row::new("etcd-endpoints-with-password", 7, "field etcd_endpoints of ipam: ", |world| {
        etcd(world, &json!({"etcd_endpoints": "https://root:hush@etcd-1"}))
    })
    .names(&["user and password are settings of their own"]),
    Row::new("etcd-endpoints-not-a-text", 7, "etcd_endpoints must be a text", |world| {
        etcd(world, &json!({"etcd_endpoints": ["http://a"]}))
    }),
    Row::new("etcd-discovery", 2, "field etcd_discovery_srv of ipam is \"example.com\"", |world| {
        etcd(world, &json!({"etcd_discovery_srv": "example.com"}))
    })
    .names(&["list them in etcd_endpoints instead"]),
    Row::new("etcd-secret-on-stdin", 7, "etcd_", |world| {
        let names = ["etcd_username", "etcd_password", "etcd_key", "etcd_cert", "etcd_ca_cert"];
        let at_top = |name: &&str| {
            let mut conf = conf(world, &json!({}));
            conf[*name] = json!("x");
            every_command(&conf)
        };
        let mut calls: Vec<Call> = names.iter().flat_map(at_top).collect();
        calls.extend(names.iter().flat_map(|name| etcd(world, &json!({*name: "x"}))));
        calls
    })
    .names(&["put it into config_file"]),
    Row::new("etcd-secret-misspelt", 7, "field \"", |world| {
        etcd(world, &json!({"etcdPassword": "x"}))
    })
    .names(&["is misspelt; write \"etcd_password\""]),
    Row::new("etcd-endpoints-misspelt", 7, "field \"", |world| {
        etcd(world, &json!({"etcd_endpoint": "https://a"}))
    })
    .names(&["is misspelt; write \"etcd_endpoints\""]),
    Row::new("etcd-certificate-without-key", 7, "field etcd_", |world| {
        let mut calls = etcd(world, &with_endpoints("etcd_cert_file", "/cert.pem"));
        calls.extend(etcd(world, &with_endpoints("etcd_key_file", "/key.pem")));
        calls
    })
    .names(&["set both or neither"]),
    Row::new("etcd-path-relative", 7, "field etcd_ca_cert_file of ipam is \"ca.pem\"", |world| {
        etcd(world, &with_endpoints("etcd_ca_cert_file", "ca.pem"))
    })
    .names(&["must be an absolute path"]),
    // The weaker place would send the node to a store that is not the cluster's.
    Row::new("store-contradiction", 7, "field etcd_endpoints of ipam names etcd", |world| {
        let mut conf = conf_without(world, &["datastore_type"]);
        conf["datastore_type"] = json!("embedded");
        conf["ipam"]["etcd_endpoints"] = json!("https://a");
        every_command(&conf)
    })
    .names(&["remove one of them"]),
    Row::new("env-not-a-flag", 7, "env must be true or false", |world| {
        each(world, "env", &[json!("yes"), json!(1), json!(null)])
    }),
    Row::new(
        "etcd-variable-unreadable",
        7,
        "environment variable CALICO_ETCD_ENDPOINTS: ",
        |world| {
            let calls = every_command(&asking(world));
            let with = |call: Call| call.with("CALICO_ETCD_ENDPOINTS", "ftp://a");
            calls
                .into_iter()
                .map(with)
                .map(|call| call.with("ETCD_ENDPOINTS", "http://b"))
                .collect()
        },
    ),
    Row::new("etcd-variable-user-alone", 7, "environment variable ETCD_USERNAME", |world| {
        let calls = every_command(&asking(world)).into_iter();
        let with = |call: Call| call.with("ETCD_ENDPOINTS", "https://b");
        calls.map(with).map(|call| call.with("ETCD_USERNAME", "root")).collect()
    })
    .names(&["set both or neither"]),
    Row::new(
        "store-variable-unreadable",
        4,
        "environment variable RINGFENCE_STORE is \"",
        |world| {
            let calls = every_command(&asking(world)).into_iter();
            calls.map(|call| call.with("RINGFENCE_STORE", "sqlite:/x")).collect()
        },
    ),
    Row::new("store-variable-not-utf8", 4, "environment variable ETCD_PASSWORD", |world| {
        let calls = every_command(&asking(world)).into_iter();
        calls.map(|call| call.with("ETCD_PASSWORD", OsStr::from_bytes(b"c\xff1"))).collect()
    })
    .names(&["must be UTF-8"]),
    Row::new("config-file-user-alone", 7, "field etcd_username of file ", with_file)
        .after(|world| write(world, &json!({"etcd_username": "root"}), 0o600))
        .names(&["without etcd_password", "set both or neither"]),
    Row::new("config-file-inline-and-file", 7, "field etcd_cert of file ", with_file)
        .after(|world| {
            let pem = "-----BEGIN X-----";
            let fields = json!({"etcd_cert": pem, "etcd_key": pem, "etcd_ca_cert_file": "/ca.pem"});
            write(world, &fields, 0o600);
        })
        .names(&["etcd_ca_cert_file", "not both"]),
    Row::new("config-file-inline-path", 7, "field etcd_key of file ", with_file)
        .after(|world| {
            let fields = json!({"etcd_cert": "-----BEGIN X-----", "etcd_key": "/key.pem"});
            write(world, &fields, 0o600);
        })
        .names(&["to name a file use etcd_key_file instead"]),
    Row::new("config-file-secret-readable", 7, "config_file ", with_file)
        .after(|world| write(world, &json!({"etcd_password": "hush"}), 0o644))
        .names(&["holds etcd_password, and everybody can read it", "chmod o-r"]),
];

/// Makes every call with each value of a field.
fn each(world: &World, name: &str, values: &[Value]) -> Vec<Call> {
    values.iter().flat_map(|value| every_command(&conf(world, &json!({name: value})))).collect()
}

/// Makes every call with etcd as the store, and fields on top.
fn etcd(world: &World, fields: &Value) -> Vec<Call> {
    let mut all = json!({"datastore_type": "etcdv3"});
    all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    every_command(&conf(world, &all))
}

fn with_endpoints(name: &str, value: &str) -> Value {
    json!({"etcd_endpoints": "https://a", name: value})
}

/// Returns a configuration that leaves the store to the environment.
fn asking(world: &World) -> Value {
    let mut conf = conf_without(world, &["datastore_type", "datastore_path"]);
    conf["ipam"]["env"] = json!(true);
    conf
}

/// Makes every call with etcd as the store, and a file beside the configuration.
fn with_file(world: &World) -> Vec<Call> {
    let file = world.folder().join(FILE);
    etcd(world, &json!({"etcd_endpoints": "https://a", "config_file": file}))
}

fn write(world: &World, fields: &Value, mode: u32) {
    let path = world.folder().join(FILE);
    fs::write(&path, fields.to_string()).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
}
