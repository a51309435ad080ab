//! The client that etcd's own authors wrote.

use std::path::PathBuf;

use super::pki::Identity;
use super::process;

/// How `etcdctl` reaches servers.
#[derive(Clone, Debug, Default)]
pub struct Ctl {
    endpoints: String,
    tls: Option<(PathBuf, Option<Identity>)>,
    user: Option<String>,
}

impl Ctl {
    /// Speaks to these servers, as URLs with commas between them.
    #[must_use]
    pub fn new(endpoints: impl Into<String>) -> Self {
        Self { endpoints: endpoints.into(), ..Self::default() }
    }

    /// Trusts an authority, and shows a certificate if there is one.
    #[must_use]
    pub fn tls(self, authority: impl Into<PathBuf>, identity: Option<Identity>) -> Self {
        Self { tls: Some((authority.into(), identity)), ..self }
    }

    /// Logs in, as `name:password`.
    #[must_use]
    pub fn user(self, user: impl Into<String>) -> Self {
        Self { user: Some(user.into()), ..self }
    }

    /// Runs `etcdctl`, and returns what it printed, or its complaint. It waits for ten seconds unless `--command-timeout`
    /// says otherwise.
    ///
    /// # Errors
    ///
    /// What it printed to stderr when it failed.
    ///
    /// # Panics
    ///
    /// If it is missing.
    pub fn run(&self, args: &[&str]) -> Result<String, String> {
        let mut command = process::command("etcdctl");
        command.env("ETCDCTL_API", "3").arg("--endpoints").arg(&self.endpoints);
        command.arg("--command-timeout=10s");
        if let Some((authority, identity)) = &self.tls {
            command.arg("--cacert").arg(authority);
            if let Some(Identity { certificate, key }) = identity {
                command.arg("--cert").arg(certificate).arg("--key").arg(key);
            }
        }
        if let Some(user) = &self.user {
            command.arg("--user").arg(user);
        }
        let output =
            command.args(args).output().expect("etcdctl runs: scripts/setup.sh installs it");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }
}
