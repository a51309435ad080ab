//! The manifest of `deploy/` and this program fit together.

use std::path::{Path, PathBuf};

use clap::Parser as _;
use serde_json::{Value, json};

use crate::args::{Arguments, Command, InstallCni};

const IMAGE: &str = "registry.example/ringfence:0.1.0";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

fn resources() -> Vec<Value> {
    serde_saphyr::from_multiple(&text("deploy/ringfence-node.yaml")).unwrap()
}

fn resource(kind: &str) -> Value {
    let mut found = resources().into_iter().filter(|resource| resource["kind"] == kind);
    let one = found.next().unwrap();
    assert!(found.next().is_none(), "several of kind {kind}");
    one
}

/// Returns the pod, and its only container.
fn pod() -> (Value, Value) {
    let pod = resource("DaemonSet")["spec"]["template"]["spec"].clone();
    assert!(pod.get("initContainers").is_none());
    let [container] = list(&pod["containers"]) else { panic!("{pod}") };
    let container = container.clone();
    (pod, container)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn words(container: &Value) -> Vec<String> {
    let args = list(&container["args"]).iter().map(|arg| arg.as_str().unwrap().to_owned());
    std::iter::once("ringfence".to_owned()).chain(args).collect()
}

fn parsed(words: &[String]) -> (Arguments, InstallCni) {
    let arguments = Arguments::try_parse_from(words).unwrap();
    let Command::InstallCni(args) = arguments.command.clone() else { panic!("{words:?}") };
    (arguments, args)
}

#[test]
fn the_account_may_get_pods_and_namespaces_and_nothing_else() {
    let kinds: Vec<Value> = resources().iter().map(|resource| resource["kind"].clone()).collect();
    assert_eq!(kinds, ["ServiceAccount", "ClusterRole", "ClusterRoleBinding", "DaemonSet"]);
    let role = resource("ClusterRole");
    let rules = json!([{"apiGroups": [""], "resources": ["pods", "namespaces"], "verbs": ["get"]}]);
    assert_eq!(role["rules"], rules);
    assert!(role.get("aggregationRule").is_none());
    let (binding, account) = (resource("ClusterRoleBinding"), resource("ServiceAccount"));
    let (name, namespace) = (&account["metadata"]["name"], &account["metadata"]["namespace"]);
    assert_eq!(
        binding["subjects"],
        json!([{"kind": "ServiceAccount", "name": name, "namespace": namespace}])
    );
    let of_role = json!({
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "ClusterRole",
        "name": role["metadata"]["name"],
    });
    assert_eq!(binding["roleRef"], of_role);
    assert_eq!(&pod().0["serviceAccountName"], name);
    assert_eq!(&resource("DaemonSet")["metadata"]["namespace"], namespace);
}

#[test]
fn the_program_takes_the_arguments() {
    let mut words = words(&pod().1);
    let (_, args) = parsed(&words);
    assert!(args.watch && !args.replace_calico_ipam);
    // What stands there to be taken in.
    let manifest = text("deploy/ringfence-node.yaml");
    let more = manifest.lines().filter_map(|line| line.trim().strip_prefix("# - "));
    let more: Vec<String> = more.map(str::to_owned).collect();
    assert_eq!(more, ["--replace-calico-ipam"]);
    words.extend(more);
    assert!(parsed(&words).1.replace_calico_ipam);
}

#[test]
fn every_path_is_mounted_where_it_is_written_or_read() {
    let (pod, container) = pod();
    let (arguments, args) = parsed(&words(&container));
    let (mounts, volumes) = (list(&container["volumeMounts"]), list(&pod["volumes"]));
    let names = |list: &[Value]| {
        let mut names: Vec<String> =
            list.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(names(mounts), names(volumes), "each volume is mounted once");
    let volume = |mount: &Value| volumes.iter().find(|one| one["name"] == mount["name"]).unwrap();
    let mount = |path: &Path| {
        let holds = |mount: &&Value| path.starts_with(mount["mountPath"].as_str().unwrap());
        mounts.iter().find(holds).unwrap_or_else(|| panic!("{} is not mounted", path.display()))
    };
    let written = [&args.bin_dir, &args.config_dir];
    for path in written {
        let mount = mount(path);
        assert!(mount.get("readOnly").is_none(), "{}", path.display());
        // The files name each other by the paths of the pod, and the plugin reads them on the node.
        assert_eq!(volume(mount)["hostPath"]["path"], mount["mountPath"]);
    }
    let on_host = volumes.iter().filter(|volume| volume.get("hostPath").is_some()).count();
    assert_eq!(on_host, written.len(), "nothing else of the node is within reach");
    let settings = mount(arguments.globals.config.as_deref().unwrap());
    assert!(volume(settings).get("secret").is_some() && settings["readOnly"] == true);
    let account = args.kubeconfig_from_service_account.unwrap();
    assert_eq!(account, Path::new(super::surroundings::SERVICE_ACCOUNT));
    let projected = &volume(mount(&account))["projected"]["sources"];
    let paths: Vec<&Value> = list(projected)
        .iter()
        .flat_map(|source| {
            [&source["serviceAccountToken"]["path"], &source["configMap"]["items"][0]["path"]]
        })
        .filter(|path| !path.is_null())
        .collect();
    assert_eq!(paths, ["token", "ca.crt"]);
    assert_eq!(pod["automountServiceAccountToken"], false);
}

#[test]
fn the_pod_has_no_power_that_it_does_not_need() {
    let (pod, container) = pod();
    for (field, value) in [
        ("hostNetwork", json!(true)),
        ("priorityClassName", json!("system-node-critical")),
        ("tolerations", json!([{"operator": "Exists"}])),
        ("securityContext", json!({"seccompProfile": {"type": "RuntimeDefault"}})),
        ("hostPID", Value::Null),
        ("hostIPC", Value::Null),
    ] {
        assert_eq!(pod[field], value, "{field}");
    }
    assert_eq!(
        container["securityContext"],
        json!({
            "runAsUser": 0,
            "runAsGroup": 0,
            "privileged": false,
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        })
    );
    assert!(container["resources"]["requests"].is_object());
    let strategy = &resource("DaemonSet")["spec"]["updateStrategy"]["rollingUpdate"];
    assert_eq!(*strategy, json!({"maxSurge": 1, "maxUnavailable": 0}));
}

/// One name to replace, and no image that changes under it.
#[test]
fn the_image_is_the_same_everywhere() {
    assert!(IMAGE.ends_with(&format!(":{}", env!("CARGO_PKG_VERSION"))));
    assert_eq!(pod().1["image"], IMAGE);
    for path in ["deploy/ringfence-node.yaml", "deploy/Dockerfile", "docs/install.md"] {
        let text = text(path);
        assert!(text.contains(IMAGE), "{path}");
        assert_eq!(
            text.matches("registry.example").count(),
            text.matches(IMAGE).count(),
            "{path} has it in another form"
        );
    }
    let programs = text("deploy/Dockerfile");
    assert!(
        programs.contains("FROM scratch") && programs.contains("COPY ringfence ringfence-ipam /")
    );
}
