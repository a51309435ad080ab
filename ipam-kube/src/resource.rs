//! What is asked for.

use std::fmt;

use crate::KubeError;

/// A pod or a namespace, by a name that it can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Pod { namespace: String, name: String },
    Namespace { name: String },
}

/// The longest name that the API accepts.
const NAME_BYTES_MAX: usize = 253;

impl Resource {
    /// Names a pod.
    ///
    /// # Errors
    ///
    /// [`KubeError::Name`] where no namespace or no pod can have the name.
    pub fn pod(namespace: &str, name: &str) -> Result<Self, KubeError> {
        judge("namespace", namespace)?;
        judge("pod", name)?;
        Ok(Self(Kind::Pod { namespace: namespace.to_owned(), name: name.to_owned() }))
    }

    /// Names a namespace.
    ///
    /// # Errors
    ///
    /// [`KubeError::Name`] where no namespace can have the name.
    pub fn namespace(name: &str) -> Result<Self, KubeError> {
        judge("namespace", name)?;
        Ok(Self(Kind::Namespace { name: name.to_owned() }))
    }

    /// Says whether it is a pod.
    #[must_use]
    pub fn is_pod(&self) -> bool {
        matches!(self.0, Kind::Pod { .. })
    }

    /// Returns the path of the object below the server's URL.
    pub(crate) fn path(&self) -> String {
        match &self.0 {
            Kind::Pod { namespace, name } => format!("/api/v1/namespaces/{namespace}/pods/{name}"),
            Kind::Namespace { name } => format!("/api/v1/namespaces/{name}"),
        }
    }

    /// Returns what a role must allow for it.
    pub(crate) fn permission(&self) -> &'static str {
        match &self.0 {
            Kind::Pod { .. } => "get pods",
            Kind::Namespace { .. } => "get namespaces",
        }
    }

    /// Says whether an object of this name, in this namespace, is the one that was asked for.
    pub(crate) fn is(&self, its_namespace: Option<&str>, its_name: &str) -> bool {
        match &self.0 {
            Kind::Pod { namespace, name } => {
                its_namespace == Some(namespace) && its_name == name.as_str()
            }
            Kind::Namespace { name } => its_name == name.as_str(),
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Pod { namespace, name } => write!(f, "pod {namespace}/{name}"),
            Kind::Namespace { name } => write!(f, "namespace {name}"),
        }
    }
}

/// Refuses what cannot be a name: it becomes part of a path, and `../secrets/x` would be somebody else's.
fn judge(kind: &'static str, name: &str) -> Result<(), KubeError> {
    let is_end = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let is_inner = |b: u8| is_end(b) || matches!(b, b'-' | b'.');
    let bytes = name.as_bytes();
    let ends_well =
        [bytes.first(), bytes.last()].into_iter().all(|b| b.copied().is_some_and(is_end));
    if bytes.len() <= NAME_BYTES_MAX && ends_well && bytes.iter().copied().all(is_inner) {
        return Ok(());
    }
    let shown = name.chars().take(80).collect();
    Err(KubeError::Name { kind, name: shown })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_a_name_becomes_a_path() {
        let pod = Resource::pod("fin", "web-0.a").unwrap();
        assert_eq!(pod.path(), "/api/v1/namespaces/fin/pods/web-0.a");
        assert_eq!(Resource::namespace("fin").unwrap().path(), "/api/v1/namespaces/fin");
        let long = "a".repeat(NAME_BYTES_MAX + 1);
        for name in
            ["", ".", "..", "../secrets/x", "a/b", "a?b", "a%2fb", "A", "ü", "-a", "a-", &long]
        {
            assert!(Resource::pod("fin", name).is_err(), "{name}");
            assert!(Resource::pod(name, "web").is_err(), "{name}");
            assert!(Resource::namespace(name).is_err(), "{name}");
        }
    }
}
