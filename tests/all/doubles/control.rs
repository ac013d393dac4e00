//! The control path that both doubles have: journal and faults.

use std::time::{Duration, Instant};

use reqwest::{Client, Method, StatusCode};
use serde_json::json;
use verify::doubles::Running;
use verify::doubles::control::{HEALTH, TOKEN_HEADER};
use verify::doubles::litellm::{Config, LiteLlm};

use super::support::{TOKEN, client, journal, start};

fn config() -> Config {
    Config {
        master_key: "m".into(),
        shared_key: "s".into(),
        models: vec![],
    }
}

async fn rig() -> (Running, Client, String) {
    let running = start(
        LiteLlm::new(config())
            .unwrap()
            .controlled_by(TOKEN.into())
            .router(),
    )
    .await;
    let base = format!("http://{}", running.addr);
    (running, client(), base)
}

#[tokio::test]
async fn the_journal_is_in_order_and_since_is_a_cursor() {
    let (running, client, base) = rig().await;
    for number in 0..5 {
        let request = client.get(format!("{base}/p%20{number}?q={number}"));
        request
            .header("X-Nonce", "n+1")
            .header("x-nonce", "2")
            .body("b")
            .send()
            .await
            .unwrap();
        // The answer is here, so its entry is too.
        let page = journal(&running, number).await;
        assert_eq!((page.next, page.entries.len()), (number + 1, 1));
        let entry = &page.entries[0];
        assert_eq!(
            (entry.seq, entry.method.as_str(), entry.status),
            (number, "GET", 404)
        );
        assert_eq!(
            (entry.path.clone(), entry.query.clone()),
            (format!("/p%20{number}"), format!("q={number}"))
        );
        assert_eq!(
            (entry.header("x-nonce"), entry.body.as_str()),
            (Some("n+1"), "b")
        );
    }
    let page = journal(&running, 0).await;
    assert_eq!(
        page.entries[0].header_values("x-nonce").collect::<Vec<_>>(),
        ["n+1", "2"]
    );
    assert_eq!(
        page.entries
            .iter()
            .map(|entry| entry.seq)
            .collect::<Vec<_>>(),
        [0, 1, 2, 3, 4]
    );
    assert!(page.entries.is_sorted_by_key(|entry| entry.at_ms));
    assert!(journal(&running, page.next).await.entries.is_empty());
}

#[tokio::test]
async fn requests_at_once_are_each_journaled_once() {
    let (running, client, base) = rig().await;
    let ask = async |number: u64| {
        let url = format!("{base}/v1/messages?verify={number}");
        let ask = json!({ "model": "m", "max_tokens": 9, "messages": [
            { "role": "user", "content": format!("nonce-{number}") },
        ]});
        let answer = client
            .post(url)
            .bearer_auth("s")
            .json(&ask)
            .send()
            .await
            .unwrap();
        let answer: serde_json::Value = answer.json().await.unwrap();
        assert_eq!(
            answer["content"][0]["text"],
            format!("You said: nonce-{number}")
        );
    };
    futures::future::join_all((0..50).map(ask)).await;
    let page = journal(&running, 0).await;
    assert_eq!((page.next, page.entries.len(), page.lost), (50, 50, 0));
    for number in 0..50 {
        let query = format!("verify={number}");
        let found: Vec<_> = page
            .entries
            .iter()
            .filter(|entry| entry.query == query)
            .collect();
        assert_eq!(found.len(), 1, "{query}");
        assert!(
            found[0].body.contains(&format!("nonce-{number}\"")),
            "{}",
            found[0].body
        );
    }
}

