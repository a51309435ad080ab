//! Where the program of the real API server is.

use std::io::{Write, stderr};
use std::path::PathBuf;
use std::sync::Once;

use crate::source::root;

/// Returns the program, if it is here: `KUBE_APISERVER_BIN` names it, or `scripts/kube-apiserver.sh` has built it. That it
/// is not is told once, past the test runner's capture.
///
/// # Panics
///
/// If the variable names no file.
pub(super) fn program() -> Option<PathBuf> {
    static TOLD: Once = Once::new();
    if let Some(named) = std::env::var_os("KUBE_APISERVER_BIN").filter(|named| !named.is_empty()) {
        let named = PathBuf::from(named);
        assert!(named.is_file(), "KUBE_APISERVER_BIN: {} is no file", named.display());
        return Some(named);
    }
    let built = root().join("target/kube-apiserver/kube-apiserver");
    if built.is_file() {
        return Some(built);
    }
    TOLD.call_once(|| {
        let line =
            "a real Kubernetes API server is not here, not tested with it: run `make kube-test`\n";
        // Nobody reads it if this fails.
        let _ = stderr().write_all(line.as_bytes());
    });
    None
}
