//! ADD as a plugin of the runtime's list: others have given addresses, and nothing is to be done.

use serde_json::Value;

use crate::protocol::{CniError, Code, Netconf};

use super::Answer;

/// Hands on the result of the plugins before.
pub(super) fn add(netconf: &Netconf) -> Result<Answer, CniError> {
    let Some(Value::Object(result)) = netconf.top.get("prevResult") else {
        let message = "prevResult is missing: as a plugin of the list this one hands on the result of those before; to get addresses, name it as ipam.type of another plugin";
        return Err(CniError::new(Code::Config, message));
    };
    let mut result = result.clone();
    result.insert("cniVersion".to_owned(), Value::from(netconf.version.text()));
    Ok(Answer { text: Value::Object(result).to_string(), undo: None })
}
