//! Calls of the plugin, as a runtime or Calico's main plugin makes them in a [`Cluster`].

use ipam_tests::plugin::{Call, annotated, with_prev_result};
use serde_json::{Value, json};

use super::cluster::Cluster;

pub(crate) const ANNOTATION_V4: &str = "cni.projectcalico.org/ipv4pools";
pub(crate) const ANNOTATION_V6: &str = "cni.projectcalico.org/ipv6pools";
/// The annotation for single addresses.
pub(crate) const ADDRESSES: &str = "cni.projectcalico.org/ipAddrs";
/// What makes a container the pod `web-0` of the namespace `fin`.
pub(crate) const POD: &str = "K8S_POD_NAMESPACE=fin;K8S_POD_NAME=web-0";

/// Returns a configuration with both families, and `ipam` on top.
pub(crate) fn conf(cluster: &Cluster, ipam: &Value) -> Value {
    let mut fields = json!({"assign_ipv6": true, "log_level": "warning"});
    fields.as_object_mut().unwrap().extend(ipam.as_object().unwrap().clone());
    cluster.world.netconf(&fields)
}

/// Returns a configuration without some fields of its part for the plugin.
pub(crate) fn conf_without(cluster: &Cluster, names: &[&str]) -> Value {
    let mut conf = conf(cluster, &json!({}));
    for name in names {
        conf["ipam"].as_object_mut().unwrap().remove(*name).expect("it was there");
    }
    conf
}

/// Returns a configuration as Calico's main plugin hands it down; `ipam` adds to its part for the plugin.
pub(crate) fn calico(cluster: &Cluster, ipam: &Value) -> Value {
    let own = conf(cluster, &json!({}));
    let mut conf = json!({
        "cniVersion": "0.3.1", "name": "net", "type": "calico", "nodename": "n1", "log_level": "info",
        "ipam": {"type": "calico-ipam", "assign_ipv4": "true"},
    });
    for name in ["datastore_type", "etcd_endpoints", "cache_folder", "ipam_lock_file"] {
        conf[name] = own["ipam"][name].clone();
    }
    conf["ipam"].as_object_mut().unwrap().extend(ipam.as_object().unwrap().clone());
    conf
}

/// Returns a configuration as Calico's main plugin hands it down, without a field.
pub(crate) fn calico_without(cluster: &Cluster, name: &str) -> Value {
    let mut conf = calico(cluster, &json!({}));
    conf.as_object_mut().unwrap().remove(name).expect("it was there");
    conf
}

/// Returns a configuration with a field at the top replaced, or removed.
pub(crate) fn with_top(mut conf: Value, name: &str, value: Option<&Value>) -> Value {
    match value {
        Some(value) => conf[name] = value.clone(),
        None => drop(conf.as_object_mut().unwrap().remove(name)),
    }
    conf
}

/// Asks for addresses for the pod `web-0` of the namespace `fin`.
pub(crate) fn add(conf: &Value) -> Call {
    Call::new("ADD", "c1", conf).pod("fin", "web-0")
}

/// Asks for addresses below Calico's main plugin, with something in its part for the plugin.
pub(crate) fn add_calico(cluster: &Cluster, ipam: &Value) -> Call {
    add(&calico(cluster, ipam))
}

/// Asks for addresses with each value of a field.
pub(crate) fn add_each(cluster: &Cluster, name: &str, values: &[Value]) -> Vec<Call> {
    values.iter().map(|value| add(&conf(cluster, &json!({name: value})))).collect()
}

/// Asks for addresses with each text as the pod's annotation.
pub(crate) fn add_annotated(cluster: &Cluster, key: &str, texts: &[&str]) -> Vec<Call> {
    let conf = conf(cluster, &json!({}));
    texts.iter().map(|text| add(&annotated(conf.clone(), &json!({key: text})))).collect()
}

/// Asks for addresses with each text as arguments.
pub(crate) fn add_with_args(conf: &Value, texts: &[&str]) -> Vec<Call> {
    texts.iter().map(|text| add(conf).with("CNI_ARGS", text)).collect()
}

/// Asks for an address in each way there is.
pub(crate) fn add_address(cluster: &Cluster, ip: &str) -> Vec<Call> {
    let conf = conf(cluster, &json!({}));
    let in_args = with_top(conf.clone(), "args", Some(&json!({"cni": {"ips": [ip]}})));
    vec![
        add(&conf).with("CNI_ARGS", format!("{POD};IP={ip}")),
        add(&with_runtime_ips(cluster, &json!([ip]))),
        add(&in_args),
        add(&annotated(conf, &json!({ADDRESSES: json!([ip]).to_string()}))),
    ]
}

/// Asks for an address as Calico's main plugin does for each of a pod's.
pub(crate) fn add_calico_address(cluster: &Cluster, ip: &str) -> Call {
    add_calico(cluster, &json!({})).with("CNI_ARGS", format!("IgnoreUnknown=1;{POD};IP={ip}"))
}

/// Returns a configuration in which the runtime asks for addresses.
pub(crate) fn with_runtime_ips(cluster: &Cluster, ips: &Value) -> Value {
    with_top(conf(cluster, &json!({})), "runtimeConfig", Some(&json!({"ips": ips})))
}

/// Makes every call that needs the store.
pub(crate) fn every_command(conf: &Value) -> Vec<Call> {
    let check = with_prev_result(conf.clone(), &json!({"cniVersion": "1.0.0", "ips": []}));
    vec![add(conf), Call::new("CHECK", "c1", &check), Call::new("DEL", "c1", conf)]
}

/// Makes the calls that a configuration of version 0.3.1 knows.
pub(crate) fn add_and_del(conf: &Value) -> Vec<Call> {
    vec![add(conf), Call::new("DEL", "c1", conf)]
}

/// Gives another pod of the namespace an address.
pub(crate) fn hold(cluster: &Cluster, container: &str, ipam: &Value, args: &str) {
    let args = format!("IgnoreUnknown=1;K8S_POD_NAMESPACE=fin;K8S_POD_NAME={container};{args}");
    let answer = Call::new("ADD", container, &conf(cluster, ipam)).with("CNI_ARGS", args).run();
    assert!(answer.success, "{answer:?}");
}
