//! The doubles by themselves: `verify serve`.

use std::io::{BufRead as _, BufReader};

use reqwest::StatusCode;
use rustix::process::{Pid, Signal, kill_process};

use super::support::verify;

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
    let answer = reqwest::get(format!("{base}{path}")).await;
    let status = answer.expect("an answer").status();
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    kill_process(pid.expect("a pid"), Signal::TERM).expect("a signal can be sent");
    assert_eq!(child.wait().expect("it is a child").code(), Some(0));
    assert_eq!(status, StatusCode::OK);
    reqwest::get(base).await.expect_err("nobody listens");
}

#[tokio::test]
async fn auth0_is_served_alone_until_it_is_ended() {
    serves("auth0", "/.well-known/openid-configuration").await;
}

#[tokio::test]
async fn litellm_is_served_alone_until_it_is_ended() {
    serves("litellm", "/health/readiness").await;
}
