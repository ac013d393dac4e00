//! The real LiteLLM in the place of its double: on a port of its own, behind a journal on the
//! upstream's.

use std::{fs, time::Duration};

use serde_json::json;

use super::{
    answers::{Asked, failed},
    confine::{Limits, Sees, Spec},
    layout::{self, local},
};
use crate::{
    doubles::litellm::pass_through::PassThrough,
    profile::Profile,
    stack::{
        Service, StackError,
        keys::{Keys, clear},
        litellm::{Litellm, env},
    },
};

/// Where it listens.
const PORT: u16 = 4001;

/// How long it has to answer: some 10 s, and several times that on a busy machine.
const READY_DEADLINE: Duration = Duration::from_secs(120);

/// A LiteLLM of the host, at its places inside the sandbox.
pub fn inside(litellm: &Litellm) -> Litellm {
    Litellm {
        home: layout::shipped("litellm"),
        base: litellm.base.clone(),
        files: layout::shipped("in/litellm"),
        version: litellm.version.clone(),
    }
}

/// LiteLLM with the models of the profile and the keys of the run.
pub fn spec(litellm: &Litellm, profile: &Profile, keys: &Keys) -> Result<Spec, StackError> {
    let folder = layout::inside("upstream");
    let litellm = inside(litellm);
    let args = fs::create_dir_all(&folder)
        .and_then(|()| litellm.prepare(&folder, &profile.llm.models, PORT))
        .map_err(|error| {
            let what = format!("its configuration cannot be written: {error}");
            failed(Service::Upstream, what)
        })?;
    Ok(Spec {
        service: Service::Upstream,
        program: litellm.program(),
        args,
        env: env(&keys.master, &keys.shared),
        sees: vec![
            Sees::Read(litellm.home),
            Sees::Read(litellm.files),
            Sees::Read(litellm.base),
            Sees::Write(folder.clone()),
            Sees::WriteAt(folder, "/tmp"),
        ],
        limits: Limits::OF_HELPERS,
    })
}

/// The journal in front of it, which answers on the upstream's port.
pub fn in_front(keys: &Keys) -> axum::Router {
    let log = |stream| layout::log_file(Service::Upstream.name(), stream);
    PassThrough::new(local(PORT), vec![log("stdout"), log("stderr")])
        .controlled_by(keys.control.clone())
        .router()
}

/// Waits until it answers, and has answered what it is asked in a run once: it loads much of itself
/// when it is first asked for it, which may take longer than a gateway's user would wait.
pub async fn answers(profile: &Profile, keys: &Keys) -> Result<(), StackError> {
    asked("GET", "/health/liveliness", keys, "", " 200 ").await?;
    for context in profile.contexts.values().filter(|one| one.upstream) {
        asked("GET", &context.path, keys, "", "HTTP/1.").await?;
    }
    let messages = json!([{ "role": "user", "content": "Are you up?" }]);
    for model in &profile.llm.models {
        let ask = json!({ "model": model, "max_tokens": 10, "messages": messages });
        asked("POST", "/v1/messages", keys, &ask.to_string(), " 200 ").await?;
    }
    Ok(())
}

/// Asks with the master key, until the answer holds what is expected.
async fn asked(
    method: &str,
    path: &str,
    keys: &Keys,
    body: &str,
    expected: &'static str,
) -> Result<(), StackError> {
    let (key, length) = (clear(&keys.master), body.len());
    let head = format!("{method} {path} HTTP/1.0\r\nAuthorization: Bearer {key}\r\n");
    let about = format!("Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n");
    let asked = Asked {
        service: Service::Upstream,
        port: PORT,
        words: head + &about + body,
        expected,
        deadline: READY_DEADLINE,
    };
    asked.answers().await
}
