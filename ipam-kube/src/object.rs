//! What is read of an object: parts of its metadata.

use std::collections::BTreeMap;

use serde::Deserialize;
use thiserror::Error;

use crate::Resource;

/// The metadata of a pod or a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Object {
    /// Which of all objects that ever had this name it is.
    pub uid: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
}

/// An answer that is not the object that was asked for.
#[derive(Debug, Error)]
pub enum ObjectError {
    /// It is no JSON of the right shape.
    #[error("the answer is no object of the Kubernetes API")]
    Shape(#[source] serde_json::Error),
    /// It is another object.
    #[error("the answer is about {found}")]
    Other {
        /// What it is about.
        found: String,
    },
}

/// An object as it comes; of a `null` Go makes nothing.
#[derive(Deserialize)]
struct Wire {
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    namespace: Option<String>,
    uid: Option<String>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
}

impl Object {
    /// Reads the answer to a question for a resource.
    ///
    /// # Errors
    ///
    /// [`ObjectError`] where it is not that resource: somebody else's annotations must not count.
    pub fn parse(resource: &Resource, bytes: &[u8]) -> Result<Self, ObjectError> {
        let Wire { metadata } = serde_json::from_slice(bytes).map_err(ObjectError::Shape)?;
        if !resource.is(metadata.namespace.as_deref(), &metadata.name) {
            let namespace = metadata.namespace.map(|namespace| format!("{namespace}/"));
            let found = format!("{}{}", namespace.unwrap_or_default(), metadata.name);
            return Err(ObjectError::Other { found });
        }
        Ok(Self {
            uid: metadata.uid.unwrap_or_default(),
            labels: metadata.labels.unwrap_or_default(),
            annotations: metadata.annotations.unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_object_that_was_asked_for_counts() {
        let pod = Resource::pod("fin", "web").unwrap();
        let whole = br#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"web","namespace":"fin","uid":"u",
            "labels":null,"annotations":{"a":"b"}},"spec":{"nodeName":"n"}}"#;
        let object = Object::parse(&pod, whole).unwrap();
        assert_eq!((object.uid.as_str(), object.labels.len()), ("u", 0));
        assert_eq!(object.annotations.get("a").map(String::as_str), Some("b"));
        for other in [
            r#"{"metadata":{"name":"web","namespace":"hr"}}"#,
            r#"{"metadata":{"name":"db","namespace":"fin"}}"#,
            r#"{"metadata":{"name":"web"}}"#,
        ] {
            let error = Object::parse(&pod, other.as_bytes()).expect_err(other);
            assert!(matches!(error, ObjectError::Other { .. }), "{other}: {error}");
        }
        for garbage in [
            "",
            "<html>",
            "{}",
            "[]",
            r#"{"metadata":{"name":"web","namespace":"fin","annotations":[]}}"#,
        ] {
            let error = Object::parse(&pod, garbage.as_bytes()).expect_err(garbage);
            assert!(matches!(error, ObjectError::Shape(_)), "{garbage}: {error}");
        }
    }
}
