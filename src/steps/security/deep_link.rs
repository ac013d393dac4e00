//! X.9: whoever is sent to the login comes back to exactly the page that was asked for.

use url::Url;

use crate::steps::{prelude::*, session::way};

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

/// The page that was asked for.
struct Link(Url);

async fn asks_deep(world: &mut World, run: &Run, args: Args) -> StepResult {
    let context = run.context(args.text("context"))?;
    let folder = context.path.trim_end_matches('/');
    let path = format!("{folder}/verify%20deep/%E5%88%A9%E7%94%A8/a+b;c=d");
    let link = run.plain_page(&format!("{path}?{QUERY}&{NONCE}={}", nonce()))?;
    world.upstream_cursor = run.upstream.cursor().await?;
    world.keep(Link(link.clone()));
    let mut browser = world.browser()?.copy();
    let hops = run.walk(&mut browser, link).await?;
    world.saw_hops(&hops);
    let email = String::new();
    world.session = Some(Session { browser, email });
    let form = run.login_form(&hops).is_some();
    world.hops = hops;
    check("ask for a deep link in a fresh browser", way(&world.hops)).must("the login form", form)
}

async fn comes_back(world: &mut World, run: &Run, _: Args) -> StepResult {
    let Link(link) = world.kept()?;
    let last = world.hops.last();
    let end = last.map_or("", |hop| hop.request.url.as_str());
    let title = "the page asked for, and the page at the end";
    world.saw(EvidenceKind::Exchange, title, format!("{link}\n{end}"));
    let let_in = last.is_some_and(|hop| run.kept_out(&hop.response).is_none());
    check("log in after asking for a deep link", way(&world.hops)).must(
        format!("back at {link}, let in"),
        end == link.as_str() && let_in,
    )
}

async fn upstream_received(world: &mut World, run: &Run, _: Args) -> StepResult {
    let Link(link) = world.kept()?;
    let contexts = run.profile.contexts.values();
    let goes_there = contexts
        .filter(|context| link.path().starts_with(context.path.as_str()))
        .max_by_key(|context| context.path.len())
        .filter(|context| context.upstream);
    let Some(context) = goes_there.filter(|_| run.upstream.is_kept()) else {
        world.remark(
            "whether the upstream received the deep link was not looked at",
            "The context does not go there, or the upstream is no double and keeps no journal.",
        );
        return Ok(());
    };
    let wanted = &link[url::Position::BeforePath..url::Position::AfterQuery];
    let wanted = &context.at_upstream(wanted);
    let entries = run.upstream.since(world.upstream_cursor).await?;
    let received = entries
        .iter()
        .map(|one| format!("{}?{}", one.path, one.query));
    let received: Vec<String> = received.collect();
    let seen = lines(&received);
    world.saw(EvidenceKind::Journal, "what the upstream received", &seen);
    check("log in after asking for a deep link", seen).must(
        format!("the upstream receives {wanted}"),
        received.iter().any(|one| one == wanted),
    )
}
