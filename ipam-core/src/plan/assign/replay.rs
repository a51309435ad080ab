//! A second request under a handle that holds addresses already.

use crate::ip::Family;
use crate::kv::Lookup;
use crate::pool::Choice;
use crate::refusal::Refusal;

use super::super::Planned;
use super::super::held::{HeldAddress, held_by};
use super::{Assign, Assignment, FamilyRequest, Want};

impl Assign {
    /// Returns what the handle holds already, `None` where it holds nothing.
    pub(super) fn replayed(
        &self,
        lookup: &mut Lookup<'_>,
        choices: &[Choice],
    ) -> Planned<Option<Vec<Assignment>>> {
        let Some(handle) = &self.handle else { return Ok(None) };
        let held = held_by(lookup, handle)?.unwrap_or_default();
        if held.is_empty() {
            return Ok(None);
        }
        let in_use = |why: String| Refusal::HandleInUse { handle: handle.to_string(), why };
        for held in &held {
            if let Some((name, stored, mine)) = held.holder.differs_from(&self.attributes) {
                return Err(in_use(format!("its {name} is {stored}, not {mine}")).into());
            }
        }
        let mut assignments = Vec::new();
        for (request, choice) in self.families.iter().zip(choices) {
            let of_family: Vec<&HeldAddress> =
                held.iter().filter(|h| Family::of(h.ip) == request.family).collect();
            assignments.extend(self.replay_family(request, choice, &of_family).map_err(in_use)?);
        }
        if assignments.len() != held.len() {
            return Err(in_use(
                "it also holds addresses of a family that is not asked for".to_owned(),
            )
            .into());
        }
        Ok(Some(assignments))
    }

    fn replay_family(
        &self,
        request: &FamilyRequest,
        choice: &Choice,
        held: &[&HeldAddress],
    ) -> Result<Vec<Assignment>, String> {
        let wanted = match request.want {
            Want::Any(count) => count,
            Want::Address(ip, _) if held.iter().all(|h| h.ip == ip) => 1,
            Want::Address(ip, _) => return Err(format!("it does not hold {ip}")),
        };
        if held.len() != wanted {
            let (found, family) = (held.len(), request.family);
            return Err(format!("it holds {found} {family} addresses, {wanted} are asked for"));
        }
        held.iter()
            .map(|held| match choice.pools.iter().find(|pool| pool.cidr.contains(held.ip)) {
                Some(pool) => {
                    Ok(Assignment::of(pool, &self.rules.addresses, held.block, held.ip, None))
                }
                None => {
                    Err(format!("it holds {}, which {} does not permit", held.ip, choice.named_by))
                }
            })
            .collect()
    }
}
