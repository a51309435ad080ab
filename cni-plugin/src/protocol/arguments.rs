//! `CNI_ARGS`: pairs of names and values that a runtime passes along.

use ipam_core::pool::{NAMESPACE_RULE, is_namespace_name, near_miss};
use tracing::debug;

use super::CniError;
use super::environment::invalid;

/// The arguments that are understood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Arguments {
    pub(crate) pod_namespace: Option<String>,
    pub(crate) pod_name: Option<String>,
    pub(crate) pod_uid: Option<String>,
    /// The text of `IP`, an address that may have the length of its prefix behind it.
    pub(crate) ip: Option<String>,
    pub(crate) ipv4_pools: Option<String>,
    pub(crate) ipv6_pools: Option<String>,
    /// The names that are not understood.
    pub(crate) unknown: Vec<String>,
    /// The names that came before; what came last counts.
    pub(crate) repeated: Vec<String>,
}

const NAMESPACE: &str = "K8S_POD_NAMESPACE of CNI_ARGS";

impl Arguments {
    /// Reads `name=value` pairs divided by semicolons; of a name that comes twice the last counts.
    pub(crate) fn parse(text: &str) -> Result<Self, CniError> {
        let mut arguments = Self::default();
        let mut ignore_unknown = false;
        let mut names = Vec::new();
        for pair in text.split(';').filter(|pair| !pair.is_empty()) {
            let Some((name, value)) =
                pair.split_once('=').filter(|(_, value)| !value.contains('='))
            else {
                return Err(invalid(
                    "CNI_ARGS",
                    pair,
                    "must consist of pairs name=value with one '=' each",
                ));
            };
            if names.contains(&name) {
                arguments.repeated.push(name.to_owned());
            }
            names.push(name);
            let value_of = || Some(value.to_owned()).filter(|value| !value.is_empty());
            match name {
                "IgnoreUnknown" => ignore_unknown = parse_flag(value)?,
                "K8S_POD_NAMESPACE" => arguments.pod_namespace = Some(value.to_owned()),
                "K8S_POD_NAME" => arguments.pod_name = value_of(),
                "K8S_POD_UID" => arguments.pod_uid = value_of(),
                "K8S_POD_INFRA_CONTAINER_ID" | "MAC" => {}
                "IP" => arguments.ip = value_of(),
                "IPV4_POOLS" => arguments.ipv4_pools = value_of(),
                "IPV6_POOLS" => arguments.ipv6_pools = value_of(),
                _ => arguments.unknown.push(name.to_owned()),
            }
        }
        match arguments.unknown.last() {
            Some(name) if !ignore_unknown => {
                arguments.refuse_misspelt()?;
                Err(invalid("CNI_ARGS", name, "must be a known name, or come with IgnoreUnknown=1"))
            }
            _ => Ok(arguments),
        }
    }

    /// Refuses slips of the pen, half an identity, and one that cannot be: none may switch off what holds for a namespace.
    pub(crate) fn judge(&self) -> Result<(), CniError> {
        self.refuse_misspelt()?;
        let Some(namespace) = self.pod_namespace.as_deref() else { return Ok(()) };
        judge_namespace(namespace)?;
        if self.pod_name.is_none() {
            return Err(invalid(NAMESPACE, namespace, "must come with K8S_POD_NAME"));
        }
        Ok(())
    }

    /// Tells of names that came more than once.
    pub(crate) fn tell_repeated(&self) {
        for name in &self.repeated {
            debug!(name, "CNI_ARGS has a name more than once; the last one counts");
        }
    }

    fn refuse_misspelt(&self) -> Result<(), CniError> {
        self.unknown.iter().try_for_each(|name| refuse_misspelt(name))
    }
}

/// Refuses a name that no namespace can have.
pub(crate) fn judge_namespace(namespace: &str) -> Result<(), CniError> {
    if !is_namespace_name(namespace) {
        return Err(invalid(NAMESPACE, namespace, NAMESPACE_RULE));
    }
    Ok(())
}

/// Refuses a slip of the pen although unknown names are to be ignored: it could be about pools.
fn refuse_misspelt(name: &str) -> Result<(), CniError> {
    let known =
        ["K8S_POD_NAMESPACE", "K8S_POD_NAME", "K8S_POD_UID", "IP", "IPV4_POOLS", "IPV6_POOLS"];
    match near_miss(name, &known) {
        None => Ok(()),
        Some(right) => Err(invalid("CNI_ARGS", name, &format!("is misspelt; write {right}"))),
    }
}

fn parse_flag(value: &str) -> Result<bool, CniError> {
    match value {
        "1" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "false" | "FALSE" | "False" | "" => Ok(false),
        _ => Err(invalid("IgnoreUnknown of CNI_ARGS", value, "must be 1, true, 0 or false")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_read() {
        let text = "IgnoreUnknown=1;K8S_POD_NAMESPACE=old;K8S_POD_NAME=web;;X=y;K8S_POD_NAMESPACE=fin;IP=10.0.0.7;";
        let arguments = Arguments::parse(text).unwrap();
        assert_eq!(arguments.pod_namespace.as_deref(), Some("fin"), "the last counts");
        assert_eq!(arguments.pod_name.as_deref(), Some("web"));
        assert_eq!(arguments.ip, Some("10.0.0.7".to_owned()));
        assert_eq!(Arguments::parse("").unwrap(), Arguments::default());
        let podman = Arguments::parse("IgnoreUnknown=1;K8S_POD_NAME=web").unwrap();
        assert_eq!(podman.pod_namespace, None, "podman names a pod without a namespace");
    }

    #[test]
    fn hostile_text_is_refused_by_name() {
        for (text, says) in [
            ("foo", "\"foo\""),
            ("a=b=c", "\"a=b=c\""),
            ("COLOUR=red", "\"COLOUR\""),
            ("IgnoreUnknown=maybe", "\"maybe\""),
            ("K8S_POD_NAMESPACE=fin", "K8S_POD_NAME"),
            ("K8S_POD_NAMESPACE=../x;K8S_POD_NAME=web", "\"../x\""),
            ("IgnoreUnknown=1;Ipv4_Pools=a", "IPV4_POOLS"),
            ("K8S_POD_NAMESPACE=;K8S_POD_NAME=web", "K8S_POD_NAMESPACE"),
            ("K8S_POD_NAMESPACE=FIN;K8S_POD_NAME=web", "\"FIN\""),
        ] {
            let judged = Arguments::parse(text).and_then(|arguments| arguments.judge());
            let error = judged.expect_err(text);
            assert_eq!(error.code, super::super::Code::Environment, "{text}");
            assert!(error.message.contains(says), "{text}: {}", error.message);
        }
    }
}
