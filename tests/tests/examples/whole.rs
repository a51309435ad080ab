//! Examples that are carried out whole: the list, through the CNI project's plugins, with traffic.

use ipam_tests::kubernetes::Reply;
use ipam_tests::plugin::Answer;
use ipam_tests::stage::Netns;
use serde_json::{Value, json};

use crate::list::{Attachment, List};
use crate::page;
use crate::runtimes::{containerd, cri_o as by_cri_o, multus as by_multus, nerdctl as by_nerdctl};
use crate::runtimes::{nomad as by_nomad, podman as by_podman};
use crate::site::Site;

/// A container with addresses.
struct Made {
    attachment: Attachment,
    netns: Netns,
    result: Value,
    ips: Vec<String>,
}

/// Annotations that name a pool of each family.
fn naming(v4: &str, v6: &str) -> Value {
    let list = |pool: &str| json!([pool]).to_string();
    json!({
        "cni.projectcalico.org/ipv4pools": list(v4),
        "cni.projectcalico.org/ipv6pools": list(v6),
    })
}

fn fin() -> Value {
    naming("legacy-fin", "legacy-fin-v6")
}

/// Makes a container, which must get one address of each of these ranges, and hold it on its interface.
fn make(list: &List, attachment: Attachment, ranges: &[&str]) -> Made {
    let netns = Netns::new(&attachment.container);
    let answer = list.add(&attachment);
    assert!(answer.success, "{answer:?}");
    let told = answer.addresses();
    let told: Vec<String> = told.into_iter().filter(|told| told != "127.0.0.1/8").collect();
    assert_eq!(netns.addresses(&attachment.ifname), told, "the interface has what was told");
    let ips: Vec<String> =
        told.iter().map(|told| told.split('/').next().unwrap().to_owned()).collect();
    assert_eq!(ips.len(), ranges.len(), "{ips:?}");
    for (ip, range) in ips.iter().zip(ranges) {
        assert!(ip.starts_with(range), "{ip} {range}");
    }
    Made { attachment, netns, result: answer.json, ips }
}

/// Asks the page whether each gateway is named there to be reserved, and is.
fn gateways_are_reserved(file: &str, made: &Made) -> Vec<String> {
    let row = page::rows().into_iter().find(|row| row.file == file).unwrap();
    let ips = made.result["ips"].as_array().unwrap();
    let gateways = ips.iter().filter_map(|ip| Some(ip["gateway"].as_str()?.to_owned()));
    let gateways: Vec<String> = gateways.collect();
    for gateway in &gateways {
        assert!(row.reserved.contains(&format!("`{gateway}`")), "{file}: {gateway}");
        let length = if gateway.contains(':') { 128 } else { 32 };
        assert!(page::commands().contains(&format!("{gateway}/{length}")), "{gateway} is reserved");
    }
    assert_eq!(gateways.len(), made.ips.len(), "{file}: each family has a gateway");
    gateways
}

/// Lets containers reach each other and their gateways, and ends them as a runtime does: with all that it knows, and once
/// more when it knows nothing but the container.
fn talk_and_end(site: &Site, file: &str, list: &List, made: Vec<Made>) {
    for (at, one) in made.iter().enumerate() {
        let other = &made[(at + 1) % made.len()];
        let gateways = gateways_are_reserved(file, one);
        for target in other.ips.iter().chain(&gateways) {
            assert!(
                one.netns.reaches(target),
                "{}: {target} is not reached",
                one.attachment.container
            );
        }
        let answer = list.check(&one.attachment, &one.result);
        assert!(answer.success, "{answer:?}");
    }
    let mut held: Vec<String> = made.iter().flat_map(|made| made.ips.clone()).collect();
    held.sort();
    assert_eq!(site.taken(), held, "the store holds what they have");
    for one in made {
        succeeds(&list.del(&one.attachment, Some(&one.result)));
        let forgotten = Attachment { netns: String::new(), ..one.attachment.clone() };
        succeeds(&list.del(&forgotten, None));
        assert!(!one.netns.has_interface(&one.attachment.ifname), "{file}");
    }
    assert_eq!(site.taken(), [] as [String; 0]);
    site.check();
}

fn succeeds(answer: &Answer) {
    assert!(answer.success && answer.json.is_null(), "{answer:?}");
}

/// Carries out an example with two containers, each with the ranges that its addresses are of.
fn play(file: &str, containers: [(Attachment, &[&str]); 2]) {
    let site = Site::of(file);
    let list = site.list(file);
    let made = containers.map(|(attachment, ranges)| make(&list, attachment, ranges));
    talk_and_end(&site, file, &list, made.into());
}

pub(crate) fn bridge() {
    let pod = |name| (containerd(name, &fin()), ["10.20.0."].as_slice());
    play("bridge.conflist", [pod("web-0"), pod("web-1")]);
}

