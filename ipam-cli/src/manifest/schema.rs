//! Which fields each kind has, and what they hold.

use serde_json::{Map, Value};

use super::{ManifestError, Place};

/// Checks every field of a resource, and returns those that count: in the order of the tables, without those that are
/// null and those that the store sets by itself.
pub(super) fn check(
    place: &Place,
    kind: &'static str,
    object: Map<String, Value>,
) -> Result<Value, ManifestError> {
    let fields = match kind {
        "IPPool" => IP_POOL,
        "IPReservation" => IP_RESERVATION,
        _ => NODE,
    };
    Walk { place, kind }.object(fields, "", object)
}

/// Makes the error about a value of another type.
pub(super) fn shape_fault(
    place: &Place,
    path: &str,
    found: &Value,
    expected: &'static str,
) -> ManifestError {
    let (place, path) = (place.clone(), path.to_owned());
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map of fields",
    };
    ManifestError::Shape { place, path, found, expected }
}

/// What a field holds.
#[derive(Clone, Copy)]
enum Shape {
    Text,
    Flag,
    Number,
    NumberOrText,
    Texts,
    TextMap,
    Object(&'static [Field]),
    Objects(&'static [Field]),
    /// The store sets it by itself; what a manifest says is passed over.
    Ignored,
}

type Field = (&'static str, Shape);

const IP_POOL: &[Field] = &[
    ("kind", Shape::Text),
    ("apiVersion", Shape::Text),
    ("metadata", Shape::Object(METADATA)),
    ("spec", Shape::Object(IP_POOL_SPEC)),
    ("status", Shape::Ignored),
];

const IP_POOL_SPEC: &[Field] = &[
    ("cidr", Shape::Text),
    ("vxlanMode", Shape::Text),
    ("ipipMode", Shape::Text),
    ("natOutgoing", Shape::Flag),
    ("disabled", Shape::Flag),
    ("disableBGPExport", Shape::Flag),
    ("blockSize", Shape::Number),
    ("nodeSelector", Shape::Text),
    ("namespaceSelector", Shape::Text),
    ("allowedUses", Shape::Texts),
    ("assignmentMode", Shape::Text),
];

const IP_RESERVATION: &[Field] = &[
    ("kind", Shape::Text),
    ("apiVersion", Shape::Text),
    ("metadata", Shape::Object(METADATA)),
    ("spec", Shape::Object(&[("reservedCIDRs", Shape::Texts)])),
];

const NODE: &[Field] = &[
    ("kind", Shape::Text),
    ("apiVersion", Shape::Text),
    ("metadata", Shape::Object(METADATA)),
    ("spec", Shape::Object(NODE_SPEC)),
    ("status", Shape::Ignored),
];

/// The fields of a node, in the order in which Calico writes them.
///
/// Source: calico `libcalico-go/lib/apis/internalapi/node.go`.
const NODE_SPEC: &[Field] = &[
    ("bgp", Shape::Object(NODE_BGP)),
    ("ipv4VXLANTunnelAddr", Shape::Text),
    ("vxlanTunnelMACAddr", Shape::Text),
    ("ipv6VXLANTunnelAddr", Shape::Text),
    ("vxlanTunnelMACAddrV6", Shape::Text),
    ("orchRefs", Shape::Objects(&[("nodeName", Shape::Text), ("orchestrator", Shape::Text)])),
    ("wireguard", Shape::Object(NODE_WIREGUARD)),
    ("addresses", Shape::Objects(&[("address", Shape::Text), ("type", Shape::Text)])),
];

const NODE_BGP: &[Field] = &[
    ("asNumber", Shape::NumberOrText),
    ("ipv4Address", Shape::Text),
    ("ipv6Address", Shape::Text),
    ("ipv4IPIPTunnelAddr", Shape::Text),
    ("routeReflectorClusterID", Shape::Text),
];

const NODE_WIREGUARD: &[Field] =
    &[("interfaceIPv4Address", Shape::Text), ("interfaceIPv6Address", Shape::Text)];

const METADATA: &[Field] = &[
    ("name", Shape::Text),
    ("labels", Shape::TextMap),
    ("annotations", Shape::TextMap),
    ("uid", Shape::Ignored),
    ("resourceVersion", Shape::Ignored),
    ("creationTimestamp", Shape::Ignored),
    ("generation", Shape::Ignored),
    ("managedFields", Shape::Ignored),
    ("selfLink", Shape::Ignored),
];

/// Spellings that were valid once, and what to write instead.
const HINTS: [(&str, &str); 5] = [
    (
        "spec.ipip",
        "this is the spelling of Calico v1, write ipipMode: Always, CrossSubnet or Never",
    ),
    ("spec.nat-outgoing", "this is the spelling of Calico v1, write natOutgoing"),
    ("metadata.cidr", "this is the spelling of Calico v1, write spec.cidr"),
    ("spec.natOutGoing", "write natOutgoing"),
    ("spec.disableBgpExport", "write disableBGPExport"),
];

/// A walk through one resource.
struct Walk<'a> {
    place: &'a Place,
    kind: &'static str,
}

impl Walk<'_> {
    fn object(
        &self,
        fields: &[Field],
        path: &str,
        mut object: Map<String, Value>,
    ) -> Result<Value, ManifestError> {
        let mut checked = Map::new();
        for (name, shape) in fields {
            // An empty field is none, as in Go.
            let Some(value) = object.remove(*name).filter(|value| !value.is_null()) else {
                continue;
            };
            if let Some(value) = self.value(*shape, &join(path, name), value)? {
                checked.insert((*name).to_owned(), value);
            }
        }
        match object.keys().next() {
            Some(unknown) => Err(self.unknown(&join(path, unknown))),
            None => Ok(Value::Object(checked)),
        }
    }

    fn value(
        &self,
        shape: Shape,
        path: &str,
        value: Value,
    ) -> Result<Option<Value>, ManifestError> {
        let fault = |value: &Value, expected| Err(shape_fault(self.place, path, value, expected));
        match (shape, value) {
            (Shape::Ignored, _) => Ok(None),
            (Shape::Text, value @ Value::String(_))
            | (Shape::Flag, value @ Value::Bool(_))
            | (Shape::NumberOrText, value @ (Value::String(_) | Value::Number(_))) => {
                Ok(Some(value))
            }
            (Shape::Number, value @ Value::Number(_)) if value.is_i64() || value.is_u64() => {
                Ok(Some(value))
            }
            (Shape::Texts, Value::Array(values)) => match values.iter().find(|v| !v.is_string()) {
                Some(other) => fault(other, "a list of texts"),
                None => Ok(Some(Value::Array(values))),
            },
            (Shape::TextMap, Value::Object(pairs)) => {
                match pairs.iter().find(|(_, value)| !value.is_string()) {
                    Some((key, value)) => {
                        let path = join(path, key);
                        Err(shape_fault(self.place, &path, value, "a text; put it between quotes"))
                    }
                    None => Ok(Some(Value::Object(pairs))),
                }
            }
            (Shape::Object(fields), Value::Object(object)) => {
                self.object(fields, path, object).map(Some)
            }
            (Shape::Objects(fields), Value::Array(values)) => {
                self.objects(fields, path, values).map(Some)
            }
            (Shape::Text, other) => fault(&other, "a text"),
            (Shape::Flag, other) => fault(&other, "true or false"),
            (Shape::Number, other) => fault(&other, "a whole number"),
            (Shape::NumberOrText, other) => fault(&other, "a number or a text"),
            (Shape::Texts, other) => fault(&other, "a list of texts"),
            (Shape::TextMap, other) => fault(&other, "a map of texts"),
            (Shape::Object(_), other) => fault(&other, "a map of fields"),
            (Shape::Objects(_), other) => fault(&other, "a list of maps"),
        }
    }

    fn objects(
        &self,
        fields: &[Field],
        path: &str,
        values: Vec<Value>,
    ) -> Result<Value, ManifestError> {
        let mut checked = Vec::with_capacity(values.len());
        for (at, value) in values.into_iter().enumerate() {
            let path = format!("{path}[{at}]");
            let object = super::object(self.place, &path, value)?;
            checked.push(self.object(fields, &path, object)?);
        }
        Ok(Value::Array(checked))
    }

    fn unknown(&self, path: &str) -> ManifestError {
        let hint = HINTS.iter().find(|(spelling, _)| *spelling == path).map(|(_, hint)| *hint);
        ManifestError::Unknown {
            place: self.place.clone(),
            kind: self.kind,
            path: path.to_owned(),
            hint,
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}
