//! The key that id tokens are signed with: a new one for every start, made in the background.

use std::sync::Arc;

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeyPair, KeySize, PublicKeyComponents},
    signature::{KeyPair as _, RSA_PKCS1_SHA256},
};
use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::Auth0;

/// The key's id in tokens and in the key set.
const KEY_ID: &str = "verify-auth0";

#[derive(Clone)]
struct Made {
    pair: Arc<KeyPair>,
    check: DecodingKey,
    modulus: String,
    exponent: String,
}

/// A key that is there soon.
pub struct SigningKey(watch::Receiver<Option<Made>>);

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey")
    }
}

/// The key could not be made: the machine has no random numbers.
#[derive(Debug, thiserror::Error)]
#[error("no signing key could be made")]
pub struct NoKey;

impl NoKey {
    /// The answer to whoever needed it.
    pub fn response(&self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.to_string()).into_response()
    }
}

fn make() -> Option<Made> {
    let pair = KeyPair::generate(KeySize::Rsa2048).ok()?;
    let public = PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
    let (modulus, exponent) = (
        URL_SAFE_NO_PAD.encode(&public.n),
        URL_SAFE_NO_PAD.encode(&public.e),
    );
    Some(Made {
        check: DecodingKey::from_rsa_components(&modulus, &exponent).ok()?,
        modulus,
        exponent,
        pair: Arc::new(pair),
    })
}

impl SigningKey {
    /// Begins to make one.
    pub fn make() -> Self {
        let (send, receive) = watch::channel(None);
        tokio::task::spawn_blocking(move || {
            // Whoever waits is told by the closed channel when there is none.
            if let Some(made) = make() {
                let _ = send.send(Some(made));
            }
        });
        Self(receive)
    }

    async fn get(&self) -> Result<Made, NoKey> {
        let mut key = self.0.clone();
        let made = key.wait_for(Option::is_some).await.map_err(|_| NoKey)?;
        made.clone().ok_or(NoKey)
    }

    /// A JWT with these claims, RS256 (RFC 7515, section 3.1; RFC 7518, section 3.3).
    pub async fn sign(&self, claims: &Value) -> Result<String, NoKey> {
        let made = self.get().await?;
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": KEY_ID});
        let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encode(&header), encode(claims));
        let mut signature = vec![0; made.pair.public_modulus_len()];
        made.pair
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                signed.as_bytes(),
                &mut signature,
            )
            .map_err(|_| NoKey)?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// The claims of a JWT that this key signed, whether or not it is still valid.
    pub async fn read(&self, token: &str) -> Option<Value> {
        let made = self.get().await.ok()?;
        let mut validation = Validation::new(Algorithm::RS256);
        validation.validate_exp = false;
        validation.validate_aud = false;
        validation.required_spec_claims.clear();
        Some(
            jsonwebtoken::decode::<Value>(token, &made.check, &validation)
                .ok()?
                .claims,
        )
    }
}

/// The key set (RFC 7517).
pub async fn jwks(State(auth0): State<Auth0>) -> Response {
    match auth0.inner.key.get().await {
        Ok(key) => Json(json!({"keys": [{
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": KEY_ID, "n": key.modulus, "e": key.exponent,
        }]}))
        .into_response(),
        Err(error) => error.response(),
    }
}
