//! The double answers as the real LiteLLM does: the same requests to both, and status, headers and
//! the shape of the bodies compared. Where they differ the double is wrong and is mended, or the
//! difference stands in [`KNOWN`] with its reason.

use std::collections::BTreeSet;

use reqwest::{Client, Method, Response, redirect::Policy};
use serde_json::{Map, Value, json};

use super::{MODEL, SHARED, prompt, real, rig};

/// LiteLLM's `x-litellm-…` tell of its own doings, and `date`, `etag` and the like of the moment.
const HEADERS: [&str; 10] = [
    "content-type",
    "location",
    "allow",
    "cache-control",
    "x-accel-buffering",
    "retry-after",
    "vary",
    "x-frame-options",
    "content-security-policy",
    "x-content-type-options",
];

const DATABASE: &str =
    "the real one runs without a database here, the double stands for one that has it";
const PROVIDER: &str = "the double answers for the provider as well, which refuses this; the real one's model takes it";
const BUFFERING: &str = "nginx does not buffer by this header, whatever its configuration; a gateway must stream without it";
const DEFECT: &str = "the real one fails on it, with a status that says nothing about a gateway";
const PRICES: &str = "the real one lists its prices, some hundred fields";

/// Each request for which the double differs, in what, and why it stays so.
const KNOWN: [(&str, &str, &str); 24] = [
    ("a stream", "x-accel-buffering", BUFFERING),
    ("a streamed completion", "x-accel-buffering", BUFFERING),
    (
        "a streamed completion with usage",
        "x-accel-buffering",
        BUFFERING,
    ),
    ("no messages in it", "status", PROVIDER),
    ("no tokens", "status", PROVIDER),
    ("a message without content", "status", PROVIDER),
    ("a role that is none", "status", PROVIDER),
    ("another key", "status", DATABASE),
    ("a list for a body", "status", DEFECT),
    ("a list for a body", "vary", DEFECT),
    ("a list for a body", "x-frame-options", DEFECT),
    ("a list for a body", "content-security-policy", DEFECT),
    ("a list for a body", "x-content-type-options", DEFECT),
    ("GET /model/info", "body", PRICES),
    ("GET /v1/model/info", "body", PRICES),
    ("GET /key/info", "status", DATABASE),
    ("GET /key/list", "status", DATABASE),
    ("GET /user/info", "status", DATABASE),
    ("GET /user/list", "status", DATABASE),
    ("GET /team/list", "status", DATABASE),
    ("GET /team/info", "status", DATABASE),
    ("POST /key/generate", "status", DATABASE),
    ("POST /user/new", "status", DATABASE),
    ("POST /team/new", "status", DATABASE),
];

/// With which key a request is sent.
#[derive(Clone, Copy)]
enum Key {
    None,
    Users,
    Master,
    Other,
    AnthropicHeader,
}

/// A request that both get.
struct Case {
    name: String,
    method: Method,
    path: &'static str,
    key: Key,
    body: Option<String>,
}

fn post(name: &str, path: &'static str, key: Key, body: impl ToString) -> Case {
    Case {
        name: name.to_owned(),
        method: Method::POST,
        path,
        key,
        body: Some(body.to_string()),
    }
}

fn bare(method: Method, path: &'static str, key: Key) -> Case {
    let with = if matches!(key, Key::None) {
        " without a key"
    } else {
        ""
    };
    Case {
        name: format!("{method} {path}{with}"),
        method,
        path,
        key,
        body: None,
    }
}

/// The plan's request with these fields in it, null for none.
fn changed(fields: Value) -> Value {
    let mut ask = prompt("nonce-17, long enough for some pieces");
    for (name, value) in fields.as_object().unwrap() {
        match value {
            Value::Null => ask.as_object_mut().unwrap().remove(name),
            value => ask
                .as_object_mut()
                .unwrap()
                .insert(name.clone(), value.clone()),
        };
    }
    ask
}

