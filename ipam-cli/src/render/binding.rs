//! Which pools a namespace is bound to.

use ipam_core::ip::Family;
use ipam_core::model::Binding;
use serde::Serialize;

use super::Item;

/// A binding.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BindingItem {
    namespace: String,
    mode: String,
    ipv4_pools: Option<Vec<String>>,
    ipv6_pools: Option<Vec<String>>,
}

impl BindingItem {
    /// Makes the item.
    pub(crate) fn of(namespace: &str, binding: &Binding) -> Self {
        let pools = |family| binding.pools(family).map(<[String]>::to_vec);
        Self {
            namespace: namespace.to_owned(),
            mode: binding.mode.to_string(),
            ipv4_pools: pools(Family::V4),
            ipv6_pools: pools(Family::V6),
        }
    }
}

impl Item for BindingItem {
    const KIND: &'static str = "Binding";
    const HEADINGS: &'static [&'static str] = &["NAMESPACE", "MODE", "IPV4-POOLS", "IPV6-POOLS"];

    fn rows(&self) -> Vec<Vec<String>> {
        let pools = |pools: &Option<Vec<String>>| match pools.as_deref() {
            None => "(any)".to_owned(),
            Some([]) => "(none)".to_owned(),
            Some(names) => names.join(","),
        };
        let (v4, v6) = (pools(&self.ipv4_pools), pools(&self.ipv6_pools));
        vec![vec![self.namespace.clone(), self.mode.clone(), v4, v6]]
    }
}
