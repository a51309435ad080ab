//! What must be true of a call, however it was damaged.

use std::collections::BTreeSet;
use std::mem;
use std::net::IpAddr;
use std::process::Stdio;

use ipam_tests::plugin::Answer;
use ipam_tests::world::taken;
use serde_json::Value;

use super::attempt::Attempt;
use super::place::{BANK, FREE, Place, VAULT};
use super::tally::Outcome;

const MESSAGE_BYTES_MAX: usize = 500;
const MISLEADING: [&str; 2] = ["not found", "no such file or directory"];
/// What is never the caller's fault.
const INTERNAL: u64 = 999;

/// Makes a call, and judges what it answered and left behind.
pub(crate) fn judge(attempt: &Attempt, place: &mut Place) -> Result<Outcome, String> {
    let answer = answer_of(attempt)?;
    let before = mem::replace(&mut place.stored, place.world.contents());
    let after = &place.stored;
    let (held, holds) = (addresses(&taken(&before)), addresses(&taken(after)));
    let new: BTreeSet<&IpAddr> = holds.difference(&held).collect();
    let gone = held.difference(&holds).count();
    match (answer.exit, attempt.variable("CNI_COMMAND")) {
        (Some(1), command) => {
            demand(before == *after, "a refusal changed the store")?;
            judge_error(&answer, command).map(Outcome::Refused)
        }
        (Some(0), "ADD") => {
            let given = given_by(&answer)?;
            demand(
                given.iter().all(|ip| holds.contains(ip)),
                "an address was given and not stored",
            )?;
            demand(
                new.iter().all(|ip| given.contains(*ip)),
                "an address was stored and not given",
            )?;
            demand(gone == 0, "an ADD took addresses away")?;
            for ip in &given {
                demand(is_permitted(ip, attempt), &format!("{ip} was not permitted"))?;
            }
            Ok(Outcome::Given(given.len()))
        }
        (Some(0), "DEL") => {
            demand(new.is_empty(), "a DEL gave addresses")?;
            demand(answer.json.is_null(), "a DEL has something to say")?;
            Ok(Outcome::Done)
        }
        (Some(0), _) => {
            demand(before == *after, "what changes nothing changed the store")?;
            Ok(Outcome::Done)
        }
        (exit, _) => Err(format!("exit {exit:?}: {answer:?}")),
    }
}

fn demand(holds: bool, fault: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(fault.to_owned()) }
}

fn addresses(taken: &[IpAddr]) -> BTreeSet<IpAddr> {
    taken.iter().copied().collect()
}

fn answer_of(attempt: &Attempt) -> Result<Answer, String> {
    let output = attempt.call().start(Stdio::piped()).wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    demand(!stderr.contains("panicked"), &format!("it panicked: {stderr}"))?;
    let json = match output.stdout.as_slice() {
        [] => Value::Null,
        text => serde_json::from_slice(text).map_err(|error| {
            format!("no JSON on stdout, {error}: {}", String::from_utf8_lossy(text))
        })?,
    };
    let status = output.status;
    Ok(Answer { success: status.success(), exit: status.code(), json, stderr })
}

/// Returns the code of an error that is valid CNI.
fn judge_error(answer: &Answer, command: &str) -> Result<u64, String> {
    let json = &answer.json;
    let text = |name: &str| json.get(name).and_then(Value::as_str).unwrap_or_default();
    let all = format!("{}; {}", text("msg"), text("details"));
    let code = answer.code().ok_or_else(|| format!("no code: {json}"))?;
    demand(code != INTERNAL, &format!("a fault of its own: {json}"))?;
    let version = text("cniVersion").split('.').filter(|part| part.parse::<u8>().is_ok()).count();
    demand(version == 3, &format!("no version: {json}"))?;
    let members = json.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    let known = |name: &str| ["cniVersion", "code", "msg", "details"].contains(&name);
    demand(members.into_iter().all(known), &format!("more than an error has: {json}"))?;
    let fits =
        (1..=MESSAGE_BYTES_MAX).contains(&text("msg").len()) && !all.contains(char::is_control);
    demand(fits, &format!("no line of bounded length: {json}"))?;
    let lower = all.to_lowercase();
    let misleads = command == "DEL" && MISLEADING.iter().any(|phrase| lower.contains(phrase));
    demand(!misleads, &format!("a runtime takes this DEL for done: {json}"))?;
    Ok(code)
}

fn given_by(answer: &Answer) -> Result<BTreeSet<IpAddr>, String> {
    demand(answer.json["cniVersion"].is_string(), &format!("no result: {answer:?}"))?;
    let bare = |text: &String| {
        let ip = text.split('/').next().unwrap_or_default();
        ip.parse().map_err(|_| format!("{text} is no address"))
    };
    answer.addresses().iter().map(bare).collect()
}

/// Judges an address by a second and simple-minded opinion of who may have it.
///
/// Who calls as the namespace `fin` is held to the vault. Nobody calls as the namespace that the bank is for. Others may draw
/// from what is automatic, and from the vault where they name it.
fn is_permitted(ip: &IpAddr, attempt: &Attempt) -> bool {
    let text = ip.to_string();
    let lies_in = |pool: [&str; 2]| pool.iter().any(|start| text.starts_with(start));
    let arguments = attempt.variable("CNI_ARGS");
    let last = |name: &str| {
        let pairs = arguments.split(';').filter_map(|pair| pair.split_once('='));
        pairs.rev().find(|(of, _)| *of == name).map_or("", |(_, value)| value)
    };
    let is_fin = last("K8S_POD_NAMESPACE") == "fin" && !last("K8S_POD_NAME").is_empty();
    let said = format!("{arguments} {}", String::from_utf8_lossy(&attempt.stdin()));
    let names_vault = ["vault", "10.2.", "fd00:2:"].iter().any(|name| said.contains(name));
    !lies_in(BANK) && (lies_in(VAULT) && (is_fin || names_vault) || lies_in(FREE) && !is_fin)
}