fn messages() -> Vec<Case> {
    const PATH: &str = "/v1/messages";
    let ask = |name: &str, fields: Value| post(name, PATH, Key::Users, changed(fields));
    let says = |message: Value| json!({ "messages": [message] });
    vec![
        ask("a message", json!({})),
        ask("a stream", json!({ "stream": true })),
        ask("no max_tokens", json!({ "max_tokens": null })),
        ask("no messages", json!({ "messages": null })),
        ask("no model", json!({ "model": null })),
        ask("another model", json!({ "model": "no-such-model" })),
        ask("no messages in it", json!({ "messages": [] })),
        ask("no tokens", json!({ "max_tokens": 0 })),
        ask("a message without content", says(json!({ "role": "user" }))),
        ask(
            "a role that is none",
            says(json!({ "role": "clown", "content": "x" })),
        ),
        post(
            "the key as Anthropic's clients send it",
            PATH,
            Key::AnthropicHeader,
            changed(json!({})),
        ),
        post("the master key", PATH, Key::Master, changed(json!({}))),
        post("another key", PATH, Key::Other, changed(json!({}))),
        post("no key", PATH, Key::None, changed(json!({}))),
        post("broken JSON", PATH, Key::Users, "{"),
        post("a list for a body", PATH, Key::Users, "[]"),
        bare(Method::GET, PATH, Key::Users),
        post(
            "tokens counted",
            "/v1/messages/count_tokens",
            Key::Users,
            changed(json!({})),
        ),
        post(
            "tokens of no model",
            "/v1/messages/count_tokens",
            Key::Users,
            changed(json!({ "model": null })),
        ),
    ]
}

fn completions() -> Vec<Case> {
    const PATH: &str = "/v1/chat/completions";
    let ask = |name: &str, fields: Value| post(name, PATH, Key::Users, changed(fields));
    let usage = json!({ "include_usage": true });
    vec![
        ask("a completion", json!({})),
        ask("a streamed completion", json!({ "stream": true })),
        ask(
            "a streamed completion with usage",
            json!({ "stream": true, "stream_options": usage }),
        ),
        ask(
            "a completion by another model",
            json!({ "model": "no-such-model" }),
        ),
        ask("a completion of no messages", json!({ "messages": null })),
        post(
            "a completion without a key",
            PATH,
            Key::None,
            changed(json!({})),
        ),
        post("a completion of broken JSON", PATH, Key::Users, "{"),
    ]
}

fn others() -> Vec<Case> {
    const ADMIN: [&str; 30] = [
        "/",
        "/ui",
        "/ui/",
        "/ui/nothing",
        "/admin",
        "/admin/users",
        "/v1/models",
        "/models",
        "/v1/model/info",
        "/model/info",
        "/v1/mcp",
        "/v1/mcp/",
        "/v1/mcp/tools",
        "/v1/mcp/nothing",
        "/v1/internal",
        "/v1/internal/info",
        "/key/",
        "/key/info",
        "/key/list",
        "/user/info",
        "/user/list",
        "/team/list",
        "/team/info",
        "/organization/list",
        "/health",
        "/health/liveliness",
        "/health/liveness",
        "/health/readiness",
        "/metrics",
        "/nothing",
    ];
    const OPEN: [&str; 9] = [
        "/",
        "/ui/",
        "/v1/models",
        "/v1/mcp",
        "/v1/mcp/tools",
        "/v1/internal/info",
        "/key/info",
        "/health",
        "/health/readiness",
    ];
    const MADE: [&str; 5] = [
        "/key/generate",
        "/key/delete",
        "/user/new",
        "/team/new",
        "/organization/new",
    ];
    let get = |key| move |path: &&'static str| bare(Method::GET, path, key);
    let mut cases: Vec<Case> = ADMIN.iter().map(get(Key::Master)).collect();
    cases.extend(OPEN.iter().map(get(Key::None)));
    cases.extend(MADE.map(|path| post(&format!("POST {path}"), path, Key::Master, "{}")));
    cases.extend(
        ["/v1/models", "/ui/", "/health/liveliness"]
            .map(|path| bare(Method::HEAD, path, Key::Master)),
    );
    cases.extend([
        bare(Method::GET, "/key/delete", Key::Master),
        bare(Method::DELETE, "/v1/models", Key::Master),
        bare(Method::POST, "/key/info", Key::Master),
        bare(Method::POST, "/v1/mcp", Key::Master),
    ]);
    cases
}

/// What is compared of an answer.
#[derive(Debug, PartialEq)]
struct Seen {
    status: u16,
    headers: Vec<Option<String>>,
    body: Value,
}

/// A connection a request: LiteLLM closes one that it failed on.
fn client() -> Client {
    let client = Client::builder().redirect(Policy::none()).no_proxy();
    client.pool_max_idle_per_host(0).build().unwrap()
}

