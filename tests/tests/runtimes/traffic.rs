//! Packets between containers.

use std::net::IpAddr;
use std::process::Command;

/// Says whether an address answers to a process's network; resolving a neighbour may take a second.
pub(crate) fn reaches(pid: u64, target: IpAddr) -> bool {
    let status = Command::new("nsenter")
        .args(["--net", "--target", &pid.to_string()])
        .args(["ping", "-c", "1", "-w", "5", "-q", &target.to_string()])
        .output()
        .expect("nsenter of util-linux and ping are installed")
        .status;
    status.success()
}
