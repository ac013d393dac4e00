//! `/userinfo`: who an access token stands for.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::params::credentials;
use super::store::Grant;
use super::tenant::Tenant;
use crate::doubles::observe::noted;

/// `GET` and `POST /userinfo`
pub(super) async fn show(State(tenant): State<Arc<Tenant>>, headers: HeaderMap) -> Response {
    let token = credentials(&headers, "bearer");
    let Some(grant) = token.and_then(|token| tenant.store.access(token)) else {
        let challenge = r#"Bearer realm="Users", error="invalid_token""#;
        let headers = [(header::WWW_AUTHENTICATE, challenge)];
        return (StatusCode::UNAUTHORIZED, headers, "Unauthorized").into_response();
    };
    let note = format!("user information of {}", grant.session.email);
    noted(Json(claims(&tenant, &grant)), note)
}

/// What a grant says about its user, as far as its scope goes; the same in id tokens.
pub(super) fn claims(tenant: &Tenant, grant: &Grant) -> Value {
    let Some(user) = tenant.user(&grant.session.email) else {
        return json!({});
    };
    let mut claims = json!({ "sub": user.subject() });
    if grant.has_scope("profile") {
        claims["name"] = user.name.as_str().into();
        claims["nickname"] = user.nickname().into();
        claims["picture"] = user.picture().into();
        claims["updated_at"] = format!("{:.3}", grant.session.since).into();
    }
    if grant.has_scope("email") {
        claims["email"] = user.email.as_str().into();
        claims["email_verified"] = true.into();
    }
    claims
}
