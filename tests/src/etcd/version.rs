//! The versions of etcd that tests run on.

use std::io::{Write, stderr};
use std::path::PathBuf;
use std::sync::Once;

use crate::source::root;

/// A version of etcd on this machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// The system's own; `scripts/setup.sh` installs it.
    #[default]
    System,
    /// A newer one, 3.5, which `scripts/etcd-next.sh` unpacks where it can be had.
    Next,
}

impl Version {
    /// Returns the server's program, if it is here. `RINGFENCE_ETCD_NEXT` names the newer one where it lies elsewhere.
    #[must_use]
    pub fn program(self) -> Option<PathBuf> {
        let program = match self {
            Self::System => {
                let path = std::env::var_os("PATH").unwrap_or_default();
                return std::env::split_paths(&path)
                    .map(|folder| folder.join("etcd"))
                    .find(|program| program.is_file());
            }
            Self::Next => std::env::var_os("RINGFENCE_ETCD_NEXT")
                .map_or_else(|| root().join("target/etcd-3.5/usr/bin/etcd"), PathBuf::from),
        };
        program.is_file().then_some(program)
    }

    /// Says whether a test can run on this version. The newer one may be missing, which is told once, past the test
    /// runner's capture.
    ///
    /// # Panics
    ///
    /// If the system's own is missing.
    #[must_use]
    pub fn is_here(self) -> bool {
        static TOLD: Once = Once::new();
        let here = self.program().is_some();
        assert!(here || self == Self::Next, "etcd is missing: run scripts/setup.sh");
        if !here {
            TOLD.call_once(|| {
                let line = "etcd 3.5 is not here, not tested with it: run scripts/etcd-next.sh\n";
                // Nobody reads it if this fails.
                let _ = stderr().write_all(line.as_bytes());
            });
        }
        here
    }

    /// Returns the versions that are here.
    #[must_use]
    pub fn here() -> Vec<Self> {
        [Self::System, Self::Next].into_iter().filter(|version| version.is_here()).collect()
    }
}
