//! What a node remembers between the processes that live for one call.
//!
//! It is a hint. Whatever is wrong with it (it is missing, old, cut off, made up by somebody, of another cluster or another
//! format) it only costs round trips: a request that begins with it ends in a transaction that proves all of it.
//!
//! The files lie in a folder that nobody but us can enter, are replaced as a whole, and never grow beyond a limit.

mod codec;
mod folder;

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use ipam_core::kv::Recollection;
use tracing::debug;

pub use codec::{checksum, decode, encode};

use crate::settings::{EtcdSettings, Secret};

/// Where the files lie when nothing else is said.
pub const CACHE_FOLDER: &str = "/run/ringfence";

/// The most bytes of a file; a larger one is neither written nor read.
const BYTES_MAX: usize = 4 << 20;
/// The files of one node about one cluster.
#[derive(Clone, Debug)]
pub struct NodeCache {
    folder: PathBuf,
    name: String,
}

impl NodeCache {
    /// Names the files about a cluster in a folder.
    #[must_use]
    pub fn new(folder: &Path, settings: &EtcdSettings) -> Self {
        let mut hasher = DefaultHasher::new();
        settings.endpoints.iter().for_each(|endpoint| endpoint.url.hash(&mut hasher));
        if let Some(login) = &settings.login {
            login.user.hash(&mut hasher);
            // A token stands for the password that it was given for: another one has to prove itself.
            login.password.expose().hash(&mut hasher);
        }
        Self { folder: folder.to_owned(), name: format!("etcd-{:016x}", hasher.finish()) }
    }

    /// Returns what was remembered, `None` where there is nothing that can be used.
    #[must_use]
    pub fn recollection(&self) -> Option<Recollection> {
        let bytes = self.read(&self.file())?;
        let recollection = decode(&bytes);
        if recollection.is_none() {
            debug!(file = %self.file().display(), "what was remembered cannot be read");
        }
        recollection
    }

    /// Remembers something in the place of what was there.
    pub fn remember(&self, recollection: &Recollection) {
        let bytes = encode(recollection);
        if bytes.len() > BYTES_MAX {
            return self.forget();
        }
        self.write(&self.file(), &bytes);
    }

    /// Forgets what was remembered.
    pub fn forget(&self) {
        folder::remove(&self.file());
    }

    /// Returns the token of an earlier login.
    #[must_use]
    pub fn token(&self) -> Option<Secret> {
        let text = String::from_utf8(self.read(&self.token_file())?).ok()?;
        // Nothing else can be sent.
        let is_token = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_token.then(|| Secret::new(text))
    }

    /// Remembers the token of a login.
    pub fn remember_token(&self, token: &Secret) {
        self.write(&self.token_file(), token.expose().as_bytes());
    }

    fn file(&self) -> PathBuf {
        self.folder.join(&self.name).with_extension("cache")
    }

    fn token_file(&self) -> PathBuf {
        self.folder.join(&self.name).with_extension("token")
    }

    fn read(&self, file: &Path) -> Option<Vec<u8>> {
        folder::read(&self.folder, file, BYTES_MAX).unwrap_or_else(|error| {
            debug!(file = %file.display(), %error, "going on without what was remembered");
            None
        })
    }

    fn write(&self, file: &Path, bytes: &[u8]) {
        if let Err(error) = folder::replace(&self.folder, file, bytes) {
            debug!(file = %file.display(), %error, "nothing is remembered");
        }
    }
}

#[cfg(test)]
mod tests;
