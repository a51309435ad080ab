//! What the CNI specification says about the wire: environment, configuration, results and errors.

mod arguments;
mod attachments;
pub(crate) mod environment;
mod error;
mod netconf;
mod result;
mod version;

pub(crate) use arguments::{Arguments, judge_namespace};
pub(crate) use attachments::valid_attachments;
pub(crate) use environment::{Call, Command};
pub use error::{CniError, Code};
pub(crate) use netconf::{Netconf, Object, Role, read_stdin};
pub(crate) use result::{AddResult, PrevResult, Route};
pub(crate) use version::{Version, version_answer};
