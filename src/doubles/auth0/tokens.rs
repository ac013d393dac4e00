//! The tenant's signing key, the id tokens that it signs, and opaque tokens.

use std::sync::Arc;
use std::time::Instant;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use rustix::{process::setpriority_process, thread::gettid};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::doubles::DoubleError;

/// How long an id token is good for, in seconds: Auth0's default of ten hours.
const ID_TOKEN_SECONDS: i64 = 36_000;

#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum TokenError {
    #[error("no RSA key could be made")]
    Key,
    #[error("the thread that makes the RSA key ended without one")]
    KeyThread,
    #[error("the token could not be signed")]
    Sign,
    #[error("the token is not one of this tenant's: {0}")]
    Invalid(#[from] jsonwebtoken::errors::Error),
}

/// Signs with a key that may still be in the making.
#[derive(Debug)]
pub(super) struct Signer(watch::Receiver<Option<Result<Arc<Key>, TokenError>>>);

impl Signer {
    /// Starts to make a fresh RSA 2048 key on a thread of its own.
    ///
    /// Not on the runtime's blocking pool: making a key cannot be interrupted, and a runtime waits
    /// for its blocking tasks when it shuts down.
    pub(super) fn start() -> Result<Self, DoubleError> {
        let (ready, key) = watch::channel(None);
        std::thread::Builder::new()
            .name("auth0-key".to_owned())
            .spawn(move || {
                // The services that start meanwhile go first: no token is asked for before they answer.
                let _ = setpriority_process(Some(gettid()), 10);
                let started = Instant::now();
                let made = Key::generate().map(Arc::new);
                tracing::debug!(elapsed = ?started.elapsed(), "mock Auth0: signing key made");
                ready.send_replace(Some(made));
            })
            .map_err(DoubleError::KeyThread)?;
        Ok(Self(key))
    }

    /// The key, as soon as it is there.
    pub(super) async fn key(&self) -> Result<Arc<Key>, TokenError> {
        let mut made = self.0.clone();
        let made = made
            .wait_for(Option::is_some)
            .await
            .map_err(|_| TokenError::KeyThread)?;
        made.clone().unwrap_or(Err(TokenError::KeyThread))
    }
}

#[derive(Debug)]
pub(super) struct Key {
    pair: KeyPair,
    kid: String,
}

impl Key {
    fn generate() -> Result<Self, TokenError> {
        let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| TokenError::Key)?;
        let public = pair.public_key().as_der().map_err(|_| TokenError::Key)?;
        let kid = URL_SAFE_NO_PAD.encode(&digest(&SHA256, public.as_ref()).as_ref()[..16]);
        Ok(Self { pair, kid })
    }

    /// The key set that `/.well-known/jwks.json` answers with.
    pub(super) fn jwks(&self) -> Value {
        let (modulus, exponent) = self.public();
        json!({ "keys": [{
            "kty": "RSA",
            "use": "sig",
            "alg": "RS256",
            "kid": self.kid,
            "n": URL_SAFE_NO_PAD.encode(modulus),
            "e": URL_SAFE_NO_PAD.encode(exponent),
        }]})
    }

    fn public(&self) -> (&[u8], &[u8]) {
        let public = self.pair.public_key();
        let modulus = public.modulus().big_endian_without_leading_zero();
        (modulus, public.exponent().big_endian_without_leading_zero())
    }

    /// The claims as a JWT, RS256.
    ///
    /// Signed with the key as it is rather than through jsonwebtoken, which would want it as
    /// PKCS#1 and parse it again for every token.
    pub(super) fn sign(&self, claims: &Value) -> Result<String, TokenError> {
        let header = json!({ "alg": "RS256", "typ": "JWT", "kid": self.kid });
        let mut token = URL_SAFE_NO_PAD.encode(header.to_string());
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(claims.to_string()));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                token.as_bytes(),
                &mut signature,
            )
            .map_err(|_| TokenError::Sign)?;
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(signature));
        Ok(token)
    }

    /// What an id token that comes back as a hint says.
    ///
    /// Its age does not matter: logging out late must work (OpenID Connect RP-Initiated Logout 1.0,
    /// section 2).
    pub(super) fn hint(
        &self,
        token: &str,
        issuer: &str,
        client_id: &str,
    ) -> Result<Hint, TokenError> {
        let (modulus, exponent) = self.public();
        let key = DecodingKey::from_rsa_raw_components(modulus, exponent);
        let mut rules = Validation::new(Algorithm::RS256);
        rules.validate_exp = false;
        rules.set_required_spec_claims(&["iss", "aud"]);
        rules.set_issuer(&[issuer]);
        rules.set_audience(&[client_id]);
        Ok(jsonwebtoken::decode::<Hint>(token, &key, &rules)?.claims)
    }
}

/// What a logout needs of an id token.
#[derive(Deserialize, Debug)]
pub(super) struct Hint {
    /// The session that the token was made in.
    pub(super) sid: String,
}

/// The times of an id token made now: `iat` and `exp`, in Unix seconds.
pub(super) fn lifetime() -> (i64, i64) {
    let now = jiff::Timestamp::now().as_second();
    (now, now + ID_TOKEN_SECONDS)
}

/// An opaque random string that fits into a URL: 256 bits.
pub(super) fn opaque() -> String {
    let mut bytes = [0_u8; 32];
    // A system without randomness is no reason to panic here: the key could not have been made
    // either. The time keeps two strings apart, which is all that a test needs.
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        tracing::error!("mock Auth0: the system gives no randomness");
        let now = jiff::Timestamp::now().as_nanosecond().to_be_bytes();
        bytes[..now.len()].copy_from_slice(&now);
    }
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hint_is_believed_only_when_ours() {
        let key = Signer::start().unwrap().key().await.unwrap();
        let other = Signer::start().unwrap().key().await.unwrap();
        let claims = json!({ "iss": "http://a/", "aud": "c", "sid": "s", "exp": 1 });
        let token = key.sign(&claims).unwrap();
        assert_eq!(key.hint(&token, "http://a/", "c").unwrap().sid, "s");
        assert!(key.hint(&token, "http://b/", "c").is_err());
        assert!(key.hint(&token, "http://a/", "d").is_err());
        assert!(other.hint(&token, "http://a/", "c").is_err());
        assert!(key.hint("x.y.z", "http://a/", "c").is_err());
    }

    #[test]
    fn opaque_strings_differ() {
        assert_ne!(opaque(), opaque());
        assert_eq!(opaque().len(), 43);
    }
}
