//! Stores that cannot be used, and stored values that cannot be understood. Nothing is mended on the way, and no other
//! pool takes the place of a damaged one.

use std::fs::{self, OpenOptions};

use ipam_core::model::{ResourceKind, key};
use ipam_tests::plugin::Call;
use ipam_tests::sqlite::{empty_log, set_format};
use ipam_tests::world::World;
use serde_json::json;

use super::{ANNOTATION_V4, Row, add, add_annotated, conf, every_command, hold};

const UNUSABLE: &str = "embedded store ";

pub(crate) const ROWS: &[Row] = &[
    Row::new("store-missing", 7, UNUSABLE, |world| every_command(&conf(world, &json!({}))))
        .after(remove)
        .names(&["there is no store at"]),
    // A runtime takes an error that says so for a success, and the address would never come back.
    Row::new("del-store-missing", 7, UNUSABLE, |world| {
        let elsewhere = json!({"datastore_path": world.folder().join("no/such/folder/store.db")});
        [json!({}), elsewhere]
            .iter()
            .map(|ipam| Call::new("DEL", "c1", &conf(world, ipam)))
            .collect()
    })
    .after(remove),
    Row::new("store-unreadable", 7, UNUSABLE, |world| every_command(&conf(world, &json!({}))))
        .after(|world| {
            remove(world);
            fs::create_dir(world.path()).unwrap();
        })
        .names(&["is not a regular file"]),
    Row::new("store-of-another-program", 7, UNUSABLE, |world| {
        every_command(&conf(world, &json!({})))
    })
    .after(|world| {
        remove(world);
        fs::write(world.path(), "{\"addresses\": []}\n".repeat(100)).unwrap();
    })
    .names(&["is no SQLite database"]),
    Row::new("store-newer-format", 7, UNUSABLE, |world| every_command(&conf(world, &json!({}))))
        .after(|world| set_format(&world.path(), 2))
        .names(&["has format 2, but only format 1 is known here"]),
    Row::new("store-truncated", 7, UNUSABLE, |world| every_command(&conf(world, &json!({}))))
        .after(|world| {
            empty_log(&world.path());
            let file = OpenOptions::new().write(true).open(world.path()).unwrap();
            file.set_len(file.metadata().unwrap().len() / 2).unwrap();
        })
        .names(&["is damaged"]),
    // What the file lost may still stand in the log, which is there to be restored.
    Row::new("store-emptied", 7, UNUSABLE, |world| every_command(&conf(world, &json!({})))).after(
        |world| OpenOptions::new().write(true).open(world.path()).unwrap().set_len(0).unwrap(),
    ),
    // A writer that hangs must not keep a pod's creation longer than it was told to take.
    Row::new("store-locked", 11, UNUSABLE, |world| {
        let conf = conf(world, &json!({"timeout_ms": 300}));
        vec![add(&conf), Call::new("DEL", "c8", &conf)]
    })
    .after(|world| hold(world, "c8", &json!({}), ""))
    .while_locked()
    .names(&["did not answer in", "another process keeps"]),
    Row::new("corrupt-binding", 999, "what is stored at /", |world| {
        vec![add(&conf(world, &json!({})))]
    })
    .after(|world| world.put(&key::binding("fin"), r#"{"mode":"sometimes"}"#))
    .names(&["/ringfence/v1/bindings/fin"]),
    Row::new("binding-with-a-hole", 999, "what is stored at /ringfence/v1/bindings/fin", |world| {
        vec![add(&conf(world, &json!({})))]
    })
    .after(|world| {
        world.put(&key::binding("fin"), r#"{"mode":"required","ipv4pools":["legacy"]}"#);
    })
    .names(&["ipv4pools"]),
    Row::new("pool-mark-with-a-hole", 999, "what is stored at /ringfence/v1/pools/legacy", |world| {
        vec![add(&conf(world, &json!({})))]
    })
    .after(|world| world.put(&key::pool_mark("legacy"), r#"{"Exclusive":true}"#)),
    Row::new("pools-overlap", 999, "cidr 10.1.0.0/24 of pool \"legacy\" overlaps", |world| {
        add_annotated(world, ANNOTATION_V4, &[r#"["legacy"]"#])
    })
    .after(|world| {
        let pool = r#"{"kind":"IPPool","apiVersion":"projectcalico.org/v3","metadata":{"name":"inner"},"spec":{"cidr":"10.1.0.128/26"}}"#;
        world.put(&key::resource(ResourceKind::IpPool, "inner"), pool);
    })
    .names(&["10.1.0.128/26", "inner"]),
    Row::new("corrupt-reservation", 999, "what is stored at /", |world| {
        vec![add(&conf(world, &json!({})))]
    })
    .after(|world| world.put(&key::resource(ResourceKind::IpReservation, "printers"), "[]"))
    .names(&["/calico/resources/v3/projectcalico.org/ipreservations/printers"]),
];

fn remove(world: &World) {
    for name in ["store.db", "store.db-wal", "store.db-shm"] {
        fs::remove_file(world.folder().join(name)).unwrap();
    }
}
