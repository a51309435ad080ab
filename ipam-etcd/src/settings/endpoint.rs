//! Where the members of an etcd cluster listen.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

const PORT_DEFAULT: u16 = 2379;
const HOST_BYTES_MAX: usize = 253;

/// Where one member of an etcd cluster listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Scheme, host and port, such as `https://etcd-1.example:2379`; an IPv6 address stands in brackets.
    pub url: String,
}

impl Endpoint {
    /// Returns the URL.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.url
    }
}

/// The members of a cluster, all spoken to in one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// At least one, in the order in which they were listed.
    pub list: Vec<Endpoint>,
    /// How they are spoken to.
    pub scheme: Scheme,
    /// Whether the list named both schemes; that of its first entry holds for all.
    pub is_mixed: bool,
}

/// How a server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// In plain text.
    Http,
    /// Through TLS.
    Https,
}

/// Why a list of endpoints cannot be used. Where it holds a password the list is not repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointFault {
    /// It names a user, and perhaps a password, that everybody could read.
    #[error(
        "an endpoint holds a user name before '@'; user and password are settings of their own"
    )]
    UserInfo,
    /// Between two commas there is nothing.
    #[error("entry {position} of {list:?} is empty; remove the comma")]
    Empty {
        /// The whole list.
        list: String,
        /// Which entry, counted from one.
        position: usize,
    },
    /// A scheme that is not spoken.
    #[error("the scheme of {entry:?} is {scheme:?}; use https or http")]
    Scheme {
        /// The entry.
        entry: String,
        /// The scheme.
        scheme: String,
    },
    /// Something stands behind the port.
    #[error("{entry:?} has a path or a query; write scheme, host and port only")]
    Path {
        /// The entry.
        entry: String,
    },
    /// There is no host.
    #[error("{entry:?} names no host; write one, such as https://etcd-1.example:2379")]
    NoHost {
        /// The entry.
        entry: String,
    },
    /// The host is neither a name nor an address.
    #[error("the host of {entry:?} is neither a name nor an address")]
    Host {
        /// The entry.
        entry: String,
    },
    /// An IPv6 address could be taken for a host and a port.
    #[error("{entry:?} holds an IPv6 address without brackets; write it like [fd00::1]:2379")]
    Brackets {
        /// The entry.
        entry: String,
    },
    /// The port is none.
    #[error("the port of {entry:?} is {port:?}; it must be a number from 1 to 65535")]
    Port {
        /// The entry.
        entry: String,
        /// The port.
        port: String,
    },
}

