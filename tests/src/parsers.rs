//! Every parser of outside input as a function that takes any bytes: for the fuzz targets, and for a smaller run in the
//! tests. None may panic, and what is understood must survive being written and read again.

use ipam_core::ip::Cidr;
use ipam_core::model::{
    Affinity, Binding, Block, ClusterInformation, Config, Handle, IpPool, IpReservation, Node,
    PoolMark, Record, Timestamp, key,
};
use ipam_core::pool::{Pool, PoolList};
use ipam_core::selector::Selector;
use ipam_etcd::settings::{EndpointFault, Endpoints};
use ipam_kube::{Object, Resource};

/// A parser of outside input.
pub type Parser = fn(&[u8]);

/// Every parser, by the name of its fuzz target.
pub const PARSERS: [(&str, Parser); 14] = [
    ("selector", selector),
    ("key", key_text),
    ("block", block),
    ("handle", handle),
    ("resource", resource),
    ("own_keys", own_keys),
    ("timestamp", timestamp),
    ("annotation", annotation),
    ("call", call),
    ("manifest", manifest),
    ("api_config", api_config),
    ("endpoints", endpoints),
    ("cache", cache),
    ("kubernetes", kubernetes),
];

/// Feeds answers of the Kubernetes API.
///
/// # Panics
///
/// If an object is taken for another.
pub fn kubernetes(data: &[u8]) {
    let pod = Resource::pod("fin", "web").expect("a name");
    let namespace = Resource::namespace("fin").expect("a name");
    let both = [&pod, &namespace].map(|resource| Object::parse(resource, data).is_ok());
    assert_ne!(both, [true, true], "no object is a pod and a namespace of another name");
}

/// Feeds the selector language.
///
/// # Panics
///
/// If a canonical form cannot be read again.
pub fn selector(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(selector) = Selector::parse(text) {
        let canonical = selector.to_string();
        assert!(canonical.contains('"') || Selector::parse(&canonical).is_ok(), "{canonical}");
        let _ = selector.matches(&[("a".to_owned(), "b".to_owned())].into());
    }
}

/// Feeds keys and networks.
///
/// # Panics
///
/// If a network changes when it is written and read again.
pub fn key_text(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = key::parse(text);
    if let Ok(cidr) = Cidr::parse_or_address(text) {
        assert_eq!(Cidr::parse(&cidr.to_string()), Ok(cidr));
        assert_eq!(Cidr::from_key_text(&cidr.key_text()), Some(cidr));
    }
}

/// Feeds blocks; the first line names the network of the key.
///
/// # Panics
///
/// If a block changes when it is written and read again, or is read otherwise than JSON says.
pub fn block(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (first, rest) = data.split_at(end);
    let network = std::str::from_utf8(first).ok().and_then(|text| Cidr::parse(text).ok());
    let Some(network) = network else { return };
    let name = key::block(&network);
    let value = rest.get(1..).unwrap_or_default();
    if let Ok(block) = Block::decode(&name, value) {
        let json: Block = serde_json::from_slice(value).expect("it is JSON");
        assert!(block == json, "{block:?} is {json:?}");
        for (record, other) in block.records().iter().zip(json.records()) {
            let told = |record: &Record| (record.handle().map(str::to_owned), record.released_at());
            assert_eq!(told(record), told(other));
        }
        let again = Block::decode(&name, &block.encode()).expect("what was written can be read");
        assert_eq!(again.encode(), block.encode());
        let collected = block.collected(Timestamp::from_seconds(2_000_000_000), 0);
        let _ = collected.encode();
    }
}

/// Feeds handles, affinities and the configuration.
///
/// # Panics
///
/// If one changes when it is written and read again.
pub fn handle(data: &[u8]) {
    if let Ok(handle) = Handle::decode("k", data)
        && let Some(bytes) = handle.encode()
    {
        assert_eq!(Handle::decode("k", &bytes).expect("what was written can be read"), handle);
    }
    if let Ok(affinity) = Affinity::decode("k", data) {
        assert_eq!(Affinity::decode("k", &affinity.encode()).expect("it can be read"), affinity);
    }
    if let Ok(config) = Config::decode("k", data) {
        assert_eq!(Config::decode("k", &config.encode()).expect("it can be read"), config);
    }
}

