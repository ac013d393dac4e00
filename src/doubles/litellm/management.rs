//! Keys, users, teams and organizations: enough to see that a request arrived where it should.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::errors::{Failure, detail};
use super::keys;
use super::proxy::{Proxy, sent_key};

type Made = Result<Json<Value>, Failure>;

pub(super) fn routes() -> Router<Arc<Proxy>> {
    let no_users = json!({ "users": [], "total": 0, "page": 1, "page_size": 25, "total_pages": 0 });
    Router::new()
        .route("/key/generate", post(generate_key))
        .route("/key/info", get(key_info))
        .route("/key/list", get(list_keys))
        .route("/key/delete", post(delete_keys))
        .route("/user/new", post(new_user))
        .route("/user/info", get(user_info))
        .route("/user/list", get(Json(no_users)))
        .route(
            "/team/new",
            post(async |body: Bytes| with_id(&body, "team_id").map(Json)),
        )
        .route("/team/info", get(team_info))
        .route("/team/list", get(Json(json!([]))))
        .route("/organization/new", post(enterprise))
        .route("/organization/info", get(enterprise))
        .route("/organization/list", get(enterprise))
}

/// The object in a body; an empty body is an empty object, as FastAPI's optional models take it.
fn object(body: &[u8]) -> Result<Map<String, Value>, Failure> {
    if body.is_empty() {
        return Ok(Map::new());
    }
    Ok(serde_json::from_slice(body)?)
}

async fn generate_key(State(proxy): State<Arc<Proxy>>, body: Bytes) -> Made {
    let asked = object(&body)?;
    let (token, held) = proxy.keys.generate(Value::Object(asked.clone()));
    let mut answer = json!({
        "models": [], "expires": null, "user_id": null, "team_id": null, "key_alias": null,
        "max_budget": null,
    });
    let made = json!({
        "key": held.key,
        "key_name": format!("sk-...{}", &held.key[held.key.len() - 4..]),
        "token": token,
        "token_id": token,
    });
    if let (Some(answer), Value::Object(made)) = (answer.as_object_mut(), made) {
        answer.extend(asked);
        answer.extend(made);
    }
    Ok(Json(answer))
}

#[derive(Deserialize)]
struct Named {
    key: Option<String>,
    user_id: Option<String>,
    team_id: Option<String>,
}

async fn key_info(
    State(proxy): State<Arc<Proxy>>,
    Query(named): Query<Named>,
    headers: HeaderMap,
) -> Response {
    // Without a key in the query, the caller's own is meant.
    let own = sent_key(&headers).unwrap_or_default();
    let name = named.key.as_deref().unwrap_or(own);
    let (token, info) = match proxy.keys.find(name) {
        Some((token, held)) => (token, held.info),
        None if name == own => (keys::token_of(own), json!({})),
        None => {
            let message = json!({ "message": "Key not found in database" });
            return detail(StatusCode::NOT_FOUND, message);
        }
    };
    let mut answer = json!({ "spend": 0.0, "models": [], "expires": null, "user_id": null });
    if let (Some(answer), Value::Object(info)) = (answer.as_object_mut(), info) {
        answer.extend(info);
    }
    Json(json!({ "key": token, "info": answer })).into_response()
}

async fn list_keys(State(proxy): State<Arc<Proxy>>) -> Json<Value> {
    let tokens = proxy.keys.tokens();
    let total = tokens.len();
    Json(json!({ "keys": tokens, "total_count": total, "current_page": 1, "total_pages": 1 }))
}

async fn delete_keys(State(proxy): State<Arc<Proxy>>, body: Bytes) -> Result<Response, Failure> {
    let asked = object(&body)?;
    let Some(named) = asked.get("keys").and_then(Value::as_array) else {
        let message = "Value error, At least one of 'keys' or 'key_aliases' must be provided.";
        let problem = json!([{ "type": "value_error", "loc": ["body"], "msg": message }]);
        return Ok(detail(StatusCode::UNPROCESSABLE_ENTITY, problem));
    };
    let names = named.iter().filter_map(Value::as_str);
    let deleted: Vec<&str> = names.filter(|name| proxy.keys.remove(name)).collect();
    Ok(Json(json!({ "deleted_keys": deleted })).into_response())
}

/// `body` with an id under `name`, its own or a fresh one.
fn with_id(body: &[u8], name: &str) -> Result<Value, Failure> {
    let mut answer = object(body)?;
    answer
        .entry(name)
        .or_insert_with(|| keys::random_hex().into());
    Ok(answer.into())
}

async fn new_user(State(proxy): State<Arc<Proxy>>, body: Bytes) -> Made {
    let mut user = with_id(&body, "user_id")?;
    // The real proxy hands every new user a key.
    let (token, held) = proxy.keys.generate(json!({ "user_id": user["user_id"] }));
    user["key"] = held.key.into();
    user["token"] = token.into();
    Ok(Json(user))
}

/// Organizations are sold, and the proxies that gateways stand before mostly have no license.
async fn enterprise() -> Response {
    let error = "Organizations are only available for LiteLLM Enterprise users. You must be a \
                 LiteLLM Enterprise user to use this feature.";
    detail(StatusCode::FORBIDDEN, json!({ "error": error }))
}

async fn user_info(State(proxy): State<Arc<Proxy>>, Query(named): Query<Named>) -> Json<Value> {
    let user_id = named.user_id.as_deref().unwrap_or("default_user_id");
    let info = json!({ "user_id": user_id, "user_role": "proxy_admin", "spend": 0.0 });
    let keys = proxy.keys.tokens();
    Json(json!({ "user_id": user_id, "user_info": info, "keys": keys, "teams": [] }))
}

async fn team_info(Query(named): Query<Named>) -> Json<Value> {
    let info = json!({ "team_id": named.team_id, "models": [], "spend": 0.0 });
    Json(json!({ "team_id": named.team_id, "team_info": info, "keys": [] }))
}
