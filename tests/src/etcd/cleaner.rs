//! Removes what a process of tests leaves behind, however that ends.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

/// Reads folders until we have ended, which closes the pipe, and gives our servers a moment to be killed. A folder that
/// somebody else has taken meanwhile is locked and left alone.
const SCRIPT: &str = r#"
trap '' INT TERM HUP
while read -r folder; do set -- "$@" "$folder"; done
sleep 0.5
for folder; do flock --nonblock "$folder/lock" rm -rf "$folder/data" "$folder/log"; done
"#;

static CLEANER: LazyLock<Mutex<Child>> = LazyLock::new(|| {
    let mut shell = Command::new("sh");
    shell.args(["-c", SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    Mutex::new(shell.spawn().expect("a shell starts"))
});

/// Has a slot's folder emptied when our process has ended.
pub(super) fn remember(folder: &Path) {
    let mut cleaner = CLEANER.lock().unwrap_or_else(PoisonError::into_inner);
    let told = cleaner.stdin.as_mut().map(|pipe| writeln!(pipe, "{}", folder.display()));
    assert!(told.is_some_and(|told| told.is_ok()), "the shell does not read from us");
}
