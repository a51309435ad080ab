//! Containers in podman, which knows nothing of Kubernetes.

use std::thread::sleep;
use std::time::{Duration, Instant};

use ipam_core::inventory::Inventory;
use ipam_core::plan::ReadAll;
use ipam_tests::etcd::EtcdWorld;
use ipam_tests::stage::on_a_stage;
use serde_json::json;

use crate::holdings::{Holdings, judge, stored};
use crate::podman::Podman;
use crate::traces::Traces;
use crate::traffic::reaches;
use crate::{conflist, world};

const PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

fn start(world: &EtcdWorld) -> Option<Podman> {
    let bridge = json!({"type": "bridge", "bridge": "pods0", "isGateway": true});
    Podman::new(&conflist(world, &bridge, &[]))
}

fn living(podman: &Podman) -> Holdings {
    podman.containers().into_iter().map(|container| (container.id, container.address)).collect()
}

#[test]
fn containers_without_kubernetes_talk() {
    on_a_stage("podman_containers::containers_without_kubernetes_talk", || {
        let world = world();
        let Some(podman) = start(&world) else { return };
        let before = Traces::now();
        for name in ["web-0", "web-1"] {
            podman.start(&["--name", name]).unwrap();
        }
        let containers = podman.containers();
        for (at, container) in containers.iter().enumerate() {
            let address = container.address.to_string();
            assert!(address.starts_with("10.4.0."), "the pool for everybody: {address}");
            for target in [containers[1 - at].address, "10.4.0.1".parse().unwrap()] {
                assert!(reaches(container.pid, target), "{address} does not reach {target}");
            }
        }
        judge(&world, &living(&podman));
        let (inventory, _) = Inventory::read(&world.drive(&ReadAll).unwrap());
        for address in inventory.addresses() {
            assert_eq!(address.attribute("namespace"), None);
            assert_eq!(address.attribute("network"), Some("pods"));
        }
        for container in &containers {
            podman.remove(&container.id);
        }
        judge(&world, &Holdings::new());
        before.await_again();
    });
}

#[test]
fn an_address_that_is_asked_for_is_held_until_the_container_ends() {
    on_a_stage(
        "podman_containers::an_address_that_is_asked_for_is_held_until_the_container_ends",
        || {
            let world = world();
            let Some(podman) = start(&world) else { return };
            let before = Traces::now();
            let id = podman.start(&["--rm", "--ip", "10.4.0.77"]).unwrap();
            assert_eq!(living(&podman), [(id.clone(), "10.4.0.77".parse().unwrap())].into());
            judge(&world, &living(&podman));
            podman.kill(&id);
            let start = Instant::now();
            while !stored(&world).is_empty() {
                assert!(
                    start.elapsed() < PATIENCE,
                    "podman clears up behind a container with --rm"
                );
                sleep(POLL);
            }
            judge(&world, &living(&podman));
            before.await_again();
        },
    );
}

#[test]
fn an_address_outside_the_pools_is_refused() {
    on_a_stage("podman_containers::an_address_outside_the_pools_is_refused", || {
        let world = world();
        let Some(podman) = start(&world) else { return };
        let before = Traces::now();
        let stored = world.contents();
        let refusal = podman.start(&["--rm", "--ip", "192.0.2.7"]).unwrap_err();
        assert!(refusal.contains("address 192.0.2.7 lies in no enabled pool"), "{refusal}");
        assert_eq!(world.contents(), stored, "not even a revision has changed");
        before.await_again();
    });
}
