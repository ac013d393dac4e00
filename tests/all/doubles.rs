//! The doubles over real sockets: what they answer is what the real services would.

use std::{
    io::{BufRead as _, BufReader},
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures::StreamExt as _;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use reqwest::{Client, RequestBuilder, Response, StatusCode, header, redirect};
use rustix::process::{Pid, Signal, kill_process};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::{Url, form_urlencoded};
use verify::doubles::{self, Running, auth0, litellm};

use super::support::verify;

const CALLBACK: &str = "http://gateway.example.com/oauth2/callback";
const HOME: &str = "http://gateway.example.com";
const EMAIL: &str = "admin+test@example.com";
const PASSWORD: &str = "correct horse";

fn client() -> Client {
    Client::builder()
        .redirect(redirect::Policy::none())
        .no_proxy()
        .build()
        .expect("a client")
}

/// Fields as a query or a form.
fn fields(fields: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

fn location(response: &Response) -> &str {
    let place = response.headers().get(header::LOCATION);
    place
        .expect("a redirect")
        .to_str()
        .expect("it is an address")
}

/// A field of the query that a redirect leads to.
fn given(response: &Response, name: &str) -> Option<String> {
    let url: Url = location(response).parse().expect("an absolute address");
    let mut pairs = url.query_pairs();
    pairs.find_map(|(known, value)| (known == name).then(|| value.into_owned()))
}

async fn json(response: Response) -> Value {
    let text = response.text().await.expect("a body");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

// --------------------------------------------------------------------------- Auth0

/// The double of Auth0, and a browser with the cookie that it was given.
struct Idp {
    _running: Running,
    base: String,
    client: Client,
    cookie: Option<String>,
}

impl Idp {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}/", listener.local_addr().expect("an address"));
        let double = auth0::Auth0::new(auth0::Config {
            issuer: base.parse().expect("an address"),
            client_id: "gateway".to_owned(),
            client_secret: SecretString::from("s3cret"),
            callbacks: vec![CALLBACK.to_owned()],
            logout_urls: vec![HOME.to_owned()],
            users: vec![auth0::User {
                email: EMAIL.to_owned(),
                password: SecretString::from(PASSWORD),
                name: "Admin".to_owned(),
            }],
        });
        let router = double.expect("a double").router();
        Self {
            _running: doubles::serve(listener, router).expect("it listens"),
            base,
            client: client(),
            cookie: None,
        }
    }

    fn with_cookie(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.cookie {
            Some(cookie) => request.header(header::COOKIE, cookie),
            None => request,
        }
    }

    async fn get(&self, path: &str) -> Response {
        let request = self.client.get(format!("{}{path}", self.base));
        self.with_cookie(request).send().await.expect("an answer")
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Response {
        let request = self
            .client
            .post(format!("{}{path}", self.base))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(fields(form));
        self.with_cookie(request).send().await.expect("an answer")
    }

    /// An authorization request, with these fields in place of the right ones.
    async fn authorize(&self, changes: &[(&str, &str)]) -> Response {
        let right = [
            ("client_id", "gateway"),
            ("redirect_uri", CALLBACK),
            ("response_type", "code"),
            ("scope", "openid email offline_access"),
            ("state", "st&te"),
            ("nonce", "n0nce"),
        ];
        let kept = right
            .iter()
            .filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
        let all: Vec<(&str, &str)> = kept.chain(changes).copied().collect();
        self.get(&format!("authorize?{}", fields(&all))).await
    }

    /// To the login form: its transaction.
    async fn login_page(&self, changes: &[(&str, &str)]) -> String {
        let sent = self.authorize(changes).await;
        assert_eq!(sent.status(), StatusCode::FOUND);
        let state = location(&sent).strip_prefix("/u/login?state=");
        state.expect("the login form").to_owned()
    }

    async fn submit(&self, state: &str, username: &str, password: &str) -> Response {
        let form = [
            ("state", state),
            ("username", username),
            ("password", password),
        ];
        self.post(&format!("u/login?state={state}"), &form).await
    }

    /// A whole login: the code that the browser brings back.
    async fn log_in(&mut self, changes: &[(&str, &str)]) -> String {
        let state = self.login_page(changes).await;
        let done = self.submit(&state, EMAIL, PASSWORD).await;
        assert_eq!(done.status(), StatusCode::FOUND);
        let cookie = done.headers()[header::SET_COOKIE].to_str().expect("text");
        assert!(cookie.contains("HttpOnly"), "{cookie}");
        self.cookie = cookie.split(';').next().map(str::to_owned);
        let back = self.get(location(&done).trim_start_matches('/')).await;
        assert_eq!(back.status(), StatusCode::FOUND);
        assert!(location(&back).starts_with(CALLBACK), "{}", location(&back));
        assert_eq!(given(&back, "state").as_deref(), Some("st&te"));
        given(&back, "code").expect("a code")
    }

    async fn exchange(&self, code: &str, changes: &[(&str, &str)]) -> Response {
        let right = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("client_id", "gateway"),
            ("client_secret", "s3cret"),
        ];
        let kept = right
            .iter()
            .filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
        let all: Vec<(&str, &str)> = kept.chain(changes).copied().collect();
        self.post("oauth/token", &all).await
    }

    /// Tokens for whoever logs in now.
    async fn tokens(&mut self) -> Value {
        let code = self.log_in(&[]).await;
        let answer = self.exchange(&code, &[]).await;
        assert_eq!(answer.status(), StatusCode::OK);
        json(answer).await
    }

    async fn refused(&self, code: &str, changes: &[(&str, &str)], why: &str) {
        let answer = self.exchange(code, changes).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        let body = json(answer).await;
        assert_eq!(body["error"], "invalid_grant");
        let told = body["error_description"].as_str().expect("a description");
        assert!(told.contains(why), "{told}");
    }
}

#[tokio::test]
async fn auth0_discovery_names_its_own_endpoints() {
    let idp = Idp::start().await;
    let found = json(idp.get(".well-known/openid-configuration").await).await;
    assert_eq!(found["issuer"], idp.base);
    for (field, path) in [
        ("authorization_endpoint", "authorize"),
        ("token_endpoint", "oauth/token"),
        ("userinfo_endpoint", "userinfo"),
        ("jwks_uri", ".well-known/jwks.json"),
        ("end_session_endpoint", "oidc/logout"),
    ] {
        assert_eq!(found[field], format!("{}{path}", idp.base), "{field}");
    }
    let s256 = &found["code_challenge_methods_supported"][0];
    assert_eq!(s256, "S256");
    let rs256 = &found["id_token_signing_alg_values_supported"];
    assert_eq!(*rs256, json!(["RS256"]));
}

#[tokio::test]
async fn auth0_tells_unknown_clients_and_callbacks_on_a_page_and_never_by_redirect() {
    let idp = Idp::start().await;
    for (change, says) in [
        (("client_id", "stranger"), "Unknown client"),
        (
            ("redirect_uri", "http://evil.example/"),
            "Callback URL mismatch",
        ),
        (
            (
                "redirect_uri",
                "http://gateway.example.com/oauth2/callback/x",
            ),
            "Callback URL mismatch",
        ),
    ] {
        let answer = idp.authorize(&[change]).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        assert!(!answer.headers().contains_key(header::LOCATION));
        assert!(answer.text().await.expect("a page").contains(says));
    }
}

#[tokio::test]
async fn auth0_sends_other_errors_back_to_the_callback() {
    let idp = Idp::start().await;
    for (change, error) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("scope", "email"), "invalid_scope"),
        (("prompt", "none"), "login_required"),
    ] {
        let answer = idp.authorize(&[change]).await;
        assert!(location(&answer).starts_with(CALLBACK));
        assert_eq!(given(&answer, "error").as_deref(), Some(error));
        assert_eq!(given(&answer, "state").as_deref(), Some("st&te"));
        assert_eq!(given(&answer, "code"), None);
    }
}