/// One pod is annotated, one is not.
pub(crate) fn ptp() {
    let annotated = (containerd("web-0", &fin()), ["10.20.0.", "fd00:20::"].as_slice());
    let other = (containerd("web-1", &Value::Null), ["10.30.0.", "fd00:30::"].as_slice());
    play("ptp.conflist", [annotated, other]);
}

pub(crate) fn macvlan() {
    let pod = |name| (containerd(name, &Value::Null), ["10.50.0."].as_slice());
    play("macvlan.conflist", [pod("web-0"), pod("web-1")]);
}

pub(crate) fn cri_o() {
    let annotated = (by_cri_o("web-0", &fin()), ["10.20.0."].as_slice());
    play("cri-o.conflist", [annotated, (by_cri_o("web-1", &Value::Null), ["10.30.0."].as_slice())]);
}

pub(crate) fn nomad() {
    let naming = (by_nomad("alloc-0", ";IPV4_POOLS=legacy-fin"), ["10.20.0."].as_slice());
    play("nomad.conflist", [naming, (by_nomad("alloc-1", ""), ["10.30.0."].as_slice())]);
}

pub(crate) fn podman() {
    let asking = (by_podman("web-0", Some("10.20.0.77")), ["10.20.0.77"].as_slice());
    play("podman.conflist", [asking, (by_podman("web-1", None), ["10.20.0."].as_slice())]);
}

/// Before it makes a container, nerdctl calls DEL for it.
pub(crate) fn nerdctl() {
    let file = "nerdctl.conflist";
    let site = Site::of(file);
    let list = site.list(file);
    let asking = by_nerdctl("web-0", Some("10.20.0.77"));
    let mut by_capability = by_nerdctl("web-1", None);
    by_capability.capabilities.insert("ips".to_owned(), json!(["10.20.0.78"]));
    let made = [(asking, "10.20.0.77"), (by_capability, "10.20.0.78")].map(|(attachment, ip)| {
        let unmade = Attachment { netns: String::new(), ..attachment.clone() };
        succeeds(&list.del(&unmade, None));
        make(&list, attachment, &[ip])
    });
    talk_and_end(&site, file, &list, made.into());
}

/// The API tells what its runtime does not: that the namespace is annotated.
pub(crate) fn k3s() {
    let file = "k3s.conflist";
    let site = Site::of(file);
    site.api.namespace("fin", Reply::namespace("fin", &fin(), &json!({})));
    let list = site.list(file);
    let plain = make(&list, containerd("web-0", &Value::Null), &["10.20.0."]);
    let annotated = naming("default", "default-v6");
    let annotated = make(&list, containerd("web-1", &annotated), &["10.30.0."]);
    talk_and_end(&site, file, &list, vec![plain, annotated]);
}

/// What is annotated for the interface counts, and nothing else.
pub(crate) fn multus() {
    let file = "multus.json";
    let site = Site::of(file);
    site.api.namespace("fin", Reply::namespace("fin", &json!({}), &json!({})));
    let scoped = json!({"cni.projectcalico.org/ipv4pools.net1": r#"["lan"]"#});
    for (name, annotations) in [("web-0", &scoped), ("web-1", &scoped), ("web-2", &fin())] {
        site.api.pod("fin", name, Reply::pod("fin", name, annotations));
    }
    let list = site.list(file);
    let made = ["web-0", "web-1"].map(|name| make(&list, by_multus(name), &["10.50.0."]));
    let before = site.taken();
    let _netns = Netns::new("web-2");
    let refused = list.add(&by_multus("web-2"));
    assert_eq!(refused.code(), Some(114), "bare annotations are for eth0: {refused:?}");
    assert_eq!(site.taken(), before);
    talk_and_end(&site, file, &list, made.into());
}

/// A pod that the runtime has lost gives its address back with GC, and the one that it knows goes on.
pub(crate) fn gc() {
    let file = "gc.conflist";
    let site = Site::of(file);
    let mut list = site.list(file);
    // Nobody waits a minute here.
    list.plugins[1]["gc_grace_seconds"] = json!(0);
    let [known, other] =
        ["web-0", "web-1"].map(|name| make(&list, containerd(name, &fin()), &["10.20.0."]));
    let lost = make(&list, containerd("lost", &Value::Null), &["10.30.0."]);
    let all = [&known, &other, &lost].map(|made| &made.attachment);
    succeeds(&list.gc(&all));
    assert_eq!(site.taken().len(), 3, "the runtime knows all");
    lost.netns.remove();
    succeeds(&list.gc(&all[..2]));
    assert!(!site.taken().contains(&lost.ips[0]));
    talk_and_end(&site, file, &list, vec![known, other]);
}
