//! A file for nftables.

use std::fmt::Write;

use ipam_core::ip::{Cidr, Family};

use super::Selection;

/// How things are called in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Names {
    /// The table, of family `inet`.
    pub(crate) table: String,
    /// What the names of the sets start with.
    pub(crate) set: String,
    /// The pools, for the comment at the top.
    pub(crate) pools: Vec<String>,
}

/// The most bytes that a name may have; with what is added to it, it stays below what the kernel takes.
const NAME_BYTES_MAX: usize = 200;

/// Writes a file that makes one set for each family and fills it, all in one transaction of `nft -f`.
///
/// `flush set` fails where there is no set, so each is added first. Both families have their set even when it is empty:
/// addresses of a family that has left the export must leave the firewall too.
pub(crate) fn nft(names: &Names, selection: &Selection) -> String {
    let Names { table, set, pools } = names;
    let cidrs = selection.ranges.to_cidrs();
    let mut lines = vec![
        format!(
            "# ringfence export nft; serial: {}; networks: {}; pools: {}",
            selection.serial,
            cidrs.len(),
            pools.join(", "),
        ),
        format!("add table inet {table}"),
    ];
    let sets =
        Family::ALL.map(|family| (family, format!("inet {table} {set}_v{}", family.number())));
    for (family, name) in &sets {
        let kind = match family {
            Family::V4 => "ipv4_addr",
            Family::V6 => "ipv6_addr",
        };
        lines.push(format!("add set {name} {{ type {kind}; flags interval; }}"));
    }
    lines.extend(sets.iter().map(|(_, name)| format!("flush set {name}")));
    for (family, name) in &sets {
        let elements = elements(&cidrs, *family);
        if !elements.is_empty() {
            lines.push(format!("add element {name} {{ {elements} }}"));
        }
    }
    lines.iter().fold(String::new(), |mut text, line| {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{line}");
        text
    })
}

/// Says whether text may name a table or a set.
pub(crate) fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && text.len() <= NAME_BYTES_MAX
}

/// Makes a name from a pool's: what nftables may not like becomes `_`.
pub(crate) fn name_from(pool: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = pool.chars().map(allowed).take(NAME_BYTES_MAX - 1).collect();
    if is_name(&name) { name } else { format!("_{name}") }
}

fn elements(cidrs: &[Cidr], family: Family) -> String {
    let of_family = cidrs.iter().filter(|cidr| cidr.family() == family);
    of_family.map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use ipam_core::kv::Revision;

    use super::*;

    fn text(cidrs: &[&str]) -> String {
        let names = Names {
            table: "legacy_fw".to_owned(),
            set: "fin".to_owned(),
            pools: vec!["legacy-fin".to_owned(), "six".to_owned()],
        };
        let cidrs: Vec<Cidr> = cidrs.iter().map(|text| Cidr::parse(text).unwrap()).collect();
        nft(&names, &Selection { ranges: cidrs.iter().collect(), serial: Revision(412) })
    }

    const BOTH: [&str; 3] = ["10.20.0.8/29", "10.20.0.16/28", "2001:db8:20::8/125"];

    #[test]
    fn a_file_makes_flushes_and_fills_its_sets() {
        let expected = "\
# ringfence export nft; serial: 412; networks: 3; pools: legacy-fin, six
add table inet legacy_fw
add set inet legacy_fw fin_v4 { type ipv4_addr; flags interval; }
add set inet legacy_fw fin_v6 { type ipv6_addr; flags interval; }
flush set inet legacy_fw fin_v4
flush set inet legacy_fw fin_v6
add element inet legacy_fw fin_v4 { 10.20.0.8/29, 10.20.0.16/28 }
add element inet legacy_fw fin_v6 { 2001:db8:20::8/125 }
";
        assert_eq!(text(&BOTH), expected);
        let without = text(&["10.20.0.0/24"]);
        assert!(
            without.contains("flush set inet legacy_fw fin_v6\n")
                && !without.contains("element inet legacy_fw fin_v6")
        );
    }

    #[test]
    fn names_are_those_of_nftables() {
        for (pool, name) in
            [("legacy-fin", "legacy_fin"), ("a.b-c", "a_b_c"), ("9to5", "_9to5"), ("", "_")]
        {
            assert_eq!(name_from(pool), name);
            assert!(is_name(&name_from(pool)), "{pool}");
        }
        assert!(is_name(&name_from(&"x".repeat(300))) && is_name(&name_from(&"9".repeat(300))));
        for text in ["", "9a", "a-b", "a b", "a;flush ruleset", "ä", "a\n"] {
            assert!(!is_name(text), "{text:?}");
        }
    }

    #[test]
    fn the_real_tool_takes_the_file_twice_in_a_row() {
        if check_with_nft("add table inet t\n").is_none_or(|output| !output.is_empty()) {
            // Not installed, or not allowed to look at the kernel's tables.
            return;
        }
        for cidrs in [
            &BOTH[..],
            &["10.20.0.0/24"],
            &["::/0", "0.0.0.0/0"],
            &["fd00::1/128", "10.0.0.1/32"],
            &[],
        ] {
            let text = text(cidrs);
            assert_eq!(check_with_nft(&format!("{text}{text}")).as_deref(), Some(""), "{text}");
        }
    }

    /// Returns what `nft` finds wrong, `None` where there is no `nft`.
    fn check_with_nft(text: &str) -> Option<String> {
        let mut nft = Command::new("nft")
            .args(["-c", "-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .ok()?;
        nft.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = nft.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.success(), said.is_empty(), "{said}");
        Some(said)
    }
}
