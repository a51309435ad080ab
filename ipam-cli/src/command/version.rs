//! `ringfence version`.

use super::Context;
use crate::cause::Cause;
use crate::exit::Exit;
use crate::render::{Report, Version};

/// Tells the version of this program.
pub(super) fn run(context: &mut Context) -> Result<Exit, Cause> {
    let version = Version { name: "ringfence", version: env!("CARGO_PKG_VERSION") };
    context.show(&Report::new(context.written(), vec![version]))?;
    Ok(Exit::Done)
}
