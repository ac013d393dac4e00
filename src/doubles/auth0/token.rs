//! /oauth/token and /userinfo.

use axum::{
    Form, Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde_json::json;

use super::{
    Auth0,
    authorize::noted,
    state::{AuthorizeRequest, CODE_LIFE, Grant},
};
use crate::probe::nonce;

/// How long an id token and an access token live, in seconds.
const LIFE: i64 = 86_400;

/// A request for tokens.
#[derive(Deserialize)]
pub struct TokenRequest {
    #[serde(default)]
    grant_type: String,
    code: Option<String>,
    redirect_uri: Option<String>,
    code_verifier: Option<String>,
    refresh_token: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
}

fn refuse(status: StatusCode, error: &str, why: &str) -> Response {
    let body = json!({"error": error, "error_description": why});
    noted(
        (status, Json(body)).into_response(),
        format!("token refused: {error}"),
    )
}

/// `POST /oauth/token`
pub async fn token(
    State(auth0): State<Auth0>,
    headers: HeaderMap,
    Form(request): Form<TokenRequest>,
) -> Response {
    if !client_known(&auth0, &headers, &request) {
        return refuse(StatusCode::UNAUTHORIZED, "access_denied", "Unauthorized");
    }
    let grant = match request.grant_type.as_str() {
        "authorization_code" => exchange(&auth0, &request),
        "refresh_token" => request
            .refresh_token
            .and_then(|token| auth0.inner.sessions.lock().refresh.get(&token).cloned())
            .ok_or("Unknown or invalid refresh token."),
        _ => {
            return refuse(
                StatusCode::FORBIDDEN,
                "unsupported_grant_type",
                "Unsupported grant type",
            );
        }
    };
    match grant {
        Ok(grant) => issue(&auth0, grant).await,
        Err(why) => refuse(StatusCode::FORBIDDEN, "invalid_grant", why),
    }
}

/// client_secret_basic or client_secret_post (RFC 6749, section 2.3.1).
fn client_known(auth0: &Auth0, headers: &HeaderMap, request: &TokenRequest) -> bool {
    let basic = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| {
            value
                .to_str()
                .ok()?
                .strip_prefix("Basic ")
                .map(str::to_owned)
        })
        .and_then(|value| String::from_utf8(STANDARD.decode(value).ok()?).ok())
        .and_then(|pair| {
            pair.split_once(':')
                .map(|(id, secret)| (id.to_owned(), secret.to_owned()))
        });
    let posted = || Some((request.client_id.clone()?, request.client_secret.clone()?));
    let config = &auth0.inner.config;
    basic.or_else(posted).is_some_and(|(id, secret)| {
        id == config.client_id && secret == config.client_secret.expose_secret()
    })
}

/// A code is good for one exchange, for a short while, with the address and the verifier that
/// belong to it (RFC 6749, section 4.1.3; RFC 7636, section 4.6).
fn exchange(auth0: &Auth0, request: &TokenRequest) -> Result<Grant, &'static str> {
    let code = request
        .code
        .as_ref()
        .and_then(|code| auth0.inner.sessions.lock().codes.remove(code));
    let code = code
        .filter(|code| code.issued.elapsed() < CODE_LIFE)
        .ok_or("Invalid authorization code")?;
    if request.redirect_uri.as_deref() != Some(code.request.redirect_uri.as_str()) {
        return Err("The redirect URI is wrong.");
    }
    if !verifier_fits(&code.request, request.code_verifier.as_deref()) {
        return Err("Failed to verify code verifier");
    }
    Ok(Grant {
        email: code.email,
        sid: code.sid,
        scope: code.request.scope,
        nonce: code.request.nonce,
    })
}

fn verifier_fits(request: &AuthorizeRequest, verifier: Option<&str>) -> bool {
    let Some(challenge) = &request.code_challenge else {
        return true;
    };
    let Some(verifier) = verifier else {
        return false;
    };
    match request.code_challenge_method.as_deref() {
        Some("S256") => {
            let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
            URL_SAFE_NO_PAD.encode(hash) == *challenge
        }
        None | Some("plain") => verifier == challenge,
        Some(_) => false,
    }
}

async fn issue(auth0: &Auth0, grant: Grant) -> Response {
    let Some(user) = auth0.user(&grant.email) else {
        return refuse(StatusCode::FORBIDDEN, "invalid_grant", "Unknown user");
    };
    let now = jiff::Timestamp::now().as_second();
    let mut claims = user.profile();
    claims["iss"] = json!(auth0.url(""));
    claims["aud"] = json!(auth0.inner.config.client_id);
    claims["iat"] = json!(now);
    claims["exp"] = json!(now + LIFE);
    claims["sid"] = json!(grant.sid);
    if let Some(nonce) = &grant.nonce {
        claims["nonce"] = json!(nonce);
    }
    let id_token = match auth0.inner.key.sign(&claims).await {
        Ok(token) => token,
        Err(error) => return error.response(),
    };
    let access = nonce() + &nonce();
    let mut body = json!({
        "access_token": access, "id_token": id_token, "scope": grant.scope, "expires_in": LIFE, "token_type": "Bearer",
    });
    let note = format!("code exchanged for {}", grant.email);
    {
        let mut tables = auth0.inner.sessions.lock();
        if grant
            .scope
            .split(' ')
            .any(|scope| scope == "offline_access")
        {
            let refresh = nonce() + &nonce();
            body["refresh_token"] = json!(refresh);
            tables.refresh.insert(refresh, grant.clone());
        }
        tables.access.insert(access, grant);
    }
    noted(Json(body).into_response(), note)
}

/// `GET` or `POST /userinfo`
pub async fn userinfo(State(auth0): State<Auth0>, headers: HeaderMap) -> Response {
    let token = headers.get(header::AUTHORIZATION).and_then(|value| {
        value
            .to_str()
            .ok()?
            .strip_prefix("Bearer ")
            .map(str::to_owned)
    });
    let grant = token.and_then(|token| auth0.inner.sessions.lock().access.get(&token).cloned());
    match grant.and_then(|grant| auth0.user(&grant.email).cloned()) {
        Some(user) => Json(user.profile()).into_response(),
        None => {
            let challenge = [(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")];
            (StatusCode::UNAUTHORIZED, challenge, "Unauthorized").into_response()
        }
    }
}
