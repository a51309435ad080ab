//! Handles that may hold only so many addresses of a family, such as those of virtual machines.

use crate::ip::Family;
use crate::kv::Lookup;
use crate::refusal::Refusal;

use super::super::Planned;
use super::super::held::{HeldAddress, held_by};
use super::super::seek::Seek;
use super::{Assign, Assignment, FamilyRequest, Want};

/// What a handle near its cap is given.
pub(super) struct Capped {
    /// Addresses that it holds already.
    pub(super) held: Vec<Assignment>,
    /// How many more it may be given.
    pub(super) missing: usize,
}

impl Assign {
    /// Returns what is to be given where a cap leaves less than is asked for; `None` where none does.
    ///
    /// Stock Calico gives held addresses again where they are enough, and otherwise tries again until its deadline; here
    /// the rest that the cap allows is added.
    pub(super) fn capped(
        &self,
        lookup: &mut Lookup<'_>,
        seek: &Seek<'_>,
        request: &FamilyRequest,
    ) -> Planned<Option<Capped>> {
        let (cap, Some(handle)) = (self.rules.held_max, &self.handle) else { return Ok(None) };
        if cap == 0 {
            return Ok(None);
        }
        let mut held = held_by(lookup, handle)?.unwrap_or_default();
        held.retain(|held| Family::of(held.ip) == request.family);
        let wanted = match request.want {
            Want::Any(count) => count,
            Want::Address(ip, _) if held.iter().any(|held| held.ip == ip) => {
                held.retain(|held| held.ip == ip);
                return Ok(Some(Capped { held: self.again(seek, &held)?, missing: 0 }));
            }
            Want::Address(..) => 1,
        };
        if held.len() + wanted <= cap {
            return Ok(None);
        }
        if let Want::Address(ip, _) = request.want {
            let why =
                format!("it holds {} of at most {cap} addresses, {ip} is one more", held.len());
            return Err(Refusal::HandleInUse { handle: handle.to_string(), why }.into());
        }
        let missing = wanted.saturating_sub(held.len()).min(cap.saturating_sub(held.len()));
        held.truncate(wanted);
        Ok(Some(Capped { held: self.again(seek, &held)?, missing }))
    }

    fn again(&self, seek: &Seek<'_>, held: &[HeldAddress]) -> Planned<Vec<Assignment>> {
        let assignment = |held: &HeldAddress| {
            let pool = seek.facts.pools.iter().find(|pool| pool.cidr.contains(held.ip));
            let pool = pool.ok_or(Refusal::AddressOutside { ip: held.ip })?;
            Ok(Assignment::of(pool, &self.rules.addresses, held.block, held.ip, None))
        };
        held.iter().map(assignment).collect()
    }
}
