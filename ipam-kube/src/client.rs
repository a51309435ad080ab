//! Asking, and asking again.

use std::time::Duration;

use http::StatusCode;
use serde::Deserialize;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::debug;

use crate::dial::LookUp;
use crate::link::Link;
use crate::{Access, KubeError, Object, Resource, Told};

/// How long one try may take, its answer included.
const TRY: Duration = Duration::from_secs(3);
/// How often is tried.
const TRIES: u32 = 3;
/// How long is waited before the second try; twice as long before the third.
const PAUSE: Duration = Duration::from_millis(200);
/// The longest time that a question takes, whatever the API does.
pub const LONGEST: Duration = Duration::from_secs(10);
/// A Kubernetes API and the right to ask it.
pub struct Kubernetes {
    link: Link,
    server: String,
}

/// What came of a try that is not the end.
enum Failure {
    /// Another try may have more luck.
    Passing(Told),
    /// It will not.
    Lasting(KubeError),
}

/// What the API says of a refusal.
#[derive(Deserialize)]
struct Status {
    message: String,
}

impl Kubernetes {
    /// Makes ready to ask; nothing is sent yet.
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`KubeError::Unreadable`], [`KubeError::Malformed`] and [`KubeError::Program`].
    pub async fn open(access: &Access, look_up: LookUp) -> Result<Self, KubeError> {
        let link = access.link(look_up).await?;
        Ok(Self { server: link.server(), link })
    }

    /// Reads the metadata of an object as it is at this moment, not as some cache of the API remembers it.
    ///
    /// A try that times out (after 3 s), is cut, or is answered by 409, 429, 5xx or garbage is repeated, at most twice. The
    /// whole takes at most `within`, and never longer than [`LONGEST`].
    ///
    /// # Errors
    ///
    /// [`KubeError::Absent`], [`KubeError::Refused`] and [`KubeError::Unavailable`].
    pub async fn get(&self, resource: &Resource, within: Duration) -> Result<Object, KubeError> {
        let ends = Instant::now() + within.min(LONGEST);
        let mut tries = 0;
        let mut last = Told::as_seen("there was no time left to ask");
        while tries < TRIES && Instant::now() < ends {
            if tries > 0 {
                sleep(PAUSE * tries).await;
            }
            tries += 1;
            let try_ends = ends.min(Instant::now() + TRY);
            last = match timeout_at(try_ends, self.ask(resource, tries > 1)).await {
                Ok(Ok(object)) => return Ok(object),
                Ok(Err(Failure::Lasting(error))) => return Err(error),
                Ok(Err(Failure::Passing(told))) => told,
                Err(_) => Told::as_seen(format!("no answer within {TRY:?}")),
            };
            debug!(%resource, server = self.server, tries, failure = %last, "asked in vain");
        }
        let (resource, server) = (resource.clone(), self.server.clone());
        Err(KubeError::Unavailable { resource, server, tries, source: last })
    }

    async fn ask(&self, resource: &Resource, anew: bool) -> Result<Object, Failure> {
        let (status, bytes) =
            self.link.ask(&resource.path(), anew).await.map_err(Failure::Passing)?;
        match status {
            StatusCode::OK => {
                Object::parse(resource, &bytes).map_err(|error| Failure::Passing(Told::by(&error)))
            }
            StatusCode::NOT_FOUND => Err(Failure::Lasting(KubeError::Absent {
                resource: resource.clone(),
                server: self.server.clone(),
            })),
            StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
                Err(Failure::Passing(said(status, &bytes)))
            }
            _ if status.is_server_error() => Err(Failure::Passing(said(status, &bytes))),
            _ => Err(Failure::Lasting(self.refused(resource, status, &bytes))),
        }
    }

    fn refused(&self, resource: &Resource, status: StatusCode, bytes: &[u8]) -> KubeError {
        let help = match status {
            StatusCode::UNAUTHORIZED => "renew the credentials of the kubeconfig".to_owned(),
            StatusCode::FORBIDDEN => {
                format!("its user needs a role that allows to {}", resource.permission())
            }
            _ => "see that the URL of the server is right".to_owned(),
        };
        KubeError::Refused {
            resource: resource.clone(),
            server: self.server.clone(),
            status: status.as_u16(),
            help,
            source: said(status, bytes),
        }
    }
}

/// Returns what an answer says for itself, at most 300 characters of it.
fn said(status: StatusCode, bytes: &[u8]) -> Told {
    let text = match serde_json::from_slice(bytes) {
        Ok(Status { message }) => message,
        Err(_) => String::from_utf8_lossy(bytes).into_owned(),
    };
    let shown: String = text.chars().take(300).collect();
    Told::as_seen(format!("status {}: {shown}", status.as_u16()))
}
