//! In the place of `calico-ipam`, and back.

use std::fs;
use std::os::unix::fs::symlink;

use super::node::{NEWER_STOCK, Node, OLD_PLUGIN, PLUGIN, STOCK};

const REPLACE: [&str; 1] = ["--replace-calico-ipam"];

#[test]
fn the_old_one_is_kept_and_put_back_as_it_was() {
    let node = Node::with_calico();
    let (before, inodes) = (node.listing(), node.inodes());
    assert_eq!(before, ["bin 755", "bin/calico-ipam 4711 calico-ipam"]);
    let told = node.ok(&REPLACE);
    assert!(told.contains("before-ringfence    kept") && told.contains("replaced"), "{told}");
    assert_eq!(
        node.listing()[1..4],
        [
            "bin/calico-ipam 755 the plugin",
            "bin/calico-ipam.before-ringfence 4711 calico-ipam",
            "bin/ringfence-ipam 755 the plugin",
        ]
    );
    assert_eq!(node.run(&REPLACE).stderr, "nothing had to be changed\n");
    let told = node.ok(&["--uninstall"]);
    assert!(told.contains("restored"), "{told}");
    assert_eq!(node.listing(), before);
    assert_eq!(node.inodes()["bin/calico-ipam"], inodes["bin/calico-ipam"], "it is the very file");
}

#[test]
fn a_link_is_kept_as_a_link_and_where_it_leads_is_left_alone() {
    let node = Node::with_calico();
    fs::rename(node.bin("calico-ipam"), node.bin("calico")).unwrap();
    symlink("calico", node.bin("calico-ipam")).unwrap();
    let before = node.listing();
    assert_eq!(before[2], "bin/calico-ipam -> calico");
    node.ok(&REPLACE);
    assert_eq!(fs::read(node.bin("calico")).unwrap(), STOCK);
    assert_eq!(fs::read(node.bin("calico-ipam")).unwrap(), PLUGIN);
    node.ok(&["--uninstall"]);
    assert_eq!(node.listing(), before);
}

#[test]
fn where_there_was_none_there_is_none_again() {
    let node = Node::fresh();
    node.ok(&REPLACE);
    assert_eq!(fs::read(node.bin("calico-ipam")).unwrap(), PLUGIN);
    node.ok(&["--uninstall"]);
    assert_eq!(node.listing(), ["bin 755"]);
}

/// Calico installs its plugins anew with every start of its node.
#[test]
fn a_newer_one_of_calico_is_replaced_and_is_the_one_that_is_put_back() {
    let node = Node::with_calico();
    node.ok(&REPLACE);
    node.put_stock(NEWER_STOCK);
    let told = node.fails(&["--uninstall"], 5, "RF-E0805");
    assert!(told.contains("bin/calico-ipam is not what"), "{told}");
    node.ok(&REPLACE);
    assert_eq!(fs::read(node.bin("calico-ipam")).unwrap(), PLUGIN);
    node.ok(&["--uninstall"]);
    assert_eq!(fs::read(node.bin("calico-ipam")).unwrap(), NEWER_STOCK);
    assert_eq!(node.listing().len(), 2);
}

#[test]
fn a_newer_plugin_of_ours_keeps_what_is_kept() {
    let node = Node::with_calico();
    fs::write(node.machine.path("plugin"), OLD_PLUGIN).unwrap();
    node.ok(&REPLACE);
    fs::write(node.machine.path("plugin"), PLUGIN).unwrap();
    node.ok(&REPLACE);
    assert_eq!(fs::read(node.bin("calico-ipam")).unwrap(), PLUGIN);
    assert_eq!(fs::read(node.bin("calico-ipam.before-ringfence")).unwrap(), STOCK);
    node.ok(&["--uninstall"]);
    assert_eq!(fs::read(node.bin("calico-ipam")).unwrap(), STOCK);
}

/// Forgotten in an upgrade, the flag would hand the node back to Calico, or leave it with two versions.
#[test]
fn it_is_not_given_up_in_passing() {
    let node = Node::with_calico();
    node.ok(&REPLACE);
    let told = node.fails(&[], 5, "RF-E0807");
    assert!(told.contains("bin/calico-ipam was installed before"), "{told}");
}

#[test]
fn what_is_kept_is_not_lost_with_the_list() {
    let node = Node::with_calico();
    let before = node.listing();
    node.ok(&REPLACE);
    fs::remove_dir_all(node.config("")).unwrap();
    node.ok(&REPLACE);
    node.ok(&["--uninstall"]);
    assert_eq!(node.listing(), before);
}

