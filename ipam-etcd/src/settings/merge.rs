//! From layers to one store.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::store_name::{EMBEDDED, ETCD_V3};
use super::{
    EMBEDDED_PATH, Endpoints, EtcdSettings, Given, Layer, Login, Origin, Pem, Scheme, Secret,
    Setting, SettingsError, SettingsWarning, StoreSettings, TlsSettings,
};

/// What differs between those who ask for a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Whether the embedded store is meant where nothing is said.
    pub embedded_by_default: bool,
    /// Whether every path must be absolute.
    pub absolute_paths: bool,
}

/// What all sources say together: of each setting the value of the strongest source that says something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// The values, and how strong their sources are: 0 is the strongest.
    given: BTreeMap<Setting, (usize, Given)>,
}

/// A store, and what should be known about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Which store.
    pub store: StoreSettings,
    /// What is allowed, and perhaps not meant.
    pub warnings: Vec<SettingsWarning>,
}

impl Rules {
    /// The plugin guesses nothing, and runs in a folder that nobody chose.
    pub const PLUGIN: Self = Self { embedded_by_default: false, absolute_paths: true };
    /// An administrator may try things out on one machine.
    pub const COMMAND_LINE: Self = Self { embedded_by_default: true, absolute_paths: false };
}

impl Merged {
    /// Merges layers, the strongest first. An empty value says nothing.
    #[must_use]
    pub fn of(layers: impl IntoIterator<Item = Layer>) -> Self {
        let mut merged = Self::default();
        for (strength, layer) in layers.into_iter().enumerate() {
            for given in layer.into_iter().filter(|given| !given.is_empty()) {
                merged.given.entry(given.setting).or_insert((strength, given));
            }
        }
        merged
    }

    /// Returns the value of a setting, and where it comes from.
    #[must_use]
    pub fn get(&self, setting: Setting) -> Option<&Given> {
        self.given.get(&setting).map(|(_, given)| given)
    }

    /// Returns how long to wait for the store.
    ///
    /// # Errors
    ///
    /// [`SettingsError::Timeout`].
    pub fn timeout(&self) -> Result<Option<Duration>, SettingsError> {
        let Some(given) = self.get(Setting::Timeout) else { return Ok(None) };
        let seconds =
            given.value.trim().parse().ok().filter(|seconds| (1..=3600).contains(seconds));
        seconds.map(|seconds| Some(Duration::from_secs(seconds))).ok_or_else(|| {
            SettingsError::Timeout { origin: given.origin.clone(), given: given.value.clone() }
        })
    }

    /// Decides which store is meant; nothing is guessed.
    ///
    /// # Errors
    ///
    /// [`SettingsError`], by what is missing or contradicts.
    pub fn decide(&self, rules: Rules) -> Result<Decision, SettingsError> {
        let kind = self.get(Setting::DatastoreType);
        match kind.map(|kind| (kind.value.as_str(), kind)) {
            Some((EMBEDDED, kind)) => self.embedded(Some(kind), rules),
            Some((ETCD_V3, kind)) => self.etcd(&kind.origin, rules),
            Some(("kubernetes", kind)) => {
                Err(SettingsError::Kubernetes { origin: kind.origin.clone() })
            }
            Some((given, kind)) => Err(SettingsError::UnknownType {
                origin: kind.origin.clone(),
                given: given.to_owned(),
            }),
            None => match self.first_for_etcd() {
                Some(given) => self.etcd(&given.origin, rules),
                None if rules.embedded_by_default => self.embedded(None, rules),
                None => Err(SettingsError::Nothing),
            },
        }
    }

    fn embedded(&self, kind: Option<&Given>, rules: Rules) -> Result<Decision, SettingsError> {
        let mut warnings = Vec::new();
        if let (Some(kind), Some(endpoints)) = (kind, self.get(Setting::EtcdEndpoints)) {
            let (kind, endpoints) = (kind.origin.clone(), endpoints.origin.clone());
            let (of_endpoints, of_kind) =
                (self.strength(Setting::EtcdEndpoints), self.strength(Setting::DatastoreType));
            match of_endpoints.cmp(&of_kind) {
                // Whoever sets endpoints at a stronger place means them: the other store would be a wrong one.
                Ordering::Less => return Err(SettingsError::Contradiction { endpoints, kind }),
                Ordering::Equal => {
                    warnings.push(SettingsWarning::EndpointsUnused { endpoints, kind });
                }
                Ordering::Greater => {}
            }
        }
        let path = self.path(Setting::DatastorePath, rules)?;
        let path = path.unwrap_or_else(|| PathBuf::from(EMBEDDED_PATH));
        Ok(Decision { store: StoreSettings::Embedded { path }, warnings })
    }

