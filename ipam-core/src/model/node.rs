//! The stored node.

use super::Resource;
use super::json::Unknown;

/// A node; its labels decide which pools it draws from.
///
/// The order of the members of `spec` is not recorded for all of them, so they are kept as they were read.
///
/// Source: calico `libcalico-go/lib/apis/internalapi/node.go`.
pub type Node = Resource<Unknown, Unknown>;
