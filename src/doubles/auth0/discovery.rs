//! What a client learns about the tenant before anyone logs in.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::tenant::Tenant;

/// `GET /.well-known/openid-configuration`
pub(super) async fn document(State(tenant): State<Arc<Tenant>>) -> Json<Value> {
    Json(json!({
        "issuer": tenant.config.issuer.as_str(),
        "authorization_endpoint": tenant.endpoint("authorize"),
        "token_endpoint": tenant.endpoint("oauth/token"),
        "device_authorization_endpoint": tenant.endpoint("oauth/device/code"),
        "userinfo_endpoint": tenant.endpoint("userinfo"),
        "mfa_challenge_endpoint": tenant.endpoint("mfa/challenge"),
        "jwks_uri": tenant.endpoint(".well-known/jwks.json"),
        "registration_endpoint": tenant.endpoint("oidc/register"),
        "revocation_endpoint": tenant.endpoint("oauth/revoke"),
        "end_session_endpoint": tenant.endpoint("oidc/logout"),
        "scopes_supported": [
            "openid", "profile", "offline_access", "name", "given_name", "family_name", "nickname",
            "email", "email_verified", "picture", "created_at", "identities", "phone", "address",
        ],
        "response_types_supported": [
            "code", "token", "id_token", "code token", "code id_token", "token id_token",
            "code token id_token",
        ],
        "code_challenge_methods_supported": ["S256", "plain"],
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["public"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "claims_supported": [
            "aud", "auth_time", "created_at", "email", "email_verified", "exp", "family_name",
            "given_name", "iat", "identities", "iss", "name", "nickname", "phone_number", "picture",
            "sub",
        ],
        "request_uri_parameter_supported": false,
        "request_parameter_supported": false,
        "id_token_signing_alg_values_supported": ["RS256"],
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
    }))
}

/// `GET /.well-known/jwks.json`; waits for the key.
pub(super) async fn jwks(State(tenant): State<Arc<Tenant>>) -> Response {
    match tenant.signer.key().await {
        Ok(key) => Json(key.jwks()).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
