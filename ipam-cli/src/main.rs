//! The process: its words go in, its exit code comes out.

use std::ffi::OsString;
use std::process::ExitCode;

/// That of musl asks the kernel for memory at every turn.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().collect();
    ipam_cli::main(&words)
}
