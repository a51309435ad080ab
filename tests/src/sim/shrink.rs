//! Making a failing run small.

use super::{Fault, Options, simulate};

/// Leaves out what a failing run does not need: operations first, then faults.
///
/// What is left fails too, though maybe for another reason.
#[must_use]
pub fn shrink(options: &Options) -> Options {
    let mut small = options.clone();
    let mut kept: Vec<usize> = (0..options.length).filter(|at| options.keeps(*at)).collect();
    let mut size = kept.len() / 2;
    while size > 0 {
        let before = kept.len();
        let mut from = 0;
        while from < kept.len() {
            let mut fewer = kept.clone();
            fewer.drain(from..(from + size).min(kept.len()));
            let tried = Options { kept: Some(fewer.clone()), ..small.clone() };
            if simulate(&tried).violation.is_some() {
                kept = fewer;
                small = tried;
            } else {
                from += size;
            }
        }
        // What was left out may have been what something else was needed for.
        if size > 1 || kept.len() == before {
            size /= 2;
        }
    }
    for fault in Fault::ALL {
        let spared = [small.spared.as_slice(), &[fault]].concat();
        let tried = Options { spared, ..small.clone() };
        if simulate(&tried).violation.is_some() {
            small = tried;
        }
    }
    small
}
