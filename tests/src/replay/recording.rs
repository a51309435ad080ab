//! The files in which stock Calico's behaviour was recorded.

use std::fs;
use std::path::{Path, PathBuf};

use ipam_core::kv::Key;
use serde::Deserialize;
use serde_json::Value;

/// What was done to an empty store, step by step, and what it held after each step.
#[derive(Clone, Debug, Deserialize)]
pub struct Recording {
    /// Its name, which is also the name of its file.
    pub scenario: String,
    /// What was done.
    pub steps: Vec<Step>,
}

/// One thing that was done, and all that came of it.
#[derive(Clone, Debug, Deserialize)]
pub struct Step {
    /// What was called, such as `calico-ipam ADD c1 on n1`.
    #[serde(rename = "step")]
    pub title: String,
    /// How many seconds passed since the step before; a file does not tell, its reader fills it in.
    #[serde(skip)]
    pub pause_seconds: i64,
    /// The network configuration that a CNI plugin was given.
    pub netconf: Option<Value>,
    /// The `CNI_ARGS` that a CNI plugin was given.
    #[serde(default)]
    pub cni_args: String,
    /// The exit status, `None` where a library was called and not a program.
    pub exit: Option<i32>,
    /// What was printed.
    #[serde(default)]
    pub stdout: String,
    /// The keys that were written, each as the step left it.
    pub put: Vec<Put>,
    /// The keys that were there before the step and not after it.
    pub deleted: Vec<Key>,
}

/// One key and its value after a step.
#[derive(Clone, Debug, Deserialize)]
pub struct Put {
    /// The key.
    pub key: Key,
    /// The value.
    pub value: String,
    /// The revision that created the key.
    #[serde(rename = "create")]
    pub create_revision: u64,
    /// The revision that wrote the value.
    #[serde(rename = "mod")]
    pub mod_revision: u64,
    /// How often the key was written since its creation.
    pub version: u64,
}

/// Why a recording cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// Its file cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// Its file is not a recording.
    #[error("{} is not a recording", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What the parser met.
        source: serde_json::Error,
    },
}

impl Recording {
    /// Reads the recording of a name, such as `one-node`.
    ///
    /// # Errors
    ///
    /// [`RecordingError`] with the path.
    pub fn read(name: &str) -> Result<Self, RecordingError> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
        let path = folder.join(name).with_extension("json");
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(source) => return Err(RecordingError::Unreadable { path, source }),
        };
        serde_json::from_slice(&text).map_err(|source| RecordingError::Malformed { path, source })
    }
}