#[tokio::test]
async fn auth0_shows_a_form_and_refuses_a_wrong_password_with_the_form_again() {
    let idp = Idp::start().await;
    let state = idp.login_page(&[]).await;
    let form = idp.get(&format!("u/login?state={state}")).await;
    assert_eq!(form.status(), StatusCode::OK);
    let form = form.text().await.expect("a page");
    assert!(form.contains("name=\"password\"") && form.contains(&state));

    for (user, password) in [(EMAIL, "wrong"), ("nobody@example.com", PASSWORD), ("", "")] {
        let again = idp.submit(&state, user, password).await;
        assert_eq!(again.status(), StatusCode::BAD_REQUEST);
        assert!(!again.headers().contains_key(header::SET_COOKIE));
        let page = again.text().await.expect("a page");
        assert!(page.contains("Wrong email or password") && page.contains("<form"));
    }
    let lost = idp.submit("no-such-login", EMAIL, PASSWORD).await;
    assert_eq!(lost.status(), StatusCode::BAD_REQUEST);
    assert!(!lost.headers().contains_key(header::SET_COOKIE));
}

#[tokio::test]
async fn auth0_shows_what_was_typed_as_text_and_not_as_html() {
    let idp = Idp::start().await;
    let state = idp.login_page(&[]).await;
    let typed = "\"><script>alert(1)</script>{state}'&";
    let page = idp.submit(&state, typed, "x").await;
    let page = page.text().await.expect("a page");
    assert!(!page.contains("<script>"), "{page}");
    assert!(
        page.contains("value=\"&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;{state}&#39;&amp;\""),
        "{page}"
    );
}

