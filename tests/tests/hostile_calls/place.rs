//! The store that calls are made on: one pool for everybody, one for a bound namespace, and one for another one alone.

use ipam_core::kv::Kv;
use ipam_core::model::{Binding, BindingMode, ResourceKind, key};
use ipam_tests::world::World;
use serde_json::json;

/// A store with pools; the addresses of each begin with what [`FREE`], [`VAULT`] and [`BANK`] say.
pub(crate) struct Place {
    pub(crate) world: World,
    /// What was stored when it was read last; nobody writes but the plugin.
    pub(crate) stored: Vec<Kv>,
}

/// Automatic pools.
pub(crate) const FREE: [&str; 2] = ["10.1.", "fd00:1:"];
/// Pools that the namespace `fin` is bound to; they are not automatic.
pub(crate) const VAULT: [&str; 2] = ["10.2.", "fd00:2:"];
/// Exclusive pools of the namespace `treasury`, in whose name nobody calls.
pub(crate) const BANK: [&str; 2] = ["10.3.", "fd00:3:"];

impl Place {
    pub(crate) fn new() -> Self {
        let world = World::with_pools(&[
            ("free", json!({"cidr": "10.1.0.0/16"})),
            ("free6", json!({"cidr": "fd00:1::/64"})),
            ("vault", json!({"cidr": "10.2.0.0/16", "assignmentMode": "Manual"})),
            ("vault6", json!({"cidr": "fd00:2::/64", "assignmentMode": "Manual"})),
        ]);
        world.pool("bank", json!({"cidr": "10.3.0.0/16"}), Some(true));
        world.pool("bank6", json!({"cidr": "fd00:3::/64"}), Some(true));
        for (tenant, mode, name) in
            [("fin", BindingMode::Required, "vault"), ("treasury", BindingMode::Default, "bank")]
        {
            let pools = |name: String| Some(vec![name]);
            world.bind(
                tenant,
                Binding::new(mode, pools(name.to_owned()), pools(format!("{name}6"))),
            );
        }
        let node = r#"{"kind":"Node","apiVersion":"projectcalico.org/v3","metadata":{"name":"n1"},"spec":{}}"#;
        world.put(&key::resource(ResourceKind::Node, "n1"), node);
        Self { stored: world.contents(), world }
    }
}
