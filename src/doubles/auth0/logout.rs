//! Logout: by the browser, and by whoever holds an id token (the back channel of oauth2-proxy).

use axum::{
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;

use super::{
    Auth0,
    authorize::{COOKIE, noted, session_cookie},
    pages,
};

/// What a logout names.
#[derive(Deserialize)]
pub struct Logout {
    #[serde(rename = "returnTo")]
    return_to: Option<String>,
    post_logout_redirect_uri: Option<String>,
    id_token_hint: Option<String>,
    logout_hint: Option<String>,
}

/// `GET /v2/logout`: ends the session of this browser.
pub async fn browser(
    State(auth0): State<Auth0>,
    headers: HeaderMap,
    Query(given): Query<Logout>,
) -> Response {
    let ended = session_cookie(&headers).and_then(|sid| end(&auth0, &sid));
    leave(&auth0, given.return_to, ended)
}

/// `GET /oidc/logout`: ends the session that the id token names, also without its cookie
/// (OpenID Connect RP-Initiated Logout 1.0).
pub async fn oidc(
    State(auth0): State<Auth0>,
    headers: HeaderMap,
    Query(given): Query<Logout>,
) -> Response {
    let named = match &given.id_token_hint {
        Some(hint) => match auth0.inner.key.read(hint).await {
            Some(claims) => claims["sid"].as_str().map(str::to_owned),
            None => return pages::error(StatusCode::BAD_REQUEST, "The id_token_hint is not valid"),
        },
        None => given
            .logout_hint
            .clone()
            .or_else(|| session_cookie(&headers)),
    };
    let ended = named.and_then(|sid| end(&auth0, &sid));
    leave(&auth0, given.post_logout_redirect_uri, ended)
}

fn end(auth0: &Auth0, sid: &str) -> Option<String> {
    auth0.inner.sessions.lock().sessions.remove(sid)
}

fn leave(auth0: &Auth0, to: Option<String>, ended: Option<String>) -> Response {
    let clear = format!("{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
    let allowed = |to: &String| {
        auth0.inner.config.logout_urls.iter().any(|known| {
            to == known
                || to
                    .strip_prefix(known.as_str())
                    .is_some_and(|rest| rest.starts_with('/'))
        })
    };
    let response = match to {
        Some(to) if allowed(&to) => (
            StatusCode::FOUND,
            [(header::LOCATION, to), (header::SET_COOKIE, clear)],
        )
            .into_response(),
        Some(_) => {
            return pages::error(
                StatusCode::BAD_REQUEST,
                "The address to return to is not allowed",
            );
        }
        None => (StatusCode::OK, [(header::SET_COOKIE, clear)], "OK").into_response(),
    };
    noted(
        response,
        ended.map_or("no session to end".to_owned(), |email| {
            format!("session ended for {email}")
        }),
    )
}
