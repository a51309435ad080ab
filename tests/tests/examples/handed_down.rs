//! Examples whose main plugin cannot be had: our plugin alone, with what that would hand down.

use ipam_tests::kubernetes::Reply;
use ipam_tests::plugin::Answer;
use ipam_tests::stage::{Netns, try_ip};
use serde_json::{Value, json};

use crate::list::{Attachment, List};
use crate::runtimes::{calico as by_calico, containerd};
use crate::site::Site;

fn given(answer: Answer) -> Answer {
    assert!(answer.success, "{answer:?}");
    answer
}

/// Gives a container back what it holds, with and without what the runtime knows of it.
fn end(site: &Site, list: &List, attachment: &Attachment, result: &Value) {
    for known in [Some(result), None] {
        let answer = given(list.hand_down("DEL", attachment, known));
        assert!(answer.json.is_null(), "{answer:?}");
    }
    assert_eq!(site.taken(), [] as [String; 0]);
    site.check();
}

/// Calico's main plugin writes the pools of the annotations into the configuration. It has its node in the store.
pub(crate) fn calico() {
    let file = "calico.conflist";
    let site = Site::of(file);
    site.apply(&json!({
        "apiVersion": "projectcalico.org/v3", "kind": "Node", "metadata": {"name": "node-1"}, "spec": {},
    }));
    site.api.namespace("fin", Reply::namespace("fin", &json!({}), &json!({})));
    let mut list = site.list(file);
    let main = list.plugins.iter_mut().find(|plugin| plugin["type"] == "calico").unwrap();
    main["ipam"]["ipv4_pools"] = json!(["legacy-fin"]);
    main["ipam"]["ipv6_pools"] = json!(["legacy-fin-v6"]);
    main["mtu"] = json!(0);
    let attachment = by_calico("web-0");
    let added = given(list.hand_down("ADD", &attachment, None));
    let addresses = added.addresses();
    let [v4, v6] = &addresses[..] else { panic!("{added:?}") };
    assert!(v4.starts_with("10.20.0.") && v4.ends_with("/26"), "the mask of the block: {v4}");
    assert!(v6.starts_with("fd00:20::") && v6.ends_with("/122"), "the mask of the block: {v6}");
    assert_eq!(added.json["routes"], json!([{"dst": v4}, {"dst": v6}]));
    assert!(added.json["ips"].as_array().unwrap().iter().all(|ip| ip.get("gateway").is_none()));
    assert_eq!(site.taken().len(), 2);
    end(&site, &list, &attachment, &added.json);
}

pub(crate) fn ipvlan_l3() {
    let file = "ipvlan-l3.conflist";
    let site = Site::of(file);
    let list = site.list(file);
    let annotations = json!({"cni.projectcalico.org/ipv4pools": r#"["legacy-fin"]"#});
    let attachments = ["web-0", "web-1"].map(|name| containerd(name, &annotations));
    let has_ipvlan = {
        let master = list.main_plugin()["master"].as_str().unwrap();
        let link = ["link", "add", "probe", "link", master, "type", "ipvlan", "mode", "l3"];
        let made = try_ip(&link).status.success();
        made && try_ip(&["link", "del", "probe"]).status.success()
    };
    if has_ipvlan {
        return through_ipvlan(&site, &list, &attachments);
    }
    eprintln!("this kernel has no ipvlan: {file} is not carried out, our plugin alone is called");
    let [attachment, _] = attachments;
    let added = given(list.hand_down("ADD", &attachment, None));
    is_host_route(&added);
    assert!(given(list.hand_down("CHECK", &attachment, Some(&added.json))).json.is_null());
    end(&site, &list, &attachment, &added.json);
}

/// An address by itself, and the way to everywhere through the interface.
fn is_host_route(added: &Answer) {
    let addresses = added.addresses();
    assert!(addresses[0].starts_with("10.20.0.") && addresses[0].ends_with("/32"), "{added:?}");
    assert_eq!(added.json["ips"][0].get("gateway"), None);
    assert_eq!(added.json["routes"], json!([{"dst": "0.0.0.0/0"}]));
}

fn through_ipvlan(site: &Site, list: &List, attachments: &[Attachment; 2]) {
    let pods = attachments.each_ref().map(|attachment| {
        let netns = Netns::new(&attachment.container);
        (netns, given(list.add(attachment)))
    });
    for (at, (netns, added)) in pods.iter().enumerate() {
        is_host_route(added);
        let other = pods[1 - at].1.addresses();
        assert!(netns.reaches(other[0].split('/').next().unwrap()), "{other:?}");
        given(list.check(&attachments[at], &added.json));
    }
    for (attachment, (_, added)) in attachments.iter().zip(&pods) {
        given(list.del(attachment, Some(&added.json)));
    }
    assert_eq!(site.taken(), [] as [String; 0]);
    site.check();
}
