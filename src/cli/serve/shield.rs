//! What keeps a double that a person serves from giving its secrets away: to a page in a browser
//! (DNS rebinding), and to whoever looks over a shoulder.

use std::{net::IpAddr, sync::Arc};

use axum::{
    Json, Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{StatusCode, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use serde_json::Value;

use crate::{
    doubles::control::{HEALTH, PREFIX},
    evidence::Redactor,
};

/// More than a journal holds, as JSON.
const MOST: usize = 1024 * 1024 * 1024;

#[derive(Clone)]
struct Shield {
    hosts: Arc<Vec<String>>,
    masked: bool,
}

/// `router`, whose control path is open to requests for one of `hosts`, an address or a name without
/// a dot alone; its journal without credentials where it is `masked`. Other paths are what the gateway
/// sends on, with whatever `Host` it chooses.
pub fn shielded(router: Router, hosts: Vec<String>, masked: bool) -> Router {
    let hosts = Arc::new(hosts);
    let shield = Shield { hosts, masked };
    router.layer(from_fn_with_state(shield, guard))
}

async fn guard(State(shield): State<Shield>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    if !path.starts_with(PREFIX) || path == HEALTH {
        return next.run(request).await;
    }
    let host = request.headers().get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    if !is_allowed(host, &shield.hosts) {
        let why = "Host is not a name of this server; allow one with --allow-host";
        return (StatusCode::MISDIRECTED_REQUEST, why).into_response();
    }
    let answer = next.run(request).await;
    if shield.masked {
        masked(answer).await
    } else {
        answer
    }
}

/// Whether `Host` can be this server's. Neither an address nor a name without a dot (`localhost`, a
/// container's) can be rebound: a page's own name has one.
fn is_allowed(host: &str, hosts: &[String]) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    bare.parse::<IpAddr>().is_ok()
        || !name.contains('.')
        || hosts.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// JSON without credentials; another answer as it is.
async fn masked(answer: Response) -> Response {
    let (mut parts, body) = answer.into_parts();
    let Ok(bytes) = to_bytes(body, MOST).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let Ok(mut value) = serde_json::from_slice::<Value>(&bytes) else {
        return Response::from_parts(parts, Body::from(bytes));
    };
    mask(&mut value, &Redactor::new());
    parts.headers.remove(header::CONTENT_LENGTH);
    (parts.status, Json(value)).into_response()
}

fn mask(value: &mut Value, redactor: &Redactor) {
    match value {
        Value::String(text) => *text = redactor.redact(text),
        Value::Array(list) => list.iter_mut().for_each(|value| mask(value, redactor)),
        Value::Object(map) => map.values_mut().for_each(|value| mask(value, redactor)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use serde_json::json;

    use super::*;
    use crate::doubles;

    #[test]
    fn addresses_local_names_and_told_names_are_allowed() {
        let told = ["idp.example.com".to_owned()];
        for host in [
            "127.0.0.1",
            "127.0.0.1:9000",
            "[::1]:9000",
            "[::1]",
            "10.0.0.2:1",
            "localhost",
            "LOCALHOST:9000",
            "auth0",
            "idp.example.com",
            "IDP.example.com:9000",
            "",
        ] {
            assert!(is_allowed(host, &told), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:9000",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "localhost.",
            "x.idp.example.com",
            "idp.example.com.",
            "evil.example:x",
        ] {
            assert!(!is_allowed(host, &told), "{host}");
        }
    }

    #[tokio::test]
    async fn a_journal_is_masked_and_refused_for_another_host() {
        let entry =
            json!({"headers": [["authorization", "Bearer sk-canary-123456"]], "status": 200});
        let page = json!({"next": 1, "entries": [entry]});
        for masked in [true, false] {
            let answer = page.clone();
            let router = Router::new()
                .route("/__verify/journal", get(move || async { Json(answer) }))
                .route("/v1/models", get(|| async { "Bearer sk-canary-123456" }));
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let running = doubles::serve(listener, shielded(router, vec![], masked)).await;
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let ask = |path: &str, host: &str| {
                let url = format!("http://{}{path}", running.addr);
                client.get(url).header("host", host).send()
            };
            let seen = ask("/__verify/journal", "localhost").await.unwrap();
            let text = seen.text().await.unwrap();
            assert_eq!(text.contains("canary"), !masked, "{text}");
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["next"], 1);
            let other = ask("/__verify/journal", "evil.example").await.unwrap();
            assert_eq!(other.status(), StatusCode::MISDIRECTED_REQUEST);
            // What a gateway sends on has the Host of its own choice.
            let passed = ask("/v1/models", "gateway.example.com").await.unwrap();
            assert_eq!(passed.text().await.unwrap(), "Bearer sk-canary-123456");
        }
    }
}