    /// `origin` says that the store is etcd.
    fn etcd(&self, origin: &Origin, rules: Rules) -> Result<Decision, SettingsError> {
        if let Some(domain) = self.get(Setting::EtcdDiscoverySrv) {
            return Err(SettingsError::Discovery {
                origin: domain.origin.clone(),
                given: domain.value.clone(),
                endpoints: domain.origin.name_of(Setting::EtcdEndpoints),
            });
        }
        let Some(listed) = self.get(Setting::EtcdEndpoints) else {
            let endpoints = origin.name_of(Setting::EtcdEndpoints);
            return Err(SettingsError::NoEndpoints { origin: origin.clone(), endpoints });
        };
        let endpoints = Endpoints::parse(&listed.value)
            .map_err(|fault| SettingsError::Endpoints { origin: listed.origin.clone(), fault })?;
        let mut warnings = Vec::new();
        let scheme = endpoints.scheme;
        if endpoints.is_mixed {
            warnings.push(SettingsWarning::MixedSchemes { origin: listed.origin.clone(), scheme });
        }
        let login = self.login()?;
        let tls = self.tls(rules)?;
        let tls = match scheme {
            Scheme::Https => Some(tls),
            Scheme::Http => {
                if let Some(unused) = self.first_for_tls() {
                    warnings.push(SettingsWarning::TlsUnused { origin: unused.origin.clone() });
                }
                if let Some(user) = self.get(Setting::EtcdUsername) {
                    warnings.push(SettingsWarning::PlainPassword { origin: user.origin.clone() });
                }
                None
            }
        };
        let settings = EtcdSettings { endpoints: endpoints.list, tls, login };
        Ok(Decision { store: StoreSettings::Etcd(settings), warnings })
    }

    fn login(&self) -> Result<Option<Login>, SettingsError> {
        let pair = self.pair(Setting::EtcdUsername, Setting::EtcdPassword)?;
        Ok(pair.map(|(user, password)| Login {
            user: user.value.clone(),
            password: Secret::new(password.value.clone()),
        }))
    }

    /// Reads what TLS works with, from files or from the settings themselves, as Calico does.
    fn tls(&self, rules: Rules) -> Result<TlsSettings, SettingsError> {
        const FILES: [Setting; 3] =
            [Setting::EtcdCaCertFile, Setting::EtcdCertFile, Setting::EtcdKeyFile];
        const INLINE: [Setting; 3] = [Setting::EtcdCaCert, Setting::EtcdCert, Setting::EtcdKey];
        let first = |settings: [Setting; 3]| settings.into_iter().find_map(|one| self.get(one));
        let file = |setting| self.path(setting, rules).map(|path| path.map(Pem::File));
        match (first(INLINE), first(FILES)) {
            (Some(inline), Some(file)) => Err(SettingsError::InlineAndFile {
                inline: inline.origin.clone(),
                file: file.origin.clone(),
            }),
            (Some(inline), None) => {
                for (value, file) in INLINE.into_iter().zip(FILES) {
                    self.check_pem(value, file)?;
                }
                let Some((cert, key)) = self.pair(Setting::EtcdCert, Setting::EtcdKey)? else {
                    let name = |setting| inline.origin.name_of(setting);
                    return Err(SettingsError::InlineAuthority {
                        origin: inline.origin.clone(),
                        missing: format!(
                            "{} and {}",
                            name(Setting::EtcdCert),
                            name(Setting::EtcdKey)
                        ),
                    });
                };
                let pem = |given: &Given| Pem::Inline(Secret::new(given.value.clone()));
                Ok(TlsSettings {
                    ca: self.get(Setting::EtcdCaCert).map(pem),
                    identity: Some((pem(cert), pem(key))),
                })
            }
            (None, _) => {
                self.pair(Setting::EtcdCertFile, Setting::EtcdKeyFile)?;
                let identity = file(Setting::EtcdCertFile)?.zip(file(Setting::EtcdKeyFile)?);
                Ok(TlsSettings { ca: file(Setting::EtcdCaCertFile)?, identity })
            }
        }
    }

    /// Refuses a value that is no PEM: most often it is the path of a file.
    fn check_pem(&self, setting: Setting, file: Setting) -> Result<(), SettingsError> {
        match self.get(setting) {
            Some(given) if !given.value.contains("-----BEGIN ") => Err(SettingsError::NotPem {
                origin: given.origin.clone(),
                file: given.origin.name_of(file),
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// Returns two values that need each other.
    fn pair(&self, one: Setting, two: Setting) -> Result<Option<(&Given, &Given)>, SettingsError> {
        let alone = |given: &Given, missing| {
            let missing = given.origin.name_of(missing);
            Err(SettingsError::Alone { origin: given.origin.clone(), missing })
        };
        match (self.get(one), self.get(two)) {
            (Some(first), Some(second)) => Ok(Some((first, second))),
            (Some(first), None) => alone(first, two),
            (None, Some(second)) => alone(second, one),
            (None, None) => Ok(None),
        }
    }

    fn path(&self, setting: Setting, rules: Rules) -> Result<Option<PathBuf>, SettingsError> {
        let Some(given) = self.get(setting) else { return Ok(None) };
        let path = Path::new(&given.value);
        if rules.absolute_paths && !path.is_absolute() {
            let (origin, path) = (given.origin.clone(), given.value.clone());
            return Err(SettingsError::RelativePath { origin, path });
        }
        Ok(Some(path.to_path_buf()))
    }

    fn first_for_etcd(&self) -> Option<&Given> {
        let endpoints = self.get(Setting::EtcdEndpoints);
        endpoints.or_else(|| {
            self.given.values().map(|(_, given)| given).find(|given| given.setting.is_for_etcd())
        })
    }

    fn first_for_tls(&self) -> Option<&Given> {
        let others = [Setting::EtcdEndpoints, Setting::EtcdUsername, Setting::EtcdPassword];
        let mut given = self.given.values().map(|(_, given)| given);
        given.find(|given| given.setting.is_for_etcd() && !others.contains(&given.setting))
    }

    fn strength(&self, setting: Setting) -> Option<usize> {
        self.given.get(&setting).map(|(strength, _)| *strength)
    }
}
