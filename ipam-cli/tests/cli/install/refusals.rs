//! What stands against it: other people's files, folders that others may write to, a machine that does not let us.

use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use super::node::{NEWER_STOCK, Node, PLUGIN, set_mode};

const NOBODY: u32 = 65534;

/// Copies the program by another process: what this one holds open for writing, the children of other tests inherit, and what
/// is open for writing nobody may run.
fn copy_ours(to: &Path) {
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_ringfence")).arg(to).status().unwrap();
    assert!(copied.success(), "{}", to.display());
}

#[test]
fn what_somebody_else_put_there_is_left_alone() {
    type Put = fn(&Node);
    let places: [(&str, Put); 5] = [
        ("bin/ringfence-ipam", |node| fs::write(node.bin("ringfence-ipam"), "theirs").unwrap()),
        ("bin/ringfence-ipam", |node| symlink("theirs", node.bin("ringfence-ipam")).unwrap()),
        ("bin/ringfence-ipam", |node| fs::create_dir(node.bin("ringfence-ipam")).unwrap()),
        ("d/config.json", |node| {
            fs::create_dir_all(node.config("")).unwrap();
            fs::write(node.config("config.json"), "{}").unwrap();
        }),
        ("bin/calico-ipam.before-ringfence", |node| {
            fs::write(node.bin("calico-ipam.before-ringfence"), "theirs").unwrap();
        }),
    ];
    for (at, (place, put)) in places.iter().enumerate() {
        let node = Node::with_calico();
        put(&node);
        let told = node.fails(&["--replace-calico-ipam"], 5, "RF-E0804");
        assert!(told.contains(&format!("{place} was not put there")), "{at}: {told}");
        assert!(told.contains("move it away"), "{at}: {told}");
    }
}

/// Installed by hand, it is the same file all the same.
#[test]
fn the_very_same_file_is_adopted() {
    let node = Node::with_calico();
    fs::write(node.bin("ringfence-ipam"), PLUGIN).unwrap();
    set_mode(&node.bin("ringfence-ipam"), 0o755);
    let told = node.ok(&[]);
    assert!(told.contains("ringfence-ipam") && told.contains("unchanged"), "{told}");
    node.ok(&["--uninstall"]);
    assert!(!node.bin("ringfence-ipam").exists());
}

#[test]
fn what_was_not_installed_is_not_removed() {
    let node = Node::with_calico();
    fs::write(node.bin("ringfence-ipam"), PLUGIN).unwrap();
    node.fails(&["--uninstall"], 5, "RF-E0804");
    fs::remove_file(node.bin("ringfence-ipam")).unwrap();

    node.ok(&["--replace-calico-ipam"]);
    let kept = node.bin("calico-ipam.before-ringfence");
    for place in [
        node.bin("ringfence-ipam"),
        node.bin("calico-ipam"),
        kept.clone(),
        node.config("config.json"),
    ] {
        let (is, own) = (fs::read(&place).unwrap(), node.machine.path("own"));
        fs::rename(&place, &own).unwrap();
        fs::write(&place, "changed").unwrap();
        let told = node.fails(&["--uninstall"], 5, "RF-E0805");
        assert!(told.contains(&format!("{} is not what", place.display())), "{told}");
        fs::rename(&own, &place).unwrap();
        assert_eq!(fs::read(&place).unwrap(), is);
    }
    let own = node.machine.path("own");
    fs::rename(&kept, &own).unwrap();
    let told = node.fails(&["--uninstall"], 5, "RF-E0806");
    assert!(told.contains("put the calico-ipam of the Calico that runs here at"), "{told}");
    // What a run removed that was cut short does not count.
    fs::rename(&own, &kept).unwrap();
    fs::rename(&kept, node.bin("calico-ipam")).unwrap();
    fs::remove_file(node.bin("ringfence-ipam")).unwrap();
    node.ok(&["--uninstall"]);
    assert_eq!(node.listing(), ["bin 755", "bin/calico-ipam 4711 calico-ipam"]);
}

