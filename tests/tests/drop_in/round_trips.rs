//! What a call costs below Calico's main plugin, as etcd itself counts it. Stock Calico: 10 requests for an ADD, 9 for a DEL.

use std::thread::sleep;
use std::time::Duration;

use ipam_tests::plugin::Call;
use serde_json::json;

use super::Node;

/// How long etcd may take to count what it has answered.
const COUNTING: Duration = Duration::from_millis(60);

#[test]
fn a_call_of_a_warm_node_is_one_round_trip() {
    let node = Node::new();
    let conf = node.calico(&json!({"assign_ipv6": "true", "ipv4_pools": ["legacy-fin"]}));
    let answered = || {
        sleep(COUNTING);
        node.world.server().metrics().reads_and_writes()
    };
    for (command, container, cost) in
        [("ADD", "a", 3), ("ADD", "b", 1), ("DEL", "a", 1), ("ADD", "c", 1), ("DEL", "c", 1)]
    {
        let before = answered();
        let answer = Call::new(command, container, &conf).pod("fin", container).run();
        assert!(answer.success, "{command} {container}: {:?}", answer.json);
        assert_eq!(answered() - before, cost, "{command} {container}");
    }
}
