//! X.10: no link that names the site ends at another one.

use futures::future::join_all;
use url::Url;

use super::{
    attack::{Attempt, control, lines_of},
    other_site::{ELSEWHERE, leads_elsewhere, values, with_value},
};
use crate::{
    probe::{browser::Browser, raw::Raw},
    steps::prelude::*,
};

/// The most hops of one way.
const HOPS: usize = 12;

steps! {
    /// A browser that is logged in at the identity provider goes through the login again with each
    /// way to name another site as the page to come back to: in the parameters with which the
    /// gateway itself sends people to the login, in headers, as a path. No hop leads to another site.
    Then "^no way through the login ends at another site$" => login, "redirect.login";
    /// Control: with a page of the site in the same parameter the way ends exactly there.
    Then "^the same way with a page of the site ends there$" => control_page, "redirect.control";
    /// The profile's sign-out, with the same values and headers, leads to no other site.
    Then "^no sign-out ends at another site$" => sign_out, "redirect.sign-out";
    /// Asked as another host, directly or behind a proxy, the site names that host in no `Location`.
    Then "^asked as another host the site sends nobody there$" => other_host, "redirect.other-host";
}

/// The address by which the gateway sends people to its login, of its own site: where it leads a
/// browser without a session.
async fn start(run: &Run) -> StepResult<Option<Url>> {
    let home = run.plain_page("/")?;
    let request = Request::get(home.clone()).header("accept", "text/html");
    let hop = run.browser().send(request).await?;
    let to = hop.response.location().and_then(|to| home.join(to).ok());
    Ok(to.filter(|to| run.profile.site.has(to)))
}

/// Follows redirects by hand, and stops before the first hop to somewhere else.
async fn walk(
    home: &Url,
    mut browser: Browser,
    request: Request,
) -> StepResult<(Vec<Hop>, Option<String>)> {
    let mut hops = vec![browser.send(request).await?];
    while let Some(last) = hops.last() {
        let from = &last.request.url;
        if let Some(elsewhere) = leads_elsewhere(from, &last.response) {
            return Ok((hops, Some(elsewhere)));
        }
        let Some(next) = last.response.location().and_then(|to| from.join(to).ok()) else {
            break;
        };
        // The home page leads nowhere: other items ask for it.
        if hops.len() == HOPS || next == *home {
            break;
        }
        hops.push(
            browser
                .send(Request::get(next).header("accept", "text/html"))
                .await?,
        );
    }
    Ok((hops, None))
}

/// A browser that the identity provider knows, and the site not: its next login asks nothing.
async fn known(run: &Run) -> StepResult<Browser> {
    let email = &run.profile.users.admin;
    let login = run.log_in(email).await?;
    let (session, _) = login.map_err(|failure| failure.consequence(email))?;
    Ok(session.browser)
}

fn way(what: &str, hops: &[Hop], end: &str) -> String {
    let hops = hops.iter().map(|hop| {
        let (request, response) = (&hop.request, hop.response.summary());
        format!("  {} {} -> {response}", request.method, request.url)
    });
    format!("{what}: {end}\n{}", lines(hops))
}

/// Where a way ended.
fn end(hops: &[Hop]) -> String {
    let last = hops.last().map(|hop| hop.request.url.to_string());
    last.unwrap_or_default()
}

fn as_html(request: Request) -> Request {
    request.header("accept", "text/html")
}

async fn login(world: &mut World, run: &Run, _: Args) -> StepResult {
    let (browser, home) = (known(run).await?, run.plain_page("/")?);
    let mut requests: Vec<(String, Request)> = Vec::new();
    match &start(run).await? {
        None => world.remark(
            "the login has no address of the site's own",
            "A browser without a session is sent to the identity provider at once: no parameter names a page.",
        ),
        Some(start) => {
            for value in values() {
                let request = Request::get(with_value(start, &value));
                requests.push((format!("{value:?} at the login"), request));
            }
            let url = format!("https://{ELSEWHERE}/");
            for (header, value) in [
                ("X-Auth-Request-Redirect", url.as_str()),
                ("X-Forwarded-Uri", &url),
                ("X-Forwarded-Host", ELSEWHERE),
                ("X-Original-URL", &url),
            ] {
                let mut bare = start.clone();
                bare.set_query(None);
                let request = Request::get(bare).header(header, value);
                requests.push((format!("{header} at the login"), request));
            }
        }
    }
    let (mut wrong, mut seen) = (Vec::new(), Vec::new());
    for (what, next) in paths(run).await? {
        match next {
            Ok(request) => requests.push((what, request)),
            Err(line) => wrong.push(line),
        }
    }
    let ways = requests.into_iter().map(async |(what, request)| {
        let walked = walk(&home, browser.copy(), as_html(request)).await;
        (what, walked)
    });
    for (what, walked) in join_all(ways).await {
        let (hops, elsewhere) = walked?;
        match elsewhere {
            Some(to) => wrong.push(way(&what, &hops, &to)),
            None => seen.push(format!(
                "{what}: {} hops, ends at {}",
                hops.len(),
                end(&hops)
            )),
        }
    }
    world.saw(
        EvidenceKind::Exchange,
        "ways through the login",
        lines(seen),
    );
    let email = run.profile.users.admin.clone();
    world.session = Some(Session { browser, email });
    let did = "log in with another site as the page to come back to";
    none(did, "no hop leads to another site", &wrong)
}

