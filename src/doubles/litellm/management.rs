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

use super::errors::Failure;
use super::{Proxy, keys, sent_key};

pub(super) fn routes() -> Router<Arc<Proxy>> {
    Router::new()
        .route("/key/generate", post(generate_key))
        .route("/key/info", get(key_info))
        .route("/key/list", get(list_keys))
        .route("/key/delete", post(delete_keys))
        .route("/user/new", post(new_user))
        .route("/user/info", get(user_info))
        .route("/user/list", get(list_users))
        .route("/team/new", post(new_team))
        .route("/team/info", get(team_info))
        .route("/team/list", get(empty_list))
        .route("/organization/new", post(enterprise))
        .route("/organization/info", get(enterprise))
        .route("/organization/list", get(enterprise))
}

/// The object in a body; an empty body is an empty object, as FastAPI's optional models take it.
fn object(body: &[u8]) -> Result<Map<String, Value>, Failure> {
    if body.is_empty() {
        return Ok(Map::new());
    }
    serde_json::from_slice(body).map_err(Failure::body)
}

async fn generate_key(
    State(proxy): State<Arc<Proxy>>,
    body: Bytes,
) -> Result<Json<Value>, Failure> {
    let asked = object(&body)?;
    let (token, held) = proxy.keys.generate(Value::Object(asked.clone()));
    let mut answer = asked;
    answer.insert("key".into(), held.key.as_str().into());
    answer.insert("token".into(), token.as_str().into());
    answer.insert("token_id".into(), token.into());
    let name = format!("sk-...{}", &held.key[held.key.len() - 4..]);
    answer.insert("key_name".into(), name.into());
    for name in ["expires", "user_id", "team_id", "key_alias", "max_budget"] {
        answer.entry(name).or_insert(Value::Null);
    }
    answer.entry("models").or_insert(json!([]));
    Ok(Json(Value::Object(answer)))
}

#[derive(Deserialize)]
struct KeyQuery {
    key: Option<String>,
}

async fn key_info(
    State(proxy): State<Arc<Proxy>>,
    Query(asked): Query<KeyQuery>,
    headers: HeaderMap,
) -> Response {
    // Without a key in the query, the caller's own is meant.
    let own = sent_key(&headers).unwrap_or_default().to_owned();
    let name = asked.key.unwrap_or_else(|| own.clone());
    let (token, info) = match proxy.keys.find(&name) {
        Some((token, held)) => (token, held.info),
        None if name == own => (keys::token_of(&own), json!({})),
        None => {
            let detail = json!({ "message": "Key not found in database" });
            return (StatusCode::NOT_FOUND, Json(json!({ "detail": detail }))).into_response();
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
    let named = asked.get("keys").and_then(Value::as_array);
    let Some(named) = named else {
        let message = "Value error, At least one of 'keys' or 'key_aliases' must be provided.";
        let detail = json!([{ "type": "value_error", "loc": ["body"], "msg": message }]);
        let body = Json(json!({ "detail": detail }));
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, body).into_response());
    };
    let names = named.iter().filter_map(Value::as_str);
    let deleted: Vec<&str> = names.filter(|name| proxy.keys.remove(name)).collect();
    Ok(Json(json!({ "deleted_keys": deleted })).into_response())
}

/// `body` with an id under `name`, its own or a fresh one.
fn with_id(body: &[u8], name: &str) -> Result<Json<Value>, Failure> {
    let mut answer = object(body)?;
    answer
        .entry(name)
        .or_insert_with(|| keys::random_hex().into());
    Ok(Json(Value::Object(answer)))
}

async fn new_user(State(proxy): State<Arc<Proxy>>, body: Bytes) -> Result<Json<Value>, Failure> {
    let Json(mut user) = with_id(&body, "user_id")?;
    // The real proxy hands every new user a key.
    let (token, held) = proxy.keys.generate(json!({ "user_id": user["user_id"] }));
    user["key"] = held.key.into();
    user["token"] = token.into();
    Ok(Json(user))
}

async fn new_team(body: Bytes) -> Result<Json<Value>, Failure> {
    with_id(&body, "team_id")
}

/// Organizations are sold, and the proxies that gateways stand before mostly have no license.
async fn enterprise() -> Response {
    let error = "Organizations are only available for LiteLLM Enterprise users. You must be a \
                 LiteLLM Enterprise user to use this feature.";
    let body = Json(json!({ "detail": { "error": error } }));
    (StatusCode::FORBIDDEN, body).into_response()
}

#[derive(Deserialize)]
struct IdQuery {
    user_id: Option<String>,
    team_id: Option<String>,
}

async fn user_info(State(proxy): State<Arc<Proxy>>, Query(asked): Query<IdQuery>) -> Json<Value> {
    let user_id = asked
        .user_id
        .unwrap_or_else(|| "default_user_id".to_owned());
    let info = json!({ "user_id": user_id, "user_role": "proxy_admin", "spend": 0.0 });
    let keys = proxy.keys.tokens();
    Json(json!({ "user_id": user_id, "user_info": info, "keys": keys, "teams": [] }))
}

async fn list_users() -> Json<Value> {
    Json(json!({ "users": [], "total": 0, "page": 1, "page_size": 25, "total_pages": 0 }))
}

async fn team_info(Query(asked): Query<IdQuery>) -> Json<Value> {
    let info = json!({ "team_id": asked.team_id, "models": [], "spend": 0.0 });
    Json(json!({ "team_id": asked.team_id, "team_info": info, "keys": [] }))
}

async fn empty_list() -> Json<Value> {
    Json(json!([]))
}
