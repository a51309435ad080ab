//! Manifests: resources as an administrator writes them, in YAML or JSON, several in one file.
//!
//! Reading is strict. A field that is misspelt would silently not count, and a pool without its selector gives
//! addresses to anybody; so every field must be known, and everything is checked before anything is stored.

mod schema;

use std::fmt;

use ipam_core::ip::CidrError;
use ipam_core::model::{IpPool, IpReservation, Node};
use ipam_core::plan::Manifest;
use ipam_core::pool::{is_resource_name, validate};
use ipam_core::refusal::PoolFault;
use serde_json::{Map, Value};

const API_VERSION: &str = "projectcalico.org/v3";
const KINDS: [&str; 3] = ["IPPool", "IPReservation", "Node"];
/// What `calicoctl get` prints around several resources.
const LIST_KINDS: [&str; 4] = ["List", "IPPoolList", "IPReservationList", "NodeList"];

/// Reads the resources of a text: YAML documents divided by `---`, or JSON, which is YAML too.
///
/// # Errors
///
/// [`ManifestError`] with the first mistake; nothing is returned of the rest then.
pub(crate) fn read(text: &str) -> Result<Vec<Manifest>, ManifestError> {
    let options = serde_saphyr::options! {
        strict_booleans: true,
        with_snippet: false,
    };
    let documents: Vec<Value> = serde_saphyr::from_multiple_with_options(text, options)
        .map_err(|source| ManifestError::Yaml(Box::new(source)))?;
    let mut read: Vec<(Place, &'static str, Manifest)> = Vec::new();
    for (place, document) in resources(documents)? {
        let (kind, manifest) = resource(&place, document)?;
        let name = name_of(&manifest).to_owned();
        let same =
            |other: &&(Place, &'static str, Manifest)| other.1 == kind && name_of(&other.2) == name;
        if let Some((first, ..)) = read.iter().find(same) {
            return Err(ManifestError::Repeated { place, kind, name, first: first.clone() });
        }
        read.push((place, kind, manifest));
    }
    if read.is_empty() {
        return Err(ManifestError::Empty);
    }
    Ok(read.into_iter().map(|(_, _, manifest)| manifest).collect())
}

/// Where in a text a resource stands. Blank documents are not counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    document: usize,
    item: Option<usize>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "document {}", self.document)?;
        self.item.map_or(Ok(()), |item| write!(f, ", item {item}"))
    }
}

/// A mistake in a manifest.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ManifestError {
    /// The text is not YAML.
    #[error("the text is not YAML")]
    Yaml(#[source] Box<serde_saphyr::Error>),
    /// There is nothing in it.
    #[error("the text holds no resource")]
    Empty,
    /// A resource has a field that its kind does not know.
    #[error("{place}: {path} is not a field of {kind}{}", Hint(*hint))]
    Unknown {
        /// Where.
        place: Place,
        /// The kind of the resource.
        kind: &'static str,
        /// The field, from the top.
        path: String,
        /// What was probably meant.
        hint: Option<&'static str>,
    },
    /// A field holds a value of another type.
    #[error("{place}: {path} is {found}; it must be {expected}")]
    Shape {
        /// Where.
        place: Place,
        /// The field, from the top.
        path: String,
        /// What it holds.
        found: &'static str,
        /// What it must hold.
        expected: &'static str,
    },
    /// A field is missing that every resource has.
    #[error("{place}: {path} is missing")]
    Missing {
        /// Where.
        place: Place,
        /// The field, from the top.
        path: &'static str,
    },
    /// The resource is of a kind that is not stored here.
    #[error("{place}: kind {kind} is none of {}{}", KINDS.join(", "), Hint(*hint))]
    Kind {
        /// Where.
        place: Place,
        /// The kind.
        kind: String,
        /// What was probably meant.
        hint: Option<&'static str>,
    },
    /// The resource has another version.
    #[error("{place}: apiVersion is {given}; it must be {API_VERSION}")]
    Version {
        /// Where.
        place: Place,
        /// The version.
        given: String,
    },
    /// The name cannot be one.
    #[error(
        "{place}: {kind} cannot be called {name:?}: a name is made of lower-case letters, digits, '-' and '.'"
    )]
    Name {
        /// Where.
        place: Place,
        /// The kind.
        kind: &'static str,
        /// The name.
        name: String,
    },
    /// A resource stands in the text twice.
    #[error("{place}: {kind} {name:?} stands in {first} already")]
    Repeated {
        /// Where it stands again.
        place: Place,
        /// The kind.
        kind: &'static str,
        /// The name.
        name: String,
        /// Where it stands first.
        first: Place,
    },
    /// A pool breaks a rule.
    #[error("{place}: pool {pool:?} is not valid")]
    Pool {
        /// Where.
        place: Place,
        /// The pool.
        pool: String,
        /// Which rule.
        source: PoolFault,
    },
    /// A reservation names what is no network.
    #[error("{place}: a network of reservation {name:?} is none")]
    Reserved {
        /// Where.
        place: Place,
        /// The reservation.
        name: String,
        /// What is wrong.
        source: CidrError,
    },
    /// A value does not fit.
    #[error("{place}: a value does not fit")]
    Value {
        /// Where.
        place: Place,
        /// Which one.
        source: serde_json::Error,
    },
}

