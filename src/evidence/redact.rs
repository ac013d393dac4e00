//! Secrets are taken out here, where evidence is made, and nowhere else.

use std::{
    borrow::Cow,
    sync::{LazyLock, PoisonError, RwLock},
};

use regex::Regex;
use secrecy::{ExposeSecret, SecretString};

use super::{
    BODY_LIMIT, Evidence, EvidenceKind, TITLE_LIMIT,
    forms::{Forms, SHORTEST},
};

/// What stands in place of a secret.
const REDACTED: &str = "[redacted]";

/// What is a secret by its shape, whoever made it.
/// A JWT keeps its header: it tells the algorithm and is the same for all.
static SHAPES: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    [
        (r"(eyJ[A-Za-z0-9_-]{8,}\.)[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*", "${1}[redacted]"),
        (r"(?i)(bearer\s+)[A-Za-z0-9._~+/-]{6,}=*", "${1}[redacted]"),
        (r"(_oauth2_proxy[A-Za-z0-9_]*=)[^;\s,]+", "${1}[redacted]"),
        (
            r"(?i)((?:password|client_secret|code|code_verifier|refresh_token|id_token|access_token|id_token_hint)=)[^&\s;,]+",
            "${1}[redacted]",
        ),
        (
            r#"(?i)("(?:password|client_secret|refresh_token|id_token|access_token|token)"\s*:\s*")[^"]+"#,
            "${1}[redacted]",
        ),
    ]
    .into_iter()
    .filter_map(|(pattern, with)| Some((Regex::new(pattern).ok()?, with)))
    .collect()
});

/// Takes secrets out of everything that leaves the run: known ones in any of their forms, and
/// whatever has a secret's shape.
#[derive(Debug, Default)]
pub struct Redactor {
    known: RwLock<Known>,
}

#[derive(Debug, Default)]
struct Known {
    secrets: Vec<SecretString>,
    forms: Forms,
}

impl Redactor {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a secret; ignored where it is shorter than 6 bytes.
    pub fn learn(&self, secret: &str) {
        if secret.len() < SHORTEST {
            return;
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let mut secrets = known.secrets.iter();
        if !secrets.any(|known| known.expose_secret() == secret) {
            known.secrets.push(SecretString::from(secret.to_owned()));
            known.forms.add(secret);
        }
    }

    #[must_use]
    pub fn secrets(&self) -> Vec<SecretString> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.secrets.clone()
    }

    /// `text` without any secret.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let mut clean = without(text, &known.forms);
        for (shape, with) in SHAPES.iter() {
            let replaced = match shape.replace_all(&clean, *with) {
                Cow::Owned(text) => Some(text),
                Cow::Borrowed(_) => None,
            };
            clean = replaced.map_or(clean, Cow::Owned);
        }
        clean.into_owned()
    }

    /// The same, of at most [`BODY_LIMIT`] bytes: both ends of a longer text.
    #[must_use]
    pub fn bounded(&self, text: &str) -> String {
        bounded(self.redact(text), BODY_LIMIT)
    }

    /// A piece of evidence, redacted and bounded.
    #[must_use]
    pub fn evidence(&self, kind: EvidenceKind, title: &str, body: &str) -> Evidence {
        Evidence {
            kind,
            title: bounded(self.redact(title), TITLE_LIMIT),
            body: self.bounded(body),
            image: None,
            trail: None,
            figures: None,
        }
    }
}

fn without<'a>(text: &'a str, forms: &Forms) -> Cow<'a, str> {
    let found = forms.find(text);
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    let mut end = 0;
    for range in found {
        // Forms are whole characters, so that this is never `None`.
        clean.push_str(text.get(end..range.start).unwrap_or_default());
        clean.push_str(REDACTED);
        end = range.end;
    }
    clean.push_str(text.get(end..).unwrap_or_default());
    Cow::Owned(clean)
}

