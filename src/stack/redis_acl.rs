//! Redis users: the gateway is `default` and has no password, by its contract; oauth2-proxy and
//! `verify` have users of their own. Rules hold hashes of passwords, which are no secrets.

use std::{path::Path, process::Command};

use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};

use super::keys::Keys;
use crate::{digest::sha256, profile::SessionKeys};

pub const AUTH: &str = "auth";

pub const VERIFY: &str = "verify";

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub enum Dialect {
    /// Redis 6.0 and 6.2: commands without their subcommands' categories, keys without a
    /// permission for writing alone.
    Six,
    /// Redis 7.0 and later.
    Seven,
}

impl Dialect {
    /// That of a program: the newer one, where it does not tell its version.
    #[must_use]
    pub fn of_program(redis: &Path) -> Self {
        let said = Command::new(redis).arg("--version").output();
        said.map_or(Self::Seven, |said| {
            Self::of(&String::from_utf8_lossy(&said.stdout))
        })
    }

    /// By the version that `redis-server --version` prints: `Redis server v=7.0.15 sha=…`.
    #[must_use]
    pub fn of(version: &str) -> Self {
        let version = version.split("v=").last().unwrap_or(version);
        let major = version.split('.').next().map(str::parse::<u32>);
        match major {
            Some(Ok(major)) if major < 7 => Self::Six,
            _ => Self::Seven,
        }
    }
}

/// The users' rules, a line `NAME RULE...` each: for `--user`, or after `user ` in an ACL file.
///
/// The gateway cannot change or stop Redis, nor read oauth2-proxy's sessions unless they are
/// readable by the profile. It may delete them, on Redis 7.
#[must_use]
pub fn acl(cookie: &str, sessions: SessionKeys, keys: &Keys, dialect: Dialect) -> Vec<String> {
    let mut patterns = match sessions {
        SessionKeys::Hidden => all_but(&format!("{cookie}-")),
        SessionKeys::Readable => vec!["~*".to_owned()],
    };
    // In Redis 7 the categories are those of subcommands; in Redis 6 CLIENT is dangerous as a
    // whole, and SORT with GET reads any key.
    let (channels, more) = match dialect {
        Dialect::Seven => {
            if sessions == SessionKeys::Hidden {
                patterns.push(format!("%W~{}-*", escaped(cookie)));
            }
            (" &*", "+keys +info +sort +role")
        }
        Dialect::Six => (
            "",
            "+keys +info +role +client|setname +client|getname +client|id",
        ),
    };
    let hash = |secret: &secrecy::SecretString| sha256(secret.expose_secret().as_bytes());
    vec![
        format!(
            "default reset on nopass {}{channels} +@all -@dangerous -cluster {more}",
            patterns.join(" ")
        ),
        format!(
            "{AUTH} reset on #{} ~{}*{channels} +@all -@dangerous -cluster",
            hash(&keys.redis_auth),
            escaped(cookie)
        ),
        format!(
            "{VERIFY} reset on #{} ~*{channels} +@all",
            hash(&keys.redis_verify)
        ),
    ]
}

/// The same as arguments of `redis-server`.
#[must_use]
pub fn arguments(rules: &[String]) -> Vec<String> {
    let of = |rule: &String| {
        let words = rule.split(' ').map(str::to_owned);
        std::iter::once("--user".to_owned())
            .chain(words)
            .collect::<Vec<_>>()
    };
    rules.iter().flat_map(of).collect()
}

/// Patterns for every key but those that begin with `prefix`: ACLs have no rule that takes keys
/// away.
fn all_but(prefix: &str) -> Vec<String> {
    let mut patterns = Vec::new();
    let mut before = String::new();
    for character in prefix.chars() {
        let one = escaped(&character.to_string());
        if !before.is_empty() {
            patterns.push(format!("~{before}"));
        }
        patterns.push(format!("~{before}[^{one}]*"));
        before.push_str(&one);
    }
    patterns
}

/// A text as a pattern for itself. In a class, too, a backslash takes a character as it is.
fn escaped(text: &str) -> String {
    let special = |character: char| matches!(character, '*' | '?' | '[' | ']' | '^' | '\\');
    text.chars()
        .flat_map(|character| {
            let escape = special(character).then_some('\\');
            escape.into_iter().chain([character])
        })
        .collect()
}
