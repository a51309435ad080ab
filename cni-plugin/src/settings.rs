//! What the configuration says, typed and judged.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipam_core::ip::{Cidr, Family};
use ipam_core::plan::PoolOrder;
use ipam_core::pool::{AddressRules, Gateway, PoolList};
use ipam_etcd::{CACHE_FOLDER, StoreSettings};
use ipam_kube::Access;
use ipnetwork::IpNetwork;
use serde_json::Value;
use tracing::warn;

use crate::datastore::{GUARDED_FIELDS, Places};
use crate::kubernetes;
use crate::lock::{LOCK_FILE, WAIT_MS_DEFAULT};
use crate::mode::Mode;
use crate::protocol::{CniError, Code, Netconf, Object, Route};
use crate::spelling::near_miss;

/// Where fields are looked for that stdin does not have.
const CONFIG_FILE: &str = "/etc/cni/net.d/ringfence-ipam.d/config.json";
const TIMEOUT_MS_DEFAULT: u64 = 60_000;
const GROUP_OR_OTHERS_WRITE: u32 = 0o022;
const OTHERS_READ: u32 = 0o004;

/// Fields that only the part `ipam` (or the file) may have: an upper plugin may use the same names for its own.
const OWN_FIELDS: [&str; 16] = [
    "type",
    "mode",
    "config_file",
    "env",
    "assign_ipv4",
    "assign_ipv6",
    "ipv4_pools",
    "ipv6_pools",
    "pool_order",
    "gateway",
    "prefix",
    "exclude_edges",
    "routes",
    "dns",
    "annotations",
    "annotation_interfaces",
];
/// Fields that may stand at the top as well, where Calico has them.
const SHARED_FIELDS: [&str; 16] = [
    "datastore_type",
    "datastore_path",
    "etcd_endpoints",
    "etcd_discovery_srv",
    "etcd_ca_cert_file",
    "etcd_cert_file",
    "etcd_key_file",
    "nodename",
    "nodename_file",
    "hostname",
    "log_level",
    "timeout_ms",
    "ipam_lock_file",
    "lock_wait_ms",
    "cache_folder",
    "kubernetes",
];

/// Fields at the top that runtimes write.
const TOP_FIELDS: [&str; 7] =
    ["cniVersion", "name", "type", "ipam", "args", "runtimeConfig", "prevResult"];

/// The fields of all places, the strongest first.
#[derive(Clone, Debug)]
pub(crate) struct Fields {
    ipam: Object,
    top: Object,
    file: Object,
    file_path: PathBuf,
    mode: Mode,
}

/// The length of the prefix that an address is returned with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prefix {
    /// Its pool's.
    Pool,
    /// The address alone.
    Host,
    /// These, for IPv4 and IPv6.
    Lengths(u8, u8),
}

/// Whether annotations are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AnnotationRule {
    /// Not at all.
    Off,
    /// As far as somebody passes or shows them.
    Auto,
    /// Those of the pod and those of its namespace, or nothing is assigned.
    Required,
}

/// What ADD needs to know of the configuration.
#[derive(Clone, Debug)]
pub(crate) struct AddSettings {
    pub(crate) families: Vec<Family>,
    pub(crate) ipv4_pools: Option<PoolList>,
    pub(crate) ipv6_pools: Option<PoolList>,
    pub(crate) pool_order: PoolOrder,
    pub(crate) addresses: AddressRules,
    pub(crate) prefix: Prefix,
    pub(crate) routes: Vec<Route>,
    pub(crate) dns: Option<Value>,
    pub(crate) annotations: AnnotationRule,
    pub(crate) annotation_interfaces: Vec<String>,
}

impl Fields {
    /// Collects the fields of stdin and of the file beside it.
    pub(crate) fn collect(netconf: &Netconf) -> Result<Self, CniError> {
        let (file_path, must_exist) = match netconf.ipam.get("config_file") {
            Some(Value::String(path)) if Path::new(path).is_absolute() => (path.as_str(), true),
            Some(_) => {
                return Err(CniError::field("config_file", "must be the absolute path of a file"));
            }
            None => (CONFIG_FILE, false),
        };
        let file_path = PathBuf::from(file_path);
        let file = read_file(&file_path, must_exist)?;
        let mode = Mode::of([&netconf.ipam, &file], &netconf.upper_type)?;
        let (ipam, top) = match mode {
            Mode::Calico => (in_known_case(&netconf.ipam), in_known_case(&netconf.top)),
            Mode::Standalone => {
                refuse_misspelt(&netconf.ipam)?;
                refuse_misspelt_at_top(&netconf.top)?;
                (netconf.ipam.clone(), netconf.top.clone())
            }
        };
        Ok(Self { ipam, top, file, file_path, mode })
    }

