//! Why something could not be read.

use thiserror::Error;

use crate::{Resource, Told};

/// Why the Kubernetes API did not tell what was asked.
#[derive(Debug, Error)]
pub enum KubeError {
    /// A name that nothing can have.
    #[error(
        "{name:?} is no name that a {kind} can have; names consist of lower-case letters, digits, '-' and '.'"
    )]
    Name {
        /// What is named.
        kind: &'static str,
        /// The name, at most 80 characters of it.
        name: String,
    },
    /// The kubeconfig, or a file that it names, cannot be read.
    #[error("{access} cannot be read")]
    Unreadable {
        /// Where the access to the API is described.
        access: String,
        /// Why.
        source: Told,
    },
    /// The kubeconfig cannot be understood.
    #[error("{access} cannot be understood")]
    Malformed {
        /// Where the access to the API is described.
        access: String,
        /// Why.
        source: Told,
    },
    /// The credentials come from a program, which may hang or ask somebody.
    #[error(
        "{access} has its credentials from a program ({field}); use a token, tokenFile or a client certificate"
    )]
    Program {
        /// Where the access to the API is described.
        access: String,
        /// The field that names the program.
        field: &'static str,
    },
    /// There is no such object.
    #[error("{resource} is absent from the Kubernetes API at {server}")]
    Absent {
        /// What was asked for.
        resource: Resource,
        /// Who said so.
        server: String,
    },
    /// The API refuses to tell.
    #[error("the Kubernetes API at {server} refuses to show {resource} (status {status}); {help}")]
    Refused {
        /// What was asked for.
        resource: Resource,
        /// Who refused.
        server: String,
        /// The status of the answer.
        status: u16,
        /// What mends it.
        help: String,
        /// What the API says.
        source: Told,
    },
    /// The API does not answer, or not with an answer.
    #[error(
        "the Kubernetes API at {server} did not show {resource} in {tries} tries; try again when it is healthy"
    )]
    Unavailable {
        /// What was asked for.
        resource: Resource,
        /// Who was asked.
        server: String,
        /// How many times.
        tries: u32,
        /// What came of the last time.
        source: Told,
    },
}
