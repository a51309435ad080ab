//! The variables with which a runtime describes a call.

use std::env::{var, var_os};

use super::{Arguments, CniError, Code, Version};

/// What the runtime wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Add,
    Check,
    Del,
    Gc,
    Status,
    Version,
}

/// The attachment that a call is about.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) container_id: String,
    pub(crate) ifname: String,
    pub(crate) arguments: Arguments,
}

/// The longest name that Linux gives an interface.
const IFNAME_BYTES_MAX: usize = 15;

/// Returns the command as it was given, `None` where nobody gave one.
#[must_use]
pub fn command() -> Option<String> {
    var_os("CNI_COMMAND").map(|command| command.to_string_lossy().into_owned())
}

impl Command {
    pub(crate) fn parse(text: &str) -> Result<Self, CniError> {
        match text {
            "ADD" => Ok(Self::Add),
            "CHECK" => Ok(Self::Check),
            "DEL" => Ok(Self::Del),
            "GC" => Ok(Self::Gc),
            "STATUS" => Ok(Self::Status),
            "VERSION" => Ok(Self::Version),
            _ => {
                Err(invalid("CNI_COMMAND", text, "must be ADD, CHECK, DEL, GC, STATUS or VERSION"))
            }
        }
    }

    /// Returns its name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Add => "ADD",
            Self::Check => "CHECK",
            Self::Del => "DEL",
            Self::Gc => "GC",
            Self::Status => "STATUS",
            Self::Version => "VERSION",
        }
    }

    /// Refuses a command that the version of the configuration does not have.
    pub(crate) fn judge(self, version: Version) -> Result<(), CniError> {
        let since = match self {
            Self::Add | Self::Del | Self::Version => return Ok(()),
            Self::Check => Version::V0_4_0,
            Self::Gc | Self::Status => Version::V1_1_0,
        };
        if version >= since {
            return Ok(());
        }
        let (name, since, given) = (self.name(), since.text(), version.text());
        let message = format!("{name} needs CNI version {since}, the configuration says {given}");
        Err(CniError::new(Code::Version, message))
    }
}

impl Call {
    /// Reads and judges the variables of an attachment.
    ///
    /// The path of the network namespace is demanded where the specification demands it, and never opened.
    pub(crate) fn read(command: Command) -> Result<Self, CniError> {
        let container_id = read("CNI_CONTAINERID")?;
        if !is_container_id(&container_id) {
            let rule = "must start with a letter or digit, and go on with letters, digits, '_', '.' or '-'";
            return Err(invalid("CNI_CONTAINERID", &container_id, rule));
        }
        let ifname = read("CNI_IFNAME")?;
        if !is_ifname(&ifname) {
            let rule = "must have 1 to 15 bytes, no '/', ':' or blank, and not be '.' or '..'";
            return Err(invalid("CNI_IFNAME", &ifname, rule));
        }
        if command != Command::Del && read("CNI_NETNS")?.is_empty() {
            return Err(invalid("CNI_NETNS", "", "must name the network namespace"));
        }
        let arguments = match command {
            // For giving back what a container holds it does not matter whether the arguments can be read.
            Command::Del => {
                read("CNI_ARGS").and_then(|text| Arguments::parse(&text)).unwrap_or_default()
            }
            Command::Add | Command::Check | Command::Gc | Command::Status | Command::Version => {
                Arguments::parse(&read("CNI_ARGS")?)?
            }
        };
        Ok(Self { container_id, ifname, arguments })
    }
}

/// Returns a variable, empty where it is not set.
fn read(name: &'static str) -> Result<String, CniError> {
    match var(name) {
        Ok(value) => Ok(value),
        Err(std::env::VarError::NotPresent) => Ok(String::new()),
        Err(std::env::VarError::NotUnicode(value)) => {
            Err(invalid(name, &value.to_string_lossy(), "must be UTF-8"))
        }
    }
}

pub(super) fn invalid(name: &str, value: &str, rule: &str) -> CniError {
    let shown: String = value.chars().take(80).collect();
    CniError::new(Code::Environment, format!("{name} is {shown:?}; it {rule}"))
}

fn is_container_id(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.bytes().all(inner)
}

fn is_ifname(text: &str) -> bool {
    let forbidden = |c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control();
    (1..=IFNAME_BYTES_MAX).contains(&text.len())
        && text != "."
        && text != ".."
        && !text.contains(forbidden)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn container_ids_and_interface_names() {
        for (id, ok) in [
            ("c1", true),
            ("9f_2-c.d", true),
            ("", false),
            ("../x", false),
            ("-a", false),
            ("a/b", false),
            ("ü", false),
        ] {
            assert_eq!(is_container_id(id), ok, "{id}");
        }
        for (name, ok) in [
            ("eth0", true),
            ("e@1", true),
            ("", false),
            ("sixteen-letters-", false),
            ("a/b", false),
            ("..", false),
            ("a b", false),
            ("a:b", false),
        ] {
            assert_eq!(is_ifname(name), ok, "{name}");
        }
    }
}
