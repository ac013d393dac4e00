//! The two ways out: `/v2/logout`, Auth0's own, and `/oidc/logout`, OpenID Connect's.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use url::Url;

use super::authorize::redirect;
use super::login::without_session;
use super::pages;
use super::params::{BodyParams, Params, SessionCookie};
use super::store::Session;
use super::tenant::Tenant;
use crate::doubles::observe::noted;

/// `GET /v2/logout?client_id&returnTo`: ends the session of this browser.
pub(super) async fn v2(
    State(tenant): State<Arc<Tenant>>,
    SessionCookie(cookie): SessionCookie,
    params: Params,
) -> Response {
    let ended = cookie.and_then(|cookie| tenant.store.end_by_cookie(&cookie));
    let target = params.owned("returnTo");
    done(target.filter(|target| allowed(&tenant, target)), ended)
}

/// `GET` and `POST /oidc/logout`: ends the session that the id token or the hint names, with or
/// without its browser, and that of this browser.
///
/// oauth2-proxy calls it from behind, with the id token and without a cookie; so the hint alone
/// must do.
pub(super) async fn oidc(
    State(tenant): State<Arc<Tenant>>,
    SessionCookie(cookie): SessionCookie,
    query: Params,
    BodyParams(posted): BodyParams,
) -> Response {
    oidc_of(&tenant, cookie, query.or(posted))
        .await
        .unwrap_or_else(|problem| {
            let page = pages::error(StatusCode::BAD_REQUEST, "invalid_request", &problem);
            noted(page, format!("logout refused: {problem}"))
        })
}

async fn oidc_of(
    tenant: &Tenant,
    cookie: Option<String>,
    params: Params,
) -> Result<Response, String> {
    let client = params.get("client_id");
    if let Some(client) = client.filter(|id| *id != tenant.config.client_id) {
        return Err(format!("Unknown client: {client}"));
    }
    let sid = match params.get("id_token_hint") {
        Some(token) => Some(read_hint(tenant, token).await?),
        None => params.owned("logout_hint"),
    };
    let target = params.get("post_logout_redirect_uri");
    if let Some(target) = target.filter(|target| !allowed(tenant, target)) {
        return Err(format!(
            "The post_logout_redirect_uri {target} is not allowed"
        ));
    }
    let named = sid.and_then(|sid| tenant.store.end_by_sid(&sid));
    let own = cookie.and_then(|cookie| tenant.store.end_by_cookie(&cookie));
    let target = target.map(|target| with_state(target, params.get("state")));
    Ok(done(target, named.or(own)))
}

async fn read_hint(tenant: &Tenant, token: &str) -> Result<String, String> {
    let key = tenant.signer.key().await;
    let key = key.map_err(|error| error.to_string())?;
    let config = &tenant.config;
    key.hint(token, config.issuer.as_str(), &config.client_id)
        .map(|hint| hint.sid)
        .map_err(|error| format!("Invalid id_token_hint: {error}"))
}

fn allowed(tenant: &Tenant, target: &str) -> bool {
    let mut allowed = tenant.config.logout_urls.iter();
    allowed.any(|allowed| allowed == target)
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

fn done(target: Option<String>, ended: Option<Session>) -> Response {
    let answer = match target {
        Some(target) => redirect(&target),
        None => (StatusCode::OK, "OK").into_response(),
    };
    let note = match ended {
        Some(session) => format!("session ended for {}", session.email),
        None => "no session to end".to_owned(),
    };
    noted(without_session(answer), note)
}
