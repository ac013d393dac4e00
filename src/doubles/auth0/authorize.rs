//! `/authorize` and `/authorize/resume`: from a client's request to its code.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use url::Url;

use super::pages;
use super::params::{Params, SessionCookie};
use super::store::{AuthRequest, Challenge, Session};
use super::tenant::Tenant;
use crate::doubles::observe::noted;

/// An error that the client is told about by a redirect (RFC 6749, section 4.1.2.1).
type Refusal = (&'static str, String);

fn refusal<T>(error: &'static str, description: impl Into<String>) -> Result<T, Refusal> {
    Err((error, description.into()))
}

/// `GET /authorize`
pub(super) async fn start(
    State(tenant): State<Arc<Tenant>>,
    SessionCookie(cookie): SessionCookie,
    params: Params,
) -> Response {
    // Nobody is redirected to an address that the application did not register.
    let client_id = params.get("client_id").unwrap_or_default();
    if client_id != tenant.config.client_id {
        let why = format!("Unknown client: {client_id}");
        return stranger(StatusCode::BAD_REQUEST, "invalid_request", &why);
    }
    let redirect_uri = params.owned("redirect_uri").unwrap_or_default();
    if !tenant.config.callback_prefixes.contains(&redirect_uri) {
        let why = format!(
            "Callback URL mismatch. The provided redirect_uri {redirect_uri} is not in the list of \
             allowed callback URLs."
        );
        return stranger(StatusCode::FORBIDDEN, "unauthorized_client", &why);
    }
    let prompts: Vec<&str> = params
        .get("prompt")
        .unwrap_or_default()
        .split(' ')
        .collect();
    let session = cookie.and_then(|cookie| tenant.store.session(&cookie));
    let session = session.filter(|_| !prompts.contains(&"login"));
    let asked = match (read_request(&params, &redirect_uri), session) {
        (Ok(request), Some(session)) => return grant(&tenant, request, session),
        (Ok(_), None) if prompts.contains(&"none") => refusal("login_required", "Login required"),
        (asked, _) => asked,
    };
    match asked {
        Ok(request) => {
            let state = tenant.store.begin_login(request);
            redirect(&format!("/u/login?state={state}"))
        }
        Err((error, description)) => {
            let answer = [("error", error), ("error_description", &description)];
            let back = back(&redirect_uri, &answer, params.get("state"));
            noted(back, format!("refused: {error}"))
        }
    }
}

/// `GET /authorize/resume`: the login pages are done.
pub(super) async fn resume(
    State(tenant): State<Arc<Tenant>>,
    SessionCookie(cookie): SessionCookie,
    params: Params,
) -> Response {
    let state = params.get("state").unwrap_or_default();
    let cookie = cookie.unwrap_or_default();
    match tenant.store.finish_login(state, &cookie) {
        Some((request, session)) => grant(&tenant, request, session),
        None => pages::error(
            StatusCode::BAD_REQUEST,
            "invalid_request",
            "This login is not under way in this browser.",
        ),
    }
}

/// The browser is shown a page instead of being sent anywhere.
fn stranger(status: StatusCode, error: &str, why: &str) -> Response {
    noted(pages::error(status, error, why), format!("refused: {why}"))
}

fn read_request(params: &Params, redirect_uri: &str) -> Result<AuthRequest, Refusal> {
    match params.get("response_type") {
        Some("code") => {}
        Some(other) => {
            return refusal(
                "unsupported_response_type",
                format!("Response type not supported here: {other}"),
            );
        }
        None => {
            return refusal(
                "invalid_request",
                "Missing required parameter: response_type",
            );
        }
    }
    if !matches!(params.get("response_mode"), None | Some("query")) {
        return refusal("invalid_request", "Response mode not supported here");
    }
    let scope = params.owned("scope").unwrap_or_default();
    if !scope.split(' ').any(|word| word == "openid") {
        return refusal("invalid_scope", "The scope must contain openid");
    }
    let challenge = match (
        params.owned("code_challenge"),
        params.get("code_challenge_method"),
    ) {
        (None, _) => None,
        (Some(challenge), Some("S256")) => Some(Challenge::S256(challenge)),
        (Some(challenge), Some("plain") | None) => Some(Challenge::Plain(challenge)),
        (Some(_), Some(other)) => {
            let why = format!("Unknown code_challenge_method: {other}");
            return refusal("invalid_request", why);
        }
    };
    Ok(AuthRequest {
        redirect_uri: redirect_uri.to_owned(),
        state: params.owned("state"),
        scope,
        nonce: params.owned("nonce"),
        challenge,
        login_hint: params.owned("login_hint"),
    })
}

/// Sends the browser back to the client with a code.
fn grant(tenant: &Tenant, request: AuthRequest, session: Session) -> Response {
    let note = format!("code issued for {}", session.email);
    let (redirect_uri, state) = (request.redirect_uri.clone(), request.state.clone());
    let code = tenant.store.issue_code(request, session);
    noted(
        back(&redirect_uri, &[("code", &code)], state.as_deref()),
        note,
    )
}

fn back(redirect_uri: &str, answer: &[(&str, &str)], state: Option<&str>) -> Response {
    match Url::parse(redirect_uri) {
        Ok(mut target) => {
            let state = state.map(|state| ("state", state));
            target
                .query_pairs_mut()
                .extend_pairs(answer)
                .extend_pairs(state);
            redirect(target.as_str())
        }
        // The allowed ones were parsed when the tenant was made.
        Err(error) => {
            let why = error.to_string();
            pages::error(StatusCode::BAD_REQUEST, "invalid_request", &why)
        }
    }
}

/// A 302, as the real service sends: axum's own `Redirect` has only 303, 307 and 308.
pub(super) fn redirect(location: &str) -> Response {
    let headers = [
        (header::LOCATION, location),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (StatusCode::FOUND, headers).into_response()
}
