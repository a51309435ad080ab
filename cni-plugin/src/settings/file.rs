//! The file with fields that stdin lacks.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use serde_json::Value;

use crate::protocol::{CniError, Code, Object};

use super::names::refuse_misspelt;

/// Where it is, unless the configuration names another.
pub(super) const CONFIG_FILE: &str = "/etc/cni/net.d/ringfence-ipam.d/config.json";
const GROUP_OR_OTHERS_WRITE: u32 = 0o022;
const OTHERS_READ: u32 = 0o004;

/// Reads the file with fields that stdin lacks; one that others may write could redirect allocations.
pub(super) fn read(path: &Path, must_exist: bool) -> Result<Object, CniError> {
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