async fn ask(client: &Client, base: &str, case: &Case) -> Seen {
    let mut request = client.request(case.method.clone(), format!("{base}{}", case.path));
    request = match case.key {
        Key::None => request,
        Key::Users => request.bearer_auth(SHARED),
        Key::Master => request.bearer_auth("sk-master"),
        Key::Other => request.bearer_auth("sk-no-such-key"),
        Key::AnthropicHeader => request.header("x-api-key", SHARED),
    };
    if let Some(body) = &case.body {
        request = request
            .header("content-type", "application/json")
            .body(body.clone());
    }
    let response = request.send().await.unwrap();
    seen(response, base).await
}

async fn seen(response: Response, base: &str) -> Seen {
    let header = |name| {
        let value = response.headers().get(name)?.to_str().ok()?;
        Some(value.replace(base, "http://ITSELF"))
    };
    let headers = HEADERS.map(header).to_vec();
    let status = response.status().as_u16();
    let kind = headers[0].clone().unwrap_or_default();
    let text = response.text().await.unwrap();
    Seen {
        status,
        headers,
        body: match kind.split(';').next().unwrap_or_default() {
            "application/json" => {
                serde_json::from_str(&text).map_or(Value::Null, |body| shape(&body))
            }
            "text/event-stream" => events(&text),
            // Pages are not compared: only that there is one.
            _ => (!text.is_empty()).into(),
        },
    }
}

/// Keys and types. Elements of a list have one shape: that of the first.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let shapes: Map<String, Value> = (fields.iter())
                .map(|(name, value)| (name.clone(), shape(value)))
                .collect();
            shapes.into()
        }
        Value::Array(list) => list.iter().take(1).map(shape).collect(),
        Value::String(_) => "string".into(),
        Value::Number(_) => "number".into(),
        Value::Bool(_) => "boolean".into(),
        Value::Null => Value::Null,
    }
}

/// The events of a stream: their names and shapes, those that follow each other and are alike once.
fn events(text: &str) -> Value {
    let event = |frame: &str| {
        let line = |name: &str| {
            let line = frame.lines().find_map(|line| line.strip_prefix(name));
            line.map(|text| text.trim().to_owned())
        };
        let data = line("data:").unwrap_or_default();
        let data = serde_json::from_str(&data).map_or(data.into(), |data| shape(&data));
        json!({ "event": line("event:"), "data": data })
    };
    let frames = text.split("\n\n").filter(|frame| !frame.is_empty());
    let mut events: Vec<Value> = frames.map(event).collect();
    events.dedup();
    events.into()
}

/// In what the two differ. Where the status does, the bodies are of different things.
fn differences(real: &Seen, double: &Seen) -> Vec<&'static str> {
    let headers = HEADERS
        .iter()
        .enumerate()
        .filter(|(at, _)| real.headers[*at] != double.headers[*at]);
    let mut different: Vec<&str> = headers.map(|(_, name)| *name).collect();
    if real.status != double.status {
        different.push("status");
    } else if real.body != double.body {
        different.push("body");
    }
    different
}

#[tokio::test]
async fn the_double_answers_as_the_real_litellm_does() {
    let Some(installed) = real::installed() else {
        return;
    };
    let (real, double, client) = (real::start(&installed).await, rig().await, client());
    let known: BTreeSet<(String, &str)> = (KNOWN.iter())
        .map(|(name, part, _)| ((*name).to_owned(), *part))
        .collect();
    let cases: Vec<Case> = [messages(), completions(), others()]
        .into_iter()
        .flatten()
        .collect();
    let (mut found, mut told) = (BTreeSet::new(), String::new());
    for case in &cases {
        let one = ask(&client, &format!("http://{}", real.addr), case).await;
        let other = ask(&client, &format!("http://{}", double.running.addr), case).await;
        for part in differences(&one, &other) {
            let here = (case.name.clone(), part);
            if !known.contains(&here) {
                told += &format!(
                    "{}: {part}\n  real   {one:?}\n  double {other:?}\n",
                    case.name
                );
            }
            found.insert(here);
        }
    }
    assert!(
        told.is_empty(),
        "mend the double, or say why not in KNOWN:\n{told}"
    );
    let gone: Vec<_> = known.difference(&found).collect();
    assert!(gone.is_empty(), "these differ no more: {gone:?}");
}

#[test]
fn every_known_difference_is_of_a_request_that_is_made() {
    let cases: Vec<Case> = [messages(), completions(), others()]
        .into_iter()
        .flatten()
        .collect();
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), cases.len(), "two cases have one name");
    for (name, _, why) in KNOWN {
        assert!(names.contains(name) && !why.is_empty(), "{name}");
    }
    assert_eq!(prompt("x")["model"], MODEL);
}
