//! The two ways out: `/v2/logout`, Auth0's own, and `/oidc/logout`, OpenID Connect's.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use url::Url;

use super::Tenant;
use super::authorize::redirect;
use super::login::without_session;
use super::pages;
use super::params::{Params, session_cookie};
use super::store::Session;
use crate::doubles::observe::noted;

/// `GET /v2/logout?client_id&returnTo`: ends the session of this browser.
pub(super) async fn v2(
    State(tenant): State<Arc<Tenant>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let params = Params::form(&query.unwrap_or_default());
    let ended = session_cookie(&headers).and_then(|cookie| tenant.store.end_by_cookie(cookie));
    let target = params
        .get("returnTo")
        .filter(|target| allowed(&tenant, target));
    let answer = match target {
        Some(target) => redirect(target),
        None => (StatusCode::OK, "OK").into_response(),
    };
    done(answer, ended)
}

/// `GET` and `POST /oidc/logout`: ends the session that the id token or the hint names, with or
/// without its browser, and that of this browser.
///
/// oauth2-proxy calls it from behind, with the id token and without a cookie; so the hint alone
/// must do.
pub(super) async fn oidc(
    State(tenant): State<Arc<Tenant>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Response {
    let params = Params::form(&query.unwrap_or_default()).or(Params::body(&headers, &body));
    if let Some(client) = params
        .get("client_id")
        .filter(|id| *id != tenant.config.client_id)
    {
        return refused(&format!("Unknown client: {client}"));
    }
    let sid = match params.get("id_token_hint") {
        Some(token) => match read_hint(&tenant, token).await {
            Ok(sid) => Some(sid),
            Err(problem) => return refused(&problem),
        },
        None => params.owned("logout_hint"),
    };
    let target = params.get("post_logout_redirect_uri");
    if let Some(target) = target.filter(|target| !allowed(&tenant, target)) {
        return refused(&format!(
            "The post_logout_redirect_uri {target} is not allowed"
        ));
    }
    let named = sid.and_then(|sid| tenant.store.end_by_sid(&sid));
    let own = session_cookie(&headers).and_then(|cookie| tenant.store.end_by_cookie(cookie));
    let answer = match target {
        Some(target) => redirect(&with_state(target, params.get("state"))),
        None => (StatusCode::OK, "OK").into_response(),
    };
    done(answer, named.or(own))
}

async fn read_hint(tenant: &Tenant, token: &str) -> Result<String, String> {
    let key = tenant
        .signer
        .key()
        .await
        .map_err(|error| error.to_string())?;
    key.hint(
        token,
        tenant.config.issuer.as_str(),
        &tenant.config.client_id,
    )
    .map(|hint| hint.sid)
    .map_err(|error| format!("Invalid id_token_hint: {error}"))
}

fn allowed(tenant: &Tenant, target: &str) -> bool {
    tenant
        .config
        .logout_urls
        .iter()
        .any(|allowed| allowed == target)
}

fn with_state(target: &str, state: Option<&str>) -> String {
    match (Url::parse(target), state) {
        (Ok(mut url), Some(state)) => {
            url.query_pairs_mut().append_pair("state", state);
            url.into()
        }
        _ => target.to_owned(),
    }
}

fn refused(problem: &str) -> Response {
    let page = pages::error(StatusCode::BAD_REQUEST, "invalid_request", problem);
    noted(page, format!("logout refused: {problem}"))
}

fn done(answer: Response, ended: Option<Session>) -> Response {
    let answer = without_session(answer);
    match ended {
        Some(session) => noted(answer, format!("session ended for {}", session.email)),
        None => noted(answer, "no session to end"),
    }
}
