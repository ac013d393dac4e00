//! Keeps users' passwords and client secrets out of the journal.
//!
//! The journal's reader redacts what it shows; this is for the two kinds of secret that no check
//! ever needs to see. Everything else stays byte for byte as received: checks compare it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use url::form_urlencoded;

use super::control::TOKEN_HEADER;

/// Fields whose values never reach the journal, in forms, queries and JSON.
const SECRET_FIELDS: [&str; 2] = ["password", "client_secret"];

const MASK: &str = "***";

fn is_secret(name: &str) -> bool {
    SECRET_FIELDS
        .iter()
        .any(|secret| name.eq_ignore_ascii_case(secret))
}

/// A query or a form body, its secrets masked, all else unchanged.
pub(super) fn form(text: &str) -> String {
    let masked: Vec<String> = text.split('&').map(mask_pair).collect();
    masked.join("&")
}

fn mask_pair(pair: &str) -> String {
    let (raw_name, _) = pair.split_once('=').unwrap_or((pair, ""));
    // The name may be percent-encoded: `pass%77ord` is a password too.
    let secret = form_urlencoded::parse(raw_name.as_bytes()).any(|(name, _)| is_secret(&name));
    if secret {
        format!("{raw_name}={MASK}")
    } else {
        pair.to_owned()
    }
}

/// A request's body, its secrets masked.
pub(super) fn body(content_type: &str, text: &str) -> String {
    let form_type = content_type
        .to_ascii_lowercase()
        .contains("x-www-form-urlencoded");
    if form_type {
        return form(text);
    }
    let lower = text.to_ascii_lowercase();
    if !SECRET_FIELDS.iter().any(|secret| lower.contains(secret)) {
        return text.to_owned();
    }
    match serde_json::from_str::<Value>(text) {
        Ok(mut value) => {
            if mask_value(&mut value) {
                value.to_string()
            } else {
                text.to_owned()
            }
        }
        // Neither declared as a form nor JSON, and yet it names a secret: treat it as a form.
        Err(_) => form(text),
    }
}

/// Masks every secret field below `value`; true when there was one.
fn mask_value(value: &mut Value) -> bool {
    match value {
        Value::Object(map) => {
            let mut found = false;
            for (name, field) in map.iter_mut() {
                if is_secret(name) {
                    *field = Value::String(MASK.to_owned());
                    found = true;
                } else {
                    found |= mask_value(field);
                }
            }
            found
        }
        Value::Array(items) => items
            .iter_mut()
            .fold(false, |found, item| mask_value(item) | found),
        _ => false,
    }
}

/// A header's value; Basic credentials keep their user and lose their password. A token for the
/// control path is hidden, the wrong one, too: it may be another double's.
pub(super) fn header(name: &str, value: &str) -> String {
    if name == TOKEN_HEADER {
        return MASK.to_owned();
    }
    if name != "authorization" && name != "proxy-authorization" {
        return value.to_owned();
    }
    let Some((scheme, credentials)) = value.split_once(' ') else {
        return value.to_owned();
    };
    if !scheme.eq_ignore_ascii_case("basic") {
        return value.to_owned();
    }
    let user = STANDARD.decode(credentials.trim()).ok().and_then(|bytes| {
        String::from_utf8_lossy(&bytes)
            .split_once(':')
            .map(|(user, _)| user.to_owned())
    });
    match user {
        Some(user) => format!("{scheme} {}", STANDARD.encode(format!("{user}:{MASK}"))),
        None => format!("{scheme} {MASK}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_lose_their_secrets_and_nothing_else() {
        assert_eq!(
            form("username=a%2Bb%40c&pass%77ord=hunter2&state=x&client_secret=s%26"),
            "username=a%2Bb%40c&pass%77ord=***&state=x&client_secret=***"
        );
        assert_eq!(form(""), "");
        assert_eq!(form("a&b=c"), "a&b=c");
    }

    proptest::proptest! {
        #[test]
        fn a_password_never_stays_and_the_rest_always_does(user in ".*", password in "[^*]{4,40}") {
            let sent = form_urlencoded::Serializer::new(String::new())
                .append_pair("username", &user)
                .append_pair("password", &password)
                .append_pair("state", "s")
                .finish();
            let masked = body("application/x-www-form-urlencoded", &sent);
            let pairs: Vec<_> = form_urlencoded::parse(masked.as_bytes()).into_owned().collect();
            let kept = [("username", user.as_str()), ("password", MASK), ("state", "s")];
            assert_eq!(pairs, kept.map(|(name, value)| (name.to_owned(), value.to_owned())));
        }
    }

    #[test]
    fn json_loses_its_secrets_and_is_untouched_without() {
        let masked = body("application/json", r#"{"a":[{"client_secret":"s"}],"b":1}"#);
        assert_eq!(masked, r#"{"a":[{"client_secret":"***"}],"b":1}"#);
        let prompt = r#"{ "z": "my password is", "a": 1 }"#;
        assert_eq!(body("application/json", prompt), prompt);
        assert_eq!(body("", "password=x"), "password=***");
    }

    #[test]
    fn basic_credentials_lose_their_password() {
        let masked = header(
            "authorization",
            &format!("Basic {}", STANDARD.encode("me:secret")),
        );
        assert_eq!(masked, format!("Basic {}", STANDARD.encode("me:***")));
        assert_eq!(header("authorization", "Basic !!"), "Basic ***");
        assert_eq!(header("authorization", "Bearer key"), "Bearer key");
        assert_eq!(header("cookie", "Basic abc"), "Basic abc");
    }
}
