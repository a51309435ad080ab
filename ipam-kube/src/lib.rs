//! What Ringfence asks the Kubernetes API: what stands in the metadata of pods and namespaces.
//!
//! Only reads, each within a deadline, and never a guess: what cannot be read is an error that says whose fault it is.

mod access;
mod client;
mod credentials;
mod dial;
mod error;
mod link;
mod object;
mod resource;
mod told;
mod trust;

pub use access::Access;
pub use client::{Kubernetes, LONGEST};
pub use dial::LookUp;
pub use error::KubeError;
pub use object::{Object, ObjectError};
pub use resource::Resource;
pub use secrecy::SecretString;
pub use told::Told;
