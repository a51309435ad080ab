//! Layers in, stores and errors out.

use super::Setting::{
    DatastorePath, DatastoreType, EtcdCaCert, EtcdCaCertFile, EtcdCert, EtcdCertFile,
    EtcdDiscoverySrv, EtcdEndpoints, EtcdKey, EtcdKeyFile, EtcdPassword, EtcdUsername,
};
use super::*;

const PEM: &str = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";

/// Values by how strong their source is: of the environment, then of a file.
type Values<'a> = &'a [(usize, Setting, &'a str)];

fn merged(values: Values<'_>) -> Merged {
    let origin = |source: usize, setting: Setting| match source {
        0 => Origin::Flag(setting.flag().unwrap_or("--none")),
        1 => Origin::Variable(setting.variable().unwrap_or("NONE").to_owned()),
        _ => Origin::ApiConfig(setting, "/c".into()),
    };
    Merged::of([0, 1, 2].map(|source| {
        let of_source = values.iter().filter(|(other, ..)| *other == source);
        let given = |(_, setting, value): &(usize, Setting, &str)| {
            Given::new(*setting, *value, origin(source, *setting))
        };
        of_source.map(given).collect()
    }))
}

/// Says what is decided in a few words.
fn outcome(values: Values<'_>, rules: Rules) -> String {
    match merged(values).decide(rules) {
        Ok(Decision { store, warnings }) => {
            let mut told = vec![format!("{store}{}", secured(&store))];
            told.extend(warnings.iter().map(ToString::to_string));
            told.join("; ")
        }
        Err(error) => format!("error: {error}"),
    }
}

/// Says what TLS works with, and who logs in.
fn secured(store: &StoreSettings) -> String {
    let StoreSettings::Etcd(EtcdSettings { tls, login, .. }) = store else { return String::new() };
    let pem = |pem: &Pem| match pem {
        Pem::File(path) => path.display().to_string(),
        Pem::Inline(_) => "inline".to_owned(),
    };
    let tls = tls.as_ref().map(|TlsSettings { ca, identity }| {
        let ca = ca.as_ref().map_or("system".to_owned(), pem);
        let identity = identity.as_ref().map(|(cert, key)| format!(" {}+{}", pem(cert), pem(key)));
        format!(" tls {ca}{}", identity.unwrap_or_default())
    });
    let login =
        login.as_ref().map(|login| format!(" as {}:{}", login.user, login.password.expose()));
    tls.unwrap_or_default() + &login.unwrap_or_default()
}

fn check(rows: &[(Values<'_>, &str)], rules: Rules) {
    for (values, expected) in rows {
        assert_eq!(outcome(values, rules), *expected, "{values:?}");
    }
}

#[test]
fn nothing_is_guessed() {
    check(
        &[
            (&[], "error: no datastore is named; set datastore_type to \"embedded\" or \"etcdv3\""),
            (
                &[(1, DatastoreType, "")],
                "error: no datastore is named; set datastore_type to \"embedded\" or \"etcdv3\"",
            ),
            (
                &[(1, DatastorePath, "/x")],
                "error: no datastore is named; set datastore_type to \"embedded\" or \"etcdv3\"",
            ),
            (
                &[(1, EtcdEndpoints, " ")],
                "error: no datastore is named; set datastore_type to \"embedded\" or \"etcdv3\"",
            ),
            (&[(1, DatastoreType, "embedded")], "embedded store /var/lib/ringfence/store.db"),
            (&[(1, DatastoreType, "embedded"), (2, DatastorePath, "/x")], "embedded store /x"),
            (&[(1, EtcdEndpoints, "http://e")], "etcd http://e:2379"),
            (&[(1, DatastoreType, "etcdv3"), (2, EtcdEndpoints, "http://e")], "etcd http://e:2379"),
            (
                &[(1, DatastoreType, "etcdv3")],
                "error: environment variable DATASTORE_TYPE is set, but there are no endpoints of etcd; set ETCD_ENDPOINTS",
            ),
            (
                &[(2, EtcdCaCertFile, "/ca")],
                "error: field etcdCACertFile of file /c is set, but there are no endpoints of etcd; set etcdEndpoints",
            ),
            (
                &[(1, DatastoreType, "kubernetes")],
                "error: environment variable DATASTORE_TYPE is \"kubernetes\"; this system keeps its state in etcd or in the embedded datastore",
            ),
            (
                &[(1, DatastoreType, " embedded")],
                "error: environment variable DATASTORE_TYPE is \" embedded\"; it must be \"embedded\" or \"etcdv3\"",
            ),
            (
                &[(1, EtcdDiscoverySrv, "example.com"), (0, EtcdEndpoints, "e")],
                "error: environment variable ETCD_DISCOVERY_SRV is \"example.com\"; endpoints cannot be looked up in DNS: list them in ETCD_ENDPOINTS instead",
            ),
            (
                &[(0, DatastoreType, "embedded"), (0, DatastorePath, "x")],
                "error: flag --store is \"x\"; it must be an absolute path",
            ),
            (
                &[(2, EtcdEndpoints, "e"), (2, EtcdCaCertFile, "ca.pem")],
                "error: field etcdCACertFile of file /c is \"ca.pem\"; it must be an absolute path",
            ),
        ],
        Rules::PLUGIN,
    );
}

#[test]
fn an_administrator_gets_the_embedded_store_where_nothing_is_said() {
    check(
        &[
            (&[], "embedded store /var/lib/ringfence/store.db"),
            (&[(1, DatastorePath, "x")], "embedded store x"),
            (&[(1, EtcdEndpoints, "e")], "etcd https://e:2379 tls system"),
            (
                &[(0, EtcdUsername, "u")],
                "error: flag --etcd-user is set, but there are no endpoints of etcd; set --etcd-endpoints",
            ),
        ],
        Rules::COMMAND_LINE,
    );
}

#[test]
fn the_strongest_source_counts_value_by_value() {
    check(
        &[
            (
                &[(0, EtcdEndpoints, "a"), (1, EtcdEndpoints, "b"), (2, EtcdEndpoints, "c")],
                "etcd https://a:2379 tls system",
            ),
            (
                &[(1, EtcdEndpoints, ""), (2, EtcdEndpoints, "c"), (1, EtcdCaCertFile, "/ca")],
                "etcd https://c:2379 tls /ca",
            ),
            (
                &[(1, DatastoreType, "embedded"), (1, EtcdEndpoints, "e")],
                "embedded store /var/lib/ringfence/store.db; environment variable ETCD_ENDPOINTS is not used: environment variable DATASTORE_TYPE names the embedded store",
            ),
            (
                &[(0, DatastoreType, "embedded"), (1, EtcdEndpoints, "e")],
                "embedded store /var/lib/ringfence/store.db",
            ),
            (
                &[(0, EtcdEndpoints, "e"), (1, DatastoreType, "embedded")],
                "error: flag --etcd-endpoints names etcd, and environment variable DATASTORE_TYPE the embedded store; remove one of them",
            ),
            // What etcd would refuse does not matter then.
            (
                &[(1, DatastoreType, "embedded"), (2, EtcdUsername, "u"), (2, EtcdKey, "x")],
                "embedded store /var/lib/ringfence/store.db",
            ),
        ],
        Rules::COMMAND_LINE,
    );
}

#[test]
fn endpoints_decide_about_tls() {
    let files = [(2, EtcdCaCertFile, "/ca"), (2, EtcdCertFile, "/cert"), (2, EtcdKeyFile, "/key")];
    let with = |endpoints| [&[(1, EtcdEndpoints, endpoints)][..], &files[..]].concat();
    check(
        &[
            (&with("https://e"), "etcd https://e:2379 tls /ca /cert+/key"),
            (&with("e:1"), "etcd https://e:1 tls /ca /cert+/key"),
            (
                &with("http://e"),
                "etcd http://e:2379; field etcdCACertFile of file /c is not used: the endpoints begin with http, so nothing is encrypted",
            ),
            (
                &[(1, EtcdEndpoints, "https://a,http://b")],
                "etcd https://a:2379,https://b:2379 tls system; environment variable ETCD_ENDPOINTS names http and https; https, of its first entry, holds for all",
            ),
            (&[(1, EtcdEndpoints, "e"), (1, EtcdCaCertFile, "ca")], "etcd https://e:2379 tls ca"),
            (
                &[(1, EtcdEndpoints, "e"), (1, EtcdCertFile, "/cert")],
                "error: environment variable ETCD_CERT_FILE is set without ETCD_KEY_FILE; set both or neither",
            ),
            (
                &[(1, EtcdEndpoints, "http://e"), (2, EtcdKeyFile, "/key")],
                "error: field etcdKeyFile of file /c is set without etcdCertFile; set both or neither",
            ),
            (
                &[(1, EtcdEndpoints, "a,,b")],
                "error: environment variable ETCD_ENDPOINTS: entry 2 of \"a,,b\" is empty; remove the comma",
            ),
        ],
        Rules::COMMAND_LINE,
    );
}

#[test]
fn values_in_the_settings_themselves_are_all_or_none() {
    let e = (2, EtcdEndpoints, "e");
    check(
        &[
            (
                &[e, (2, EtcdCert, PEM), (2, EtcdKey, PEM), (2, EtcdCaCert, PEM)],
                "etcd https://e:2379 tls inline inline+inline",
            ),
            (
                &[e, (2, EtcdCert, PEM), (2, EtcdKey, PEM)],
                "etcd https://e:2379 tls system inline+inline",
            ),
            (
                &[e, (2, EtcdCert, PEM)],
                "error: field etcdCert of file /c is set without etcdKey; set both or neither",
            ),
            (
                &[e, (2, EtcdCaCert, PEM)],
                "error: field etcdCACert of file /c is set without etcdCert and etcdKey; with both of them it counts, or name files instead",
            ),
            (
                &[e, (2, EtcdCert, PEM), (2, EtcdKey, PEM), (0, EtcdCaCertFile, "/ca")],
                "error: field etcdCert of file /c and flag --etcd-cacert are both set; use files, or values in the settings, not both",
            ),
            (
                &[e, (2, EtcdCert, PEM), (2, EtcdKey, "/key.pem")],
                "error: field etcdKey of file /c does not hold what begins with \"-----BEGIN\"; to name a file use etcdKeyFile instead",
            ),
        ],
        Rules::COMMAND_LINE,
    );
}

#[test]
fn a_user_has_a_password() {
    let e = (1, EtcdEndpoints, "https://e");
    check(
        &[
            (
                &[e, (0, EtcdUsername, "u"), (2, EtcdPassword, " p ")],
                "etcd https://e:2379 tls system as u: p ",
            ),
            (
                &[(1, EtcdEndpoints, "http://e"), (1, EtcdUsername, "u"), (1, EtcdPassword, "p")],
                "etcd http://e:2379 as u:p; environment variable ETCD_USERNAME: the password goes unencrypted, as the endpoints begin with http",
            ),
            (
                &[e, (0, EtcdUsername, "u")],
                "error: flag --etcd-user is set without --etcd-password-file; set both or neither",
            ),
            (
                &[e, (1, EtcdPassword, "p")],
                "error: environment variable ETCD_PASSWORD is set without ETCD_USERNAME; set both or neither",
            ),
        ],
        Rules::COMMAND_LINE,
    );
}

#[test]
fn times_are_seconds() {
    for (value, expected) in [
        ("", Ok(None)),
        ("1", Ok(Some(1))),
        (" 3600 ", Ok(Some(3600))),
        ("0", Err(())),
        ("3601", Err(())),
        ("5s", Err(())),
        ("-1", Err(())),
    ] {
        let found = merged(&[(1, Setting::Timeout, value)]).timeout();
        let found = found.map(|time| time.map(|time| time.as_secs())).map_err(|_| ());
        assert_eq!(found, expected, "{value:?}");
    }
}

#[test]
fn secrets_are_never_shown() {
    let mut values: Vec<(usize, Setting, &str)> = Setting::ALL
        .into_iter()
        .filter(|one| one.is_secret())
        .map(|one| (2, one, "xyzzy"))
        .collect();
    values.push((2, EtcdUsername, "u"));
    values.push((2, EtcdEndpoints, "https://u:xyzzy@e"));
    let damaged = merged(&values);
    values.retain(|(_, setting, _)| matches!(setting, EtcdPassword | EtcdUsername));
    values.push((2, EtcdEndpoints, "https://e"));
    let sound = merged(&values).decide(Rules::PLUGIN).unwrap();
    for text in [
        format!("{damaged:?}"),
        format!("{:?}", damaged.decide(Rules::PLUGIN).unwrap_err()),
        format!("{sound:?}"),
        damaged.get(EtcdEndpoints).unwrap().shown().to_owned(),
    ] {
        assert!(!text.contains("xyzzy"), "{text}");
    }
}

#[test]
fn names_are_as_calico_has_them() {
    for setting in Setting::ALL {
        let snake: String =
            setting.key().replace("CACert", "CaCert").chars().fold(String::new(), |mut text, c| {
                if c.is_uppercase() {
                    text.push('_');
                }
                text.extend(c.to_lowercase());
                text
            });
        assert_eq!(setting.field(), snake);
        if let Some(variable) = setting.variable() {
            assert_eq!(variable, snake.to_uppercase());
        }
    }
}

#[test]
fn names_are_told_as_they_are_called_at_that_place() {
    let variable = |name: &str| Origin::Variable(name.to_owned());
    for (origin, setting, expected) in [
        (variable("ETCD_CERT_FILE"), EtcdKeyFile, "ETCD_KEY_FILE"),
        (variable("CALICO_ETCD_CERT_FILE"), EtcdKeyFile, "CALICO_ETCD_KEY_FILE"),
        (variable("RINGFENCE_STORE"), EtcdEndpoints, "RINGFENCE_ETCD_ENDPOINTS"),
        (variable("CALICO_DATASTORE_TYPE"), DatastorePath, "RINGFENCE_DATASTORE_PATH"),
        (variable("ETCD_CERT_FILE"), EtcdKey, "etcdKey"),
        (Origin::Flag("--etcd-user"), EtcdPassword, "--etcd-password-file"),
        (Origin::Flag("--store"), EtcdDiscoverySrv, "etcdDiscoverySrv"),
        (Origin::Top(DatastoreType), EtcdEndpoints, "etcd_endpoints"),
        (Origin::ApiConfig(EtcdCert, "/c".into()), EtcdCaCert, "etcdCACert"),
    ] {
        assert_eq!(origin.name_of(setting), expected, "{origin}");
    }
}
