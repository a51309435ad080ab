//! Where values come from.

use std::fmt;
use std::path::PathBuf;

use super::Setting;

/// Before the variables that are ours.
pub(super) const OUR_PREFIX: &str = "RINGFENCE_";
/// Before the variables that are meant for Calico and nobody else.
pub(super) const CALICOS_PREFIX: &str = "CALICO_";

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A flag of the command line, such as `--etcd-endpoints`.
    Flag(&'static str),
    /// An argument of the command line that names a store, such as `FROM`.
    Argument(&'static str),
    /// A variable of the environment.
    Variable(String),
    /// A field of `ipam` in the network configuration.
    Ipam(Setting),
    /// A field at the top of the network configuration.
    Top(Setting),
    /// A field of the file beside the network configuration.
    ConfigFile(Setting, PathBuf),
    /// A field of a file that is written as for calicoctl.
    ApiConfig(Setting, PathBuf),
    /// Another setting, without which it would not be so.
    Implied(Setting),
    /// Nobody says anything else.
    Default,
}

impl Origin {
    /// Says whether it is a variable with Calico's prefix.
    #[must_use]
    pub fn is_calicos_variable(&self) -> bool {
        matches!(self, Self::Variable(name) if name.starts_with(CALICOS_PREFIX))
    }

    /// Returns what another setting is called at this place.
    #[must_use]
    pub fn name_of(&self, setting: Setting) -> String {
        match self {
            Self::Flag(_) | Self::Argument(_) => {
                setting.flag().unwrap_or_else(|| setting.key()).to_owned()
            }
            Self::Variable(name) => setting.variable().map_or_else(
                || setting.key().to_owned(),
                |variable| {
                    let is_like = |prefix: &&str| name.starts_with(prefix) && setting.is_calicos();
                    let prefix = [CALICOS_PREFIX, OUR_PREFIX].into_iter().find(is_like);
                    let other = if setting.is_calicos() { "" } else { OUR_PREFIX };
                    format!("{}{variable}", prefix.unwrap_or(other))
                },
            ),
            Self::Ipam(_) | Self::Top(_) | Self::ConfigFile(..) => setting.field().to_owned(),
            Self::ApiConfig(..) | Self::Implied(_) | Self::Default => setting.key().to_owned(),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(f, "flag {flag}"),
            Self::Argument(name) => write!(f, "argument {name}"),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Ipam(setting) => write!(f, "field {} of ipam", setting.field()),
            Self::Top(setting) => {
                write!(f, "field {} at the top of the network configuration", setting.field())
            }
            Self::ConfigFile(setting, path) => {
                write!(f, "field {} of file {}", setting.field(), path.display())
            }
            Self::ApiConfig(setting, path) => {
                write!(f, "field {} of file {}", setting.key(), path.display())
            }
            Self::Implied(setting) => write!(f, "follows from {}", setting.key()),
            Self::Default => f.write_str("default"),
        }
    }
}