/// Cuts the middle out of a text that is too long: both ends tell more than one.
fn bounded(text: String, limit: usize) -> String {
    if text.len() <= limit {
        return text;
    }
    let head = text.floor_char_boundary(limit / 2);
    let tail = text.floor_char_boundary(text.len() - limit / 2 + 64);
    format!(
        "{}\n[… {} bytes left out …]\n{}",
        &text[..head],
        tail - head,
        &text[tail..]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_was_told_never_leaves() {
        let redactor = Redactor::new();
        redactor.learn("s3cr3t-value");
        redactor.learn("s3cr3t-value-longer");
        let clean = redactor.redact("a s3cr3t-value-longer b s3cr3t-value c");
        assert_eq!(clean, "a [redacted] b [redacted] c");
    }

    /// What holds a secret in each of its encodings.
    fn encodings(secret: &str) -> Vec<(String, String)> {
        use base64::{
            Engine as _,
            engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD},
        };
        let mut all = vec![("plain".to_owned(), secret.to_owned())];
        for before in ["", "a", "ab"] {
            for after in ["", "z", "yz"] {
                let whole = format!("{before}{secret}{after}");
                let name = |which: &str| format!("{which} of {before}SECRET{after}");
                for (which, text) in [
                    ("base64", STANDARD.encode(&whole)),
                    ("base64 without padding", STANDARD_NO_PAD.encode(&whole)),
                    ("base64url", URL_SAFE.encode(&whole)),
                    ("base64url without padding", URL_SAFE_NO_PAD.encode(&whole)),
                ] {
                    all.push((name(which), text));
                }
            }
        }
        let each = |byte: &dyn Fn(u8) -> String| secret.bytes().map(byte).collect::<String>();
        let plain = |byte: u8| byte.is_ascii_alphanumeric();
        let url = |byte: u8, upper: bool| match (plain(byte), upper) {
            (true, _) => char::from(byte).to_string(),
            (false, true) => format!("%{byte:02X}"),
            (false, false) => format!("%{byte:02x}"),
        };
        let form: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        for (name, text) in [
            ("hex", each(&|byte| format!("{byte:02x}"))),
            ("HEX", each(&|byte| format!("{byte:02X}"))),
            ("URL", each(&|byte| url(byte, true))),
            ("url", each(&|byte| url(byte, false))),
            ("mixed url", each(&|byte| url(byte, byte % 2 == 0))),
            ("every byte", each(&|byte| format!("%{byte:02x}"))),
            ("form", form),
            ("json", secret.replace('/', "\\/").replace('"', "\\\"")),
            ("nginx", each(&|byte| format!("\\x{byte:02X}"))),
        ] {
            all.push((name.to_owned(), text));
        }
        all
    }

    #[test]
    fn a_secret_is_found_in_every_encoding() {
        for secret in [
            "s3cr3t",
            "pä55/wörd+?&= \"1",
            "sk-master-for-tests-only",
            "~~~???>>>",
        ] {
            let redactor = Redactor::new();
            redactor.learn(secret);
            for (encoding, text) in encodings(secret) {
                let clean = redactor.redact(&format!("日本 {text} é"));
                assert!(clean.contains(REDACTED), "{secret}, {encoding}: {clean}");
                // Of base64, the characters that it shares with its neighbours may stay.
                let rest = clean.replace(REDACTED, "");
                assert!(
                    rest.chars().count() <= 5 + 9,
                    "{secret}, {encoding}: {clean}"
                );
                assert!(rest.starts_with("日本 ") && rest.ends_with(" é"), "{clean}");
            }
        }
    }

    #[test]
    fn overlapping_secrets_leave_nothing() {
        let redactor = Redactor::new();
        for secret in ["abcdefgh", "efghijkl", "cdefgh"] {
            redactor.learn(secret);
        }
        assert_eq!(redactor.redact("-abcdefghijkl-"), "-[redacted]-");
        assert_eq!(redactor.redact("abcdefghabcdefgh"), "[redacted][redacted]");
        assert_eq!(redactor.redact("abcdefg %zz \\ %"), "abcdefg %zz \\ %");
    }

    proptest::proptest! {
        #[test]
        fn a_secret_goes_and_the_rest_stays(
            before in r"[^a-zA-Z0-9/+=%é\\ -]*",
            secret in "[a-zA-Z0-9/+=% é-]{6,40}",
            after in r"[^a-zA-Z0-9/+=%é\\ -]*",
            any in ".*",
        ) {
            let redactor = Redactor::new();
            redactor.learn(&secret);
            let known = redactor.known.read().unwrap();
            let text = format!("{before}{secret}{after}");
            let clean = without(&text, &known.forms);
            proptest::prop_assert_eq!(clean, format!("{before}{REDACTED}{after}"));
            let text = format!("{any}{secret}{any}");
            let clean = without(&text, &known.forms);
            proptest::prop_assert!(!clean.contains(&secret), "{}", clean);
        }
    }

    #[test]
    fn what_looks_like_a_secret_never_leaves() {
        let redactor = Redactor::new();
        let clean = redactor.redact(
            "Cookie: _oauth2_proxy=abc|123; x=1\nAuthorization: Bearer sk-1234567890\n\
             {\"token\":\"eyJhbGciOiJIUzI1NiJ9.eyJqdGkiOiIxIn0.c2ln\"} /cb?code=xyz&state=ok password=hunter22",
        );
        for secret in [
            "abc|123",
            "sk-1234567890",
            "eyJqdGkiOiIxIn0",
            "c2ln",
            "xyz",
            "hunter22",
        ] {
            assert!(!clean.contains(secret), "{secret} in {clean}");
        }
        assert!(
            clean.contains("state=ok") && clean.contains("x=1"),
            "{clean}"
        );
    }

    #[test]
    fn every_shape_is_a_valid_pattern() {
        assert_eq!(SHAPES.len(), 5);
    }

    #[test]
    fn long_bodies_keep_both_ends() {
        let redactor = Redactor::new();
        let body = format!("first{}last", "あ".repeat(BODY_LIMIT));
        let evidence = redactor.evidence(EvidenceKind::Log, "t", &body);
        assert!(evidence.body.len() <= BODY_LIMIT + 64);
        assert!(evidence.body.starts_with("first") && evidence.body.ends_with("last"));
    }

    #[test]
    fn six_bytes_are_a_secret_and_five_are_a_word() {
        let redactor = Redactor::new();
        redactor.learn("hello");
        redactor.learn("secret");
        assert_eq!(redactor.redact("hello secret"), "hello [redacted]");
        assert_eq!(redactor.secrets().len(), 1);
    }

    #[test]
    fn a_secret_that_is_told_again_is_known_once() {
        let redactor = Redactor::new();
        for secret in ["first-secret", "other-secret", "first-secret"] {
            redactor.learn(secret);
        }
        let known: Vec<String> = (redactor.secrets().iter())
            .map(|secret| secret.expose_secret().to_owned())
            .collect();
        assert_eq!(known, ["first-secret", "other-secret"]);
    }

    #[test]
    fn a_body_of_16_kib_is_kept_whole_and_a_longer_one_within_it() {
        let kept = |length: usize| {
            let body = "a".repeat(length);
            Redactor::new().evidence(EvidenceKind::Log, "t", &body).body
        };
        assert_eq!(kept(16 * 1024), "a".repeat(16 * 1024));
        let cut = kept(16 * 1024 + 1);
        assert!(cut.contains("left out") && cut.len() <= 16 * 1024);
    }

    #[test]
    fn what_is_left_out_is_counted_and_no_character_is_cut() {
        // One after the other, both cuts fall on each of the three bytes of a character.
        for shift in 0..9 {
            let body = "x".repeat(shift) + &"あ".repeat(BODY_LIMIT / 2) + &"y".repeat(shift / 3);
            let kept = bounded(body.clone(), BODY_LIMIT);
            let (head, rest) = kept.split_once("\n[… ").unwrap();
            let (count, tail) = rest.split_once(" bytes left out …]\n").unwrap();
            assert!(body.starts_with(head) && body.ends_with(tail), "{shift}");
            let left_out: usize = count.parse().unwrap();
            assert_eq!(head.len() + left_out + tail.len(), body.len(), "{shift}");
            let half = BODY_LIMIT / 2;
            assert!(
                (half - 3..=half).contains(&head.len()),
                "{shift}: {}",
                head.len()
            );
            assert!(
                (half - 64..half - 61).contains(&tail.len()),
                "{shift}: {}",
                tail.len()
            );
        }
    }
}
