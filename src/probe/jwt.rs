//! JWTs as the gateway issues them, read and checked without the gateway's help.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

/// A JWT taken apart. Nothing in it is believed yet.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// The algorithm that its header names.
    pub algorithm: String,
    /// Its claims.
    pub claims: Value,
}

/// A text that is no JWT.
#[derive(Clone, Debug, thiserror::Error)]
#[error("not a JWT: {0}")]
pub struct JwtError(String);

/// Takes a JWT apart without checking it.
///
/// # Errors
/// A text that is none.
pub fn decode(token: &str) -> Result<Decoded, JwtError> {
    let error = |error: jsonwebtoken::errors::Error| JwtError(error.to_string());
    let header = jsonwebtoken::decode_header(token).map_err(error)?;
    let data = jsonwebtoken::dangerous::insecure_decode::<Value>(token).map_err(error)?;
    Ok(Decoded {
        algorithm: format!("{:?}", header.alg),
        claims: data.claims,
    })
}

/// Whether it is signed with this secret by HS256.
#[must_use]
pub fn signed_with(token: &str, secret: &SecretString) -> bool {
    let key = DecodingKey::from_secret(secret.expose_secret().as_bytes());
    let mut validation = Validation::new(Algorithm::HS256);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    jsonwebtoken::decode::<Value>(token, &key, &validation).is_ok()
}

/// A JWT of one's own, HS256.
///
/// # Errors
/// Claims that cannot be written.
pub fn sign(claims: &Value, secret: &SecretString) -> Result<String, JwtError> {
    let key = EncodingKey::from_secret(secret.expose_secret().as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key)
        .map_err(|error| JwtError(error.to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_key_that_signed_verifies() {
        let key = SecretString::from("k".repeat(32));
        let token = sign(&json!({"jti": "1", "exp": 1}), &key).unwrap();
        assert!(signed_with(&token, &key));
        assert!(!signed_with(&token, &SecretString::from("x".repeat(32))));
        let decoded = decode(&token).unwrap();
        assert_eq!(
            (decoded.algorithm.as_str(), &decoded.claims["jti"]),
            ("HS256", &json!("1"))
        );
        assert!(decode("nonsense").is_err());
    }
}
