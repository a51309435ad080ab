//! Where the plugin looks for its store.

use ipam_tests::plugin::{Answer, Call};
use serde_json::json;

use super::{conf, world};

/// Calls with variables of the environment.
fn add(container: &str, conf: &serde_json::Value, variables: &[(&'static str, &str)]) -> Answer {
    let call = Call::new("ADD", container, conf);
    variables.iter().fold(call, |call, (name, value)| call.with(name, value)).run()
}

#[test]
fn the_environment_names_a_store_where_it_is_asked() {
    let world = world();
    let mut asking = conf(&world, &json!({"env": true}));
    let path = world.path().display().to_string();
    let named = format!("embedded:{path}");
    for name in ["datastore_type", "datastore_path"] {
        asking["ipam"].as_object_mut().unwrap().remove(name);
    }
    let elsewhere =
        [("RINGFENCE_DATASTORE_PATH", "/nowhere/store.db"), ("DATASTORE_TYPE", "kubernetes")];
    let of_store = [("RINGFENCE_STORE", named.as_str()), elsewhere[0], elsewhere[1]];
    assert_eq!(add("c1", &asking, &of_store).addresses().len(), 2);
    let apart = [
        ("CALICO_DATASTORE_TYPE", "embedded"),
        ("RINGFENCE_DATASTORE_PATH", path.as_str()),
        ("DATASTORE_TYPE", "kubernetes"),
    ];
    assert_eq!(add("c2", &asking, &apart).addresses().len(), 2);
    // What the configuration says is stronger; what it does not say is taken from below.
    asking["datastore_path"] = json!(path);
    let below = [elsewhere[0], ("RINGFENCE_DATASTORE_TYPE", "embedded")];
    assert_eq!(add("c3", &asking, &below).addresses().len(), 2);
}
