//! What a gateway gets from the mock LiteLLM.

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use verify::doubles::Running;
use verify::doubles::litellm::{Config, LiteLlm};

use super::support::{TOKEN, client, start};

mod contract;
mod llm;
mod pass_through;
mod proxy;
pub mod real;

const MODEL: &str = "claude-sonnet-4-20250514";
const SHARED: &str = "sk-shared";

struct Rig {
    running: Running,
    client: Client,
}

async fn rig() -> Rig {
    let double = LiteLlm::new(Config {
        master_key: "sk-master".into(),
        shared_key: SHARED.into(),
        models: vec![MODEL.into()],
    });
    Rig {
        running: start(double.unwrap().controlled_by(TOKEN.into()).router()).await,
        client: client(),
    }
}

impl Rig {
    fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("http://{}{path}", self.running.addr))
    }

    fn with_key(&self, method: Method, path: &str) -> RequestBuilder {
        self.ask(method, path).bearer_auth(SHARED)
    }

    async fn status(&self, method: Method, path: &str) -> StatusCode {
        self.with_key(method, path).send().await.unwrap().status()
    }
}

fn prompt(text: &str) -> Value {
    json!({ "model": MODEL, "max_tokens": 100, "messages": [{ "role": "user", "content": text }] })
}
