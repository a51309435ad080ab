//! `ringfence completion`.

use clap::CommandFactory;

use super::Context;
use crate::args::{Arguments, Completion};
use crate::cause::Cause;
use crate::exit::Exit;

/// Writes the completions of a shell.
pub(super) fn run(context: &mut Context, args: &Completion) -> Result<Exit, Cause> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Arguments::command(), "ringfence", &mut script);
    let broken = |_| Cause::Bug { what: "the completions are no text".to_owned() };
    let script = String::from_utf8(script).map_err(broken)?;
    context.data(&script)?;
    Ok(Exit::Done)
}
