//! /authorize and the login form behind it.

use std::time::Instant;

use axum::{
    Form,
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use url::Url;

use super::{
    Auth0, pages,
    state::{AuthorizeRequest, Code},
};
use crate::{doubles::control::Note, probe::nonce};

/// The name of the identity provider's own session cookie.
pub const COOKIE: &str = "auth0";

/// The value of the double's session cookie in a request.
pub fn session_cookie(headers: &HeaderMap) -> Option<String> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .find_map(|pair| {
            pair.trim()
                .strip_prefix(COOKIE)?
                .strip_prefix('=')
                .map(str::to_owned)
        })
}

pub fn redirect(to: &str) -> Response {
    (StatusCode::FOUND, [(header::LOCATION, to.to_owned())]).into_response()
}

/// A response with what the journal is to say of it.
pub fn noted(mut response: Response, note: String) -> Response {
    response.extensions_mut().insert(Note(note));
    response
}

/// `GET /authorize` (RFC 6749, section 4.1.1). An unknown client or address is told on a
/// page, never by a redirect.
pub async fn authorize(
    State(auth0): State<Auth0>,
    headers: HeaderMap,
    Query(request): Query<AuthorizeRequest>,
) -> Response {
    let config = &auth0.inner.config;
    if request.client_id != config.client_id {
        return pages::error(StatusCode::FORBIDDEN, "Unknown client");
    }
    if !config.callbacks.contains(&request.redirect_uri) {
        return pages::error(StatusCode::FORBIDDEN, "Callback URL mismatch");
    }
    if request.response_type != "code" {
        return refuse(
            &request,
            "unsupported_response_type",
            "only response_type=code is served",
        );
    }
    if !request.scope.split(' ').any(|scope| scope == "openid") {
        return refuse(&request, "invalid_scope", "openid is missing");
    }
    let force = request.prompt.as_deref() == Some("login");
    let known = session_cookie(&headers).and_then(|sid| {
        let email = auth0.inner.sessions.lock().sessions.get(&sid).cloned()?;
        Some((sid, email))
    });
    match known {
        Some((sid, email)) if !force => issue(&auth0, request, &email, &sid),
        _ if request.prompt.as_deref() == Some("none") => {
            refuse(&request, "login_required", "Login required")
        }
        _ => {
            let transaction = nonce() + &nonce();
            auth0
                .inner
                .sessions
                .lock()
                .transactions
                .insert(transaction.clone(), request);
            redirect(&format!("/u/login?state={transaction}"))
        }
    }
}

/// Sends the browser back with an error (RFC 6749, section 4.1.2.1).
fn refuse(request: &AuthorizeRequest, error: &str, why: &str) -> Response {
    back(request, &[("error", error), ("error_description", why)])
}

fn back(request: &AuthorizeRequest, fields: &[(&str, &str)]) -> Response {
    let Ok(mut url) = request.redirect_uri.parse::<Url>() else {
        return pages::error(StatusCode::BAD_REQUEST, "The callback is no address");
    };
    url.query_pairs_mut().extend_pairs(fields);
    if let Some(state) = &request.state {
        url.query_pairs_mut().append_pair("state", state);
    }
    redirect(url.as_str())
}

fn issue(auth0: &Auth0, request: AuthorizeRequest, email: &str, sid: &str) -> Response {
    let code = nonce() + &nonce();
    let response = back(&request, &[("code", &code)]);
    let kept = Code {
        request,
        email: email.to_owned(),
        sid: sid.to_owned(),
        issued: Instant::now(),
    };
    auth0.inner.sessions.lock().codes.insert(code, kept);
    noted(response, format!("code issued for {email}"))
}

/// The name of a login under way.
#[derive(Deserialize)]
pub struct Transaction {
    #[serde(default)]
    state: String,
}

/// `GET /u/login`
pub async fn form(
    State(auth0): State<Auth0>,
    Query(Transaction { state }): Query<Transaction>,
) -> Response {
    if !auth0
        .inner
        .sessions
        .lock()
        .transactions
        .contains_key(&state)
    {
        return pages::error(StatusCode::BAD_REQUEST, "This login has expired");
    }
    noted(
        pages::login(StatusCode::OK, &state, "", None),
        "login form shown".to_owned(),
    )
}

/// What the form sends.
#[derive(Deserialize)]
pub struct Credentials {
    #[serde(default)]
    state: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
}

/// `POST /u/login`
pub async fn log_in(State(auth0): State<Auth0>, Form(given): Form<Credentials>) -> Response {
    if !auth0
        .inner
        .sessions
        .lock()
        .transactions
        .contains_key(&given.state)
    {
        return pages::error(StatusCode::BAD_REQUEST, "This login has expired");
    }
    let user = auth0
        .user(given.username.trim())
        .filter(|user| user.password.expose_secret() == given.password);
    let Some(user) = user else {
        let page = pages::login(
            StatusCode::BAD_REQUEST,
            &given.state,
            &given.username,
            Some("Wrong email or password"),
        );
        return noted(page, format!("wrong password for {}", given.username));
    };
    let sid = nonce() + &nonce();
    auth0
        .inner
        .sessions
        .lock()
        .sessions
        .insert(sid.clone(), user.email.clone());
    let cookie = format!("{COOKIE}={sid}; Path=/; HttpOnly; SameSite=Lax");
    let to = format!("/authorize/resume?state={}", given.state);
    let response = (
        StatusCode::FOUND,
        [(header::LOCATION, to), (header::SET_COOKIE, cookie)],
    )
        .into_response();
    noted(response, format!("logged in {}", user.email))
}

/// `GET /authorize/resume`: the login is done, the first request goes on.
pub async fn resume(
    State(auth0): State<Auth0>,
    headers: HeaderMap,
    Query(Transaction { state }): Query<Transaction>,
) -> Response {
    let found = {
        let mut tables = auth0.inner.sessions.lock();
        let known = session_cookie(&headers)
            .and_then(|sid| Some((tables.sessions.get(&sid).cloned()?, sid)));
        known.and_then(|known| Some((known, tables.transactions.remove(&state)?)))
    };
    match found {
        Some(((email, sid), request)) => issue(&auth0, request, &email, &sid),
        None => pages::error(StatusCode::BAD_REQUEST, "This login has expired"),
    }
}
