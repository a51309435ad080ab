//! Changing the configuration that allocators obey.

use crate::kv::{Lookup, Op, Range, Read};
use crate::model::{Config, Timestamp, key};
use crate::refusal::Refusal;

use super::facts::{cluster_key, read_config, refuse_if_locked};
use super::{Outcome, Planned, Request};

/// Asks to change the configuration; what is `None` stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Configure {
    /// Whether addresses of other hosts' blocks are out of reach.
    pub strict_affinity: Option<bool>,
    /// Whether new blocks may be claimed.
    pub auto_allocate_blocks: Option<bool>,
    /// The most blocks of a host in a family; 0 leaves it to the default.
    pub blocks_max: Option<i64>,
    /// How long a released address stays unusable, in seconds.
    pub cooldown_seconds: Option<i64>,
}

impl Request for Configure {
    /// The configuration that holds now.
    type Reply = Config;

    fn plan(&self, lookup: &mut Lookup<'_>, _now: Timestamp) -> Planned<Outcome<Config>> {
        let keys = [cluster_key(), key::CONFIG.into()];
        lookup.require(keys.map(|key| Read::values(Range::key(key))))?;
        refuse_if_locked(lookup)?;
        let before = read_config(lookup)?;
        let config = self.applied_to(before.clone());
        let refuse = |why| Err(Refusal::Configuration { why }.into());
        if !config.strict_affinity && !config.auto_allocate_blocks {
            return refuse("without strict affinity, blocks must be claimed by themselves");
        }
        if !config.strict_affinity && config.max_blocks_per_host > 0 {
            return refuse("a limit of blocks of a host needs strict affinity");
        }
        if config.max_blocks_per_host < 0 {
            return refuse("the limit of blocks of a host cannot be negative");
        }
        if config == before {
            return Ok(Outcome::Done(config));
        }
        // Where nothing is stored, what holds for virtual machines is left to hold by itself.
        let mut stored = config.clone();
        if lookup.get(key::CONFIG)?.is_none() {
            stored.kube_virt_vm_address_persistence = None;
        }
        let op = Op::put(key::CONFIG, stored.encode());
        Ok(Outcome::Write { ops: vec![op], reply: config })
    }
}

impl Configure {
    fn applied_to(self, mut config: Config) -> Config {
        let Self { strict_affinity, auto_allocate_blocks, blocks_max, cooldown_seconds } = self;
        config.strict_affinity = strict_affinity.unwrap_or(config.strict_affinity);
        config.auto_allocate_blocks = auto_allocate_blocks.unwrap_or(config.auto_allocate_blocks);
        config.max_blocks_per_host = blocks_max.unwrap_or(config.max_blocks_per_host);
        config.ip_cooldown_seconds = cooldown_seconds.unwrap_or(config.ip_cooldown_seconds);
        config
    }
}