#[tokio::test]
async fn auth0_gives_an_id_token_that_its_key_set_verifies() {
    let mut idp = Idp::start().await;
    let tokens = idp.tokens().await;
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["expires_in"], 86_400);
    let token = tokens["id_token"].as_str().expect("a token");
    let head = jsonwebtoken::decode_header(token).expect("a header");
    assert_eq!(head.alg, Algorithm::RS256);

    let keys = json(idp.get(".well-known/jwks.json").await).await;
    let keys = keys["keys"].as_array().expect("keys");
    let mut fitting = keys
        .iter()
        .filter(|key| key["kid"].as_str() == head.kid.as_deref());
    let key = fitting.next().expect("the key that the token names");
    assert_eq!(key["alg"], "RS256");
    let part = |name: &str| key[name].as_str().expect("a number");
    let key = DecodingKey::from_rsa_components(part("n"), part("e")).expect("a key");
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_audience(&["gateway"]);
    validation.set_issuer(&[&idp.base]);
    let claims = jsonwebtoken::decode::<Value>(token, &key, &validation).expect("it verifies");
    let claims = claims.claims;
    assert_eq!(claims["email"], EMAIL, "the + is kept");
    assert_eq!(claims["nonce"], "n0nce");
    assert!(claims["sid"].as_str().is_some_and(|sid| sid.len() >= 16));
    let lives = claims["exp"].as_i64().zip(claims["iat"].as_i64());
    assert_eq!(lives.map(|(exp, iat)| exp - iat), Some(86_400));

    let mut forged = token.to_owned();
    forged.pop();
    forged.push(if token.ends_with('A') { 'Q' } else { 'A' });
    jsonwebtoken::decode::<Value>(&forged, &key, &validation).expect_err("a forged one");
}

