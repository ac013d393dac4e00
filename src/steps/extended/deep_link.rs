//! X.9: whoever is sent to the login comes back to exactly the page that was asked for.

use super::outside::kept_out;
use crate::{
    evidence::EvidenceKind,
    probe::{NONCE, browser::Hop, nonce},
    steps,
    steps::{
        phase2::way,
        run::Run,
        session::Session,
        world::{Args, Blame, StepError, StepResult, World, expect},
    },
};

/// What a deep link may hold, and what careless code loses: more than one parameter, a sign of
/// each kind encoded and not, an empty value, a name twice, Unicode, a percent sign.
const QUERY: &str = "a=1&b=two%20words&b=again&empty=&eq=x%3Dy&amp=x%26y&plus=1%2B1&blank=1+1\
                     &percent=100%25&slash=%2F%2F&letters=%E5%88%A9%E7%94%A8%E8%80%85&rd=%2Fother";

steps! {
    /// A fresh browser asks, beneath the context's path, for a page whose path and query hold everything
    /// that careless code loses, and is sent to the login form.
    When "^it asks for a deep link in the context \"(?P<context>[^\"]+)\"$" => asks_deep, "deep-link.form";
    /// The last page of the way is the one that was asked for, byte for byte, and it is not
    /// refused.
    Then "^it comes back to exactly the deep link$" => comes_back, "deep-link.back";
    /// Where the context goes to the upstream, that received path and query exactly so.
    Then "^the upstream received exactly the deep link$" => upstream_received, "deep-link.upstream";
}

async fn asks_deep(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    let context = args.text("context");
    let found = run.profile.contexts.get(context).cloned().ok_or_else(|| {
        StepError::harness(
            "look into the profile",
            format!("a context `{context}`"),
            "none",
        )
    })?;
    let mark = nonce();
    let folder = found.path.trim_end_matches('/');
    let path = format!("{folder}/verify%20deep/%E5%88%A9%E7%94%A8/a+b;c=d");
    let link = run.plain_page(&format!("{path}?{QUERY}&{NONCE}={mark}"))?;
    world.scene.upstream_cursor = run.upstream.cursor().await?;
    world.scene.note = link.to_string();
    let mut browser = world.session()?.browser.copy();
    let hops = run.walk(&mut browser, link).await?;
    hops.iter().for_each(|hop| world.saw_hop(hop));
    world.scene.session = Some(Session {
        browser,
        email: String::new(),
    });
    world.scene.hops = hops;
    expect(
        Blame::Candidate,
        run.login_form(&world.scene.hops).is_some(),
        "ask for a deep link in a fresh browser",
        "the login form",
        way(&world.scene.hops),
    )
}

async fn comes_back(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let last = world.scene.hops.last().cloned();
    let seen = last
        .as_ref()
        .map(|hop| hop.request.url.to_string())
        .unwrap_or_default();
    world.saw(
        EvidenceKind::Exchange,
        "the page asked for, and the page at the end",
        &format!("{}\n{seen}", world.scene.note),
    );
    let let_in = |hop: &Hop| !kept_out(&run, &hop.response) && hop.response.status < 500;
    expect(
        Blame::Candidate,
        seen == world.scene.note && last.as_ref().is_some_and(let_in),
        "log in after asking for a deep link",
        format!("back at {}, let in", world.scene.note),
        way(&world.scene.hops),
    )
}

async fn upstream_received(world: &mut World, _: Args) -> StepResult {
    let run: &Run = &*world.run()?;
    let link: url::Url = world
        .scene
        .note
        .parse()
        .map_err(|error| StepError::harness("read the deep link", "an address", error))?;
    let goes_there = run
        .profile
        .contexts
        .values()
        .filter(|context| link.path().starts_with(context.path.as_str()))
        .max_by_key(|context| context.path.len())
        .is_some_and(|context| context.upstream);
    if !goes_there || !run.upstream.is_kept() {
        world.saw(
            EvidenceKind::Remark,
            "whether the upstream received the deep link was not looked at",
            "The context does not go there, or the upstream is no double and keeps no journal.",
        );
        return Ok(());
    }
    let wanted = format!("{}?{}", link.path(), link.query().unwrap_or_default());
    let entries = run.upstream.since(world.scene.upstream_cursor).await?;
    let received: Vec<String> = entries
        .iter()
        .map(|entry| format!("{}?{}", entry.path, entry.query))
        .collect();
    world.saw(
        EvidenceKind::Journal,
        "what the upstream received",
        &received.join("\n"),
    );
    expect(
        Blame::Candidate,
        received.contains(&wanted),
        "log in after asking for a deep link",
        format!("the upstream receives {wanted}"),
        received.join("\n"),
    )
}
