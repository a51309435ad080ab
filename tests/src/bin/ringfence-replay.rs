//! Replays recordings of stock Calico's IPAM library by our own plans, and exits with 1 at the first difference.

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    ipam_tests::replay::command(&arguments)
}