#[tokio::test]
async fn auth0_exchanges_a_code_once_for_who_may_and_with_what_belongs_to_it() {
    let mut idp = Idp::start().await;
    let code = idp.log_in(&[]).await;
    let stranger = idp.exchange(&code, &[("client_secret", "guess")]).await;
    assert_eq!(stranger.status(), StatusCode::UNAUTHORIZED);
    let good = idp.exchange(&code, &[]).await;
    assert_eq!(good.status(), StatusCode::OK, "a stranger used nothing up");
    idp.refused(&code, &[], "Invalid authorization code").await;
    idp.refused("made-up", &[], "Invalid authorization code")
        .await;

    let code = idp.log_in(&[("prompt", "login")]).await;
    let other = ("redirect_uri", "http://gateway.example.com/other");
    idp.refused(&code, &[other], "redirect URI").await;
    let odd = idp.exchange(&code, &[("grant_type", "password")]).await;
    assert_eq!(json(odd).await["error"], "unsupported_grant_type");
}

#[tokio::test]
async fn auth0_holds_a_code_to_its_pkce_challenge() {
    let mut idp = Idp::start().await;
    let verifier = "a-verifier-that-is-longer-than-the-least-of-43-letters";
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
    let challenge = URL_SAFE_NO_PAD.encode(hash);
    let pkce = [
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
        ("prompt", "login"),
    ];
    for wrong in [
        &[][..],
        &[("code_verifier", "wrong")],
        &[("code_verifier", &challenge)],
    ] {
        let code = idp.log_in(&pkce).await;
        idp.refused(&code, wrong, "code verifier").await;
    }
    let code = idp.log_in(&pkce).await;
    let good = idp.exchange(&code, &[("code_verifier", verifier)]).await;
    assert_eq!(good.status(), StatusCode::OK);
}

#[tokio::test]
async fn auth0_knows_who_logged_in_before_until_it_is_told_otherwise() {
    let mut idp = Idp::start().await;
    idp.log_in(&[]).await;
    for silent in [&[][..], &[("prompt", "none")]] {
        let answer = idp.authorize(silent).await;
        assert!(given(&answer, "code").is_some(), "{}", location(&answer));
    }
    idp.login_page(&[("prompt", "login")]).await;
    idp.cookie = Some("auth0=stolen".to_owned());
    idp.login_page(&[]).await;
}

