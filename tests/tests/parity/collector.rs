//! What nobody uses any more, and what must not be taken for that.

use std::collections::BTreeMap;

use ipam_core::collector::{
    Abandoned, Fault, Grace, Machines, Memory, ObjectName, Pass, Paused, Proof,
};
use ipam_core::plan::{Claims, ReleaseClaims};
use ipam_core::refusal::Refusal;
use serde_json::{Value, json};

use super::scene::{GRACE_SECONDS, Scene, leaked};
use super::world::{cidr, host};

const CLUSTER: &str = "/calico/resources/v3/projectcalico.org/clusterinformations/default";
const TUNNELS: [&str; 5] = [
    "ipipTunnelAddress",
    "vxlanTunnelAddress",
    "vxlanV6TunnelAddress",
    "wireguardTunnelAddress",
    "wireguardV6TunnelAddress",
];

fn idle(pass: &Pass) -> Vec<String> {
    let idle = pass.claims.iter().filter_map(|claim| match claim {
        Abandoned::Idle { block, .. } => Some(block.to_string()),
        Abandoned::NodeGone { .. } => None,
    });
    idle.collect()
}

fn gone(node: &str) -> Vec<Abandoned> {
    vec![Abandoned::NodeGone { node: node.to_owned() }]
}

fn pod(name: &str) -> ObjectName {
    ObjectName::new("fin", name)
}

#[test]
fn an_address_without_its_pod_is_released_after_the_grace() {
    let mut scene = Scene::new("10.0.0.0/28", 30);
    scene.take_for_pod("a", "p", 1);
    let seen = scene.world.now();
    assert_eq!((leaked(&scene.pass()), scene.memory.suspects.len()), (vec![], 1));
    scene.world.wait(GRACE_SECONDS);
    assert!(scene.pass().leaks.is_empty(), "it must be older than the grace");
    scene.world.wait(1);
    let pass = scene.pass();
    assert_eq!(leaked(&pass), ["10.0.0.0"]);
    assert_eq!(pass.leaks[0].fault, Fault::NoPod(pod("p")));
    assert_eq!(pass.leaks[0].proof, Proof::Since(seen));
    scene.release(&pass);
    assert!(scene.world.held("p").is_empty());
    assert_eq!(scene.world.claims(&host("a")).len(), 1, "the claim stays");
    assert_eq!((scene.pass().claims, scene.memory), (vec![], Memory::default()));
}

#[test]
fn without_a_grace_nothing_of_a_living_node_is_released() {
    let mut scene = Scene::new("10.0.0.0/28", 30);
    scene.grace = Grace::of(0);
    scene.take_for_pod("a", "p", 1);
    scene.claim("a", "10.0.0.8/30");
    for _ in 0..3 {
        let pass = scene.pass();
        assert_eq!((leaked(&pass), pass.claims), (vec![], vec![]));
        scene.world.wait(1_000_000);
    }
}

#[test]
fn a_handle_keeps_all_of_its_addresses_or_none() {
    let mut scene = Scene::new("10.0.0.0/28", 30);
    scene.take_for_pod("a", "p", 2);
    scene.pod("p", "a", &["10.0.0.0"]);
    assert_eq!(leaked(&scene.pass_twice()), [""; 0]);
    scene.cluster.pods.clear();
    assert_eq!(leaked(&scene.pass()), [""; 0], "the one that was valid is new to it");
    scene.world.wait(GRACE_SECONDS + 1);
    let pass = scene.pass();
    assert_eq!(leaked(&pass), ["10.0.0.0", "10.0.0.1"]);
    scene.release(&pass);
    assert!(scene.world.held("p").is_empty());
    scene.pass();
    assert_eq!(scene.memory, Memory::default());
}

#[test]
fn a_node_that_is_gone_loses_everything_once_its_pods_are_gone_too() {
    let mut scene = Scene::new("10.0.0.0/28", 30);
    scene.take_for_pod("a", "p", 1);
    scene.pod("p", "a", &["10.0.0.0"]);
    scene.cluster.nodes.remove("a");
    let pass = scene.pass_twice();
    assert_eq!((leaked(&pass), pass.claims), (vec![], vec![]));
    scene.cluster.pods.clear();
    let pass = scene.pass();
    assert_eq!(pass.leaks[0].proof, Proof::NodeGone, "no grace is needed");
    assert_eq!((leaked(&pass), &pass.claims), (vec!["10.0.0.0".to_owned()], &gone("a")));
    scene.release(&pass);
    scene.give_up(&pass);
    assert!(scene.world.blocks().is_empty());
    assert!(scene.world.claims(&host("a")).is_empty());
}