    /// Says whose rules hold.
    pub(crate) fn mode(&self) -> Mode {
        self.mode
    }

    /// Reads which families `calico-ipam` would give: to it, a text is true or false only by its exact letters.
    pub(crate) fn calicos_families(&self) -> Result<Vec<Family>, CniError> {
        let text = |name: &'static str| match self.own(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => {
                if !matches!(text.as_str(), "true" | "false") {
                    warn!(
                        field = name,
                        value = text,
                        "neither \"true\" nor \"false\": the default holds"
                    );
                }
                Ok(Some(text.as_str()))
            }
            Some(_) => {
                let error = CniError::field(name, "must be a string, \"true\" or \"false\"");
                Err(error.in_other_words("failed to load netconf"))
            }
        };
        let (v4, v6) = (text("assign_ipv4")?, text("assign_ipv6")?);
        let families = [(Family::V4, v4 != Some("false")), (Family::V6, v6 == Some("true"))];
        Ok(families.into_iter().filter_map(|(family, is_on)| is_on.then_some(family)).collect())
    }

    /// Reads the pools of a family as `calico-ipam` does: an empty list says nothing, so that any automatic pool will do.
    pub(crate) fn calicos_pools(&self, family: Family) -> Result<Option<PoolList>, CniError> {
        let name = match family {
            Family::V4 => "ipv4_pools",
            Family::V6 => "ipv6_pools",
        };
        match self.own(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Array(list)) if list.is_empty() => {
                warn!(
                    field = name,
                    "the list is empty, so any automatic pool will do; bind the namespace to forbid that"
                );
                Ok(None)
            }
            Some(_) => self.pools(name),
        }
    }

    /// Tells of fields that nobody knows; they may be meant for a later version.
    pub(crate) fn warn_of_unknown(&self) {
        let known =
            |name: &str| OWN_FIELDS.iter().chain(&SHARED_FIELDS).any(|known| *known == name);
        for name in self.ipam.keys().filter(|name| !known(name)) {
            warn!(field = %name, "unknown field in ipam");
        }
    }

    /// Decides which store is meant; it is never guessed.
    pub(crate) fn store(&self) -> Result<StoreSettings, CniError> {
        let places = Places {
            ipam: &self.ipam,
            top: &self.top,
            file: &self.file,
            file_path: &self.file_path,
            with_environment: self.flag("env", self.mode == Mode::Calico)?,
            mode: self.mode,
        };
        places.decide()
    }

    /// Returns the time that a whole call may take.
    pub(crate) fn timeout(&self) -> Result<Duration, CniError> {
        self.milliseconds("timeout_ms", TIMEOUT_MS_DEFAULT)
    }

    /// Returns the lock of this node, and how long to wait for it.
    pub(crate) fn lock(&self) -> Result<(PathBuf, Duration), CniError> {
        let path = self.shared_text("ipam_lock_file")?.unwrap_or(LOCK_FILE);
        Ok((PathBuf::from(path), self.milliseconds("lock_wait_ms", WAIT_MS_DEFAULT)?))
    }

    /// Returns where this node keeps what it remembers of a cluster.
    pub(crate) fn cache_folder(&self) -> Result<PathBuf, CniError> {
        match self.shared_text("cache_folder")?.map(Path::new) {
            None => Ok(PathBuf::from(CACHE_FOLDER)),
            Some(path) if path.is_absolute() => Ok(path.to_owned()),
            Some(_) => Err(CniError::field("cache_folder", "must be an absolute path")),
        }
    }

    fn milliseconds(&self, name: &'static str, default: u64) -> Result<Duration, CniError> {
        match self.shared(name) {
            None => Ok(Duration::from_millis(default)),
            Some(value) => match value.as_u64().filter(|ms| *ms > 0) {
                Some(ms) => Ok(Duration::from_millis(ms)),
                None => Err(CniError::field(name, "must be a number of milliseconds above 0")),
            },
        }
    }

    /// Returns a text that may also stand at the top; an empty one says nothing.
    pub(crate) fn shared_text(&self, name: &'static str) -> Result<Option<&str>, CniError> {
        match self.shared(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(_) => Err(CniError::field(name, "must be a text")),
        }
    }

    /// Reads what only ADD needs.
    pub(crate) fn add(&self) -> Result<AddSettings, CniError> {
        let families = self.families()?;
        let addresses =
            AddressRules { exclude_edges: self.flag("exclude_edges", true)?, ..self.gateways()? };
        let prefix = self.prefix()?;
        Ok(AddSettings {
            families,
            ipv4_pools: self.pools("ipv4_pools")?,
            ipv6_pools: self.pools("ipv6_pools")?,
            pool_order: self.pool_order()?,
            addresses,
            prefix,
            routes: self.routes()?,
            dns: self.own("dns").cloned(),
            annotations: self.annotation_rule()?,
            annotation_interfaces: self.annotation_interfaces()?,
        })
    }

    /// Returns how to ask the Kubernetes API, `None` where that is not configured.
    pub(crate) fn kubernetes(&self) -> Result<Option<Access>, CniError> {
        match self.mode {
            Mode::Calico => Ok(kubernetes::calicos_access(&self.top)),
            Mode::Standalone => kubernetes::access(self.shared("kubernetes")),
        }
    }

    fn shared(&self, name: &str) -> Option<&Value> {
        self.ipam.get(name).or_else(|| self.top.get(name)).or_else(|| self.file.get(name))
    }

    fn own(&self, name: &str) -> Option<&Value> {
        self.ipam.get(name).or_else(|| self.file.get(name))
    }

    fn families(&self) -> Result<Vec<Family>, CniError> {
        let wanted = [
            (Family::V4, self.flag("assign_ipv4", true)?),
            (Family::V6, self.flag("assign_ipv6", false)?),
        ];
        let families: Vec<Family> =
            wanted.into_iter().filter_map(|(family, wanted)| wanted.then_some(family)).collect();
        if families.is_empty() {
            return Err(CniError::new(
                Code::Config,
                "assign_ipv4 and assign_ipv6 are both off: nothing is asked for",
            ));
        }
        Ok(families)
    }

    fn flag(&self, name: &'static str, default: bool) -> Result<bool, CniError> {
        match self.own(name) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(Value::String(text)) if text == "true" => Ok(true),
            Some(Value::String(text)) if text == "false" => Ok(false),
            Some(_) => Err(CniError::field(name, "must be true or false")),
        }
    }

    fn pools(&self, name: &'static str) -> Result<Option<PoolList>, CniError> {
        let list = self.own(name).map(PoolList::from_value).transpose();
        list.map_err(|error| {
            CniError::from_chain(Code::Config, &error)
                .prefixed(&format!("{name} of the network configuration"))
        })
    }

    fn pool_order(&self) -> Result<PoolOrder, CniError> {
        match self.own("pool_order").map(Value::as_str) {
            None | Some(Some("listed")) => Ok(PoolOrder::Listed),
            Some(Some("calico")) => Ok(PoolOrder::Calico),
            Some(_) => Err(CniError::field("pool_order", "must be \"listed\" or \"calico\"")),
        }
    }

    fn gateways(&self) -> Result<AddressRules, CniError> {
        let bad = || {
            CniError::field(
                "gateway",
                "must be \"none\", \"first\", \"last\", or a list of one address per family",
            )
        };
        let (gateway_v4, gateway_v6) = match self.own("gateway") {
            None => (Gateway::None, Gateway::None),
            Some(Value::String(text)) => match text.as_str() {
                "none" => (Gateway::None, Gateway::None),
                "first" => (Gateway::First, Gateway::First),
                "last" => (Gateway::Last, Gateway::Last),
                address => one_per_family(&[address]).ok_or_else(bad)?,
            },
            Some(Value::Array(list)) => {
                let texts: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
                one_per_family(&texts.ok_or_else(bad)?).ok_or_else(bad)?
            }
            Some(_) => return Err(bad()),
        };
        Ok(AddressRules { gateway_v4, gateway_v6, ..AddressRules::default() })
    }

    fn prefix(&self) -> Result<Prefix, CniError> {
        let bad = || {
            CniError::field("prefix", "must be \"pool\", \"host\", or two lengths such as [24, 64]")
        };
        match self.own("prefix") {
            None => Ok(Prefix::Pool),
            Some(Value::String(text)) if text == "pool" => Ok(Prefix::Pool),
            Some(Value::String(text)) if text == "host" => Ok(Prefix::Host),
            Some(Value::Array(lengths)) => match lengths.as_slice() {
                [v4, v6] => {
                    let length = |value: &Value, max: u8| {
                        value
                            .as_u64()
                            .and_then(|n| u8::try_from(n).ok())
                            .filter(|n| (1..=max).contains(n))
                    };
                    let (v4, v6) =
                        (length(v4, 32).ok_or_else(bad)?, length(v6, 128).ok_or_else(bad)?);
                    Ok(Prefix::Lengths(v4, v6))
                }
                _ => Err(bad()),
            },
            Some(_) => Err(bad()),
        }
    }

    fn routes(&self) -> Result<Vec<Route>, CniError> {
        match self.own("routes") {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(routes)) => routes.iter().map(parse_route).collect(),
            Some(_) => {
                Err(CniError::field("routes", "must be a list of objects with dst, and perhaps gw"))
            }
        }
    }

    fn annotation_rule(&self) -> Result<AnnotationRule, CniError> {
        match self.own("annotations").map(Value::as_str) {
            None | Some(Some("auto")) => Ok(AnnotationRule::Auto),
            Some(Some("off")) => Ok(AnnotationRule::Off),
            Some(Some("required")) => Ok(AnnotationRule::Required),
            Some(_) => {
                Err(CniError::field("annotations", "must be \"auto\", \"off\" or \"required\""))
            }
        }
    }

    fn annotation_interfaces(&self) -> Result<Vec<String>, CniError> {
        let bad = || CniError::field("annotation_interfaces", "must be a list of interface names");
        match self.own("annotation_interfaces") {
            None => Ok(vec!["eth0".to_owned()]),
            Some(Value::Array(names)) => {
                let names: Option<Vec<String>> =
                    names.iter().map(|name| name.as_str().map(str::to_owned)).collect();
                names.ok_or_else(bad)
            }
            Some(_) => Err(bad()),
        }
    }
}