#[tokio::test]
async fn auth0_tells_who_somebody_is_only_to_who_has_the_token() {
    let mut idp = Idp::start().await;
    let tokens = idp.tokens().await;
    let access = tokens["access_token"].as_str().expect("a token");
    let ask = |token: &str| {
        let request = idp.client.get(format!("{}userinfo", idp.base));
        request.bearer_auth(token).send()
    };
    let known = ask(access).await.expect("an answer");
    assert_eq!(known.status(), StatusCode::OK);
    assert_eq!(json(known).await["email"], EMAIL);
    let unknown = ask("made-up").await.expect("an answer");
    assert_eq!(unknown.status(), StatusCode::UNAUTHORIZED);
    assert!(unknown.headers().contains_key(header::WWW_AUTHENTICATE));
    assert_eq!(idp.get("userinfo").await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn auth0_back_channel_logout_ends_the_session_that_the_token_names() {
    let mut idp = Idp::start().await;
    let tokens = idp.tokens().await;
    let cookie = idp.cookie.take();
    let hint = tokens["id_token"].as_str().expect("a token");
    let bad = idp.get("oidc/logout?id_token_hint=made.up.token").await;
    assert_eq!(bad.status(), StatusCode::BAD_REQUEST);
    idp.cookie = cookie.clone();
    assert!(
        given(&idp.authorize(&[]).await, "code").is_some(),
        "it lives"
    );

    // Without the cookie, as oauth2-proxy asks.
    idp.cookie = None;
    let done = idp.get(&format!("oidc/logout?id_token_hint={hint}")).await;
    assert_eq!(done.status(), StatusCode::OK);
    idp.cookie = cookie;
    idp.login_page(&[]).await;
}

#[tokio::test]
async fn auth0_browser_logout_ends_the_session_and_returns_only_where_it_may() {
    let mut idp = Idp::start().await;
    idp.log_in(&[]).await;
    for evil in [
        "http://evil.example/",
        "http://gateway.example.com.evil.example/",
    ] {
        let answer = idp
            .get(&format!("v2/logout?{}", fields(&[("returnTo", evil)])))
            .await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        assert!(!answer.headers().contains_key(header::LOCATION));
    }
    idp.log_in(&[("prompt", "login")]).await;
    let home = format!("{HOME}/");
    let answer = idp
        .get(&format!("v2/logout?{}", fields(&[("returnTo", &home)])))
        .await;
    assert_eq!(answer.status(), StatusCode::FOUND);
    assert_eq!(location(&answer), home);
    let cleared = answer.headers()[header::SET_COOKIE].to_str().expect("text");
    assert!(cleared.contains("Max-Age=0"), "{cleared}");
    idp.login_page(&[]).await;
}

#[tokio::test]
async fn auth0_journal_tells_codes_and_logins_and_no_password() {
    let mut idp = Idp::start().await;
    idp.tokens().await;
    let text = idp
        .get("__verify/journal")
        .await
        .text()
        .await
        .expect("text");
    for secret in [PASSWORD, "correct+horse", "s3cret"] {
        assert!(!text.contains(secret), "{secret}");
    }
    assert!(text.contains("password=[masked]"), "{text}");
    let journal: Value = serde_json::from_str(&text).expect("JSON");
    let entries = journal["entries"].as_array().expect("entries");
    let notes: Vec<&str> = entries
        .iter()
        .filter_map(|entry| entry["note"].as_str())
        .collect();
    let issued = format!("code issued for {EMAIL}");
    let exchanged = format!("code exchanged for {EMAIL}");
    assert_eq!(notes, [format!("logged in {EMAIL}"), issued, exchanged]);
}

// --------------------------------------------------------------------------- LiteLLM

const MODEL: &str = "claude-sonnet-4-20250514";

struct Upstream {
    _running: Running,
    base: String,
    client: Client,
}

impl Upstream {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let double = litellm::LiteLlm::new(litellm::Config {
            master_key: SecretString::from("sk-master"),
            shared_key: SecretString::from("sk-shared"),
            models: vec![MODEL.to_owned()],
        });
        Self {
            _running: doubles::serve(listener, double.router()).expect("it listens"),
            base,
            client: client(),
        }
    }

    async fn get(&self, path: &str) -> Response {
        let request = self.client.get(format!("{}{path}", self.base));
        let request = request.bearer_auth("sk-shared");
        request.send().await.expect("an answer")
    }

    fn request(&self, path: &str, body: &Value) -> RequestBuilder {
        let request = self.client.post(format!("{}{path}", self.base));
        request.json(body)
    }

    async fn ask(&self, path: &str, body: &Value) -> Response {
        let request = self.request(path, body).bearer_auth("sk-shared");
        request.send().await.expect("an answer")
    }

    async fn journal(&self, since: u64) -> Value {
        json(self.get(&format!("/__verify/journal?since={since}")).await).await
    }

    async fn fault(&self, fault: Value) {
        let answer = self.ask("/__verify/faults", &fault).await;
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    }
}

fn prompt(stream: bool) -> Value {
    json!({
        "model": MODEL, "max_tokens": 100, "stream": stream,
        "messages": [{"role": "user", "content": "three short words"}],
    })
}

/// The pieces of a stream as they came: how many, and all together.
async fn pieces(response: Response) -> (usize, String) {
    let kind = response.headers()[header::CONTENT_TYPE]
        .to_str()
        .expect("text");
    assert!(kind.starts_with("text/event-stream"), "{kind}");
    let mut stream = response.bytes_stream();
    let (mut count, mut all) = (0, Vec::new());
    while let Some(piece) = stream.next().await {
        all.extend(piece.expect("a piece"));
        count += 1;
    }
    (count, String::from_utf8(all).expect("UTF-8"))
}

#[tokio::test]
async fn litellm_answers_messages_whole_with_the_prompt_in_it() {
    let upstream = Upstream::start().await;
    let answer = upstream.ask("/v1/messages", &prompt(false)).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let body = json(answer).await;
    assert_eq!(body["type"], "message");
    assert_eq!(body["role"], "assistant");
    assert_eq!(body["model"], MODEL);
    assert_eq!(body["content"][0]["text"], "You said: three short words");
    assert_eq!(body["stop_reason"], "end_turn");
    assert!(body["usage"]["output_tokens"].as_u64() > Some(0));
}

#[tokio::test]
async fn litellm_streams_messages_in_anthropics_order_and_piece_by_piece() {
    let upstream = Upstream::start().await;
    let (count, text) = pieces(upstream.ask("/v1/messages", &prompt(true)).await).await;
    assert!(count > 3, "one piece is no stream");
    let names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("event: "))
        .collect();
    let delta = "content_block_delta";
    assert_eq!(
        names,
        [
            "message_start",
            "content_block_start",
            "ping",
            delta,
            delta,
            delta,
            delta,
            delta,
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]
    );
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    let events: Vec<Value> = data
        .map(|data| serde_json::from_str(data).expect("JSON"))
        .collect();
    let said: String = events
        .iter()
        .filter_map(|event| event["delta"]["text"].as_str())
        .collect();
    assert_eq!(said, "You said: three short words");
    assert!(
        names
            .iter()
            .zip(&events)
            .all(|(name, event)| event["type"] == *name)
    );
}

