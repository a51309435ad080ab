//! The first endpoint that gives a connection.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use super::connection::{Connection, connect};
use super::fault::Fault;
use super::token::Token;
use crate::settings::EtcdSettings;

/// How much of a head start each endpoint has before the next one.
const HEAD_START: Duration = Duration::from_millis(150);

/// Connects to the endpoints in turn, beginning with `start`, each with a head start before the next; the first that gives
/// a connection wins.
///
/// # Errors
///
/// What is wrong with each of them.
pub(super) async fn first(
    settings: &EtcdSettings,
    start: usize,
    token: &Token,
    deadline: Duration,
) -> Result<Connection, Fault> {
    let count = settings.endpoints.len();
    let mut waiting = (0..count).map(|step| (start + step) % count);
    let mut faults = Vec::new();
    let mut running = FuturesUnordered::new();
    loop {
        let next = waiting.next();
        if let Some(at) = next {
            running.push(async move { (at, connect(settings, at, token, deadline).await) });
        }
        let ended = if waiting.len() > 0 {
            match tokio::time::timeout(HEAD_START, running.next()).await {
                Ok(ended) => ended,
                Err(_) => continue,
            }
        } else {
            running.next().await
        };
        match ended {
            Some((_, Ok(connection))) => return Ok(connection),
            Some((at, Err(fault))) => faults.push((at, fault)),
            None if next.is_some() => {}
            None => break,
        }
    }
    // They are told as they are listed, whichever failed first.
    faults.sort_by_key(|(at, _)| *at);
    let mut faults: Vec<Fault> = faults.into_iter().map(|(_, fault)| fault).collect();
    match faults.pop() {
        Some(fault) if faults.is_empty() => Err(fault),
        Some(fault) => {
            faults.push(fault);
            Err(Fault::All { faults })
        }
        None => Err(Fault::Other { endpoint: "etcd".to_owned(), message: "no endpoint".into() }),
    }
}
