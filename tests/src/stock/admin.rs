//! What `calicoctl` does when an administrator deletes a pool or a node.

use ipam_core::ip::Cidr;
use ipam_core::model::{IpPool, Node, ResourceKind, key};
use ipam_etcd::Store;

use super::verbs::Stored;
use super::{Fault, Stock};

impl<S: Store> Stock<'_, S> {
    /// Deletes a pool: switches it off, gives up every claim on its blocks, removes it. Addresses stay.
    ///
    /// # Errors
    ///
    /// Whatever stops it.
    pub async fn delete_pool(&self, name: &str) -> Result<(), Fault> {
        let pool_key = key::resource(ResourceKind::IpPool, name);
        let mut pool: Stored<IpPool> = self.verbs.get(&pool_key).await?;
        let cidr =
            Cidr::parse(&pool.value.spec.cidr).map_err(|error| Fault::other(error.to_string()))?;
        pool.value.spec.disabled = true;
        let pool = self.verbs.update(pool).await?;
        self.release_pool_affinities(&cidr).await?;
        self.verbs.delete(&pool).await
    }

    /// Deletes a node: gives up its claims, removes it. Its addresses stay where they are not its endpoints'.
    ///
    /// # Errors
    ///
    /// Whatever stops it.
    pub async fn delete_node(&self, name: &str) -> Result<(), Fault> {
        let node: Stored<Node> = self.verbs.get(&key::resource(ResourceKind::Node, name)).await?;
        self.release_host_affinities(name, false).await?;
        self.verbs.delete(&node).await
    }
}
