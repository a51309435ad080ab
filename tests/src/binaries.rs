//! The binaries under test.

use std::path::PathBuf;

/// Returns the path of a binary as it is shipped.
///
/// # Panics
///
/// If it was not built: `make test` builds both and says where they are.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let folder = std::env::var_os("RINGFENCE_BIN_DIR")
        .expect("RINGFENCE_BIN_DIR is not set: run `make test`, which builds the binaries first");
    let path = PathBuf::from(folder).join(name);
    assert!(path.is_file(), "{} does not exist: run `make build`", path.display());
    path
}
