//! The token that etcd gives for a user and password.
//!
//! To check a password costs etcd some 70 ms of work on purpose. A token is worth that work for minutes, so a process
//! that lives for one call takes the token of the one before it.

use std::sync::{Arc, Mutex, PoisonError};

use etcd_client::Channel;
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;

use crate::settings::Secret;

const HEADER: &str = "token";

/// The token in use, if there is one.
#[derive(Clone, Debug, Default)]
pub(super) struct Token(Arc<Mutex<Option<Secret>>>);

impl Token {
    pub(super) fn get(&self) -> Option<Secret> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, token: Option<Secret>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = token;
    }
}

/// Adds the token to each call, or takes note of the one that the client adds by itself after a login.
pub(super) fn carrying(channel: tonic::transport::Channel, token: Token) -> Channel {
    let service = channel.map_request(move |mut request: http::Request<tonic::body::Body>| {
        let theirs = request.headers().get(HEADER).and_then(|value| value.to_str().ok());
        if let Some(theirs) = theirs {
            token.set(Some(Secret::new(theirs)));
        } else if let Some(ours) = token.get()
            && let Ok(value) = ours.expose().parse()
        {
            request.headers_mut().insert(HEADER, value);
        }
        request
    });
    Channel::Custom(BoxCloneSyncService::new(service.map_err(Into::into)))
}