/// Feeds resources.
///
/// # Panics
///
/// If one cannot be read again.
pub fn resource(data: &[u8]) {
    if let Ok(pool) = IpPool::decode("k", data) {
        IpPool::decode("k", &pool.encode()).expect("what was written can be read");
        let _ = Pool::read(&pool, false);
        let _ = ipam_core::pool::validate(pool);
    }
    if let Ok(reservation) = IpReservation::decode("k", data) {
        IpReservation::decode("k", &reservation.encode()).expect("it can be read");
        let _ = reservation.spec.networks().count();
    }
    if let Ok(node) = Node::decode("k", data) {
        Node::decode("k", &node.encode()).expect("it can be read");
    }
    if let Ok(cluster) = ClusterInformation::decode("k", data) {
        ClusterInformation::decode("k", &cluster.encode()).expect("it can be read");
    }
}

/// Feeds what only Ringfence stores.
///
/// # Panics
///
/// If something changes when it is written and read again.
pub fn own_keys(data: &[u8]) {
    if let Ok(binding) = Binding::decode("k", data) {
        assert_eq!(Binding::decode("k", &binding.encode()).expect("it can be read"), binding);
    }
    if let Ok(mark) = PoolMark::decode("k", data) {
        assert_eq!(PoolMark::decode("k", &mark.encode()).expect("it can be read"), mark);
    }
}

/// Feeds points in time.
///
/// # Panics
///
/// If one changes by more than its fraction when it is written and read again.
pub fn timestamp(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        assert_eq!(timestamp.to_string().parse(), Ok(timestamp.truncated()));
        assert_eq!(Timestamp::from_go_text(&timestamp.to_go_text()), Some(timestamp));
    }
    let _ = Timestamp::from_go_text(text);
}

/// Feeds lists of pools as people write them.
pub fn annotation(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = PoolList::parse_annotation(text).map_err(|error| error.to_string());
    let _ = PoolList::parse_commas(text).map_err(|error| error.to_string());
}

/// Feeds a call of the plugin: the first line is `CNI_ARGS`, the rest stdin.
///
/// # Panics
///
/// If an error cannot be printed.
pub fn call(data: &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (arguments, rest) = data.split_at(end);
    let arguments = String::from_utf8_lossy(arguments);
    if let Err(error) = cni_plugin::judge(&arguments, "eth0", rest.get(1..).unwrap_or_default()) {
        error.print(&mut Vec::new()).expect("a Vec takes every byte");
    }
}

/// Feeds manifests.
pub fn manifest(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = ipam_cli::judge_manifests(text);
}

/// Feeds the file of calicoctl.
pub fn api_config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = ipam_cli::judge_api_config(text);
}

/// Feeds lists of endpoints.
///
/// # Panics
///
/// If a list changes when it is written and read again, or an error could show a password.
pub fn endpoints(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Endpoints::parse(text) {
        Ok(read) => {
            let urls: Vec<String> = read.list.iter().map(ToString::to_string).collect();
            let again = Endpoints::parse(&urls.join(",")).expect("what was written can be read");
            assert_eq!((again.list, again.scheme), (read.list, read.scheme));
            assert!(!again.is_mixed, "all are of one scheme now");
        }
        Err(fault) => {
            let is_hidden = fault == EndpointFault::UserInfo;
            assert_eq!(text.contains('@'), is_hidden, "what may be a password is not repeated");
        }
    }
}

/// Feeds what a node remembers.
///
/// # Panics
///
/// If what is understood changes when it is written and read again.
pub fn cache(data: &[u8]) {
    // Bytes with a right checksum get further than any that a fuzzer finds.
    let mended = mended_cache(data);
    for bytes in [data, mended.as_slice()] {
        if let Some(recollection) = ipam_etcd::cache::decode(bytes) {
            let written = ipam_etcd::cache::encode(&recollection);
            assert_eq!(ipam_etcd::cache::decode(&written).as_ref(), Some(&recollection));
            let _ = ipam_core::kv::View::recall(recollection);
        }
    }
}

fn mended_cache(body: &[u8]) -> Vec<u8> {
    let sum = ipam_etcd::cache::checksum(body);
    [b"rfcache4".as_slice(), sum.as_slice(), body].concat()
}
