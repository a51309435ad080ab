//! Measures against references in the same run, and prints one line each.
#![allow(
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement that cannot go on says so and stops"
)]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use ipam_core::model::HandleId;
use ipam_core::plan::Held;
use ipam_tests::binaries::binary;
use ipam_tests::plugin::{Call, netconf};
use ipam_tests::world::World;
use serde_json::{Value, json};

const ROUNDS: usize = 300;
const WARM_UP: usize = 20;
const PIPE_BYTES: usize = 65_536;

/// One measured figure against its reference.
struct Line {
    name: &'static str,
    figure: String,
    reference: String,
    ratio: Option<f64>,
    goal: &'static str,
}

fn main() {
    let cni = std::env::var("CNI_BIN_DIR").unwrap_or_else(|_| "/usr/lib/cni".to_owned());
    let host_local = Path::new(&cni).join("host-local");
    assert!(host_local.is_file(), "{} does not exist: run `make setup`", host_local.display());
    println!("{:<34} {:>12} {:>22} {:>7}  goal", "name", "figure", "reference", "ratio");
    let world = World::with_pools(&[("p", json!({"cidr": "10.20.0.0/16"}))]);
    print(&add_and_del(&world, &host_local));
    print(&burst(&world, &host_local));
    print(&peak_memory(&world));
    print(&sizes());
    println!(
        "\nrecorded elsewhere, on another machine: stock Calico with etcd, no reference for the ratios above"
    );
    for (name, figure) in [
        ("ADD + DEL as two processes", "52 ms (45 ms of it CPU)"),
        ("burst of 110 ADD, 16 at once", "10.5 s"),
        ("peak memory of one call", "52 MiB"),
        ("size of the binary", "96 MB, not stripped"),
    ] {
        println!("{name:<34} {figure}");
    }
}

fn print(line: &Line) {
    let ratio = line.ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}"));
    println!(
        "{:<34} {:>12} {:>22} {ratio:>7}  {}",
        line.name, line.figure, line.reference, line.goal
    );
}

/// Runs both plugins in turn, so that a machine that slows down slows both.
fn add_and_del(world: &World, host_local: &Path) -> Line {
    let data = tempfile::tempdir().expect("a folder for host-local");
    let theirs_conf = host_local_conf(data.path());
    let ours_conf = netconf(&world.path(), &json!({}));
    let ours_binary = binary("ringfence-ipam");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS + WARM_UP {
        let container = format!("b{round}");
        let mine = pair(&ours_binary, &container, &ours_conf);
        let other = pair(host_local, &container, &theirs_conf);
        if round >= WARM_UP {
            ours.push(mine);
            theirs.push(other);
        }
    }
    let (ours, theirs) = (median(ours), median(theirs));
    Line {
        name: "ADD + DEL, embedded, full sync",
        figure: milliseconds(ours),
        reference: format!("host-local {}", milliseconds(theirs)),
        ratio: Some(ours.as_secs_f64() / theirs.as_secs_f64()),
        goal: "at most 1.0",
    }
}

/// 110 containers, 16 at once.
fn burst(world: &World, host_local: &Path) -> Line {
    let data = tempfile::tempdir().expect("a folder for host-local");
    let theirs_conf = host_local_conf(data.path());
    let ours_conf = netconf(&world.path(), &json!({}));
    let ours_binary = binary("ringfence-ipam");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..7 {
        ours.push(all_at_once(&ours_binary, &ours_conf, round));
        theirs.push(all_at_once(host_local, &theirs_conf, round));
    }
    let (ours, theirs) = (median(ours), median(theirs));
    Line {
        name: "burst of 110 ADD, 16 at once",
        figure: milliseconds(ours),
        reference: format!("host-local {}", milliseconds(theirs)),
        ratio: Some(ours.as_secs_f64() / theirs.as_secs_f64()),
        goal: "at most 2.0",
    }
}

fn all_at_once(plugin: &Path, conf: &Value, round: usize) -> Duration {
    let started = Instant::now();
    thread::scope(|scope| {
        for lane in 0..16 {
            scope.spawn(move || {
                for container in (lane..110).step_by(16) {
                    call(plugin, "ADD", &format!("burst{round}-{container}"), conf);
                }
            });
        }
    });
    let elapsed = started.elapsed();
    for container in 0..110 {
        call(plugin, "DEL", &format!("burst{round}-{container}"), conf);
    }
    elapsed
}

/// Reads the peak of a process that is done, and waits for somebody to read its answer.
fn peak_memory(world: &World) -> Line {
    let peaks = (0..9).map(|round| {
        let container = format!("m{round}");
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        writer.write_all(&vec![b' '; PIPE_BYTES]).expect("a pipe holds this much");
        let conf = netconf(&world.path(), &json!({}));
        let mut child = Call::new("ADD", &container, &conf).start(Stdio::from(writer));
        let handle = HandleId::new(format!("net.{container}.eth0")).expect("a handle");
        while world.drive(&Held { handle: handle.clone() }).expect("the store is read").is_empty() {
            thread::sleep(Duration::from_millis(1));
        }
        // The answer is formatted within this time; then the process waits for the reader.
        thread::sleep(Duration::from_millis(50));
        let status =
            fs::read_to_string(format!("/proc/{}/status", child.id())).expect("it is alive");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
        child.kill().expect("it is ours");
        child.wait().expect("it is ours");
        drop(reader);
        peak.trim().trim_end_matches(" kB").parse::<u64>().expect("kilobytes")
    });
    let peak = peaks.max().unwrap_or_default() as f64 / 1024.0;
    Line {
        name: "peak memory of an ADD",
        figure: format!("{peak:.1} MiB"),
        reference: "12 MiB".to_owned(),
        ratio: Some(peak / 12.0),
        goal: "below 1.0",
    }
}

fn sizes() -> Line {
    let bytes: u64 = ["ringfence", "ringfence-ipam"]
        .iter()
        .map(|name| fs::metadata(binary(name)).expect("it was built").len())
        .sum();
    let size = bytes as f64 / 1024.0 / 1024.0;
    Line {
        name: "size of both binaries",
        figure: format!("{size:.1} MiB"),
        reference: "16 MiB".to_owned(),
        ratio: Some(size / 16.0),
        goal: "below 1.0",
    }
}

fn pair(plugin: &Path, container: &str, conf: &Value) -> Duration {
    let started = Instant::now();
    call(plugin, "ADD", container, conf);
    call(plugin, "DEL", container, conf);
    started.elapsed()
}

fn call(plugin: &Path, command: &str, container: &str, conf: &Value) {
    let mut child = Command::new(plugin)
        .env_clear()
        .envs([
            ("CNI_COMMAND", command),
            ("CNI_CONTAINERID", container),
            ("CNI_NETNS", "/run/netns/none"),
            ("CNI_IFNAME", "eth0"),
            ("CNI_PATH", "/usr/lib/cni"),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the plugin starts");
    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    stdin.write_all(conf.to_string().as_bytes()).expect("the plugin reads");
    drop(stdin);
    assert!(
        child.wait().expect("the plugin ends").success(),
        "{} {command} failed",
        plugin.display()
    );
}

fn host_local_conf(data: &Path) -> Value {
    json!({
        "cniVersion": "1.0.0", "name": "reference", "type": "bridge",
        "ipam": { "type": "host-local", "dataDir": data, "ranges": [[{"subnet": "10.20.0.0/16"}]] }
    })
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}
