//! How to reach the API: a kubeconfig, and what is said beside it.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use secrecy::SecretString;

use crate::KubeError;
use crate::dial::LookUp;
use crate::link::Link;
use crate::told::{Told, chain};

/// Where the API is and who asks. What is set beside the kubeconfig is stronger than what that says.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// The path of a kubeconfig.
    pub kubeconfig: Option<PathBuf>,
    /// The URL of the server.
    pub server: Option<String>,
    /// A token of the asker.
    pub token: Option<SecretString>,
    /// The path of the asker's certificate.
    pub certificate: Option<PathBuf>,
    /// The path of that certificate's key.
    pub key: Option<PathBuf>,
    /// The path of the certificate of the server's authority.
    pub authority: Option<PathBuf>,
}

impl Access {
    /// Makes the access that a kubeconfig describes.
    #[must_use]
    pub fn by_kubeconfig(path: impl Into<PathBuf>) -> Self {
        Self { kubeconfig: Some(path.into()), ..Self::default() }
    }

    /// Says whether neither a kubeconfig nor a server is named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kubeconfig.is_none() && self.server.is_none()
    }

    /// Makes ready to connect; programs that give credentials are refused, and files are read.
    pub(crate) async fn link(&self, look_up: LookUp) -> Result<Link, KubeError> {
        let config = self.overruled(self.by_file().await?)?;
        let program = [
            (config.auth_info.exec.is_some(), "exec"),
            (config.auth_info.auth_provider.is_some(), "auth-provider"),
        ];
        if let Some((_, field)) = program.into_iter().find(|(is_set, _)| *is_set) {
            return Err(KubeError::Program { access: self.name(), field });
        }
        Link::to(&config, look_up).map_err(|error| self.fault(&error))
    }

    async fn by_file(&self) -> Result<Config, KubeError> {
        let Some(path) = &self.kubeconfig else {
            return Ok(Config::new(self.url(self.server.as_deref().unwrap_or_default())?));
        };
        let kubeconfig = Kubeconfig::read_from(path).map_err(|error| self.unread(&error))?;
        let has_proxy = has_proxy(&kubeconfig);
        let options = KubeConfigOptions::default();
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .map_err(|error| self.fault(&error))?;
        if !has_proxy {
            // A runtime's environment names a proxy for pulling images, and the library does not see what is excepted from it.
            config.proxy_url = None;
        }
        Ok(config)
    }

    fn overruled(&self, mut config: Config) -> Result<Config, KubeError> {
        let text = |path: &PathBuf| path.display().to_string();
        if let Some(server) = &self.server {
            config.cluster_url = self.url(server)?;
        }
        if let Some(token) = &self.token {
            config.auth_info.token = Some(token.clone());
            config.auth_info.token_file = None;
        }
        if let Some(certificate) = &self.certificate {
            config.auth_info.client_certificate = Some(text(certificate));
            config.auth_info.client_certificate_data = None;
        }
        if let Some(key) = &self.key {
            config.auth_info.client_key = Some(text(key));
            config.auth_info.client_key_data = None;
        }
        if let Some(authority) = &self.authority {
            config.root_cert_file = Some(authority.clone());
        }
        Ok(config)
    }

    /// Tells of a file without showing what stands in it, which the library would: there may be a token.
    fn unread(&self, error: &KubeconfigError) -> KubeError {
        let KubeconfigError::Parse(yaml) = error else { return self.fault(error) };
        let place = yaml.location().map_or_else(String::new, |location| {
            format!(" at line {}, column {}", location.line(), location.column())
        });
        let source = Told::as_seen(format!("it is no kubeconfig in YAML or JSON{place}"));
        KubeError::Malformed { access: self.name(), source }
    }

    fn url(&self, text: &str) -> Result<http::Uri, KubeError> {
        text.parse().map_err(|error| self.fault(&error))
    }

    /// Tells files that cannot be read from such that cannot be understood.
    fn fault(&self, error: &(dyn Error + 'static)) -> KubeError {
        let (access, source) = (self.name(), Told::by(error));
        if chain(error).iter().any(|cause| cause.is::<io::Error>()) {
            return KubeError::Unreadable { access, source };
        }
        KubeError::Malformed { access, source }
    }

    /// Returns where the access is described.
    fn name(&self) -> String {
        match (&self.kubeconfig, &self.server) {
            (Some(path), _) => format!("kubeconfig {}", path.display()),
            (None, server) => format!("server {}", server.as_deref().unwrap_or_default()),
        }
    }
}

/// Says whether the kubeconfig itself names a proxy for its current context.
fn has_proxy(kubeconfig: &Kubeconfig) -> bool {
    let current = kubeconfig.current_context.as_deref().unwrap_or_default();
    let context = kubeconfig.contexts.iter().find(|context| context.name == current);
    let context = context.and_then(|named| named.context.as_ref());
    let clusters = kubeconfig
        .clusters
        .iter()
        .filter(|cluster| context.is_some_and(|context| context.cluster == cluster.name));
    clusters
        .filter_map(|named| named.cluster.as_ref()?.proxy_url.as_ref())
        .any(|url| !url.is_empty())
}
