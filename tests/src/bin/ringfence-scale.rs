//! Runs large clusters and prints what they cost the store.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    ipam_tests::scale::command(&arguments)
}
