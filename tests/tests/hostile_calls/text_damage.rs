//! Damage to a text, whatever it means.

use fastrand::Rng;

/// Letters and marks that look like others, turn the writing round, or are no letters at all.
const ODD: [&str; 12] = [
    "\u{0}",
    "\u{7f}",
    "\u{202e}",
    "\u{feff}",
    "\u{a0}",
    "\u{17f}",
    "\u{212a}",
    "\u{ff11}",
    "e\u{301}",
    "\u{1f600}",
    "\n",
    "\u{1b}[2J",
];
/// How often a text is repeated that is to be long: past the limits of names, annotations, and stdin.
const REPEATS: [usize; 4] = [30, 1000, 10_000, 400_000];
const LONG_BYTES_MAX: usize = 1_500_000;

/// Damages a text that stays UTF-8.
pub(crate) fn damage_text(text: &str, rng: &mut Rng) -> String {
    let at = boundary(text, rng);
    let (before, behind) = text.split_at(at);
    match rng.u8(0..7) {
        0 => before.to_owned(),
        1 => format!("{before}{}{behind}", rng.choice(ODD).unwrap()),
        2 => {
            format!("{before}{}{behind}", rng.choice(['"', '\\', '[', '}', ',', ' ', '.']).unwrap())
        }
        3 => {
            let rest = behind.chars().skip(1).collect::<String>();
            format!("{before}{rest}")
        }
        4 => in_other_case(text, rng),
        5 if rng.u8(0..4) == 0 => {
            let times = rng.choice(REPEATS).unwrap().min(LONG_BYTES_MAX / text.len().max(1));
            if text.is_empty() { "x".repeat(times) } else { text.repeat(times) }
        }
        _ => format!("{before}{text}{behind}"),
    }
}

/// Changes letters to the other case: all, the first, or any.
pub(crate) fn in_other_case(text: &str, rng: &mut Rng) -> String {
    match rng.u8(0..3) {
        0 => text.to_uppercase(),
        1 => {
            text.chars().take(1).flat_map(char::to_uppercase).chain(text.chars().skip(1)).collect()
        }
        _ => {
            let at = rng.usize(0..=text.len());
            let other = |(i, c): (usize, char)| {
                if i == at { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }
            };
            text.chars().enumerate().map(other).collect()
        }
    }
}

/// Damages bytes, which need not stay UTF-8.
pub(crate) fn damage_bytes(mut bytes: Vec<u8>, rng: &mut Rng) -> Vec<u8> {
    if bytes.is_empty() {
        return bytes;
    }
    let at = rng.usize(0..bytes.len());
    match rng.u8(0..7) {
        0 => bytes.truncate(at),
        1 => bytes[at] ^= 1 << rng.u8(0..8),
        2 => bytes.insert(at, rng.u8(..)),
        3 => drop(bytes.splice(at..bytes.len().min(at + rng.usize(1..20)), [])),
        4 => bytes.extend_from_within(at..),
        5 => bytes = (0..rng.usize(0..300)).map(|_| rng.u8(..)).collect(),
        _ => bytes.splice(0..0, *b"\xef\xbb\xbf").for_each(drop),
    }
    bytes
}

fn boundary(text: &str, rng: &mut Rng) -> usize {
    let mut at = rng.usize(0..=text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