#[test]
fn a_folder_in_which_others_could_exchange_files_is_refused() {
    let node = Node::fresh();
    let folder = node.config("");
    fs::create_dir_all(&folder).unwrap();
    for (owner, mode, says) in [
        (NOBODY, 0o700, "belongs to another user"),
        (0, 0o720, "its group or by others"),
        (0, 0o702, "its group or by others"),
    ] {
        chown(&folder, Some(owner), None).unwrap();
        set_mode(&folder, mode);
        for args in [&[][..], &["--dry-run"], &["--uninstall"]] {
            let told = node.fails(args, 5, "RF-E0808");
            assert!(told.contains(says) && told.contains("chown root"), "{args:?}: {told}");
        }
    }
    chown(&folder, Some(0), None).unwrap();
    set_mode(&folder, 0o755);
    node.ok(&[]);
    fs::write(node.config("installed.json"), r#"{"version": 2, "files": []}"#).unwrap();
    let told = node.fails(&[], 3, "RF-E0810");
    assert!(told.contains("version 2, not 1"), "{told}");
    fs::write(node.config("installed.json"), "[").unwrap();
    node.fails(&["--uninstall"], 3, "RF-E0810");
}

/// A folder that cannot be written to is told, and the run after that goes on.
#[test]
fn without_permission_nothing_is_half_done() {
    let node = Node::with_calico();
    // The program has to be where everybody may run it.
    let program = node.machine.path("ringfence");
    copy_ours(&program);
    set_mode(&node.machine.path(""), 0o755);
    let as_nobody = |args: &[&str]| {
        let mut command = node.command(args);
        let words: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        command = Command::new(&program);
        command.env_clear().env("RINGFENCE_STORE", "embedded").args(words).uid(NOBODY);
        let output = command.output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let before = node.listing();
    let (code, told) = as_nobody(&[]);
    assert!(code == 3 && told.contains("[RF-E0812]") && told.contains("run it as root"), "{told}");
    assert_eq!(node.listing(), before);
    // The configuration can be written now, the plugin cannot.
    fs::create_dir_all(node.config("")).unwrap();
    chown(node.config(""), Some(NOBODY), None).unwrap();
    let (code, told) = as_nobody(&[]);
    assert!(code == 3 && told.contains("bin/ringfence-ipam cannot be changed"), "{told}");
    assert!(told.contains("goes on where this one stopped"), "{told}");
    assert!(!node.bin("ringfence-ipam").exists() && node.config("config.json").exists());
    for folder in ["bin", "net.d"] {
        chown(node.machine.path(folder), Some(NOBODY), None).unwrap();
    }
    let listed = node.text("installed.json");
    assert!(listed.contains("bin/ringfence-ipam"), "on the list before it is there: {listed}");
    let (code, told) = as_nobody(&[]);
    assert_eq!(code, 0, "{told}");
    // So it is with an upgrade: the old one is still on the list.
    chown(node.machine.path("bin"), Some(0), None).unwrap();
    fs::write(node.machine.path("plugin"), NEWER_STOCK).unwrap();
    let (code, told) = as_nobody(&[]);
    assert!(code == 3 && told.contains("bin/ringfence-ipam cannot be changed"), "{told}");
    assert_eq!(fs::read(node.bin("ringfence-ipam")).unwrap(), PLUGIN);
    chown(node.machine.path("bin"), Some(NOBODY), None).unwrap();
    let (code, told) = as_nobody(&["--uninstall"]);
    assert_eq!(code, 0, "{told}");
    assert_eq!(node.listing(), before);
}

#[test]
fn what_is_no_plugin_is_not_installed() {
    let node = Node::fresh();
    let path = |name: &str| format!("--plugin={}", node.machine.path(name).display());
    fs::write(node.machine.path("page"), "<html>").unwrap();
    let told = node.fails(&[&path("page")], 2, "RF-E0802");
    assert!(told.contains("is not a program for Linux"), "{told}");
    node.fails(&[&path("absent")], 2, "RF-E0801");
    node.fails(&["--bin-dir=bin"], 2, "RF-E0101");
    node.fails(&["--config-dir=/etc/../tmp"], 2, "RF-E0101");
    node.fails(&["--interval=5"], 2, "RF-E0101");
    node.fails(&["--uninstall", "--replace-calico-ipam"], 2, "RF-E0101");
    // Without a word it is the one beside this program.
    let program = node.machine.path("programs");
    fs::create_dir(&program).unwrap();
    copy_ours(&program.join("ringfence"));
    fs::write(program.join("ringfence-ipam"), NEWER_STOCK).unwrap();
    let words: Vec<_> = node.command(&[]).get_args().map(ToOwned::to_owned).collect();
    let words = words.into_iter().filter(|word| !word.to_str().unwrap().starts_with("--plugin"));
    let mut command = Command::new(program.join("ringfence"));
    let output = command.env_clear().env("RINGFENCE_STORE", "embedded").args(words).output();
    assert!(output.unwrap().status.success());
    assert_eq!(fs::read(node.bin("ringfence-ipam")).unwrap(), NEWER_STOCK);
}
