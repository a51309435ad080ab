//! Names of hosts.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use dns_lookup::{AddrInfoHints, SockType, getaddrinfo};
use tokio::task::{JoinHandle, spawn_blocking};

/// How long the answer for one family waits for that for the other.
const OTHER_FAMILY: Duration = Duration::from_millis(250);
/// What the operating system calls the families; the same on each architecture of Linux.
const FAMILIES: [i32; 2] = [2, 10];

/// The addresses of a host.
pub type Addresses = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Looks a host up; ports are 0.
///
/// Each family is asked for by itself. The resolver of musl takes what is wrong with the answer for one for a failure of both, and
/// there are name servers, load balancers and firewalls that know of IPv4 alone.
///
/// # Errors
///
/// What the resolver says where neither family has an address.
#[must_use]
pub fn look_up(host: String) -> Addresses {
    Box::pin(async move {
        let [mut four, mut six] = FAMILIES.map(|family| {
            let host = host.clone();
            spawn_blocking(move || addresses(&host, family))
        });
        tokio::select! {
            first = &mut four => beside(joined(first), six).await,
            first = &mut six => beside(joined(first), four).await,
        }
    })
}

/// Adds the answer for the other family: at once where the first has one, and whenever it comes where it has none.
async fn beside(
    first: io::Result<Vec<SocketAddr>>,
    other: JoinHandle<io::Result<Vec<SocketAddr>>>,
) -> io::Result<Vec<SocketAddr>> {
    match first {
        Err(error) => joined(other.await).map_err(|_| error),
        Ok(mut found) => {
            if let Ok(Ok(more)) = tokio::time::timeout(OTHER_FAMILY, other).await.map(joined) {
                found.extend(more);
            }
            Ok(found)
        }
    }
}

fn joined(
    ended: Result<io::Result<Vec<SocketAddr>>, tokio::task::JoinError>,
) -> io::Result<Vec<SocketAddr>> {
    ended.unwrap_or_else(|error| Err(io::Error::other(error)))
}

fn addresses(host: &str, family: i32) -> io::Result<Vec<SocketAddr>> {
    let hints =
        AddrInfoHints { address: family, socktype: SockType::Stream.into(), ..Default::default() };
    let found = getaddrinfo(Some(host), None, Some(hints))?;
    found.map(|found| found.map(|address| address.sockaddr)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(host: &str) -> io::Result<Vec<SocketAddr>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(look_up(host.to_owned()))
    }

    #[test]
    fn a_name_of_this_machine_is_known() {
        let found = look("localhost").unwrap();
        assert!(!found.is_empty());
        assert!(found.iter().all(|address| address.ip().is_loopback()), "{found:?}");
    }

    #[test]
    fn a_name_that_cannot_be_is_an_error() {
        look(&"x".repeat(300)).unwrap_err();
    }

    #[test]
    fn what_is_known_of_one_family_is_enough() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let here = || Ok(vec!["192.0.2.1:0".parse::<SocketAddr>().unwrap()]);
        let wrong = || Err(io::Error::other("the server fails"));
        runtime.block_on(async {
            for (first, other) in [(here(), wrong()), (wrong(), here())] {
                let found = beside(first, spawn_blocking(|| other)).await.unwrap();
                assert_eq!(found, here().unwrap());
            }
            let silent = spawn_blocking(|| {
                std::thread::sleep(Duration::from_secs(1));
                Err(io::Error::other("too late"))
            });
            assert_eq!(beside(here(), silent).await.unwrap(), here().unwrap());
            let both = beside(wrong(), spawn_blocking(wrong)).await;
            assert_eq!(both.unwrap_err().to_string(), "the server fails");
        });
    }
}