/// nginx speaks HTTP/1.0 to its upstreams unless told otherwise.
#[tokio::test]
async fn a_stream_reaches_a_client_of_http_1_0() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let (running, _, _) = rig().await;
    let body = r#"{"model":"m","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"old"}]}"#;
    let mut stream = tokio::net::TcpStream::connect(running.addr).await.unwrap();
    let head =
        "POST /v1/messages HTTP/1.0\r\nHost: litellm\r\nAuthorization: Bearer s\r\nContent-Length";
    let request = format!("{head}: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n"), "{answer}");
    assert!(
        !answer.to_lowercase().contains("transfer-encoding"),
        "{answer}"
    );
    assert!(
        answer.ends_with("data: {\"type\":\"message_stop\"}\n\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn bodies_are_bounded() {
    let (running, client, base) = rig().await;
    let long = client
        .post(format!("{base}/x"))
        .body("日".repeat(60_000))
        .send()
        .await
        .unwrap();
    assert_eq!(long.status(), StatusCode::NOT_FOUND);
    let kept = journal(&running, 0).await.entries[0].body.clone();
    assert!(kept.len() <= 64 * 1024 && kept.len() > 64 * 1024 - 3);
    let too_long = client
        .post(format!("{base}/x"))
        .body(vec![b'x'; 33 * 1024 * 1024])
        .send()
        .await;
    // The refusal may come while the client still writes.
    if let Ok(answer) = too_long {
        assert_eq!(answer.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
    assert_eq!(journal(&running, 1).await.entries[0].status, 413);
}

#[tokio::test]
async fn faults_strike_what_they_name_and_are_used_up() {
    let (running, client, base) = rig().await;
    let faults = format!("{base}/__verify/faults");
    let fault = json!({ "delay_ms": 0, "status": 503, "path_prefix": "/v1/", "times": 1 });
    assert_eq!(
        client
            .post(&faults)
            .json(&fault)
            .send()
            .await
            .unwrap()
            .status(),
        StatusCode::CREATED
    );
    let status = async |path: &str| {
        client
            .get(format!("{base}{path}"))
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    assert_eq!(status("/ui/").await, 200);
    assert_eq!(status("/v1/models").await, 503);
    assert_eq!(status("/v1/models").await, 401);
    assert_eq!(
        journal(&running, 1).await.entries[0].note.as_deref(),
        Some("fault: 503")
    );

    let slow = json!({ "delay_ms": 40, "status": null });
    client.post(&faults).json(&slow).send().await.unwrap();
    let started = Instant::now();
    assert_eq!(status("/ui/").await, 200);
    assert!(started.elapsed() >= Duration::from_millis(40));
    client.delete(&faults).send().await.unwrap();
    let list = client
        .get(&faults)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert_eq!(list, r#"{"faults":[]}"#);
    let nonsense = client
        .post(&faults)
        .json(&json!({ "status": 42 }))
        .send()
        .await
        .unwrap();
    assert_eq!(nonsense.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_client_that_does_not_wait_is_journaled_too() {
    let (running, client, base) = rig().await;
    let fault = json!({ "delay_ms": 60_000 });
    client
        .post(format!("{base}/__verify/faults"))
        .json(&fault)
        .send()
        .await
        .unwrap();
    let impatient = client
        .get(format!("{base}/ui"))
        .timeout(Duration::from_millis(50))
        .send()
        .await;
    assert!(impatient.is_err());
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        if let Some(entry) = journal(&running, 0).await.entries.first() {
            assert_eq!(entry.status, 499);
            break;
        }
        assert!(
            Instant::now() < deadline,
            "no entry for the request that was given up"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_double_that_is_stopped_or_dropped_listens_no_more() {
    for drop_it in [false, true] {
        let (running, client, base) = rig().await;
        client.get(&base).send().await.unwrap();
        let addr = running.addr;
        if drop_it {
            drop(running);
        } else {
            running.stop().await;
        }
        let deadline = Instant::now() + Duration::from_secs(5);
        while tokio::net::TcpStream::connect(addr).await.is_ok() {
            assert!(Instant::now() < deadline, "still listening");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(
            client.get(&base).send().await.is_err(),
            "an idle connection is still served"
        );
    }
}

#[tokio::test]
async fn who_has_no_token_reads_and_changes_nothing_and_is_journaled() {
    let (running, _, base) = rig().await;
    let closed = start(LiteLlm::new(config()).unwrap().router()).await;
    let emptied = LiteLlm::new(config()).unwrap().controlled_by("".into());
    let emptied = start(emptied.router()).await;
    let stranger = Client::builder().no_proxy().build().unwrap();
    let unknown = stranger
        .get(format!("{base}/unknown"))
        .send()
        .await
        .unwrap();
    let (status, body) = (unknown.status(), unknown.text().await.unwrap());
    assert_eq!(status, StatusCode::NOT_FOUND);
    let mut asked = 1;
    let doubles = [
        (
            base.clone(),
            vec![None, Some(""), Some("wrong"), Some("token-of-the-testS")],
        ),
        (
            format!("http://{}", closed.addr),
            vec![None, Some(""), Some(TOKEN)],
        ),
        (
            format!("http://{}", emptied.addr),
            vec![None, Some(""), Some(TOKEN)],
        ),
    ];
    for (at, tokens) in doubles {
        for token in tokens {
            for (method, path) in [
                (Method::GET, "/__verify/journal?since=0"),
                (Method::GET, "/__verify/log"),
                (Method::GET, "/__verify/hold"),
                (Method::POST, "/__verify/faults"),
                (Method::DELETE, "/__verify/faults"),
                (Method::GET, "/__verify/faults/../journal"),
            ] {
                let mut request = stranger.request(method, format!("{at}{path}"));
                if let Some(token) = token {
                    request = request.header(TOKEN_HEADER, token);
                }
                let request = request.json(&json!({ "delay_ms": 60_000 }));
                let answer = request.send().await.unwrap();
                assert_eq!(answer.status(), status, "{at}{path} with {token:?}");
                assert_eq!(answer.text().await.unwrap(), body, "{at}{path}");
                asked += usize::from(at == base);
            }
        }
        let health = stranger.get(format!("{at}{HEALTH}")).send().await.unwrap();
        assert_eq!(health.status(), StatusCode::OK, "{at}");
        assert_eq!(health.text().await.unwrap(), "ok");
    }
    // The journal has each of them, and no health check.
    let page = journal(&running, 0).await;
    assert_eq!(page.entries.len(), asked);
    assert!(page.entries[1..].iter().all(|entry| entry.status == 404));
    let shown = page
        .entries
        .iter()
        .filter_map(|entry| entry.header(TOKEN_HEADER));
    assert!(shown.into_iter().all(|value| value == "***"));
}