#[test]
fn an_empty_block_of_a_missing_node_is_given_up() {
    for has_record in [true, false] {
        let mut scene = Scene::new("10.0.0.0/28", 30);
        scene.claim("a", "10.0.0.0/30");
        scene.cluster.nodes.remove("a");
        if !has_record {
            scene.forget_node("a");
        }
        let pass = scene.pass();
        assert_eq!(pass.claims, gone("a"));
        assert_eq!(pass.nodes.len(), usize::from(has_record));
        scene.give_up(&pass);
        assert!(scene.world.blocks().is_empty());
    }
}

#[test]
fn tunnel_addresses_go_with_their_node() {
    let mut scene = Scene::new("10.0.0.0/27", 29);
    for (number, kind) in TUNNELS.iter().enumerate() {
        scene.take("a", &format!("tunnel-{number}"), 1, &[("type", kind)]);
    }
    scene.take_for_pod("a", "p", 1);
    scene.cluster.nodes.remove("a");
    scene.pod("p", "a", &["10.0.0.5"]);
    assert!(scene.pass_twice().leaks.is_empty(), "the pod may show that the node lives");
    scene.cluster.pods.clear();
    let pass = scene.pass();
    assert_eq!((pass.leaks.len(), &pass.claims), (6, &gone("a")));
    assert_eq!(pass.leaks[0].fault, Fault::NoNode);
    scene.release(&pass);
    scene.give_up(&pass);
    assert!(scene.world.blocks().is_empty(), "in one pass");
}

#[test]
fn tunnel_addresses_of_a_living_node_stay() {
    let mut scene = Scene::new("10.0.0.0/27", 29);
    for (number, kind) in TUNNELS.iter().enumerate() {
        scene.take("a", &format!("tunnel-{number}"), 1, &[("type", kind)]);
    }
    let pass = scene.pass_twice();
    assert_eq!((leaked(&pass), scene.memory), (vec![], Memory::default()));
}

#[test]
fn what_names_no_pod_stays_even_when_its_node_is_gone() {
    for attributes in [
        &[][..],
        &[("pod", "p")],
        &[("namespace", "fin")],
        &[("namespace", "fin"), ("pod", "")],
        &[("type", "loadBalancer")],
        &[("vmi-name", "vm"), ("namespace", "fin")],
    ] {
        let mut scene = Scene::new("10.0.0.0/28", 30);
        scene.take("a", "h", 1, attributes);
        scene.cluster.machines = Some(Machines::default());
        assert!(scene.pass_twice().leaks.is_empty(), "{attributes:?}");
        scene.cluster.nodes.remove("a");
        let pass = scene.pass_twice();
        assert!(pass.leaks.is_empty() && pass.claims.is_empty(), "{attributes:?}");
        scene.forget_node("a");
        let pass = scene.pass_twice();
        assert!(pass.leaks.is_empty() && pass.claims.is_empty(), "{attributes:?}");
    }
}

#[test]
fn the_orchestrator_reference_says_which_node_is_meant() {
    let mut scene = Scene::new("10.0.0.0/28", 30);
    scene.node("a", "kube-a");
    scene.cluster.nodes = ["kube-a".to_owned(), "b".to_owned()].into();
    scene.take_for_pod("a", "p", 1);
    scene.pod("p", "kube-a", &["10.0.0.0"]);
    let pass = scene.pass_twice();
    assert!(pass.leaks.is_empty() && pass.nodes.is_empty());
    scene.pod("p", "a", &["10.0.0.0"]);
    let pass = scene.pass_twice();
    assert_eq!(pass.leaks[0].fault, Fault::OtherNode { pod: pod("p"), node: "a".to_owned() });
    // Kubernetes may have a node that is called like the one of Calico, and is another.
    scene.cluster.nodes = ["a".to_owned(), "b".to_owned()].into();
    scene.cluster.pods.clear();
    let pass = scene.pass();
    assert_eq!((leaked(&pass), pass.claims), (vec!["10.0.0.0".to_owned()], gone("a")));
    // One that was never of Kubernetes is not judged.
    scene.world.node("a", &json!({}));
    let pass = scene.pass_twice();
    assert!(pass.leaks.is_empty() && pass.claims.is_empty());
}

#[test]
fn without_a_record_of_calico_the_node_is_gone() {
    for is_known_to_kubernetes in [true, false] {
        let mut scene = Scene::new("10.0.0.0/28", 30);
        scene.take_for_pod("a", "p", 1);
        scene.forget_node("a");
        if !is_known_to_kubernetes {
            scene.cluster.nodes.remove("a");
        }
        let pass = scene.pass();
        assert_eq!((leaked(&pass), pass.claims), (vec!["10.0.0.0".to_owned()], gone("a")));
    }
}

