//! `/u/login`: the form, and what is typed into it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret as _;

use super::authorize::redirect;
use super::pages::{self, LoginForm};
use super::params::{BodyParams, Params, SESSION_COOKIE, SessionCookie};
use super::tenant::Tenant;
use crate::doubles::observe::noted;

/// What is said to whoever typed a wrong user or a wrong password; the same for both, as ever.
const WRONG: &str = "Wrong email or password";

/// `GET /u/login`
pub(super) async fn form(State(tenant): State<Arc<Tenant>>, params: Params) -> Response {
    let state = params.get("state").unwrap_or_default();
    let Some(request) = tenant.store.login(state) else {
        return unknown_login();
    };
    let form = LoginForm {
        client: &tenant.config.client_id,
        state,
        username: request.login_hint.as_deref().unwrap_or_default(),
        error: None,
    };
    noted(form, "login form shown")
}

/// `POST /u/login`
pub(super) async fn submit(
    State(tenant): State<Arc<Tenant>>,
    SessionCookie(cookie): SessionCookie,
    query: Params,
    BodyParams(typed): BodyParams,
) -> Response {
    let state = query.get("state").or(typed.get("state"));
    let state = state.unwrap_or_default();
    // The form carries the state twice; a page that was tampered with has two different ones.
    if typed.get("state").is_some_and(|other| other != state) || tenant.store.login(state).is_none()
    {
        return unknown_login();
    }
    let username = typed.get("username").unwrap_or_default();
    let password = typed.get("password").unwrap_or_default();
    let user = tenant.user(username.trim());
    let Some(user) = user.filter(|user| user.password.expose_secret() == password) else {
        let form = LoginForm {
            client: &tenant.config.client_id,
            state,
            username,
            error: Some(WRONG),
        };
        return noted(form, format!("wrong password for {username}"));
    };
    let session = tenant
        .store
        .open_session(state, &user.email, cookie.as_deref());
    let resume = redirect(&format!("/authorize/resume?state={state}"));
    noted(
        set_cookie(resume, &session, ""),
        format!("password accepted for {}", user.email),
    )
}

fn unknown_login() -> Response {
    let description = "This login is not under way, or has been for too long.";
    pages::error(StatusCode::BAD_REQUEST, "invalid_request", description)
}

/// `response`, which takes the browser's session cookie away.
pub(super) fn without_session(response: Response) -> Response {
    set_cookie(response, "", "; Max-Age=0")
}

fn set_cookie(mut response: Response, session: &str, age: &str) -> Response {
    let cookie = format!("{SESSION_COOKIE}={session}; Path=/{age}; HttpOnly; SameSite=Lax");
    match HeaderValue::from_str(&cookie) {
        Ok(value) => {
            response.headers_mut().append(header::SET_COOKIE, value);
            response
        }
        // The values are our own base64url: this cannot happen, and must not be silent if it does.
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