#[tokio::test]
async fn litellm_answers_chat_completions_whole_and_as_a_stream_that_says_done() {
    let upstream = Upstream::start().await;
    let whole = json(upstream.ask("/v1/chat/completions", &prompt(false)).await).await;
    let said = &whole["choices"][0]["message"]["content"];
    assert_eq!(said, "You said: three short words");
    assert_eq!(whole["object"], "chat.completion");

    let (count, text) = pieces(upstream.ask("/v1/chat/completions", &prompt(true)).await).await;
    assert!(count > 3, "one piece is no stream");
    let data: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .collect();
    let (done, chunks) = data.split_last().expect("a stream");
    assert_eq!(*done, "[DONE]");
    let chunks: Vec<Value> = chunks
        .iter()
        .map(|data| serde_json::from_str(data).expect("JSON"))
        .collect();
    let said: String = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert_eq!(said, "You said: three short words");
    let last = chunks.last().expect("a chunk");
    assert_eq!(last["choices"][0]["finish_reason"], "stop");
}

#[tokio::test]
async fn litellm_serves_its_models_and_refuses_others() {
    let upstream = Upstream::start().await;
    let models = json(upstream.get("/v1/models").await).await;
    assert_eq!(models["data"][0]["id"], MODEL);
    let mut other = prompt(false);
    other["model"] = json!("gpt-none");
    for path in ["/v1/messages", "/v1/chat/completions"] {
        let answer = upstream.ask(path, &other).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        let message = json(answer).await["error"]["message"].to_string();
        assert!(message.contains("gpt-none"), "{message}");
        let answer = upstream.ask(path, &json!({"model": MODEL})).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn litellm_answers_nobody_without_a_key() {
    let upstream = Upstream::start().await;
    for path in ["/v1/messages", "/v1/chat/completions"] {
        let none = upstream.request(path, &prompt(false)).send();
        let wrong = upstream
            .request(path, &prompt(false))
            .bearer_auth("sk-no")
            .send();
        for answer in [none.await, wrong.await] {
            let answer = answer.expect("an answer");
            assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
            assert!(json(answer).await["error"]["message"].is_string());
        }
        let key = upstream
            .request(path, &prompt(false))
            .header("x-api-key", "sk-master");
        assert_eq!(
            key.send().await.expect("an answer").status(),
            StatusCode::OK
        );
    }
    let open = client()
        .get(format!("{}/health/liveliness", upstream.base))
        .send()
        .await;
    assert_eq!(open.expect("an answer").status(), StatusCode::OK);
}

#[tokio::test]
async fn litellm_fails_as_it_is_asked_to() {
    let upstream = Upstream::start().await;
    for code in [429, 500, 503] {
        let request = upstream
            .request("/v1/messages", &prompt(false))
            .bearer_auth("sk-shared");
        let answer = request
            .header("x-mock-error", code)
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status().as_u16(), code);
        let retry = answer.headers().contains_key(header::RETRY_AFTER);
        assert_eq!(retry, code == 429);
    }
}

#[tokio::test]
async fn litellm_journal_holds_every_request_in_order() {
    let upstream = Upstream::start().await;
    for number in 0..3 {
        upstream.get(&format!("/v1/models?number={number}")).await;
    }
    let first = upstream.journal(0).await;
    assert_eq!(first["next"], 3);
    let queries = |page: &Value| -> Vec<String> {
        let entries = page["entries"].as_array().expect("entries");
        entries
            .iter()
            .filter_map(|entry| Some(entry["query"].as_str()?.to_owned()))
            .collect()
    };
    assert_eq!(queries(&first), ["number=0", "number=1", "number=2"]);
    assert_eq!(queries(&upstream.journal(2).await), ["number=2"]);
    assert_eq!(queries(&upstream.journal(3).await), [""; 0]);
    assert_eq!(first["entries"][0]["status"], 200);
}

#[tokio::test]
async fn litellm_meets_its_faults_where_and_as_often_as_asked() {
    let upstream = Upstream::start().await;
    upstream
        .fault(json!({"status": 502, "path_prefix": "/v1/models", "times": 2}))
        .await;
    let mut seen = Vec::new();
    for path in [
        "/health/liveliness",
        "/v1/models",
        "/v1/models",
        "/v1/models",
    ] {
        seen.push(upstream.get(path).await.status().as_u16());
    }
    assert_eq!(seen, [200, 502, 502, 200]);

    upstream.fault(json!({"delay_ms": 60, "times": 1})).await;
    let begun = Instant::now();
    assert_eq!(upstream.get("/v1/models").await.status(), StatusCode::OK);
    assert!(begun.elapsed() >= Duration::from_millis(60));

    upstream.fault(json!({"status": 500})).await;
    assert_eq!(upstream.get("/v1/models").await.status().as_u16(), 500);
    let faults = format!("{}/__verify/faults", upstream.base);
    upstream
        .client
        .delete(faults)
        .send()
        .await
        .expect("an answer");
    assert_eq!(upstream.get("/v1/models").await.status(), StatusCode::OK);
    let wrong = upstream
        .ask("/__verify/faults", &json!({"statsu": 500}))
        .await;
    assert!(wrong.status().is_client_error(), "{}", wrong.status());
}

// --------------------------------------------------------------------------- alone

/// Serves a double by the binary, asks it, and ends it.
async fn serves(double: &str, path: &str) {
    let mut command = verify(["serve", double, "--port", "0"]).command;
    let mut child = command.spawn().expect("verify can be run");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("it is a pipe");
    BufReader::new(stdout).read_line(&mut line).expect("UTF-8");
    let base = line
        .trim_end()
        .strip_prefix("listening on ")
        .expect("its address");
    let answer = client().get(format!("{base}{path}")).send().await;
    let status = answer.expect("an answer").status();
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    kill_process(pid.expect("a pid"), Signal::TERM).expect("a signal can be sent");
    assert_eq!(child.wait().expect("it is a child").code(), Some(0));
    assert_eq!(status, StatusCode::OK);
    client().get(base).send().await.expect_err("nobody listens");
}

#[tokio::test]
async fn auth0_is_served_alone_until_it_is_ended() {
    serves("auth0", "/.well-known/openid-configuration").await;
}

#[tokio::test]
async fn litellm_is_served_alone_until_it_is_ended() {
    serves("litellm", "/health/readiness").await;
}