impl Endpoints {
    /// Reads a list with commas between its entries. Blanks around an entry do not count.
    ///
    /// The scheme of the first entry decides for all, as with Calico: `https` where it has none.
    ///
    /// # Errors
    ///
    /// [`EndpointFault`] of the first entry that has one.
    pub fn parse(list: &str) -> Result<Self, EndpointFault> {
        // A password may hold commas, so this is asked of the whole list, before anything of it is repeated.
        if list.contains('@') {
            return Err(EndpointFault::UserInfo);
        }
        let mut read = Vec::new();
        for (at, entry) in list.split(',').map(str::trim).enumerate() {
            if entry.is_empty() {
                return Err(EndpointFault::Empty { list: list.to_owned(), position: at + 1 });
            }
            read.push(parse_entry(entry)?);
        }
        let scheme =
            read.first().map_or(Scheme::Https, |(scheme, _)| scheme.unwrap_or(Scheme::Https));
        let is_mixed = read.iter().any(|(named, _)| named.is_some_and(|named| named != scheme));
        let url =
            |(_, authority): &(_, String)| Endpoint { url: format!("{scheme}://{authority}") };
        Ok(Self { list: read.iter().map(url).collect(), scheme, is_mixed })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

/// Reads one endpoint: the scheme if it has one, and host and port.
fn parse_entry(entry: &str) -> Result<(Option<Scheme>, String), EndpointFault> {
    let (scheme, rest) = match entry.split_once("://") {
        None => (None, entry),
        Some((scheme, rest)) => (Some(parse_scheme(entry, scheme)?), rest),
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if rest.contains(['/', '?', '#']) {
        return Err(EndpointFault::Path { entry: entry.to_owned() });
    }
    let bad_host = || EndpointFault::Host { entry: entry.to_owned() };
    let (host, port) = if let Some(inner) = rest.strip_prefix('[') {
        let (address, behind) = inner.split_once(']').ok_or_else(bad_host)?;
        let address: Ipv6Addr = address.parse().map_err(|_| bad_host())?;
        let port = match behind.strip_prefix(':') {
            Some(port) => Some(port),
            None if behind.is_empty() => None,
            None => return Err(bad_host()),
        };
        (format!("[{address}]"), port)
    } else {
        let (host, port) = match rest.split_once(':') {
            Some((_, port)) if port.contains(':') => {
                return Err(EndpointFault::Brackets { entry: entry.to_owned() });
            }
            Some((host, port)) => (host, Some(port)),
            None => (rest, None),
        };
        if host.is_empty() {
            return Err(EndpointFault::NoHost { entry: entry.to_owned() });
        }
        if !is_host(host) {
            return Err(bad_host());
        }
        (host.to_ascii_lowercase(), port)
    };
    let port = port.map_or(Ok(PORT_DEFAULT), |port| parse_port(entry, port))?;
    Ok((scheme, format!("{host}:{port}")))
}

fn parse_scheme(entry: &str, scheme: &str) -> Result<Scheme, EndpointFault> {
    match scheme.to_ascii_lowercase().as_str() {
        "http" => Ok(Scheme::Http),
        "https" => Ok(Scheme::Https),
        _ => Err(EndpointFault::Scheme { entry: entry.to_owned(), scheme: scheme.to_owned() }),
    }
}

fn parse_port(entry: &str, port: &str) -> Result<u16, EndpointFault> {
    let digits = port.bytes().all(|byte| byte.is_ascii_digit()).then(|| port.parse().ok());
    let number = digits.flatten().filter(|number| *number > 0);
    number.ok_or_else(|| EndpointFault::Port { entry: entry.to_owned(), port: port.to_owned() })
}

/// Tells whether text is a DNS name or an IPv4 address. What ends in a number is an address, or nothing.
fn is_host(text: &str) -> bool {
    let labels = || text.strip_suffix('.').unwrap_or(text).split('.');
    let is_label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=63).contains(&label.len()) && !label.starts_with('-') && label.bytes().all(inner)
    };
    let ends_in_number =
        labels().next_back().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    if ends_in_number {
        return text.parse::<Ipv4Addr>().is_ok();
    }
    text.len() <= HOST_BYTES_MAX && labels().all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_become_urls_of_one_scheme() {
        for (list, urls, scheme, is_mixed) in [
            ("http://127.0.0.1:2379", &["http://127.0.0.1:2379"][..], Scheme::Http, false),
            ("etcd-1", &["https://etcd-1:2379"], Scheme::Https, false),
            ("etcd_1.example.:1", &["https://etcd_1.example.:1"], Scheme::Https, false),
            ("HTTPS://ETCD-1/", &["https://etcd-1:2379"], Scheme::Https, false),
            (
                " http://a , http://b:4001 ",
                &["http://a:2379", "http://b:4001"],
                Scheme::Http,
                false,
            ),
            ("http://a,b", &["http://a:2379", "http://b:2379"], Scheme::Http, false),
            ("http://a,https://b", &["http://a:2379", "http://b:2379"], Scheme::Http, true),
            ("https://a,http://b", &["https://a:2379", "https://b:2379"], Scheme::Https, true),
            ("a,http://b", &["https://a:2379", "https://b:2379"], Scheme::Https, true),
            ("http://[FD00::1]", &["http://[fd00::1]:2379"], Scheme::Http, false),
            ("[fd00::1]:65535", &["https://[fd00::1]:65535"], Scheme::Https, false),
        ] {
            let read = Endpoints::parse(list).unwrap();
            let found: Vec<String> = read.list.iter().map(Endpoint::to_string).collect();
            assert_eq!(
                (found, read.scheme, read.is_mixed),
                (urls.iter().map(|&url| url.to_owned()).collect(), scheme, is_mixed),
                "{list}"
            );
        }
    }

    #[test]
    fn what_is_no_endpoint_is_refused() {
        let kind = |list: &str| match Endpoints::parse(list) {
            Ok(read) => format!("{:?}", read.list),
            Err(fault) => {
                let text = format!("{fault:?}");
                text.split([' ', '{']).next().unwrap_or_default().to_owned()
            }
        };
        for (list, expected) in [
            ("", "Empty"),
            ("http://a,", "Empty"),
            (",http://a", "Empty"),
            ("http://a, ,http://b", "Empty"),
            ("ftp://a", "Scheme"),
            ("unix://a", "Scheme"),
            ("://a", "Scheme"),
            ("http://a:2379/v3", "Path"),
            ("http://a//", "Path"),
            ("http://a?x=1", "Path"),
            ("http://a#x", "Path"),
            ("/run/etcd.sock", "Path"),
            ("http://", "NoHost"),
            ("http://:2379", "NoHost"),
            (":2379", "NoHost"),
            ("http:/a", "Path"),
            ("http://a b", "Host"),
            ("http://-a", "Host"),
            ("http://a..b", "Host"),
            ("http://10.0.0.999", "Host"),
            ("http://10.1", "Host"),
            ("http://\u{e4}", "Host"),
            ("http://[fd00::1", "Host"),
            ("http://[fd00::1]2379", "Host"),
            ("http://[fe80::1%eth0]:2379", "Host"),
            ("http://[10.0.0.1]", "Host"),
            ("http://fd00::1:2379", "Brackets"),
            ("http://a:0", "Port"),
            ("http://a:65536", "Port"),
            ("http://a:", "Port"),
            ("http://a:+1", "Port"),
            ("http://a:etcd", "Port"),
            ("http://root:secret@a", "UserInfo"),
            ("http://root:p,w@a", "UserInfo"),
        ] {
            assert_eq!(kind(list), expected, "{list}");
        }
        let fault = Endpoints::parse("http://root:se,cret@a").unwrap_err();
        assert!(!format!("{fault} {fault:?}").contains("cret"), "{fault:?}");
    }
}
