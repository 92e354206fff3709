//! What all servers share: the platform database (version, Enabled flags, what is published) and
//! the session database (sessions and failed logins of Service Center's users).
mod sessions;

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

pub use sessions::{Login, Sessions};

/// What is published: front-ends that are enabled fetch it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// Grows with every publication.
    pub generation: u64,
    /// The platform version whose compiler built the modules.
    pub version: String,
    /// The build of Service Center among them.
    pub console: String,
}

impl Publication {
    /// The id that `_ping.html` of a module carries once this publication is deployed: 32 hex digits.
    #[must_use]
    pub fn module_id(&self, module: &str) -> String {
        let text = format!("{module}\n{}\n{}", self.generation, self.version);
        hex(&Sha256::digest(text.as_bytes())[..16])
    }
}

/// The shared databases.
#[derive(Debug)]
pub struct Database {
    version: String,
    session_version: String,
    enabled: BTreeMap<String, bool>,
    enabled_at_upgrade: Option<BTreeMap<String, bool>>,
    published: Publication,
    /// Sessions and failed logins.
    pub sessions: Sessions,
}

impl Database {
    /// Databases of one version, with the servers registered and enabled.
    #[must_use]
    pub fn new(version: &str, servers: impl IntoIterator<Item = String>) -> Self {
        Self {
            version: version.to_owned(),
            session_version: version.to_owned(),
            enabled: servers.into_iter().map(|server| (server, true)).collect(),
            enabled_at_upgrade: None,
            published: Publication {
                generation: 0,
                version: version.to_owned(),
                console: version.to_owned(),
            },
            sessions: Sessions::default(),
        }
    }

    /// `OSSYS_PARAMETER.Version`: the metamodel's version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// `OSSYS_PARAMETER.sessionversion`: the session model's version.
    #[must_use]
    pub fn session_version(&self) -> &str {
        &self.session_version
    }

    /// Upgrades both models, as every server's Configuration Tool does; tells whether that changed
    /// anything. The session model is rebuilt, so everybody is logged out of Service Center.
    pub fn upgrade(&mut self, to: &str) -> bool {
        if version_parts(to) <= version_parts(&self.version) {
            return false;
        }
        to.clone_into(&mut self.version);
        to.clone_into(&mut self.session_version);
        self.enabled_at_upgrade = Some(self.enabled.clone());
        self.sessions.clear();
        true
    }

    /// A server's Enabled flag; `None` when it is not registered (a pure controller is not).
    #[must_use]
    pub fn enabled(&self, server: &str) -> Option<bool> {
        self.enabled.get(server).copied()
    }

    /// The flag as it was when the database was upgraded: what a stale console shows.
    #[must_use]
    pub fn enabled_at_upgrade(&self, server: &str) -> Option<bool> {
        self.enabled_at_upgrade.as_ref().and_then(|flags| flags.get(server).copied())
    }

    /// Sets a registered server's Enabled flag; tells whether that changed it.
    pub fn set_enabled(&mut self, server: &str, enabled: bool) -> bool {
        match self.enabled.get_mut(server) {
            Some(flag) if *flag != enabled => {
                *flag = enabled;
                true
            }
            _ => false,
        }
    }

    /// What is published.
    #[must_use]
    pub fn published(&self) -> &Publication {
        &self.published
    }

    /// Publishes: the next generation, built by the database's version, with a build of Service
    /// Center when that is part of it.
    pub fn publish(&mut self, console: Option<&str>) {
        self.published.generation += 1;
        self.published.version.clone_from(&self.version);
        if let Some(console) = console {
            console.clone_into(&mut self.published.console);
        }
    }
}

/// A dotted version as numbers, to be compared.
#[must_use]
pub fn version_parts(version: &str) -> [u64; 4] {
    let mut parts = [0; 4];
    for (part, text) in parts.iter_mut().zip(version.split('.')) {
        *part = text.parse().unwrap_or(0);
    }
    parts
}

/// Bytes as lower-case hex digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: any server's upgrade moves the shared version, once, and never back.
    /// Method: upgrade up, again, and down.
    #[test]
    fn only_an_upgrade_upwards_changes_the_database() {
        let mut database = Database::new("11.9.0.1", ["fe-1".to_owned()]);
        assert!(database.upgrade("11.10.0.1"), "11.10 is above 11.9: parts are numbers, not text");
        assert!(!database.upgrade("11.10.0.1"));
        assert!(!database.upgrade("11.9.0.1"));
        assert_eq!((database.version(), database.session_version()), ("11.10.0.1", "11.10.0.1"));
    }

    /// Goal: a ping id tells what is deployed. Method: ids of two modules over two publications.
    #[test]
    fn a_ping_id_changes_with_module_and_publication() {
        let mut database = Database::new("11.9.0.1", []);
        let before = database.published().clone();
        database.publish(None);
        let after = database.published().clone();
        assert_eq!(before.module_id("Shop").len(), 32);
        assert_eq!(before.module_id("Shop"), before.module_id("Shop"));
        assert_ne!(before.module_id("Shop"), before.module_id("Bank"));
        assert_ne!(before.module_id("Shop"), after.module_id("Shop"));
    }

    /// Goal: a stale console has something to show. Method: change a flag after the upgrade.
    #[test]
    fn the_flags_of_the_moment_of_the_upgrade_are_kept() {
        let mut database = Database::new("11.9.0.1", ["fe-1".to_owned()]);
        assert!(database.set_enabled("fe-1", false));
        assert_eq!(database.enabled_at_upgrade("fe-1"), None);
        database.upgrade("11.10.0.1");
        assert!(database.set_enabled("fe-1", true));
        assert!(!database.set_enabled("fe-1", true), "nothing changed");
        assert!(!database.set_enabled("stranger", true), "not registered");
        assert_eq!(database.enabled("fe-1"), Some(true));
        assert_eq!(database.enabled_at_upgrade("fe-1"), Some(false));
    }
}