/// The same values as paths of the site, byte for byte, without a session: the request that the
/// answer leads to, or the answer itself where that leads elsewhere at once.
async fn paths(run: &Run) -> StepResult<Vec<(String, Result<Request, String>)>> {
    let targets = [
        format!("//{ELSEWHERE}/"),
        format!("///{ELSEWHERE}/%2e%2e"),
        format!("/\\{ELSEWHERE}/"),
        format!("/%5c{ELSEWHERE}/"),
        format!("/%2f{ELSEWHERE}/"),
        format!("//{ELSEWHERE}/ui"),
        format!("/%09/{ELSEWHERE}/"),
    ];
    let attempts = targets.into_iter().map(|target| {
        let raw = run.raw(&target).header("Accept", "text/html");
        attempt(format!("GET {target}"), raw)
    });
    let home = run.plain_page("/")?;
    let mut ways = Vec::new();
    for one in run.attempt_all(attempts.collect()).await? {
        let Some(to) = one.response.location() else {
            continue;
        };
        let elsewhere = leads_elsewhere(&home, &one.response);
        let next = match home.join(to).ok().filter(|_| elsewhere.is_none()) {
            Some(next) => Ok(Request::get(next)),
            None => Err(one.line()),
        };
        ways.push((one.what, next));
    }
    Ok(ways)
}

/// Its answer is all that is looked at.
fn attempt(what: String, raw: Raw) -> Attempt {
    Attempt::new((), what, String::new(), raw)
}

async fn control_page(world: &mut World, run: &Run, _: Args) -> StepResult {
    let Some(start) = start(run).await? else {
        return Ok(());
    };
    let page = format!("{}?{NONCE}={}", run.profile.admin_page.path, nonce());
    let browser = world.browser()?.copy();
    let request = as_html(Request::get(with_value(&start, &page)));
    let (hops, elsewhere) = walk(&run.plain_page("/")?, browser, request).await?;
    let end = end(&hops);
    let wanted = run.plain_page(&page)?;
    let back = elsewhere.is_none() && end == wanted.as_str();
    let did = "log in with a page of the site as the one to come back to";
    control(check(did, way("the way", &hops, &end)).must(wanted, back))
}

async fn sign_out(world: &mut World, run: &Run, _: Args) -> StepResult {
    let path = &run.profile.login.sign_out;
    let out = run.plain_page(path)?;
    let to_value = |value: String| {
        let address = with_value(&out, &value);
        let raw = run.raw(&address[url::Position::BeforePath..]);
        attempt(format!("sign out to {value:?}"), raw)
    };
    let mut attempts: Vec<Attempt> = values().into_iter().map(to_value).collect();
    for header in ["X-Auth-Request-Redirect", "X-Forwarded-Uri", "Referer"] {
        let raw = run
            .raw(path)
            .header(header, &format!("https://{ELSEWHERE}/"));
        attempts.push(attempt(format!("sign out with {header}"), raw));
    }
    no_location(world, run, "sign out to another site", attempts).await
}

async fn no_location(world: &World, run: &Run, did: &str, attempts: Vec<Attempt>) -> StepResult {
    let home = run.plain_page("/")?;
    let mut results = run.attempt_all(attempts).await?;
    world.saw(EvidenceKind::Exchange, did, lines_of(&results));
    results.retain(|one| leads_elsewhere(&home, &one.response).is_some());
    let wrong = lines_of(&results);
    check(did, wrong).must("no answer leads to another site", results.is_empty())
}

async fn other_host(world: &mut World, run: &Run, _: Args) -> StepResult {
    let mut attempts = Vec::new();
    for (what, path) in [
        ("the home page", "/"),
        ("a folder", "/ui"),
        ("the admin page", run.profile.admin_page.path.as_str()),
        ("the sign-out", &run.profile.login.sign_out),
    ] {
        let as_host = Raw::get(ELSEWHERE, path).header("Accept", "text/html");
        attempts.push(attempt(format!("{what} as host {ELSEWHERE}"), as_host));
        let forwarded = format!("host={ELSEWHERE}");
        for (header, value) in [
            ("X-Forwarded-Host", ELSEWHERE),
            ("X-Host", ELSEWHERE),
            ("Forwarded", &forwarded),
        ] {
            let raw = run.raw(path).header("Accept", "text/html");
            let raw = raw.header(header, value);
            attempts.push(attempt(format!("{what} with {header}"), raw));
        }
    }
    no_location(world, run, "ask as another host", attempts).await
}
