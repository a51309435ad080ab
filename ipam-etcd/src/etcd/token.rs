//! The token that etcd gives for a user and password.
//!
//! To check a password costs etcd some 70 ms of work on purpose. A token is worth that work for minutes, so a process
//! that lives for one call takes the token of the one before it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use etcd_client::Channel;
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;

use crate::settings::Secret;

const HEADER: &str = "token";

/// The token in use, if there is one.
#[derive(Clone, Debug, Default)]
pub(super) struct Token(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    token: Option<Secret>,
    /// Whether it comes from a login here.
    is_made: bool,
}

impl Token {
    /// Begins with a token from elsewhere.
    pub(super) fn known(token: Option<Secret>) -> Self {
        Self(Arc::new(Mutex::new(State { token, is_made: false })))
    }

    pub(super) fn get(&self) -> Option<Secret> {
        self.state().token.clone()
    }

    /// Returns the token of a login here.
    pub(super) fn made(&self) -> Option<Secret> {
        let state = self.state();
        state.token.clone().filter(|_| state.is_made)
    }

    /// Gives up a token that is not accepted any more.
    pub(super) fn drop_it(&self) {
        *self.state() = State::default();
    }

    fn note(&self, token: &str) {
        let mut state = self.state();
        if state.token.as_ref().is_none_or(|known| known.expose() != token) {
            *state = State { token: Some(Secret::new(token)), is_made: true };
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds the token to each call, or takes note of the one that the client adds by itself after a login.
pub(super) fn carrying(channel: tonic::transport::Channel, token: Token) -> Channel {
    let service = channel.map_request(move |mut request: http::Request<tonic::body::Body>| {
        let theirs = request.headers().get(HEADER).and_then(|value| value.to_str().ok());
        if let Some(theirs) = theirs {
            token.note(theirs);
        } else if let Some(ours) = token.get()
            && let Ok(mut value) = ours.expose().parse::<http::HeaderValue>()
        {
            value.set_sensitive(true);
            request.headers_mut().insert(HEADER, value);
        }
        request
    });
    Channel::Custom(BoxCloneSyncService::new(service.map_err(Into::into)))
}
