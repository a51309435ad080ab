//! Users and what they may do.

use super::server::Etcd;

/// The user who may do everything.
pub const ROOT: &str = "root:rootpw";

/// A user who may read and write the keys with a prefix.
#[derive(Clone, Copy, Debug)]
pub struct User<'a> {
    /// The name; of a client certificate, its common name.
    pub name: &'a str,
    /// The password; a user without one needs a certificate.
    pub password: Option<&'a str>,
    /// What the keys begin with.
    pub prefix: &'a str,
}

/// Makes root and the users, and requires of everyone to be one of them.
pub(super) fn enable(etcd: &Etcd, users: &[User<'_>]) {
    etcd.ctl(&["user", "add", ROOT]);
    etcd.ctl(&["role", "add", "root"]);
    etcd.ctl(&["user", "grant-role", "root", "root"]);
    for User { name, password, prefix } in users {
        match password {
            Some(password) => etcd.ctl(&["user", "add", &format!("{name}:{password}")]),
            None => etcd.ctl(&["user", "add", name, "--no-password"]),
        };
        etcd.ctl(&["role", "add", name]);
        etcd.ctl(&["role", "grant-permission", "--prefix=true", name, "readwrite", prefix]);
        etcd.ctl(&["user", "grant-role", name, name]);
    }
    etcd.ctl(&["auth", "enable"]);
}
