//! What we do in between.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipam_core::block::Target;
use ipam_core::ip::{Cidr, Family};
use ipam_core::model::{HandleId, Owner};
use ipam_core::plan::{
    AddressTarget, Assign, ClaimBlocks, DeletePool, FamilyRequest, HandleTarget, Release,
    ReleaseAddresses, Request, Rules, Snapshot, Want,
};
use ipam_core::pool::Levels;
use ipam_core::refusal::Refusal;
use ipam_etcd::{DriveError, Store, drive};

use super::DEADLINE;
use super::judge::{self, State};
use super::operation::{HANDLE, HOST};
use super::scenes::Scene;
use crate::interleave::Pausing;
use crate::stock::Clock;

/// Holds an address before anything happens, on some node.
pub(super) const OWN: &str = "own";
/// Another node than the one of the stock operation.
const OTHER: &str = "n2";

/// One of our own requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ours {
    /// A new container on the node of the stock operation.
    AssignHere,
    /// A new container on another node.
    AssignElsewhere,
    /// The container of the stock operation is given a further address.
    AssignSameHandle,
    /// A container of ours goes.
    ReleaseOwn,
    /// The container of the stock operation goes.
    ReleaseSameHandle,
    /// An address of ours is released by itself.
    ReleaseAddress,
    /// The node of the stock operation claims the block that this is about.
    ClaimHere,
    /// Another node claims it.
    ClaimElsewhere,
    /// An administrator deletes the pool.
    DeletePool,
}

impl Ours {
    /// Every one.
    pub const ALL: [Self; 9] = [
        Self::AssignHere,
        Self::AssignElsewhere,
        Self::AssignSameHandle,
        Self::ReleaseOwn,
        Self::ReleaseSameHandle,
        Self::ReleaseAddress,
        Self::ClaimHere,
        Self::ClaimElsewhere,
        Self::DeletePool,
    ];
}

/// What came of our request.
#[derive(Clone, Debug, Default)]
pub(super) struct Reply {
    /// What a caller was told to hold, under which handle.
    pub(super) told: Vec<(String, IpAddr)>,
    /// What was released.
    pub(super) released: Vec<IpAddr>,
    /// Why it was refused.
    pub(super) refused: Option<String>,
    /// Why it should not have been.
    pub(super) wrongly: Option<String>,
}

impl Ours {
    /// Carries the request out on a store that may make it wait.
    pub(super) async fn run<S: Store>(
        &self,
        store: &Pausing<'_, S>,
        clock: &Clock,
        scene: &Scene,
    ) -> Reply {
        let before = judge::snapshot(store.beneath()).await;
        let run = Run { store, before, clock, scene };
        match self {
            Self::AssignHere => run.assign("new", HOST).await,
            Self::AssignElsewhere => run.assign("new", OTHER).await,
            Self::AssignSameHandle => run.assign(HANDLE, HOST).await,
            Self::ReleaseOwn => run.release(OWN).await,
            Self::ReleaseSameHandle => run.release(HANDLE).await,
            Self::ReleaseAddress => run.release_address(scene.own).await,
            Self::ClaimHere => run.claim(HOST).await,
            Self::ClaimElsewhere => run.claim(OTHER).await,
            Self::DeletePool => run.delete_pool().await,
        }
    }
}

struct Run<'r, S> {
    store: &'r Pausing<'r, S>,
    /// What was stored when it began.
    before: Snapshot,
    clock: &'r Clock,
    scene: &'r Scene,
}

impl<S: Store> Run<'_, S> {
    async fn assign(&self, handle: &str, host: &str) -> Reply {
        let families = self.scene.operation.families();
        let family = |family: &Family| FamilyRequest {
            family: *family,
            want: Want::Any(1),
            levels: Levels::default(),
        };
        let request = Assign {
            handle: Some(id(handle)),
            host: host.to_owned(),
            tenant: None,
            attributes: BTreeMap::from([("node".to_owned(), host.to_owned())]),
            families: families.iter().map(family).collect(),
            rules: Rules::calico(),
        };
        let told = |reply: ipam_core::plan::Assigned| Reply {
            told: reply.addresses.iter().map(|given| (handle.to_owned(), given.ip)).collect(),
            ..Reply::default()
        };
        self.drive(&request, told, Some(host)).await
    }

    async fn release(&self, handle: &str) -> Reply {
        let request = Release { targets: vec![HandleTarget::all(id(handle))], host: None };
        self.drive(&request, |released| Reply { released, ..Reply::default() }, None).await
    }

    async fn release_address(&self, ip: IpAddr) -> Reply {
        let conditions = Target { handle: Some(OWN.to_owned()), sequence: None };
        let request = ReleaseAddresses { targets: vec![AddressTarget { ip, conditions }] };
        let released = |reply: ipam_core::plan::Released| Reply {
            released: reply.released.iter().map(|(ip, _)| *ip).collect(),
            ..Reply::default()
        };
        self.drive(&request, released, None).await
    }

    async fn claim(&self, host: &str) -> Reply {
        let cidr: Cidr = self.scene.block;
        let request = ClaimBlocks { cidr, owner: Owner::Host(host.to_owned()) };
        self.drive(&request, |_| Reply::default(), None).await
    }

    async fn delete_pool(&self) -> Reply {
        let request = DeletePool { name: self.scene.pool.to_owned() };
        self.drive(&request, |_| Reply::default(), None).await
    }

    /// Carries a request out; `host` is the node on which it needs addresses.
    async fn drive<R: Request>(
        &self,
        request: &R,
        told: impl FnOnce(R::Reply) -> Reply,
        host: Option<&str>,
    ) -> Reply {
        match drive(self.store, request, self.clock.now(), DEADLINE).await {
            Ok(driven) => told(driven.reply),
            Err(DriveError::Refused(refusal)) => {
                let wrongly = self.is_wrong(&refusal, host.unwrap_or_default()).await;
                Reply { refused: Some(refusal.to_string()), wrongly, ..Reply::default() }
            }
            Err(error) => {
                let wrongly = Some(format!("{error:?}"));
                Reply { refused: Some(error.to_string()), wrongly, ..Reply::default() }
            }
        }
    }

    /// Says why a refusal fits neither what is stored at this moment, nor what was when the request began: it may have
    /// read either.
    async fn is_wrong(&self, refusal: &Refusal, host: &str) -> Option<String> {
        let now = judge::read(self.store.beneath()).await;
        let families = self.scene.operation.families();
        let is_full = |state: &State| families.iter().any(|family| !state.has_room(*family));
        // Empty blocks are left to their owners while they are new.
        let is_full_here =
            |state: &State| families.iter().any(|family| !state.has_own_room(*family, host));
        let fits = |state: &State| {
            (matches!(refusal, Refusal::PoolInUse { .. }) && state.is_in_use(self.scene.pool))
                || (matches!(refusal, Refusal::Exhausted { .. }) && is_full(state))
                || (matches!(refusal, Refusal::StrictAffinity { .. }) && is_full_here(state))
        };
        let is_right = fits(&now) || fits(&State::of(self.before.clone()));
        (!is_right).then(|| "nothing stored explains the refusal".to_owned())
    }
}

fn id(text: &str) -> HandleId {
    HandleId::new(text).expect("a handle")
}
