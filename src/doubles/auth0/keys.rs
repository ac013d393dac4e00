//! The key that id tokens are signed with: a new one for every start, made in the background.

use aws_lc_rs::{
    encoding::AsDer as _,
    rsa::{KeyPair, KeySize, PublicKeyComponents},
    signature::KeyPair as _,
};
use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::Auth0;

/// The key's id in tokens and in the key set.
const KEY_ID: &str = "verify-auth0";

#[derive(Clone)]
struct Made {
    sign: EncodingKey,
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
    let der = pair.as_der().ok()?;
    let public = PublicKeyComponents::<Vec<u8>>::from(pair.public_key());
    let (modulus, exponent) = (
        URL_SAFE_NO_PAD.encode(&public.n),
        URL_SAFE_NO_PAD.encode(&public.e),
    );
    Some(Made {
        sign: EncodingKey::from_rsa_der(der.as_ref()),
        check: DecodingKey::from_rsa_components(&modulus, &exponent).ok()?,
        modulus,
        exponent,
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

    /// A JWT with these claims.
    pub async fn sign(&self, claims: &Value) -> Result<String, NoKey> {
        let made = self.get().await?;
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(KEY_ID.to_owned());
        jsonwebtoken::encode(&header, claims, &made.sign).map_err(|_| NoKey)
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
