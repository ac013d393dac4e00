//! The proxy round them: keys, other paths, the access log.

use reqwest::{Method, StatusCode};
use serde_json::json;

use super::super::support::json as body_of;
use super::{MODEL, prompt, rig};

#[tokio::test]
async fn nobody_is_served_without_a_key() {
    let rig = rig().await;
    for (method, path) in [
        (Method::POST, "/v1/messages"),
        (Method::POST, "/v1/chat/completions"),
        (Method::GET, "/v1/models"),
        (Method::GET, "/v1/mcp/tools"),
        (Method::GET, "/key/info"),
        (Method::POST, "/key/generate"),
        (Method::GET, "/user/list"),
        (Method::GET, "/team/list"),
        (Method::GET, "/organization/list"),
        (Method::GET, "/health"),
    ] {
        let bare = rig
            .ask(method.clone(), path)
            .json(&prompt("x"))
            .send()
            .await
            .unwrap();
        assert_eq!(bare.status(), StatusCode::UNAUTHORIZED, "{path}");
        let wrong = rig
            .ask(method, path)
            .bearer_auth("sk-wrong")
            .json(&prompt("x"));
        let wrong = wrong.send().await.unwrap();
        assert_eq!(wrong.status(), StatusCode::UNAUTHORIZED, "{path}");
        let error = &body_of(wrong).await["error"];
        assert_eq!(
            (&error["type"], &error["code"]),
            (&"auth_error".into(), &"401".into())
        );
    }
}

#[tokio::test]
async fn every_other_path_is_as_at_the_real_proxy() {
    let rig = rig().await;
    for (path, status) in [
        ("/", 200),
        ("/ui", 307),
        ("/ui/nothing", 404),
        ("/ui/", 200),
        ("/admin", 404),
        ("/admin/users", 404),
        ("/v1/mcp", 404),
        ("/v1/mcp/", 307),
        ("/v1/mcp/tools", 200),
        ("/v1/internal", 404),
        ("/v1/internal/x", 404),
        ("/metrics", 404),
        ("/health/liveliness", 200),
        ("/health/readiness", 200),
        ("/health", 200),
        ("/v1/messages", 405),
        ("/key/nothing", 404),
        ("/nothing", 404),
    ] {
        assert_eq!(
            rig.status(Method::GET, path).await.as_u16(),
            status,
            "{path}"
        );
    }
    // A path that is not there is not there, with a key or without.
    let unknown = rig.ask(Method::GET, "/v1/internal/x").send().await.unwrap();
    assert_eq!(body_of(unknown).await, json!({ "detail": "Not Found" }));
    let tools = rig.with_key(Method::GET, "/v1/mcp/tools").send().await;
    assert_eq!(body_of(tools.unwrap()).await, json!({ "tools": [] }));
    let ui = rig.ask(Method::GET, "/ui").send().await.unwrap();
    let there = format!("http://{}/ui/", rig.running.addr);
    assert_eq!(ui.headers()["location"], there.as_str());
    let models = rig
        .with_key(Method::HEAD, "/v1/models")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (models.status().as_u16(), &models.headers()["allow"]),
        (405, &"GET".parse().unwrap())
    );
    let models = rig
        .with_key(Method::GET, "/v1/models")
        .send()
        .await
        .unwrap();
    assert_eq!(body_of(models).await["data"][0]["id"], MODEL);
}

#[tokio::test]
async fn a_generated_key_works_until_it_is_deleted() {
    let rig = rig().await;
    let request = rig
        .with_key(Method::POST, "/key/generate")
        .json(&json!({ "key_alias": "a" }));
    let made = body_of(request.send().await.unwrap()).await;
    let key = made["key"].as_str().unwrap().to_owned();
    assert_eq!(made["key_alias"], "a");
    let list = body_of(rig.with_key(Method::GET, "/key/list").send().await.unwrap()).await;
    assert_eq!(list["keys"], json!([made["token"]]));
    let models = rig.ask(Method::GET, "/v1/models").bearer_auth(&key);
    assert_eq!(models.send().await.unwrap().status(), StatusCode::OK);
    let info = rig
        .with_key(Method::GET, &format!("/key/info?key={key}"))
        .send()
        .await
        .unwrap();
    assert_eq!(body_of(info).await["info"]["key_alias"], "a");
    let gone = rig
        .with_key(Method::POST, "/key/delete")
        .json(&json!({ "keys": [key] }));
    assert_eq!(
        body_of(gone.send().await.unwrap()).await["deleted_keys"],
        json!([key])
    );
    let models = rig.ask(Method::GET, "/v1/models").bearer_auth(&key);
    assert_eq!(
        models.send().await.unwrap().status(),
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn the_access_log_names_the_user() {
    let rig = rig().await;
    let request = rig
        .with_key(Method::POST, "/v1/messages?verify=17")
        .json(&prompt("x"));
    let request = request.header("x-litellm-user-email", "admin+test@example.com");
    request.send().await.unwrap();
    rig.ask(Method::GET, "/nothing").send().await.unwrap();
    let read = rig.ask(Method::GET, "/__verify/log").send().await.unwrap();
    assert_eq!(read.headers()["x-verify-next"], "2");
    let text = read.text().await.unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("INFO: 127.0.0.1:"), "{text}");
    let end = r#" - "POST /v1/messages?verify=17 HTTP/1.1" 200 OK user=admin+test@example.com"#;
    assert!(lines[0].ends_with(end), "{text}");
    assert!(
        lines[1].ends_with(r#""GET /nothing HTTP/1.1" 404 Not Found user=-"#),
        "{text}"
    );
    let rest = rig
        .ask(Method::GET, "/__verify/log?since=1")
        .send()
        .await
        .unwrap();
    assert_eq!(
        rest.text().await.unwrap().lines().collect::<Vec<_>>(),
        lines[1..]
    );
}
