//! Pods in containerd.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use ipam_tests::etcd::EtcdWorld;
use ipam_tests::stage::on_a_stage;
use serde_json::json;

use crate::containerd::Containerd;
use crate::cri::{Cri, Sandbox};
use crate::holdings::{Holdings, judge};
use crate::traces::Traces;
use crate::traffic::reaches;
use crate::{conflist, world};

pub(crate) type Pod = (String, HashMap<String, String>);

/// Describes a pod; one that names no pool has no annotation.
pub(crate) fn pod(name: &str, pool: Option<&str>) -> Pod {
    let annotation =
        pool.map(|pool| ("cni.projectcalico.org/ipv4pools".to_owned(), json!([pool]).to_string()));
    (name.to_owned(), annotation.into_iter().collect())
}

/// Starts containerd with `ptp`, which can serve pools with different gateways.
pub(crate) fn start(world: &EtcdWorld) -> Containerd {
    Containerd::start(&conflist(world, &json!({"type": "ptp"}), &[]), &[])
}

/// Returns who holds what, according to the runtime.
pub(crate) fn living(cri: &Cri) -> Holdings {
    cri.sandboxes().into_iter().map(|sandbox| (sandbox.id, sandbox.address)).collect()
}

/// Ends a pod as a kubelet does.
pub(crate) fn end(cri: &Cri, id: &str) {
    cri.stop(id);
    cri.remove(id);
}

#[test]
fn twenty_pods_at_once_have_addresses_of_their_pools() {
    on_a_stage("pods::twenty_pods_at_once_have_addresses_of_their_pools", || {
        let world = world();
        let before = Traces::now();
        let containerd = start(&world);
        let cri = containerd.cri();
        let pools = [(Some("legacy"), "10.1.0."), (Some("branch"), "10.2.0."), (None, "10.4.0.")];
        let pods: Vec<Pod> =
            (0..20).map(|at| pod(&format!("web-{at}"), pools[at % pools.len()].0)).collect();
        let made: Vec<String> = cri.run(&pods).into_iter().map(Result::unwrap).collect();
        let sandboxes = cri.sandboxes();
        let of = |id: &str| sandboxes.iter().find(|sandbox| sandbox.id == id).unwrap();
        let in_order: Vec<&Sandbox> = made.iter().map(|id| of(id)).collect();
        let different: BTreeSet<IpAddr> = in_order.iter().map(|pod| pod.address).collect();
        assert_eq!(different.len(), 20, "{in_order:?}");
        for (at, sandbox) in in_order.iter().enumerate() {
            let (_, range) = pools[at % pools.len()];
            assert!(sandbox.address.to_string().starts_with(range), "{range} {sandbox:?}");
            let gateway = format!("{range}1").parse().unwrap();
            assert!(reaches(sandbox.pid, gateway), "{sandbox:?} does not reach {gateway}");
            let other = in_order[(at + 1) % 20].address;
            assert!(reaches(sandbox.pid, other), "{sandbox:?} does not reach {other}");
        }
        assert!(!reaches(in_order[0].pid, "10.1.0.77".parse().unwrap()), "nobody has it");
        judge(&world, &living(&cri));
        for id in &made {
            end(&cri, id);
        }
        judge(&world, &Holdings::new());
        drop(containerd);
        before.await_again();
    });
}

/// The pool has one address, so the next pod has the same, and would lose it if the former's end freed it once more.
#[test]
fn a_pod_that_ends_twice_frees_its_address_once() {
    on_a_stage("pods::a_pod_that_ends_twice_frees_its_address_once", || {
        let world = world();
        let before = Traces::now();
        let containerd = start(&world);
        let cri = containerd.cri();
        let run = |name: &str| cri.run(&[pod(name, Some("tiny"))]).remove(0).unwrap();
        let address: IpAddr = "10.3.0.2".parse().unwrap();
        let first = run("web-0");
        judge(&world, &[(first.clone(), address)].into());
        cri.stop(&first);
        judge(&world, &Holdings::new());
        let second = run("web-1");
        let held = [(second.clone(), address)].into();
        judge(&world, &held);
        cri.stop(&first);
        judge(&world, &held);
        cri.remove(&first);
        judge(&world, &held);
        assert_eq!(living(&cri), held);
        end(&cri, &second);
        judge(&world, &Holdings::new());
        drop(containerd);
        before.await_again();
    });
}

#[test]
fn a_pod_that_is_refused_leaves_nothing() {
    on_a_stage("pods::a_pod_that_is_refused_leaves_nothing", || {
        let world = world();
        let before = Traces::now();
        let containerd = start(&world);
        let cri = containerd.cri();
        let stored = world.contents();
        let refusal = cri.run(&[pod("web-0", Some("legcy"))]).remove(0).unwrap_err();
        let message = "annotation cni.projectcalico.org/ipv4pools of the pod: \
                       there is no pool \"legcy\"; similar: legacy";
        assert!(refusal.contains(message), "{refusal}");
        assert_eq!(world.contents(), stored, "not even a revision has changed");
        assert_eq!(living(&cri), Holdings::new());
        drop(containerd);
        before.await_again();
    });
}