impl Prefix {
    /// Returns the length for an address of a pool.
    pub(crate) fn length(self, pool: &Cidr) -> u8 {
        match (self, pool.family()) {
            (Self::Pool, _) => pool.prefix(),
            (Self::Host, family) => family.bits(),
            (Self::Lengths(v4, _), Family::V4) => v4,
            (Self::Lengths(_, v6), Family::V6) => v6,
        }
    }
}

impl AddSettings {
    /// Refuses what the main plugin cannot work with: ptp replaces the connected route by one through the gateway, so it needs
    /// one, and a prefix that contains it.
    pub(crate) fn judge_for(&self, upper_type: &str) -> Result<(), CniError> {
        if upper_type != "ptp" {
            return Ok(());
        }
        if self.prefix == Prefix::Host {
            return Err(CniError::new(
                Code::Gateway,
                "prefix is \"host\", with which ptp cannot work; use \"pool\"",
            ));
        }
        let is_without = |family: &&Family| self.addresses.of(**family) == Gateway::None;
        match self.families.iter().find(is_without) {
            None => Ok(()),
            Some(family) => Err(CniError::new(
                Code::Gateway,
                format!(
                    "gateway is none for {family}, without which ptp cannot work; use \"first\""
                ),
            )),
        }
    }
}

fn one_per_family(texts: &[&str]) -> Option<(Gateway, Gateway)> {
    let (mut v4, mut v6) = (Gateway::None, Gateway::None);
    for text in texts {
        let ip: IpAddr = text.parse().ok()?;
        let slot = if ip.is_ipv4() { &mut v4 } else { &mut v6 };
        if *slot != Gateway::None {
            return None;
        }
        *slot = Gateway::Address(ip);
    }
    Some((v4, v6))
}