#[test]
fn a_pod_is_held_to_the_addresses_that_it_reports() {
    for (ips, has_ended, fault) in [
        (&[][..], false, None),
        (&[], true, None),
        (&["10.0.0.0"], false, None),
        (&["fd00::1", "10.0.0.0"], false, None),
        (&["10.0.0.0"], true, Some(Fault::Ended(pod("p")))),
        (
            &["10.0.0.9"],
            false,
            Some(Fault::OtherAddresses {
                pod: pod("p"),
                ips: ["10.0.0.9".parse().unwrap()].into(),
            }),
        ),
    ] {
        let mut scene = Scene::new("10.0.0.0/28", 30);
        scene.take_for_pod("a", "p", 1);
        scene.pod("p", "a", ips);
        scene.cluster.pods.get_mut(&pod("p")).unwrap().has_ended = has_ended;
        let found = scene.pass_twice().leaks.pop().map(|leak| leak.fault);
        assert_eq!(found, fault, "{ips:?}, ended: {has_ended}");
    }
}

#[test]
fn a_second_block_that_is_empty_is_given_up_after_the_grace() {
    for in_use in [4, 1] {
        let mut scene = Scene::new("10.0.0.0/28", 30);
        scene.take_for_pod("a", "p", in_use);
        let ips = ["10.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.0.3"];
        scene.pod("p", "a", &ips);
        scene.claim("a", "10.0.0.8/30");
        scene.claim("b", "10.0.0.12/30");
        assert_eq!(idle(&scene.pass()), [""; 0], "{in_use}");
        scene.world.wait(GRACE_SECONDS);
        assert_eq!(idle(&scene.pass()), [""; 0], "{in_use}");
        scene.world.wait(1);
        let pass = scene.pass();
        assert_eq!(idle(&pass), ["10.0.0.8/30"], "{in_use}");
        scene.give_up(&pass);
        assert_eq!(scene.world.claims(&host("a")), ["10.0.0.0/30".to_owned()].into());
        assert_eq!(scene.world.claims(&host("b")).len(), 1, "the only block of a node stays");
    }
}

#[test]
fn a_block_that_was_used_in_between_or_is_being_moved_is_not_given_up() {
    let mut scene = Scene::new("10.0.0.0/28", 30);
    scene.take_for_pod("a", "p", 4);
    scene.claim("a", "10.0.0.8/30");
    scene.pass();
    scene.take_for_pod("a", "q", 1);
    scene.world.release("q");
    scene.world.wait(GRACE_SECONDS + 1);
    assert_eq!(idle(&scene.pass()), [""; 0]);
    scene.cluster.migrating.insert("a".to_owned());
    assert_eq!(idle(&scene.pass_twice()), [""; 0]);
    scene.cluster.migrating.clear();
    assert_eq!(idle(&scene.pass()), [""; 0], "it was not looked at meanwhile");
    scene.world.wait(GRACE_SECONDS + 1);
    let pass = scene.pass();
    assert_eq!(idle(&pass), ["10.0.0.8/30"]);
    // Somebody takes an address before it is given up.
    scene.take_for_pod("a", "q", 1);
    scene.give_up(&pass);
    assert_eq!(scene.world.claims(&host("a")).len(), 2);
}

#[test]
fn of_five_empty_blocks_one_stays() {
    for block_size in [30, 31] {
        let mut scene = Scene::new("10.0.0.0/27", block_size);
        let blocks = (0..5).map(|index| cidr("10.0.0.0/27").block_at(block_size, index).unwrap());
        let blocks: Vec<String> = blocks.map(|block| block.to_string()).collect();
        for block in &blocks {
            scene.claim("a", block);
        }
        let pass = scene.pass_twice();
        assert_eq!(idle(&pass), blocks[..4]);
        scene.give_up(&pass);
        assert_eq!(scene.world.claims(&host("a")), [blocks[4].clone()].into());
        assert_eq!(idle(&scene.pass_twice()), [""; 0]);
    }
}

#[test]
fn a_block_without_a_claim_does_not_count_and_its_addresses_do() {
    let mut scene = Scene::new("10.0.0.0/28", 30);
    scene.take_for_pod("a", "p", 1);
    scene.claim("a", "10.0.0.8/30");
    let of = Claims::On(cidr("10.0.0.0/30"), host("a"));
    scene.world.call(&ReleaseClaims { of, must_be_empty: false }).unwrap();
    let pass = scene.pass_twice();
    assert_eq!(idle(&pass), [""; 0], "it is the only one now");
    assert_eq!(leaked(&pass), ["10.0.0.0"]);
    scene.release(&pass);
    assert!(scene.world.block("10.0.0.0/30").is_none());
    scene.pass();
    assert_eq!(scene.memory, Memory::default());
}

