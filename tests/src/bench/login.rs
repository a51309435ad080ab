//! ADD as a user with a password: the call that logs in, and those after it, which know the token.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use serde_json::json;

use super::calls::{NodeFiles, call};
use super::engine::{make_pool, settings};
use super::placement::Apart;
use super::report::{Goal, Line, median};
use crate::binaries::binary;
use crate::etcd::{Etcd, User};

const ROUNDS: usize = 15;
/// After each call that logs in come so many that need not.
const NEXT: usize = 5;

/// Measures both kinds of calls, and the same on a server without users.
pub(super) fn lines() -> Vec<Line> {
    let [guarded, open] = [(); 2].map(|()| {
        let etcd = Etcd::start();
        make_pool(settings(etcd.endpoint(), None), "10.20.0.0/16");
        etcd
    });
    guarded.enable_auth(&[User { name: "node", password: Some("secret"), prefix: "/" }]);
    let mut user = NodeFiles::plain(&guarded);
    let file = user.folder().join("config.json");
    let text = json!({"etcd_username": "node", "etcd_password": "secret"}).to_string();
    let opened = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&file);
    opened.and_then(|mut file| file.write_all(text.as_bytes())).expect("a file is written");
    user.conf["ipam"]["config_file"] = json!(file);
    let nobody = NodeFiles::plain(&open);
    let plugin = binary("ringfence-ipam");
    let _apart = Apart::from(&[&guarded, &open]);
    let (mut first, mut next, mut without) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        forget_token(&user);
        let logs_in = call(&plugin, "ADD", &format!("first-{round}"), &user.conf);
        assert!(has_token(&user), "the token is remembered");
        // The first call of all remembers nothing else, either.
        if round > 0 {
            first.push(logs_in);
        }
        for turn in 0..NEXT {
            let container = format!("next-{round}-{turn}");
            next.push(call(&plugin, "ADD", &container, &user.conf));
            without.push(call(&plugin, "ADD", &container, &nobody.conf));
        }
    }
    let (first, next, without) = (median(first), median(next), median(without));
    vec![
        Line::of_times("ADD, process, etcd, logs in", first, "no user", without, Goal::None),
        Line::of_times("ADD, process, etcd, knows its token", next, "no user", without, Goal::None),
    ]
}

fn tokens(node: &NodeFiles) -> Vec<std::path::PathBuf> {
    let files = fs::read_dir(node.cache()).into_iter().flatten().flatten();
    let paths = files.map(|file| file.path());
    paths.filter(|path| path.extension().is_some_and(|ending| ending == "token")).collect()
}

fn has_token(node: &NodeFiles) -> bool {
    !tokens(node).is_empty()
}

fn forget_token(node: &NodeFiles) {
    for file in tokens(node) {
        fs::remove_file(file).expect("the token is removed");
    }
}