fn parse_route(value: &Value) -> Result<Route, CniError> {
    let dst = value.get("dst").and_then(Value::as_str).unwrap_or_default();
    let bad = |why: &str| CniError::new(Code::Config, format!("routes[].dst is {dst:?}; {why}"));
    // Without a slash the crate would take an address for a network of one.
    let network: IpNetwork = dst
        .parse()
        .ok()
        .filter(|_| dst.contains('/'))
        .ok_or_else(|| bad("it must be a network such as 0.0.0.0/0"))?;
    let destination = Cidr::try_from(network).map_err(|error| bad(&error.to_string()))?;
    if destination.first_address() != network.ip() {
        return Err(bad(&format!("it has bits set behind its prefix; write {destination}")));
    }
    let gateway = match value.get("gw") {
        None | Some(Value::Null) => None,
        Some(gw) => Some(gw.as_str().and_then(|gw| gw.parse().ok()).ok_or_else(|| {
            CniError::new(Code::Config, format!("routes[].gw is {gw}; it must be an address"))
        })?),
    };
    Ok(Route { destination: network, gateway })
}

/// Reads the file with fields that stdin lacks; one that others may write could redirect allocations.
fn read_file(path: &Path, must_exist: bool) -> Result<Object, CniError> {
    let bad =
        |why: String| CniError::new(Code::Config, format!("config_file {}: {why}", path.display()));
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !must_exist => {
            return Ok(Object::new());
        }
        Err(error) => return Err(bad(error.to_string())),
    };
    if metadata.mode() & GROUP_OR_OTHERS_WRITE != 0 {
        return Err(bad("it can be written by its group or by others; run chmod go-w".to_owned()));
    }
    let text = fs::read_to_string(path).map_err(|error| bad(error.to_string()))?;
    match serde_json::from_str(&text) {
        Ok(Value::Object(fields)) => {
            refuse_misspelt(&fields)?;
            let secret =
                ["etcd_password", "etcd_key"].into_iter().find(|name| fields.contains_key(*name));
            match secret.filter(|_| metadata.mode() & OTHERS_READ != 0) {
                Some(name) => {
                    Err(bad(format!("it holds {name}, and everybody can read it; run chmod o-r")))
                }
                None => Ok(fields),
            }
        }
        Ok(_) => Err(bad("it is not a JSON object".to_owned())),
        Err(error) => Err(bad(error.to_string())),
    }
}

