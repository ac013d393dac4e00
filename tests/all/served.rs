//! The doubles by themselves: `verify serve`.

use std::io::{BufRead as _, BufReader};

use reqwest::{Client, StatusCode, redirect::Policy};
use rustix::process::{Pid, Signal, kill_process};

use verify::doubles::control::{TOKEN_HEADER, TOKEN_VARIABLE};

use super::support::verify;

fn client() -> Client {
    Client::builder().no_proxy().build().expect("a client")
}

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

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    verify(["serve", "litellm", "--port", &port])
        .ends()
        .exits(4)
        .complains(["--port", &port, "another port"])
        .started_nothing();
}

#[test]
fn who_can_log_in_is_written_with_a_password() {
    verify([
        "serve",
        "auth0",
        "--port",
        "0",
        "--user",
        "admin@example.com",
    ])
    .ends()
    .exits(2)
    .complains(["--user", "EMAIL:PASSWORD"])
    .started_nothing();
}

/// The status of a login by the form: 302 where the password is right.
async fn logs_in(base: &str, email: &str, password: &str) -> StatusCode {
    let browser = Client::builder().no_proxy().redirect(Policy::none());
    let browser = browser.build().expect("a client");
    let asked = browser
        .get(format!(
            "{base}/authorize?client_id=verify&response_type=code&scope=openid&state=s\
             &redirect_uri=http%3A%2F%2Flocalhost"
        ))
        .send()
        .await
        .expect("an answer");
    let form = asked.headers()["location"].to_str().expect("text");
    let (_, state) = form.split_once("state=").expect("a state");
    let state = state.split('&').next().unwrap_or_default();
    let fields = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("state", state),
            ("username", email),
            ("password", password),
        ])
        .finish();
    let sent = browser
        .post(format!("{base}/u/login?state={state}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(fields);
    sent.send().await.expect("an answer").status()
}

/// An address and a password may hold what a shell or a URL would read otherwise.
#[tokio::test]
async fn who_can_log_in_is_taken_from_the_environment() {
    let mut command = verify(["serve", "auth0", "--port", "0"])
        .env(
            "VERIFY_USERS",
            "admin+test@example.com:a/b&c=d|e:f user@example.com:other",
        )
        .command;
    let mut child = command.spawn().expect("verify can be run");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("it is a pipe");
    BufReader::new(stdout).read_line(&mut line).expect("UTF-8");
    let base = line
        .trim_end()
        .strip_prefix("listening on ")
        .expect("its address");
    let seen = [
        logs_in(base, "admin+test@example.com", "a/b&c=d|e:f").await,
        logs_in(base, "user@example.com", "other").await,
        logs_in(base, "user@example.com", "password").await,
    ];
    child.kill().expect("it runs");
    child.wait().expect("it is a child");
    assert_eq!(
        seen,
        [
            StatusCode::FOUND,
            StatusCode::FOUND,
            StatusCode::BAD_REQUEST
        ]
    );
}

#[test]
fn an_environment_that_names_nobody_s_password_is_refused() {
    verify(["serve", "auth0", "--port", "0"])
        .env(
            "VERIFY_USERS",
            "user@example.com:password admin@example.com",
        )
        .ends()
        .exits(2)
        .complains(["EMAIL:PASSWORD"])
        .started_nothing();
}

#[tokio::test]
async fn a_logout_goes_only_where_it_may() {
    let mut command = verify(["serve", "auth0", "--port", "0"])
        .arg("--logout=http://127.0.0.1:8000")
        .arg("--logout=http://gateway.example.com")
        .command;
    let mut child = command.spawn().expect("verify can be run");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("it is a pipe");
    BufReader::new(stdout).read_line(&mut line).expect("UTF-8");
    let base = line
        .trim_end()
        .strip_prefix("listening on ")
        .expect("its address");
    let browser = Client::builder().no_proxy().redirect(Policy::none());
    let browser = browser.build().expect("a client");
    let mut seen = Vec::new();
    for to in [
        "http://127.0.0.1:8000",
        "http://gateway.example.com",
        "http://localhost",
    ] {
        let url = format!("{base}/v2/logout?client_id=verify&returnTo={to}");
        let answer = browser.get(url).send().await.expect("an answer");
        seen.push(
            answer
                .headers()
                .get("location")
                .map(|to| to.to_str().expect("text").to_owned()),
        );
    }
    child.kill().expect("it runs");
    child.wait().expect("it is a child");
    let expected = [
        Some("http://127.0.0.1:8000"),
        Some("http://gateway.example.com"),
        None,
    ];
    assert_eq!(seen, expected.map(|to| to.map(str::to_owned)));
}

#[test]
fn known_secrets_are_refused_off_the_loopback() {
    for (double, hint) in [
        ("auth0", "VERIFY_CLIENT_SECRET"),
        ("litellm", "LITELLM_MASTER_KEY"),
    ] {
        verify(["serve", double, "--port", "0", "--host", "0.0.0.0"])
            .env("LITELLM_MASTER_KEY", "sk-master-for-tests-only")
            .env("LITELLM_SHARED_KEY", "a key of its own")
            .env("VERIFY_CLIENT_SECRET", "client-secret-for-tests-only")
            .env("VERIFY_USERS", "user@example.com:a-password-of-its-own")
            .ends()
            .exits(2)
            .complains(["--host 0.0.0.0", hint, "--insecure-test-secrets"])
            .started_nothing();
    }
}

#[tokio::test]
async fn the_control_path_is_closed_to_another_host() {
    let mut command = verify(["serve", "litellm", "--port", "0", "--host", "0.0.0.0"])
        .arg("--insecure-test-secrets")
        .arg("--allow-host")
        .arg("litellm.example.com")
        .env(TOKEN_VARIABLE, "a token")
        .command;
    let mut child = command.spawn().expect("verify can be run");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("it is a pipe");
    BufReader::new(stdout).read_line(&mut line).expect("UTF-8");
    let (_, port) = line.trim_end().rsplit_once(':').expect("its address");
    let mut seen = Vec::new();
    for host in ["evil.example", "litellm.example.com:4000", "127.0.0.1"] {
        let url = format!("http://127.0.0.1:{port}/__verify/journal");
        let request = client().get(url).header("host", host);
        let answer = request.header(TOKEN_HEADER, "a token").send().await;
        seen.push(answer.expect("an answer").status().as_u16());
    }
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    kill_process(pid.expect("a pid"), Signal::TERM).expect("a signal can be sent");
    child.wait().expect("it is a child");
    assert_eq!(seen, [421, 200, 200]);
}
