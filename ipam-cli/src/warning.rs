//! What is not wrong.

use crate::one_line::one_line;

/// Something that is not wrong, but is easily overlooked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Warning {
    /// Its stable name.
    pub(crate) code: &'static str,
    /// What it is; it may quote what others have stored.
    pub(crate) message: String,
}

impl Warning {
    /// Writes the warning in one line.
    pub(crate) fn line(&self) -> String {
        one_line(&format!("warning: {} [{}]", self.message, self.code))
    }
}
