//! `/authorize` and `/authorize/resume`: from a client's request to its code.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use url::Url;

use super::Tenant;
use super::pages;
use super::params::{Params, session_cookie};
use super::store::{AuthRequest, Challenge, Session};
use crate::doubles::observe::noted;

/// An error that the client is told about by a redirect (RFC 6749, section 4.1.2.1).
#[derive(Debug)]
struct Refusal {
    error: &'static str,
    description: String,
}

fn refusal(error: &'static str, description: impl Into<String>) -> Refusal {
    Refusal {
        error,
        description: description.into(),
    }
}

/// `GET /authorize`
pub(super) async fn start(
    State(tenant): State<Arc<Tenant>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let params = Params::form(&query.unwrap_or_default());
    // Nobody is redirected to an address that the application did not register.
    let redirect_uri = match known_client(&tenant, &params) {
        Ok(redirect_uri) => redirect_uri,
        Err(stranger) => return stranger.into_response(),
    };
    let state = params.owned("state");
    let request = match read_request(&params, &redirect_uri) {
        Ok(request) => request,
        Err(refusal) => return refuse(&redirect_uri, state.as_deref(), &refusal),
    };
    let prompts: Vec<&str> = params
        .get("prompt")
        .unwrap_or_default()
        .split(' ')
        .collect();
    let session = session_cookie(&headers).and_then(|cookie| tenant.store.session(cookie));
    match session.filter(|_| !prompts.contains(&"login")) {
        Some(session) => grant(&tenant, request, session),
        None if prompts.contains(&"none") => refuse(
            &redirect_uri,
            state.as_deref(),
            &refusal("login_required", "Login required"),
        ),
        None => redirect(&format!(
            "/u/login?state={}",
            tenant.store.begin_login(request)
        )),
    }
}

/// `GET /authorize/resume`: the login pages are done.
pub(super) async fn resume(
    State(tenant): State<Arc<Tenant>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let params = Params::form(&query.unwrap_or_default());
    let state = params.get("state").unwrap_or_default();
    let cookie = session_cookie(&headers).unwrap_or_default();
    match tenant.store.finish_login(state, cookie) {
        Some((request, session)) => grant(&tenant, request, session),
        None => pages::error(
            StatusCode::BAD_REQUEST,
            "invalid_request",
            "This login is not under way in this browser.",
        ),
    }
}

/// Why the browser is shown a page instead of being sent anywhere.
#[derive(Debug, thiserror::Error)]
enum Stranger {
    #[error("Unknown client: {0}")]
    Client(String),
    #[error(
        "Callback URL mismatch. The provided redirect_uri {0} is not in the list of allowed \
         callback URLs."
    )]
    RedirectUri(String),
}

impl IntoResponse for Stranger {
    fn into_response(self) -> Response {
        let (status, error) = match self {
            Self::Client(_) => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::RedirectUri(_) => (StatusCode::FORBIDDEN, "unauthorized_client"),
        };
        noted(
            pages::error(status, error, &self.to_string()),
            format!("refused: {self}"),
        )
    }
}

fn known_client(tenant: &Tenant, params: &Params) -> Result<String, Stranger> {
    let client_id = params.owned("client_id").unwrap_or_default();
    if client_id != tenant.config.client_id {
        return Err(Stranger::Client(client_id));
    }
    let redirect_uri = params.owned("redirect_uri").unwrap_or_default();
    if tenant.config.callback_prefixes.contains(&redirect_uri) {
        Ok(redirect_uri)
    } else {
        Err(Stranger::RedirectUri(redirect_uri))
    }
}

fn read_request(params: &Params, redirect_uri: &str) -> Result<AuthRequest, Refusal> {
    match params.get("response_type") {
        Some("code") => {}
        Some(other) => {
            let description = format!("Response type not supported here: {other}");
            return Err(refusal("unsupported_response_type", description));
        }
        None => {
            return Err(refusal(
                "invalid_request",
                "Missing required parameter: response_type",
            ));
        }
    }
    if params
        .get("response_mode")
        .is_some_and(|mode| mode != "query")
    {
        return Err(refusal(
            "invalid_request",
            "Response mode not supported here",
        ));
    }
    let scope = params.owned("scope").unwrap_or_default();
    if !scope.split(' ').any(|word| word == "openid") {
        return Err(refusal("invalid_scope", "The scope must contain openid"));
    }
    Ok(AuthRequest {
        redirect_uri: redirect_uri.to_owned(),
        state: params.owned("state"),
        scope,
        nonce: params.owned("nonce"),
        challenge: read_challenge(params)?,
        login_hint: params.owned("login_hint"),
    })
}

fn read_challenge(params: &Params) -> Result<Option<Challenge>, Refusal> {
    let Some(challenge) = params.owned("code_challenge") else {
        return Ok(None);
    };
    match params.get("code_challenge_method") {
        Some("S256") => Ok(Some(Challenge::S256(challenge))),
        Some("plain") | None => Ok(Some(Challenge::Plain(challenge))),
        Some(other) => {
            let description = format!("Unknown code_challenge_method: {other}");
            Err(refusal("invalid_request", description))
        }
    }
}

/// Sends the browser back to the client with a code.
fn grant(tenant: &Tenant, request: AuthRequest, session: Session) -> Response {
    let note = format!("code issued for {}", session.email);
    let (redirect_uri, state) = (request.redirect_uri.clone(), request.state.clone());
    let code = tenant.store.issue_code(request, session);
    let mut answer = vec![("code", code.as_str())];
    answer.extend(state.as_deref().map(|state| ("state", state)));
    noted(back(&redirect_uri, &answer), note)
}

fn refuse(redirect_uri: &str, state: Option<&str>, refusal: &Refusal) -> Response {
    let mut answer = vec![
        ("error", refusal.error),
        ("error_description", refusal.description.as_str()),
    ];
    answer.extend(state.map(|state| ("state", state)));
    noted(
        back(redirect_uri, &answer),
        format!("refused: {}", refusal.error),
    )
}

fn back(redirect_uri: &str, answer: &[(&str, &str)]) -> Response {
    match Url::parse(redirect_uri) {
        Ok(mut target) => {
            target.query_pairs_mut().extend_pairs(answer);
            redirect(target.as_str())
        }
        // The allowed ones were parsed when the tenant was made.
        Err(error) => pages::error(
            StatusCode::BAD_REQUEST,
            "invalid_request",
            &error.to_string(),
        ),
    }
}

/// A 302, as the real service sends: axum's own `Redirect` has only 303, 307 and 308.
pub(super) fn redirect(location: &str) -> Response {
    (
        StatusCode::FOUND,
        [
            (header::LOCATION, location),
            (header::CACHE_CONTROL, "no-store"),
        ],
    )
        .into_response()
}
