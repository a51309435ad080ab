//! One network in each line: what the feed readers of firewalls take.

use std::fmt::Write;

use ipam_core::ip::RangeSet;

/// Writes one network in each line, IPv4 first, in ascending order, and nothing else: many readers know no comments.
pub(crate) fn plain(ranges: &RangeSet) -> String {
    ranges.to_cidrs().iter().fold(String::new(), |mut text, cidr| {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{cidr}");
        text
    })
}

#[cfg(test)]
mod tests {
    use ipam_core::ip::Cidr;

    use super::*;

    #[test]
    fn one_network_in_each_line() {
        for (cidrs, text) in [
            (&[][..], ""),
            (&["10.20.0.0/24"], "10.20.0.0/24\n"),
            (
                &["2001:db8:20::/120", "10.20.1.0/24", "10.20.0.0/24", "10.0.0.1/32"],
                "10.0.0.1/32\n10.20.0.0/23\n2001:db8:20::/120\n",
            ),
        ] {
            let cidrs: Vec<Cidr> = cidrs.iter().map(|text| Cidr::parse(text).unwrap()).collect();
            assert_eq!(plain(&cidrs.iter().collect()), text);
        }
    }
}
