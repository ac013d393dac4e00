//! Secrets are taken out here, where evidence is made, and nowhere else.

use std::{borrow::Cow, sync::LazyLock};

use regex::{Captures, Regex};
use secrecy::{ExposeSecret, SecretString};

use super::{BODY_LIMIT, Evidence, EvidenceKind};

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

/// Takes secrets out of everything that leaves the run: those that it was told, and
/// whatever has a secret's shape.
#[derive(Debug, Default)]
pub struct Redactor {
    secrets: std::sync::RwLock<Vec<SecretString>>,
}

impl Redactor {
    /// A redactor that knows no secret yet, only their shapes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells the redactor a secret. Shorter than 6 bytes is not accepted as one: it
    /// would blacken ordinary text.
    pub fn learn(&self, secret: &str) {
        if secret.len() < 6 {
            return;
        }
        let mut secrets = self
            .secrets
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if !secrets.iter().any(|known| known.expose_secret() == secret) {
            secrets.push(SecretString::from(secret.to_owned()));
            // The longest first, so that a secret within a secret leaves no rest.
            secrets.sort_by_key(|secret| std::cmp::Reverse(secret.expose_secret().len()));
        }
    }

    /// Every secret that it was told.
    #[must_use]
    pub fn secrets(&self) -> Vec<SecretString> {
        self.secrets
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    /// `text` without any secret.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        let mut clean = Cow::Borrowed(text);
        let secrets = self
            .secrets
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        for secret in secrets.iter() {
            if clean.contains(secret.expose_secret()) {
                clean = Cow::Owned(clean.replace(secret.expose_secret(), "[redacted]"));
            }
        }
        for (shape, with) in SHAPES.iter() {
            if shape.is_match(&clean) {
                clean = Cow::Owned(
                    shape
                        .replace_all(&clean, |found: &Captures<'_>| {
                            let mut text = String::new();
                            found.expand(with, &mut text);
                            text
                        })
                        .into_owned(),
                );
            }
        }
        clean.into_owned()
    }

    /// A piece of evidence, redacted and bounded.
    #[must_use]
    pub fn evidence(&self, kind: EvidenceKind, title: &str, body: &str) -> Evidence {
        Evidence {
            kind,
            title: self.redact(title),
            body: bounded(self.redact(body)),
            image: None,
            trail: None,
            figures: None,
        }
    }
}

/// Cuts the middle out of a text that is too long: both ends tell more than one.
fn bounded(text: String) -> String {
    if text.len() <= BODY_LIMIT {
        return text;
    }
    let head = floor_boundary(&text, BODY_LIMIT / 2);
    let tail = floor_boundary(&text, text.len() - BODY_LIMIT / 2 + 64);
    format!(
        "{}\n[… {} bytes left out …]\n{}",
        &text[..head],
        tail - head,
        &text[tail..]
    )
}

fn floor_boundary(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
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
            let kept = bounded(body.clone());
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
