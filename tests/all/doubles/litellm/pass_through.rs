//! The journal in front of the real LiteLLM; the double stands behind it here, which nobody could
//! tell from in front.

use reqwest::{Method, StatusCode};
use serde_json::json;
use verify::doubles::litellm::pass_through::{ANSWERED, PassThrough};

use super::super::support::{TOKEN, client, journal, json as body_of, start};
use super::{SHARED, prompt, rig};

#[tokio::test]
async fn what_comes_is_written_down_and_handed_on_as_it_came() {
    let (real, log) = (rig().await, tempfile::NamedTempFile::new().unwrap());
    std::fs::write(log.path(), "INFO: its own words\n").unwrap();
    let front = PassThrough::new(real.running.addr, vec![log.path().to_owned()]);
    let front = start(front.controlled_by(TOKEN.into()).router()).await;
    let at = |path: &str| format!("http://{}{path}", front.addr);
    let ask = client().post(at("/v1/messages?verify=%2e%2E/a+b"));
    let ask = ask
        .bearer_auth(SHARED)
        .header("x-litellm-user-email", "a+b@example.com");
    let answer = ask.json(&prompt("nonce-17")).send().await.unwrap();
    assert_eq!(answer.headers()["x-frame-options"], "DENY");
    assert_eq!(
        body_of(answer).await["content"][0]["text"],
        "You said: nonce-17"
    );

    let (seen, handed) = (journal(&front, 0).await, journal(&real.running, 0).await);
    let (seen, handed) = (&seen.entries[0], &handed.entries[0]);
    assert_eq!((seen.status, seen.note.as_deref()), (200, Some(ANSWERED)));
    assert_eq!(seen.query, "verify=%2e%2E/a+b");
    assert_eq!(
        (&seen.query, &seen.body, &seen.headers),
        (&handed.query, &handed.body, &handed.headers)
    );

    // A redirect leads where the one in front was asked.
    let ui = client().get(at("/ui")).send().await.unwrap();
    assert_eq!(
        (ui.status(), ui.headers()["location"].to_str().unwrap()),
        (StatusCode::TEMPORARY_REDIRECT, at("/ui/").as_str())
    );
    let log = client().get(at("/__verify/log")).send().await.unwrap();
    assert_eq!(log.text().await.unwrap(), "INFO: its own words\n");
    let alive = client().get(at("/__verify/alive")).send().await.unwrap();
    assert_eq!(alive.status(), StatusCode::OK);
    assert_eq!(
        journal(&real.running, 0).await.entries.len(),
        3,
        "the log is not asked for behind"
    );
}

#[tokio::test]
async fn a_stream_waits_until_it_is_told_to_go_on() {
    let real = rig().await;
    let front = PassThrough::new(real.running.addr, Vec::new()).controlled_by(TOKEN.into());
    let front = start(front.router()).await;
    let at = |path: &str| format!("http://{}{path}", front.addr);
    let hold = |frames: usize| {
        client()
            .post(at("/__verify/hold"))
            .json(&json!({ "frames": frames }))
            .send()
    };
    hold(1).await.unwrap();
    let mut ask = prompt("nonce-18");
    ask["stream"] = true.into();
    let ask = client()
        .post(at("/v1/messages"))
        .bearer_auth(SHARED)
        .json(&ask);
    let mut stream = ask.send().await.unwrap();
    let first = stream.chunk().await.unwrap().unwrap();
    assert!(first.starts_with(b"event: message_start\n"), "{first:?}");
    let streams = body_of(client().get(at("/__verify/hold")).send().await.unwrap()).await;
    assert_eq!(streams["streams"][0]["sent"], 1, "{streams}");
    client().delete(at("/__verify/hold")).send().await.unwrap();
    let mut rest = Vec::new();
    while let Some(chunk) = stream.chunk().await.unwrap() {
        rest.extend_from_slice(&chunk);
    }
    let rest = String::from_utf8(rest).unwrap();
    assert!(
        rest.ends_with("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"),
        "{rest}"
    );
}

#[tokio::test]
async fn nobody_behind_it_is_not_an_answer_of_litellm() {
    let real = rig().await;
    let addr = real.running.addr;
    real.running.stop().await;
    let front = PassThrough::new(addr, vec!["/no/such/log".into()]).controlled_by(TOKEN.into());
    let front = start(front.router()).await;
    let at = |path: &str| format!("http://{}{path}", front.addr);
    let answer = client()
        .request(Method::GET, at("/v1/models"))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
    let entry = journal(&front, 0).await.entries.remove(0);
    let note = entry.note.unwrap();
    assert!(note.starts_with("LiteLLM does not answer: "), "{note}");
    for (path, status) in [("/__verify/alive", 503), ("/__verify/log", 500)] {
        let answer = client().get(at(path)).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{path}");
    }
}
