//! What the configuration says, typed and judged.

mod add;
mod api;
mod file;
mod names;

pub(crate) use add::{AddSettings, AnnotationRule, Prefix};

use std::path::{Path, PathBuf};
use std::time::Duration;

use ipam_core::ip::Family;
use ipam_core::pool::PoolList;
use ipam_etcd::{CACHE_FOLDER, StoreSettings};
use ipam_kube::Access;
use serde_json::Value;
use tracing::warn;

use crate::datastore::Places;
use crate::lock::{LOCK_FILE, WAIT_MS_DEFAULT};
use crate::mode::Mode;
use crate::protocol::{CniError, Code, Netconf, Object};

use file::CONFIG_FILE;
use names::{in_known_case, is_unknown, refuse_misspelt, refuse_misspelt_at_top};

const TIMEOUT_MS_DEFAULT: u64 = 60_000;
const GC_GRACE_SECONDS_DEFAULT: i64 = 60;

/// The fields of all places, the strongest first.
#[derive(Clone, Debug)]
pub(crate) struct Fields {
    ipam: Object,
    top: Object,
    file: Object,
    file_path: PathBuf,
    mode: Mode,
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
        let file = file::read(&file_path, must_exist)?;
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
        for name in self.ipam.keys().filter(|name| is_unknown(name)) {
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

    /// Returns a number that may also stand at the top.
    pub(crate) fn number(&self, name: &'static str, default: u64) -> Result<u64, CniError> {
        match self.shared(name) {
            None | Some(Value::Null) => Ok(default),
            Some(value) => value
                .as_u64()
                .ok_or_else(|| CniError::field(name, "must be a number that is not negative")),
        }
    }

    /// Returns the time that a whole call may take.
    pub(crate) fn timeout(&self) -> Result<Duration, CniError> {
        self.milliseconds("timeout_ms", TIMEOUT_MS_DEFAULT)
    }

    /// Returns how many seconds GC leaves an address alone after it was taken.
    pub(crate) fn gc_grace_seconds(&self) -> Result<i64, CniError> {
        match self.own("gc_grace_seconds") {
            None => Ok(GC_GRACE_SECONDS_DEFAULT),
            Some(value) => value
                .as_u64()
                .and_then(|seconds| i64::try_from(seconds).ok())
                .ok_or_else(|| CniError::field("gc_grace_seconds", "must be a number of seconds")),
        }
    }

    /// Returns the lock of this node, and how long to wait for it.
    pub(crate) fn lock(&self) -> Result<(PathBuf, Duration), CniError> {
        let path = self.stocks_path("ipam_lock_file")?.unwrap_or(Path::new(LOCK_FILE));
        Ok((path.to_owned(), self.milliseconds("lock_wait_ms", WAIT_MS_DEFAULT)?))
    }

    /// Returns where this node keeps what it remembers of a cluster.
    pub(crate) fn cache_folder(&self) -> Result<PathBuf, CniError> {
        Ok(self.shared_path("cache_folder")?.unwrap_or(Path::new(CACHE_FOLDER)).to_owned())
    }

    /// Reads a path. One that is relative would mean another place for each runtime that calls.
    fn shared_path(&self, name: &'static str) -> Result<Option<&Path>, CniError> {
        match self.shared_text(name)?.map(Path::new) {
            Some(path) if path.is_relative() => {
                Err(CniError::field(name, "must be an absolute path"))
            }
            path => Ok(path),
        }
    }

    /// Reads a path that stock Calico knows too, and takes from wherever it is called.
    pub(crate) fn stocks_path(&self, name: &'static str) -> Result<Option<&Path>, CniError> {
        match self.mode() {
            Mode::Calico => Ok(self.shared_text(name)?.map(Path::new)),
            Mode::Standalone => self.shared_path(name),
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

    /// Returns how to ask the Kubernetes API, `None` where that is not configured.
    pub(crate) fn kubernetes(&self) -> Result<Option<Access>, CniError> {
        match self.mode {
            Mode::Calico => Ok(api::calicos_access(&self.top)),
            Mode::Standalone => api::access(self.shared("kubernetes")),
        }
    }

    fn shared(&self, name: &str) -> Option<&Value> {
        self.ipam.get(name).or_else(|| self.top.get(name)).or_else(|| self.file.get(name))
    }

    fn own(&self, name: &str) -> Option<&Value> {
        self.ipam.get(name).or_else(|| self.file.get(name))
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
}
