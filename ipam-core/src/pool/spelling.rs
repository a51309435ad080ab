//! Names that were probably meant to be others.
//!
//! A misspelt name that is silently passed over would leave the choice of pools to the next level.

/// Finds the known name that differs from a name in case, punctuation or a plural only; `None` where it is equal.
#[must_use]
pub fn near_miss<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    if known.contains(&name) {
        return None;
    }
    let wanted = letters(name);
    known.iter().copied().find(|known| letters(known) == wanted)
}

fn letters(name: &str) -> String {
    let bare: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    bare.to_ascii_lowercase().trim_end_matches('s').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_other_names_are_not() {
        let known = ["ipv4_pools", "gateway"];
        for name in
            ["Ipv4_Pools", "ipv4pools", "ipv4-pools", "ipv4_pool", "IPv4Pools", " ipv4_pools"]
        {
            assert_eq!(near_miss(name, &known), Some("ipv4_pools"), "{name}");
        }
        for name in ["ipv4_pools", "ipv6_pools", "gateways_of_heaven", "", "type"] {
            assert_eq!(near_miss(name, &known), None, "{name}");
        }
    }
}
