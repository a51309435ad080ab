//! Whether what a process told its caller is true of the store.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipam_core::ip::Family;

use super::process::{Answer, Ask};
use super::run::What;
use super::world::{World, handle_of};

/// Returns what is wrong with an answer, and remembers which addresses it gives.
pub(super) fn judge(world: &mut World, what: &What, answer: &Answer) -> Vec<String> {
    let Some(pod) = what.pod else { return wrong(answer) };
    let handle = handle_of(pod).as_str().to_owned();
    let stored = world.held_by(&handle);
    match answer {
        Answer::Given(ips) if what.is_add => {
            let mut wrong = given(world, what, &handle, ips);
            wrong.extend(leaked(what, &stored, ips));
            wrong.extend(unasked(what, ips));
            wrong
        }
        Answer::Done => not_done(what, &stored),
        Answer::Refused(why) => refused(what, &stored, why),
        Answer::Given(_) | Answer::Wrong(_) | Answer::Failed(_) => wrong(answer),
    }
}

fn wrong(answer: &Answer) -> Vec<String> {
    match answer {
        Answer::Wrong(why) => vec![why.clone()],
        Answer::Given(_) | Answer::Done | Answer::Refused(_) | Answer::Failed(_) => Vec::new(),
    }
}

/// Addresses belong to the pod from now on, and to nobody else; whoever holds some is told the same again.
fn given(world: &mut World, what: &What, handle: &str, ips: &[IpAddr]) -> Vec<String> {
    let before = world.told.of(handle);
    let mut wrong = Vec::new();
    for ip in ips {
        wrong.extend(world.told.give(*ip, handle));
    }
    let is_held = |ip: &IpAddr| before.iter().any(|held| held.is_ipv4() == ip.is_ipv4());
    let fresh = ips.iter().filter(|ip| what.is_replay && is_held(ip) && !before.contains(ip));
    wrong.extend(fresh.map(|ip| format!("{handle} holds {before:?} and is given {ip} too")));
    wrong
}

/// Says what is given otherwise than it was asked for.
fn unasked(what: &What, ips: &[IpAddr]) -> Option<String> {
    let (ask, families) = what.ask.as_ref()?;
    let count = |family| ips.iter().filter(|ip| Family::of(**ip) == family).count();
    let is_as_asked = match ask {
        // Whoever holds several already is told all of them.
        Ask::One => families.iter().all(|family| {
            let holds_some = what.stored.iter().any(|ip| Family::of(*ip) == *family);
            count(*family) == 1 || (holds_some && count(*family) > 1)
        }),
        Ask::Address(ip) => ips == [*ip],
        Ask::Several(most) => families.iter().all(|family| count(*family) <= *most),
    };
    let others = ips.iter().any(|ip| !families.contains(&Family::of(*ip)));
    let others = others && !matches!(ask, Ask::Address(_));
    (!is_as_asked || others).then(|| format!("{ask:?} of {families:?} is answered by {ips:?}"))
}

/// Returns what was taken for the pod without telling it.
fn leaked(what: &What, stored: &BTreeSet<IpAddr>, ips: &[IpAddr]) -> Vec<String> {
    let fresh = stored.difference(&what.stored).filter(|ip| !ips.contains(ip));
    fresh.map(|ip| format!("{ip} was taken in silence by {}", what.family)).collect()
}

/// Returns what should be released, and is not.
fn not_done(what: &What, stored: &BTreeSet<IpAddr>) -> Vec<String> {
    let left: Vec<&IpAddr> = match what.family {
        "del" | "stock del" => stored.iter().collect(),
        "release addresses" | "stock release addresses" => {
            what.held.iter().filter(|ip| stored.contains(ip)).collect()
        }
        _ => Vec::new(),
    };
    left.into_iter().map(|ip| format!("{ip} is left by {}, which is done", what.family)).collect()
}

/// A refusal changes nothing; and nothing is amiss with what nobody touched.
fn refused(what: &What, stored: &BTreeSet<IpAddr>, why: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if *stored != what.stored {
        wrong.push(format!(
            "{} is refused, {why}, and {:?} became {stored:?}",
            what.family, what.stored
        ));
    }
    // Whoever died may have left more than the pod was told of.
    if what.family == "check" && !what.held.is_empty() && !why.starts_with("Further") {
        wrong.push(format!("a check fails of what nobody touched: {why}"));
    }
    wrong
}