/// Each state in which a run can have been killed, made by hand: the next run completes it, or undoes it.
#[test]
fn a_run_that_was_cut_short_is_completed_or_undone() {
    for next in [&REPLACE[..], &["--uninstall"]] {
        for state in 0..=6 {
            let node = Node::with_calico();
            let before = node.listing();
            node.ok(&REPLACE);
            let complete = node.listing();
            let (calico, kept) =
                (node.bin("calico-ipam"), node.bin("calico-ipam.before-ringfence"));
            // Backwards from the end, as the steps are taken.
            if state <= 5 {
                fs::remove_file(&calico).unwrap();
                fs::hard_link(&kept, &calico).unwrap();
                // The new one was being written.
                fs::write(node.bin(".calico-ipam.ringfence-unfinished"), "\x7fELF the pl").unwrap();
            }
            if state <= 4 {
                fs::remove_file(node.bin(".calico-ipam.ringfence-unfinished")).unwrap();
            }
            if state <= 3 {
                fs::rename(&kept, node.bin(".calico-ipam.before-ringfence.ringfence-unfinished"))
                    .unwrap();
            }
            if state <= 2 {
                fs::remove_file(node.bin(".calico-ipam.before-ringfence.ringfence-unfinished"))
                    .unwrap();
                fs::rename(
                    node.bin("ringfence-ipam"),
                    node.bin(".ringfence-ipam.ringfence-unfinished"),
                )
                .unwrap();
            }
            if state <= 1 {
                fs::remove_file(node.bin(".ringfence-ipam.ringfence-unfinished")).unwrap();
                fs::remove_file(node.config("config.json")).unwrap();
            }
            if state == 0 {
                // Not even the list is complete.
                fs::rename(
                    node.config("installed.json"),
                    node.config(".installed.json.ringfence-unfinished"),
                )
                .unwrap();
            }
            node.ok(next);
            let expected = if next == REPLACE { &complete } else { &before };
            assert_eq!(&node.listing(), expected, "{state} {next:?}");
            node.ok(&["--uninstall"]);
            assert_eq!(node.listing(), before, "{state} {next:?}");
        }
    }
}

/// The states in which an upgrade can have been killed, after Calico had put a newer one there too.
#[test]
fn an_upgrade_that_was_cut_short_is_completed() {
    for state in 0..=2 {
        let node = Node::with_calico();
        fs::write(node.machine.path("plugin"), OLD_PLUGIN).unwrap();
        node.ok(&REPLACE);
        let old_list = node.text("installed.json");
        node.put_stock(NEWER_STOCK);
        fs::write(node.machine.path("plugin"), PLUGIN).unwrap();
        node.ok(&REPLACE);
        let (complete, list) = (node.listing(), node.text("installed.json"));
        assert!(list != old_list && list.matches("sha256:").count() == 4, "{list}");
        // While the steps are taken the list holds both.
        fs::write(node.config("installed.json"), both(&old_list, &list)).unwrap();
        if state <= 1 {
            let (calico, kept) =
                (node.bin("calico-ipam"), node.bin("calico-ipam.before-ringfence"));
            fs::remove_file(&calico).unwrap();
            fs::hard_link(kept, calico).unwrap();
        }
        if state == 0 {
            fs::remove_file(node.bin("calico-ipam.before-ringfence")).unwrap();
            fs::write(node.bin("calico-ipam.before-ringfence"), STOCK).unwrap();
            fs::write(node.bin("ringfence-ipam"), OLD_PLUGIN).unwrap();
        }
        node.ok(&REPLACE);
        assert_eq!(node.listing(), complete, "{state}");
        assert_eq!(node.text("installed.json"), list, "{state}");
        node.ok(&["--uninstall"]);
        assert_eq!(fs::read(node.bin("calico-ipam")).unwrap(), NEWER_STOCK, "{state}");
    }
}

/// Joins two lists as a run does before its first step.
fn both(old: &str, new: &str) -> String {
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let (old, mut new) = (parse(old), parse(new));
    for (at, entry) in new["files"].as_array_mut().unwrap().iter_mut().enumerate() {
        let old = &old["files"][at];
        for (to, from) in [("/holds", "/holds"), ("/kept/holds", "/kept/holds")] {
            if let Some(marks) = entry.pointer_mut(to) {
                let more = old.pointer(from).unwrap().as_array().unwrap().clone();
                marks.as_array_mut().unwrap().extend(more);
            }
        }
    }
    new.to_string()
}