#[test]
fn an_address_that_is_taken_again_is_judged_anew() {
    let mut scene = Scene::new("10.0.0.0/30", 30);
    scene.take_for_pod("a", "p", 4);
    let stale = scene.pass_twice();
    assert_eq!(leaked(&stale).len(), 4);
    scene.world.release("p");
    scene.take_for_pod("a", "p", 4);
    let refusal = scene.world.call(&stale.releases()[0]).unwrap_err();
    assert!(matches!(*refusal, Refusal::Release(_)), "{refusal}");
    assert_eq!(scene.world.held("p").len(), 4);
    assert_eq!(leaked(&scene.pass()), [""; 0], "the sequence number is another");
    scene.world.wait(GRACE_SECONDS + 1);
    let pass = scene.pass();
    assert!(pass.leaks[0].sequence > stale.leaks[0].sequence);
    scene.release(&pass);
    assert!(scene.world.held("p").is_empty());
}

fn take_for_machine(scene: &Scene) {
    scene.take("a", "h", 1, &[("namespace", "fin"), ("pod", "launcher"), ("vmi-name", "vm")]);
}

#[test]
fn the_address_of_a_machine_is_released_after_its_own_grace() {
    let mut scene = Scene::new("10.0.0.0/28", 30);
    take_for_machine(&scene);
    scene.cluster.machines = Some(Machines::default());
    assert_eq!(leaked(&scene.pass_twice()), [""; 0]);
    assert_eq!(scene.memory.suspects.len(), 1);
    let machines = scene.cluster.machines.as_mut().unwrap();
    machines.machines.insert(pod("vm"));
    scene.pass();
    assert_eq!(scene.memory.suspects.len(), 0, "it is there again");
    scene.cluster.machines = Some(Machines::default());
    scene.world.wait(300);
    scene.pass();
    scene.world.wait(300);
    assert_eq!(leaked(&scene.pass()), [""; 0]);
    scene.world.wait(1);
    let pass = scene.pass();
    assert_eq!(pass.leaks[0].fault, Fault::NoMachine(pod("vm")));
    for (seconds, expected) in [(0, 300), (900, 900), (300, 300), (301, 301)] {
        assert_eq!(Grace::of(seconds).machine_seconds, expected);
    }
}

#[test]
fn a_machine_or_an_instance_that_stands_alone_keeps_the_address() {
    let name = |name: &str| ObjectName::new("fin", name);
    let machines = |machines: &[&str], instances: &[(&str, Option<&str>)]| {
        let instance = |(of, owner): &(&str, Option<&str>)| (name(of), owner.map(str::to_owned));
        Some(Machines {
            machines: machines.iter().map(|of| name(of)).collect(),
            instances: instances.iter().map(instance).collect::<BTreeMap<_, _>>(),
        })
    };
    for (machines, is_valid) in [
        (None, true),
        (machines(&["vm"], &[]), true),
        (machines(&[], &[("vm", None)]), true),
        (machines(&["vm"], &[("vm", Some("vm"))]), true),
        (machines(&[], &[("vm", Some("vm"))]), false),
        (machines(&["other"], &[("other", None)]), false),
        (machines(&[], &[]), false),
    ] {
        let mut scene = Scene::new("10.0.0.0/28", 30);
        take_for_machine(&scene);
        scene.cluster.machines = machines;
        scene.pass();
        assert_eq!(scene.memory.suspects.is_empty(), is_valid, "{:?}", scene.cluster.machines);
    }
    let mut scene = Scene::new("10.0.0.0/28", 30);
    scene.take("a", "h", 1, &[("namespace", "fin"), ("pod", "launcher"), ("vmi-name", "")]);
    scene.cluster.machines = Some(Machines::default());
    scene.pass();
    assert!(scene.memory.suspects.is_empty(), "an attribute that says nothing proves nothing");
}

#[test]
fn nothing_is_collected_while_the_datastore_is_not_ready() {
    let mut scene = Scene::new("10.0.0.0/28", 30);
    scene.take_for_pod("a", "p", 1);
    scene.pass();
    scene.world.wait(GRACE_SECONDS + 1);
    for not_ready in [json!(false), Value::Null] {
        scene.ready(&not_ready);
        assert_eq!(scene.look().unwrap_err(), Paused::NotReady);
    }
    scene.world.store.with(|model| model.delete(CLUSTER));
    assert_eq!(scene.look().unwrap_err(), Paused::NoClusterInformation);
    scene.ready(&json!(true));
    assert_eq!(leaked(&scene.pass()), ["10.0.0.0"]);
}

#[test]
fn a_full_block_of_leaks_is_released_in_as_many_requests_as_it_takes() {
    let mut scene = Scene::new("10.0.0.0/24", 25);
    for number in 0..128 {
        scene.take_for_pod("a", &format!("p{number}"), 1);
    }
    let pass = scene.pass_twice();
    assert_eq!((pass.leaks.len(), pass.releases().len()), (128, 5));
    scene.release(&pass);
    assert_eq!(scene.world.inventory().addresses().count(), 0);
}
