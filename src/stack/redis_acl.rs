//! Who may do what at Redis. The gateway comes without a password, as its contract says; what it
//! could do there to others, or to what a verdict rests on, it may not.

use secrecy::{ExposeSecret as _, SecretString};

use super::keys::Keys;
use crate::digest::sha256;

/// The user that `verify` reads Redis as.
pub const VERIFY: &str = "verify";
/// The user of oauth2-proxy.
pub const AUTH: &str = "oauth2-proxy";

/// What nobody but `verify` may do: everything that is about the server or about other clients. What
/// stands after it is dangerous by its cost alone, or only tells something.
const COMMANDS: [&str; 6] = ["+@all", "-@dangerous", "+keys", "+sort", "+info", "+role"];

/// The rules of every user, as arguments of `redis-server` or lines of its configuration:
/// `["--user", NAME, RULE, ...]` for each. Passwords are in them as hashes.
#[must_use]
pub fn users(keys: &Keys, cookie: &str, sessions_readable: bool) -> Vec<String> {
    let mut all = Vec::new();
    let mut user = |name: &str, rules: Vec<String>| {
        all.extend(["--user".to_owned(), name.to_owned(), "on".to_owned()]);
        all.extend(rules);
    };
    let commands = || COMMANDS.map(str::to_owned);
    let sessions = format!("{cookie}-");
    let mut gateway = vec!["nopass".to_owned(), "&*".to_owned()];
    if sessions_readable {
        gateway.push("~*".to_owned());
    } else {
        gateway.extend(others_than(&sessions).map(|pattern| format!("~{pattern}")));
        // A gateway may end a session, unread.
        gateway.push(format!("%W~{}*", escaped(&sessions)));
    }
    gateway.extend(commands());
    user("default", gateway);
    let hash = |password: &SecretString| format!("#{}", sha256(password.expose_secret().as_bytes()));
    let mut auth = vec![
        hash(&keys.redis_auth),
        "&*".to_owned(),
        format!("~{}*", escaped(cookie)),
    ];
    auth.extend(commands());
    user(AUTH, auth);
    let everything = ["~*", "&*", "+@all"].map(str::to_owned);
    user(VERIFY, [vec![hash(&keys.redis)], everything.to_vec()].concat());
    all
}

/// Patterns for every key that does not begin with `prefix`: those that differ from it at its first
/// letter, at its second, ..., and those that end before it does.
fn others_than(prefix: &str) -> impl Iterator<Item = String> {
    prefix.char_indices().flat_map(|(at, letter)| {
        let head = escaped(prefix.get(..at).unwrap_or_default());
        let shorter = (at > 0).then(|| head.clone());
        let other = format!("{head}[^{}]*", escaped(&letter.to_string()));
        std::iter::once(other).chain(shorter)
    })
}

/// A text as a pattern that matches it alone.
fn escaped(text: &str) -> String {
    text.chars()
        .flat_map(|letter| {
            let special = "*?[]^\\".contains(letter);
            special.then_some('\\').into_iter().chain([letter])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_but_a_session_has_a_pattern() {
        let patterns: Vec<String> = others_than("_o-").collect();
        assert_eq!(patterns, ["[^_]*", "_[^o]*", "_", "_o[^-]*", "_o"]);
    }
}
