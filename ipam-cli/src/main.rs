//! The process: its words go in, its exit code comes out.

use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    ipam_cli::main(&words)
}
