//! What is to be done, all of it decided before anything is changed.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::place::{self, Found, Mark, look};
use super::record::{Entry, Kept};
use super::{Folder, InstallError, Record, Wanted, surroundings};

/// What is to be done, in this order.
pub(crate) struct Plan<'w> {
    /// The steps.
    pub(crate) steps: Vec<Step<'w>>,
    /// What the list says now.
    stored: Record,
    /// What it says while the steps are taken: everything that may lie at each place then.
    promised: Record,
    /// What it says afterwards.
    result: Record,
}

/// What becomes of a path.
pub(crate) struct Step<'w> {
    /// The path.
    pub(crate) path: PathBuf,
    /// What becomes of it.
    pub(crate) act: Act<'w>,
}

/// What becomes of a path.
pub(crate) enum Act<'w> {
    /// Nothing: it is as it should be.
    Leave,
    /// It is made.
    Make(&'w Wanted),
    /// It is replaced.
    Replace(&'w Wanted),
    /// It becomes another name of what lies at this path.
    Keep(PathBuf),
    /// It gets back what lies at this path.
    Restore(PathBuf),
    /// It is removed.
    Remove,
}

impl<'w> Plan<'w> {
    /// Plans an installation.
    ///
    /// # Errors
    ///
    /// [`InstallError::Foreign`] where something else is in the way, [`InstallError::Unwanted`] where more was installed
    /// before, and [`InstallError::Look`].
    pub(crate) fn install(wanted: &'w [Wanted], stored: Record) -> Result<Self, InstallError> {
        let is_wanted = |entry: &&Entry| wanted.iter().any(|wanted| wanted.path == entry.path);
        // Taken away in passing, it would change which addresses pods are given, and nobody asked for that.
        if let Some(entry) = stored.entries.iter().find(|entry| !is_wanted(entry)) {
            return Err(InstallError::Unwanted { path: entry.path.clone() });
        }
        let mut plan = Self::of(stored);
        for wanted in wanted {
            plan.install_one(wanted)?;
        }
        Ok(plan)
    }

    /// Plans to remove what was installed, and to put back what was there before.
    ///
    /// # Errors
    ///
    /// [`InstallError::Changed`] and [`InstallError::KeptGone`] where something is not as it was left, and
    /// [`InstallError::Look`].
    pub(crate) fn uninstall(stored: Record) -> Result<Self, InstallError> {
        let mut plan = Self::of(stored);
        plan.promised = plan.stored.clone();
        for entry in plan.stored.entries.iter().rev() {
            plan.steps.extend(uninstall_one(entry)?);
        }
        Ok(plan)
    }

    /// Tells whether everything is as it should be.
    pub(crate) fn is_done(&self) -> bool {
        self.steps.iter().all(|step| matches!(step.act, Act::Leave)) && self.stored == self.result
    }

    /// Carries the plan out.
    ///
    /// # Errors
    ///
    /// [`InstallError::Change`]; the next run goes on from there.
    pub(crate) fn carry_out(&self, folder: &Folder) -> Result<(), InstallError> {
        if self.promised != self.stored {
            self.promised.write(folder.path())?;
        }
        for step in &self.steps {
            step.carry_out()?;
        }
        if self.result != self.promised || self.result.entries.is_empty() {
            self.result.write(folder.path())?;
        }
        Ok(())
    }

    fn of(stored: Record) -> Self {
        Self { steps: Vec::new(), stored, promised: Record::default(), result: Record::default() }
    }

    fn install_one(&mut self, wanted: &'w Wanted) -> Result<(), InstallError> {
        let mark = Mark::of_bytes(&wanted.bytes);
        let before = self.stored.entry(&wanted.path).cloned();
        let found = look(&wanted.path)?;
        let is_same = matches!(&found, Found::File { mark: same, .. } if *same == mark);
        let is_ours = is_same || before.as_ref().is_some_and(|b| is_one_of(&found, &b.holds));
        let mut kept = kept_already(wanted, before.as_ref())?;
        let act = match &found {
            Found::Nothing => Act::Make(wanted),
            Found::File { mode, owner, .. }
                if is_same && *mode == wanted.mode && surroundings::is_trusted(*owner) =>
            {
                Act::Leave
            }
            Found::Other => return Err(InstallError::Foreign { path: wanted.path.clone() }),
            Found::File { .. } | Found::Link(_) if is_ours => Act::Replace(wanted),
            Found::File { .. } | Found::Link(_) => {
                if let Some(aside) = &wanted.aside {
                    let known = before.as_ref().and_then(|before| before.kept.as_ref());
                    kept = Some(self.keep(&wanted.path, &found, aside, known)?);
                } else if before.is_none() {
                    return Err(InstallError::Foreign { path: wanted.path.clone() });
                }
                Act::Replace(wanted)
            }
        };
        self.steps.push(Step { path: wanted.path.clone(), act });
        let entry = Entry { path: wanted.path.clone(), holds: [mark].into(), kept };
        self.promised.entries.push(joined(&entry, before));
        self.result.entries.push(entry);
        Ok(())
    }

    /// Keeps what lies at a path; what was kept there before is older, and not needed any more.
    fn keep(
        &mut self,
        path: &Path,
        found: &Found,
        aside: &Path,
        known: Option<&Kept>,
    ) -> Result<Kept, InstallError> {
        let there = look(aside)?;
        // Otherwise a run that was cut short has kept it.
        if there != *found {
            let is_known = known.is_some_and(|known| is_one_of(&there, &known.holds));
            if there != Found::Nothing && !is_known {
                return Err(InstallError::Foreign { path: aside.to_path_buf() });
            }
            self.steps.push(Step { path: aside.to_path_buf(), act: Act::Keep(path.to_path_buf()) });
        }
        Ok(Kept { path: aside.to_path_buf(), holds: found.mark().into_iter().cloned().collect() })
    }
}

/// Plans to remove one file, or to put back what was there before.
fn uninstall_one(entry: &Entry) -> Result<Vec<Step<'static>>, InstallError> {
    let step = |path: &Path, act| Step { path: path.to_path_buf(), act };
    let changed = |path: &Path| Err(InstallError::Changed { path: path.to_path_buf() });
    let found = look(&entry.path)?;
    let is_ours = is_one_of(&found, &entry.holds);
    let Some(kept) = &entry.kept else {
        return match found {
            Found::Nothing => Ok(vec![step(&entry.path, Act::Leave)]),
            Found::File { .. } | Found::Link(_) if is_ours => {
                Ok(vec![step(&entry.path, Act::Remove)])
            }
            Found::File { .. } | Found::Link(_) | Found::Other => changed(&entry.path),
        };
    };
    let aside = look(&kept.path)?;
    let is_gone = aside == Found::Nothing;
    if !is_gone && !is_one_of(&aside, &kept.holds) {
        return changed(&kept.path);
    }
    if is_ours || found == Found::Nothing {
        if is_gone {
            return Err(InstallError::KeptGone { path: kept.path.clone() });
        }
        return Ok(vec![step(&entry.path, Act::Restore(kept.path.clone()))]);
    }
    if !is_one_of(&found, &kept.holds) {
        return changed(&entry.path);
    }
    // It was not replaced yet, or is put back already.
    let of_kept = if is_gone { Act::Leave } else { Act::Remove };
    Ok(vec![step(&entry.path, Act::Leave), step(&kept.path, of_kept)])
}