/// Returns the fields under the names that are known here: as Go reads JSON, case does not matter.
fn in_known_case(object: &Object) -> Object {
    let known = OWN_FIELDS.iter().chain(&SHARED_FIELDS);
    let name = |given: &String| {
        let same = known.clone().find(|known| known.eq_ignore_ascii_case(given));
        same.map_or_else(|| given.clone(), |known| (*known).to_owned())
    };
    object.iter().map(|(given, value)| (name(given), value.clone())).collect()
}

/// Refuses `Ipv4_Pools` and `ipv4pools`: silently passed over they would mean any pool.
fn refuse_misspelt(object: &Object) -> Result<(), CniError> {
    let known: Vec<&str> =
        OWN_FIELDS.into_iter().chain(SHARED_FIELDS).chain(GUARDED_FIELDS).collect();
    for name in object.keys() {
        if let Some(right) = near_miss(name, &known) {
            return Err(misspelt(name, right));
        }
    }
    Ok(())
}

/// Refuses slips at the top. An upper plugin has fields of its own there, so only what could not be its own counts.
fn refuse_misspelt_at_top(object: &Object) -> Result<(), CniError> {
    let known = SHARED_FIELDS.iter().chain(&TOP_FIELDS).chain(&GUARDED_FIELDS).copied();
    for name in object.keys() {
        if let Some(right) =
            known.clone().find(|right| right.eq_ignore_ascii_case(name) && right != name)
        {
            return Err(misspelt(name, right));
        }
        let pools = ["ipv4_pools", "ipv6_pools"];
        if pools.contains(&name.as_str()) || near_miss(name, &pools).is_some() {
            return Err(CniError::field(
                name,
                "stands at the top of the configuration; it belongs into ipam",
            ));
        }
    }
    Ok(())
}

fn misspelt(name: &str, right: &str) -> CniError {
    CniError::new(Code::Config, format!("field {name:?} is misspelt; write {right:?}"))
}
