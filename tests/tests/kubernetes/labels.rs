//! Labels of the namespace, which pools select by.

use ipam_tests::kubernetes::Reply;
use ipam_tests::plugin::Call;
use serde_json::json;

use super::{Cluster, first};

#[test]
fn a_pool_selects_namespaces_by_the_labels_that_the_api_shows() {
    let cluster = Cluster::new();
    cluster.world.pool(
        "tenants",
        json!({"cidr": "10.40.0.0/24", "allowedUses": ["Workload"], "namespaceSelector": "has(tenant)"}),
        None,
    );
    cluster.world.pool(
        "others",
        json!({"cidr": "10.41.0.0/24", "allowedUses": ["Workload"], "namespaceSelector": "!has(tenant)"}),
        None,
    );
    cluster.world.pool("any", json!({"cidr": "10.30.0.0/24", "disabled": true}), None);
    let labels = json!({"tenant": "fin"});
    cluster.api.namespace("fin", Reply::namespace("fin", &json!({}), &labels));
    assert!(first(&cluster.add("c1")).starts_with("10.40.0."));
    cluster.api.namespace("fin", Reply::namespace("fin", &json!({}), &json!({})));
    assert!(first(&cluster.add("c2")).starts_with("10.41.0."));
    let unknown = ipam_tests::plugin::netconf(&cluster.world.path(), &json!({}));
    let call = Call::new("ADD", "c3", &unknown).pod("fin", "web");
    cluster.refused(&call, 110, "labels");
}