struct Hint(Option<&'static str>);

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |hint| write!(f, "; {hint}"))
    }
}

/// A resource that was found, with nothing of it understood yet.
type Found = (Place, Map<String, Value>);

/// Takes lists of resources apart.
fn resources(documents: Vec<Value>) -> Result<Vec<Found>, ManifestError> {
    let mut found = Vec::new();
    for (at, document) in documents.into_iter().enumerate() {
        let place = Place { document: at + 1, item: None };
        let mut object = object(&place, "the document", document)?;
        let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
        if !LIST_KINDS.contains(&kind) {
            found.push((place, object));
            continue;
        }
        let items = match object.remove("items") {
            Some(Value::Array(items)) => items,
            Some(other) => return Err(schema::shape_fault(&place, "items", &other, "a list")),
            None => return Err(ManifestError::Missing { place, path: "items" }),
        };
        for (at, item) in items.into_iter().enumerate() {
            let place = Place { item: Some(at + 1), ..place.clone() };
            let object = self::object(&place, "the item", item)?;
            found.push((place, object));
        }
    }
    Ok(found)
}

/// Takes a value as a map of fields; `path` is what it is called where it is none.
fn object(place: &Place, path: &str, value: Value) -> Result<Map<String, Value>, ManifestError> {
    if let Value::Object(object) = value {
        return Ok(object);
    }
    Err(schema::shape_fault(place, path, &value, "a map of fields"))
}

fn resource(
    place: &Place,
    object: Map<String, Value>,
) -> Result<(&'static str, Manifest), ManifestError> {
    let kind = kind_of(place, &object)?;
    let checked = schema::check(place, kind, object)?;
    let has_name = checked.pointer("/metadata/name").is_some_and(|name| name != "");
    if !has_name {
        return Err(ManifestError::Missing { place: place.clone(), path: "metadata.name" });
    }
    let misfit = |source| ManifestError::Value { place: place.clone(), source };
    let manifest = match kind {
        "IPPool" => {
            let pool: IpPool = serde_json::from_value(checked).map_err(misfit)?;
            let name = pool.metadata.name.clone();
            validate(pool.clone()).map_err(|source| ManifestError::Pool {
                place: place.clone(),
                pool: name,
                source,
            })?;
            Manifest::Pool(Box::new(pool), None)
        }
        "IPReservation" => {
            let reservation: IpReservation = serde_json::from_value(checked).map_err(misfit)?;
            check_reserved(place, &reservation)?;
            Manifest::Reservation(Box::new(reservation))
        }
        _ => {
            let node: Node = serde_json::from_value(checked).map_err(misfit)?;
            Manifest::Node(Box::new(node))
        }
    };
    if !is_resource_name(name_of(&manifest)) {
        let name = name_of(&manifest).to_owned();
        return Err(ManifestError::Name { place: place.clone(), kind, name });
    }
    Ok((kind, manifest))
}

fn kind_of(place: &Place, object: &Map<String, Value>) -> Result<&'static str, ManifestError> {
    let text = |path: &'static str| match object.get(path) {
        Some(Value::String(text)) => Ok(text.as_str()),
        Some(other) => Err(schema::shape_fault(place, path, other, "a text")),
        None => Err(ManifestError::Missing { place: place.clone(), path }),
    };
    let given = text("kind")?;
    let Some(kind) = KINDS.into_iter().find(|kind| *kind == given) else {
        let alike = KINDS.into_iter().find(|kind| kind.eq_ignore_ascii_case(given));
        let hint = alike.map(|_| "the kinds of Calico v1 are written in another case");
        return Err(ManifestError::Kind { place: place.clone(), kind: given.to_owned(), hint });
    };
    match text("apiVersion")? {
        API_VERSION => Ok(kind),
        given => Err(ManifestError::Version { place: place.clone(), given: given.to_owned() }),
    }
}

fn check_reserved(place: &Place, reservation: &IpReservation) -> Result<(), ManifestError> {
    reservation.spec.networks().try_for_each(|network| match network {
        Ok(_) => Ok(()),
        Err(source) => {
            let name = reservation.metadata.name.clone();
            Err(ManifestError::Reserved { place: place.clone(), name, source })
        }
    })
}

fn name_of(manifest: &Manifest) -> &str {
    match manifest {
        Manifest::Pool(pool, _) => &pool.metadata.name,
        Manifest::Reservation(reservation) => &reservation.metadata.name,
        Manifest::Node(node) => &node.metadata.name,
    }
}

#[cfg(test)]
mod tests;
