//! Who holds an address, in words.

use std::collections::BTreeMap;
use std::fmt;

use crate::model::Attributes;

/// The attributes that tell one attachment of a container from another.
const IDENTITY: [&str; 4] = ["network", "container-id", "interface", "pod-uid"];

/// Who holds an address, as its metadata tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holder {
    /// The handle, without what an old defect left behind a carriage return.
    pub handle: Option<String>,
    /// What is known of the owner, such as `pod`, `namespace` and `node`.
    pub attributes: BTreeMap<String, String>,
}

impl Holder {
    /// Reads the metadata of an address.
    #[must_use]
    pub fn of(record: &Attributes) -> Self {
        Self {
            handle: record.handle().map(str::to_owned),
            attributes: record.secondary.clone().unwrap_or_default(),
        }
    }

    /// Finds an attribute that is known on both sides and differs: then somebody else holds the address under the
    /// same handle, whose text does not tell where one part of it ends and the next begins.
    #[must_use]
    pub fn differs_from<'a>(
        &'a self,
        attributes: &'a BTreeMap<String, String>,
    ) -> Option<(&'static str, &'a str, &'a str)> {
        IDENTITY.into_iter().find_map(|name| {
            let (stored, mine) = (self.attributes.get(name)?, attributes.get(name)?);
            (stored != mine).then_some((name, stored.as_str(), mine.as_str()))
        })
    }

    /// Returns one attribute.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let handle = self.handle.as_deref();
        match (self.attribute("namespace"), self.attribute("pod"), self.attribute("type"), handle) {
            (Some(namespace), Some(pod), _, _) => write!(f, "pod {namespace}/{pod}"),
            (_, _, Some(kind), _) => {
                write!(f, "{kind} of node {}", self.attribute("node").unwrap_or("?"))
            }
            (_, _, None, Some(handle)) => write!(f, "handle {handle}"),
            (_, _, None, None) => f.write_str("nobody in particular"),
        }
    }
}
