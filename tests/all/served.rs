//! The doubles by themselves: `verify serve`.

use std::io::{BufRead as _, BufReader};

use reqwest::{Client, StatusCode};
use rustix::process::{Pid, Signal, kill_process};

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
