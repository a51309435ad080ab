//! CHECK: whether an interface still holds what it was given.

use std::collections::BTreeMap;

use ipam_core::plan::{Mismatch, Verify};

use crate::identity;
use crate::log;
use crate::mode::Mode;
use crate::protocol::{Call, CniError, Code, Netconf, PrevResult};
use crate::settings::Fields;

use super::{Answer, Session, now};

/// Compares the store with the result of ADD. Annotations are not judged again: they count at creation only.
pub(super) async fn run(call: &Call, netconf: &Netconf) -> Result<Answer, CniError> {
    let fields = Fields::collect(netconf)?;
    log::start(&fields)?;
    let Some(prev_result) = netconf.top.get("prevResult").filter(|value| !value.is_null()) else {
        return Err(CniError::new(
            Code::Config,
            "prevResult is missing, which CHECK compares with",
        ));
    };
    let (handle, attributes) = match fields.mode() {
        Mode::Calico => (identity::container_handle(&netconf.name, call)?, BTreeMap::new()),
        Mode::Standalone => {
            call.arguments.judge()?;
            (identity::handle(&netconf.name, call)?, identity::attachment(&netconf.name, call))
        }
    };
    let request = Verify { handle, attributes, addresses: PrevResult::parse(prev_result)? };
    match Session::open(&fields)?.drive(&request, now()).await? {
        None => Ok(Answer::nothing()),
        Some(mismatch) => Err(error(&mismatch)),
    }
}

fn error(mismatch: &Mismatch) -> CniError {
    let code = match mismatch {
        Mismatch::NotAllocated { .. } => Code::CheckMissing,
        Mismatch::OtherHolder { .. } => Code::CheckOther,
        Mismatch::Further { .. } => Code::CheckDiffers,
    };
    CniError::new(code, mismatch.to_string())
}
