//! `POST /oauth/token`: a code or a refresh token for tokens.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::params::{BodyParams, Params, credentials};
use super::store::{ACCESS_SECONDS, Challenge, Grant};
use super::tenant::Tenant;
use super::tokens::{TokenError, lifetime};
use super::userinfo::claims;
use crate::doubles::observe::noted;

/// The answers of the token endpoint must not be kept (RFC 6749, section 5.1).
const NO_STORE: [(header::HeaderName, &str); 2] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::PRAGMA, "no-cache"),
];

/// Why no token is given, in the real service's words.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("Unauthorized")]
    Client,
    #[error("Missing required parameter: {0}")]
    Missing(&'static str),
    #[error("Unsupported grant type: {0}")]
    GrantType(String),
    #[error("Invalid authorization code")]
    Code,
    #[error("The redirect URI is wrong. You sent {sent}, and we expected {expected}")]
    RedirectUri { sent: String, expected: String },
    #[error("Failed to verify code verifier")]
    Verifier,
    #[error("Unknown or invalid refresh token.")]
    RefreshToken,
    #[error(transparent)]
    Token(#[from] TokenError),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, error) = match self {
            Self::Client => (StatusCode::UNAUTHORIZED, "access_denied"),
            Self::Missing(_) => (StatusCode::FORBIDDEN, "invalid_request"),
            Self::GrantType(_) => (StatusCode::FORBIDDEN, "unsupported_grant_type"),
            Self::Code | Self::RedirectUri { .. } | Self::Verifier | Self::RefreshToken => {
                (StatusCode::FORBIDDEN, "invalid_grant")
            }
            Self::Token(_) => (StatusCode::INTERNAL_SERVER_ERROR, "server_error"),
        };
        let description = self.to_string();
        let body = json!({ "error": error, "error_description": description });
        noted(
            (status, NO_STORE, Json(body)),
            format!("no token: {error}: {description}"),
        )
    }
}

/// `POST /oauth/token`
pub(super) async fn exchange(
    State(tenant): State<Arc<Tenant>>,
    headers: HeaderMap,
    BodyParams(params): BodyParams,
) -> Result<Response, Refusal> {
    authenticate(&tenant, &headers, &params)?;
    match params.get("grant_type") {
        Some("authorization_code") => by_code(&tenant, &params).await,
        Some("refresh_token") => by_refresh_token(&tenant, &params).await,
        Some(other) => Err(Refusal::GrantType(other.to_owned())),
        None => Err(Refusal::Missing("grant_type")),
    }
}

/// Who asks: client_secret_basic where there is such a header, else client_secret_post.
fn authenticate(tenant: &Tenant, headers: &HeaderMap, params: &Params) -> Result<(), Refusal> {
    let given = match headers.contains_key(header::AUTHORIZATION) {
        true => basic(headers),
        false => params.owned("client_id").zip(params.owned("client_secret")),
    };
    let (id, secret) = given.ok_or(Refusal::Client)?;
    let is = |sent: &str, ours: &str| sent == ours || decoded(sent) == ours;
    let secret_holds = is(&secret, tenant.config.client_secret.expose_secret());
    if is(&id, &tenant.config.client_id) && secret_holds {
        Ok(())
    } else {
        Err(Refusal::Client)
    }
}

/// Basic credentials, as sent.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let bytes = STANDARD.decode(credentials(headers, "basic")?).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((id.to_owned(), secret.to_owned()))
}

/// Each half of Basic credentials is to be form-encoded before they are joined (RFC 6749, section
/// 2.3.1). Go's client does so, many do not; hence both are taken.
fn decoded(half: &str) -> String {
    url::form_urlencoded::parse(format!("={half}").as_bytes())
        .next()
        .map_or_else(String::new, |(_, value)| value.into_owned())
}

async fn by_code(tenant: &Tenant, params: &Params) -> Result<Response, Refusal> {
    let code = params.get("code").ok_or(Refusal::Missing("code"))?;
    let taken = tenant.store.take_code(code).ok_or(Refusal::Code)?;
    let sent = params.get("redirect_uri").unwrap_or_default();
    if sent != taken.redirect_uri {
        return Err(Refusal::RedirectUri {
            sent: sent.to_owned(),
            expected: taken.redirect_uri,
        });
    }
    if let Some(challenge) = &taken.challenge {
        verify(challenge, params.get("code_verifier").unwrap_or_default())?;
    }
    let grant = taken.grant;
    let note = format!("code exchanged for {}", grant.session.email);
    let mut answer = tokens(tenant, &grant).await?;
    if grant.has_scope("offline_access") {
        answer["refresh_token"] = tenant.store.issue_refresh(grant).into();
    }
    Ok(noted((NO_STORE, Json(answer)), note))
}

async fn by_refresh_token(tenant: &Tenant, params: &Params) -> Result<Response, Refusal> {
    let token = params
        .get("refresh_token")
        .ok_or(Refusal::Missing("refresh_token"))?;
    let mut grant = tenant.store.refresh(token).ok_or(Refusal::RefreshToken)?;
    // The nonce belongs to the login (OpenID Connect Core 1.0, section 12.2).
    grant.nonce = None;
    let answer = tokens(tenant, &grant).await?;
    let note = format!("token refreshed for {}", grant.session.email);
    Ok(noted((NO_STORE, Json(answer)), note))
}

fn verify(challenge: &Challenge, verifier: &str) -> Result<(), Refusal> {
    let holds = match challenge {
        Challenge::Plain(expected) => expected == verifier,
        Challenge::S256(expected) => {
            let hash = digest(&SHA256, verifier.as_bytes());
            *expected == URL_SAFE_NO_PAD.encode(hash.as_ref())
        }
    };
    if holds {
        Ok(())
    } else {
        Err(Refusal::Verifier)
    }
}

async fn tokens(tenant: &Tenant, grant: &Grant) -> Result<Value, Refusal> {
    let key = tenant.signer.key().await?;
    let mut id_claims = claims(tenant, grant);
    let (iat, exp) = lifetime();
    id_claims["iss"] = tenant.config.issuer.as_str().into();
    id_claims["aud"] = tenant.config.client_id.as_str().into();
    id_claims["iat"] = iat.into();
    id_claims["exp"] = exp.into();
    id_claims["sid"] = grant.session.sid.as_str().into();
    if let Some(nonce) = &grant.nonce {
        id_claims["nonce"] = nonce.as_str().into();
    }
    Ok(json!({
        "access_token": tenant.store.issue_access(grant.clone()),
        "id_token": key.sign(&id_claims)?,
        "scope": grant.scope,
        "expires_in": ACCESS_SECONDS,
        "token_type": "Bearer",
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verifiers_are_held_against_their_challenge() {
        // The pair of RFC 7636, appendix B.
        let s256 = Challenge::S256("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM".into());
        assert!(verify(&s256, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk").is_ok());
        assert!(verify(&s256, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM").is_err());
        assert!(verify(&Challenge::Plain("x".into()), "x").is_ok());
        assert!(verify(&Challenge::Plain("x".into()), "").is_err());
    }

    #[test]
    fn basic_credentials_may_be_form_encoded() {
        let with = |value: String| {
            let mut headers = HeaderMap::new();
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            basic(&headers)
        };
        let value = format!("Basic {}", STANDARD.encode("gateway:s%2Bcret%3A"));
        let (id, secret) = with(value).unwrap();
        assert_eq!(
            (id.as_str(), decoded(&secret).as_str()),
            ("gateway", "s+cret:")
        );
        assert_eq!(with("Bearer x".to_owned()), None);
    }
}