/// Returns what is kept already: what lies where the list says or, where the list was lost, under the name that only this
/// program gives.
fn kept_already(wanted: &Wanted, before: Option<&Entry>) -> Result<Option<Kept>, InstallError> {
    let kept = before.and_then(|before| before.kept.as_ref());
    let path = match (before, kept) {
        (None, _) => wanted.aside.as_ref(),
        (Some(_), kept) => kept.map(|kept| &kept.path),
    };
    let Some(path) = path else { return Ok(None) };
    let mark = look(path)?.mark().cloned();
    let is_known = |mark: &Mark| kept.is_none_or(|kept| kept.holds.contains(mark));
    Ok(match mark.filter(is_known) {
        Some(mark) => Some(Kept { path: path.clone(), holds: [mark].into() }),
        None => kept.cloned(),
    })
}

impl Step<'_> {
    fn carry_out(&self) -> Result<(), InstallError> {
        match &self.act {
            Act::Leave => place::tidy(&self.path),
            Act::Make(wanted) | Act::Replace(wanted) => {
                if let Some(folder) = wanted.path.parent() {
                    fs::create_dir_all(folder).map_err(|source| InstallError::Change {
                        path: folder.to_path_buf(),
                        source,
                    })?;
                }
                place::put(&wanted.path, &wanted.bytes, wanted.mode)
            }
            Act::Keep(from) => place::keep(from, &self.path),
            Act::Restore(from) => {
                place::tidy(from)?;
                place::restore(from, &self.path)
            }
            Act::Remove => place::remove(&self.path),
        }
    }
}

fn is_one_of(found: &Found, marks: &BTreeSet<Mark>) -> bool {
    found.mark().is_some_and(|mark| marks.contains(mark))
}

/// Says what may lie at a place while one entry takes the place of another.
fn joined(entry: &Entry, before: Option<Entry>) -> Entry {
    let Some(before) = before else { return entry.clone() };
    let holds = entry.holds.union(&before.holds).cloned().collect();
    let kept = match (&entry.kept, before.kept) {
        (Some(kept), Some(before)) => Some(Kept {
            path: kept.path.clone(),
            holds: kept.holds.union(&before.holds).cloned().collect(),
        }),
        (kept, before) => kept.clone().or(before),
    };
    Entry { path: entry.path.clone(), holds, kept }
}
