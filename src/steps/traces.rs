//! What a request left behind it, besides its answer and the error log: its line in the access
//! log, and the headers that the upstream received. These steps know nothing of a plan, either.

use std::time::Instant;

use regex::Regex;

use super::world::{Args, Blame, StepError, StepResult, World, expect};
use crate::{evidence::EvidenceKind, probe::log::pause, steps};

steps! {
    /// In the window, the access log has exactly one line that holds the request's mark, and that line
    /// matches a regular expression. The log's format must hold $request, $request_uri or $args.
    Then "^the access log has one line for the request, which matches \"(?P<pattern>.+)\"$" => access_line, "access-log.line";
    /// Each time that the upstream received the last request, this header field held a text, once.
    Then "^the upstream received the request with the header \"(?P<name>[^\"]+)\" holding \"(?P<text>[^\"]*)\"$" => header, "upstream.header";
}

async fn access_line(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    let pattern = Regex::new(args.text("pattern"))
        .map_err(|error| StepError::harness("read a step", "a regular expression", error))?;
    let (window, mark) = (world.window()?, world.scene.note.clone());
    let started = Instant::now();
    let lines = loop {
        let lines = window.access_lines(&*run.stack, &mark).await?;
        if !lines.is_empty() || started.elapsed() > run.deadline() {
            break lines;
        }
        tokio::time::sleep(pause(started)).await;
    };
    let shown = if lines.is_empty() {
        "no line".to_owned()
    } else {
        lines.join("\n")
    };
    world.saw(EvidenceKind::Log, "access log of the request", &shown);
    expect(
        Blame::Candidate,
        lines.len() == 1 && lines.iter().all(|line| pattern.is_match(line)),
        "read the access log of the request",
        format!("one line, which matches {pattern}"),
        shown,
    )
}

async fn header(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    let (name, text) = (args.text("name").to_ascii_lowercase(), args.text("text"));
    let entries = run.upstream.since(world.scene.upstream_cursor).await?;
    let own = entries
        .iter()
        .filter(|entry| entry.query.contains(&world.scene.note));
    let received: Vec<Vec<&str>> = own
        .map(|entry| entry.header_values(&name).collect())
        .collect();
    let seen = format!("{} requests, {name}: {received:?}", received.len());
    world.saw(EvidenceKind::Journal, "what the upstream received", &seen);
    let holds = |values: &Vec<&str>| matches!(values[..], [value] if value.contains(text));
    expect(
        Blame::Candidate,
        !received.is_empty() && received.iter().all(holds),
        "read the upstream's journal",
        format!("the request with {name} holding {text}, once"),
        seen,
    )
}
