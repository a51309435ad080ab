//! STATUS: whether an ADD could succeed now; nothing is changed to find that out.

use ipam_tests::kubernetes::{ApiServer, Reply};
use ipam_tests::plugin::{Answer, Call};
use ipam_tests::world::World;
use serde_json::{Value, json};

use super::{add, conf, world};

fn status(conf: &Value) -> Answer {
    let mut conf = conf.clone();
    conf["cniVersion"] = json!("1.1.0");
    let call = Call::new("STATUS", "unused", &conf);
    ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME"].into_iter().fold(call, Call::without).run()
}

#[test]
fn a_node_that_can_serve_is_ready_and_nothing_changes() {
    let world = world();
    let conf = conf(&world, &json!({}));
    let before = world.contents();
    let answer = status(&conf);
    assert!(answer.success && answer.json.is_null(), "{answer:?}");
    assert_eq!(world.contents(), before);
}

#[test]
fn a_node_without_room_is_not_ready() {
    let world = World::with_pools(&[("p", json!({"cidr": "10.1.0.0/30", "blockSize": 30}))]);
    let conf = conf(&world, &json!({"assign_ipv6": false, "exclude_edges": false}));
    for container in ["c1", "c2", "c3"] {
        add(container, &conf);
        assert!(status(&conf).success);
    }
    add("c4", &conf);
    let answer = status(&conf);
    assert_eq!(answer.code(), Some(50), "{answer:?}");
    assert!(answer.message().contains("no free IPv4 address is left"), "{answer:?}");
}

/// Who has no pool for everybody has one for those that name one.
#[test]
fn a_cluster_of_annotated_pods_is_ready() {
    let world =
        World::with_pools(&[("p", json!({"cidr": "10.1.0.0/24", "assignmentMode": "Manual"}))]);
    assert!(status(&conf(&world, &json!({"assign_ipv6": false}))).success);
}

#[test]
fn what_is_wrong_with_the_configuration_is_no_matter_of_readiness() {
    let world = world();
    for ipam in [json!({"assign_ipv4": "maybe"}), json!({"datastore_path": 7})] {
        assert_eq!(status(&conf(&world, &ipam)).code(), Some(7), "{ipam}");
    }
    let unknown = status(&conf(&world, &json!({"ipv4_pools": ["nosuch"]})));
    assert_eq!(unknown.code(), Some(50), "{unknown:?}");
}

#[test]
fn a_store_or_an_api_that_does_not_answer_makes_it_not_ready_in_time() {
    let nowhere = json!({
        "cniVersion": "1.1.0", "name": "net", "type": "bridge",
        "ipam": {"type": "ringfence-ipam", "etcd_endpoints": "http://127.0.0.1:1", "nodename": "n1"},
    });
    let answer = status(&nowhere);
    assert_eq!(answer.code(), Some(50), "{answer:?}");

    let (world, api) = (world(), ApiServer::start());
    let asking = |ipam: Value| {
        let mut ipam = ipam;
        ipam["kubernetes"] = json!({"kubeconfig": api.kubeconfig()});
        conf(&world, &ipam)
    };
    assert!(status(&asking(json!({}))).success, "an API that answers 404 answers");
    for (reply, says) in [(Reply::Status(403), "403"), (Reply::Silence, "did not show")] {
        api.namespace("default", reply);
        let began = std::time::Instant::now();
        let answer = status(&asking(json!({})));
        assert_eq!(answer.code(), Some(50), "{answer:?}");
        assert!(answer.message().contains(says), "{answer:?}");
        assert!(began.elapsed().as_millis() < 3000, "{:?}", began.elapsed());
    }
    assert!(status(&asking(json!({"annotations": "off"}))).success, "nobody needs the API then");
}
