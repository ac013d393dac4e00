//! JWTs as the gateway issues them, read and checked without the gateway's help.

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

/// A JWT taken apart. Nothing in it is believed yet.
#[derive(Clone, Debug)]
pub struct Decoded {
    /// The algorithm that its header names.
    pub algorithm: String,
    pub claims: Value,
}

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
pub fn signed_with(token: &str, secret: &SecretString) -> bool {
    let key = DecodingKey::from_secret(secret.expose_secret().as_bytes());
    let mut validation = Validation::new(Algorithm::HS256);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    jsonwebtoken::decode::<Value>(token, &key, &validation).is_ok()
}

///
/// # Errors
/// Claims that cannot be written.
pub fn sign(claims: &Value, secret: &SecretString) -> Result<String, JwtError> {
    let key = EncodingKey::from_secret(secret.expose_secret().as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key)
        .map_err(|error| JwtError(error.to_string()))
}

#[derive(Clone, Copy, Debug)]
pub enum Mac<'a> {
    /// Not at all: an empty signature.
    None,
    Sha256(&'a [u8]),
    Sha512(&'a [u8]),
}

/// A token whose header, claims and signature need not fit together.
pub fn forge(header: &Value, claims: &Value, mac: Mac<'_>) -> String {
    let input = format!("{}.{}", encoded(header), encoded(claims));
    let sign = |algorithm, key: &[u8]| {
        let key = hmac::Key::new(algorithm, key);
        URL_SAFE_NO_PAD.encode(hmac::sign(&key, input.as_bytes()))
    };
    let signature = match mac {
        Mac::None => String::new(),
        Mac::Sha256(key) => sign(hmac::HMAC_SHA256, key),
        Mac::Sha512(key) => sign(hmac::HMAC_SHA512, key),
    };
    format!("{input}.{signature}")
}

pub fn encoded(part: &Value) -> String {
    URL_SAFE_NO_PAD.encode(part.to_string())
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
    #[test]
    fn a_token_forged_with_the_right_key_is_no_forgery() {
        let claims = json!({"jti": "1", "exp": 1});
        let key = SecretString::from("k".repeat(32));
        let bytes = key.expose_secret().as_bytes();
        let header = json!({"alg": "HS256", "typ": "JWT"});
        assert!(signed_with(
            &forge(&header, &claims, Mac::Sha256(bytes)),
            &key
        ));
        for mac in [Mac::None, Mac::Sha256(b"other"), Mac::Sha512(bytes)] {
            assert!(!signed_with(&forge(&header, &claims, mac), &key));
        }
    }
}
