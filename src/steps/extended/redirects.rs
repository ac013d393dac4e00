//! X.10: no link that names the site ends at another one.

use futures::future::join_all;
use url::Url;

use super::{
    elsewhere::{ELSEWHERE, leads_elsewhere, values, with_value},
    outside::{Attempt, control, lines},
};
use crate::{
    evidence::EvidenceKind,
    probe::{
        NONCE,
        browser::{Browser, Hop},
        http::Request,
        nonce,
        raw::Raw,
    },
    steps,
    steps::{
        run::Run,
        world::{Args, Blame, StepError, StepResult, World, expect},
    },
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
async fn start(run: &Run) -> Result<Option<Url>, StepError> {
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
) -> Result<(Vec<Hop>, Option<String>), StepError> {
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
async fn known(run: &Run) -> Result<Browser, StepError> {
    let email = run.email("admin")?;
    let session = run.log_in(&email).await?.map_err(|failure| {
        StepError::Skip(format!(
            "a session of {email} is needed, and the login fails: {}",
            failure.seen
        ))
    })?;
    Ok(session.0.browser)
}

fn way(what: &str, hops: &[Hop], end: &str) -> String {
    let hops: Vec<String> = hops
        .iter()
        .map(|hop| {
            format!(
                "  {} {} -> {}",
                hop.request.method,
                hop.request.url,
                hop.response.summary()
            )
        })
        .collect();
    format!("{what}: {end}\n{}", hops.join("\n"))
}

async fn login(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let (browser, home) = (known(&run).await?, run.plain_page("/")?);
    let mut requests: Vec<(String, Request)> = Vec::new();
    let start = start(&run).await?;
    match &start {
        None => world.saw(
            EvidenceKind::Remark,
            "the login has no address of the site's own",
            "A browser without a session is sent to the identity provider at once: no parameter names a page.",
        ),
        Some(start) => {
            for value in values() {
                requests.push((format!("{value:?} at the login"), Request::get(with_value(start, &value))));
            }
            for header in ["X-Auth-Request-Redirect", "X-Forwarded-Uri", "X-Forwarded-Host", "X-Original-URL"] {
                let value = match header {
                    "X-Forwarded-Host" => ELSEWHERE.to_owned(),
                    _ => format!("https://{ELSEWHERE}/"),
                };
                let mut bare = start.clone();
                bare.set_query(None);
                let request = Request::get(bare).header(header, &value);
                requests.push((format!("{header} at the login"), request));
            }
        }
    }
    let (mut wrong, mut seen) = (Vec::new(), Vec::new());
    for (what, next) in paths(&run).await? {
        match next {
            Ok(request) => requests.push((what, request)),
            Err(line) => wrong.push(line),
        }
    }
    let ways = join_all(requests.into_iter().map(async |(what, request)| {
        (
            what,
            walk(&home, browser.copy(), request.header("accept", "text/html")).await,
        )
    }))
    .await;
    for (what, walked) in ways {
        let (hops, elsewhere) = walked?;
        let end = hops
            .last()
            .map(|hop| hop.request.url.to_string())
            .unwrap_or_default();
        match elsewhere {
            Some(to) => wrong.push(way(&what, &hops, &to)),
            None => seen.push(format!("{what}: {} hops, ends at {end}", hops.len())),
        }
    }
    world.saw(
        EvidenceKind::Exchange,
        "ways through the login",
        &seen.join("\n"),
    );
    world.scene.session = Some(crate::steps::session::Session {
        browser,
        email: run.email("admin")?,
    });
    expect(
        Blame::Candidate,
        wrong.is_empty(),
        "log in with another site as the page to come back to",
        "no hop leads to another site",
        wrong.join("\n"),
    )
}

/// The same values as paths of the site, byte for byte, without a session: the request that the
/// answer leads to, or the answer itself where that leads elsewhere at once.
async fn paths(run: &Run) -> Result<Vec<(String, Result<Request, String>)>, StepError> {
    let targets = [
        format!("//{ELSEWHERE}/"),
        format!("///{ELSEWHERE}/%2e%2e"),
        format!("/\\{ELSEWHERE}/"),
        format!("/%5c{ELSEWHERE}/"),
        format!("/%2f{ELSEWHERE}/"),
        format!("//{ELSEWHERE}/ui"),
        format!("/%09/{ELSEWHERE}/"),
    ];
    let attempts = targets.into_iter().map(|target| Attempt {
        what: format!("GET {target}"),
        raw: run.raw(&target).header("Accept", "text/html"),
        mark: String::new(),
    });
    let home = run.plain_page("/")?;
    let tried = run.try_all(attempts.collect()).await?;
    let mut ways = Vec::new();
    for one in tried {
        let Some(to) = one.response.location() else {
            continue;
        };
        let elsewhere = leads_elsewhere(&home, &one.response);
        match home.join(to).ok().filter(|_| elsewhere.is_none()) {
            Some(next) => ways.push((one.what.clone(), Ok(Request::get(next)))),
            None => ways.push((one.what.clone(), Err(one.line()))),
        }
    }
    Ok(ways)
}

async fn control_page(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let Some(start) = start(&run).await? else {
        return Ok(());
    };
    let page = format!("{}?{NONCE}={}", run.profile.admin_page.path, nonce());
    let browser = world.session()?.browser.copy();
    let request = Request::get(with_value(&start, &page)).header("accept", "text/html");
    let (hops, elsewhere) = walk(&run.plain_page("/")?, browser, request).await?;
    let end = hops
        .last()
        .map(|hop| hop.request.url.to_string())
        .unwrap_or_default();
    let wanted = run.plain_page(&page)?;
    control(expect(
        Blame::Candidate,
        elsewhere.is_none() && end == wanted.as_str(),
        "log in with a page of the site as the one to come back to",
        wanted,
        way("the way", &hops, &end),
    ))
}

async fn sign_out(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let path = &run.profile.login.sign_out;
    let out = run.plain_page(path)?;
    let mut attempts: Vec<Attempt> = values()
        .into_iter()
        .map(|value| {
            let address = with_value(&out, &value);
            let target = address[url::Position::BeforePath..].to_owned();
            Attempt {
                what: format!("sign out to {value:?}"),
                raw: run.raw(&target),
                mark: String::new(),
            }
        })
        .collect();
    for header in ["X-Auth-Request-Redirect", "X-Forwarded-Uri", "Referer"] {
        let raw = run
            .raw(path)
            .header(header, &format!("https://{ELSEWHERE}/"));
        attempts.push(Attempt {
            what: format!("sign out with {header}"),
            raw,
            mark: String::new(),
        });
    }
    no_location(world, &run, "sign out to another site", attempts).await
}

async fn no_location(world: &World, run: &Run, did: &str, attempts: Vec<Attempt>) -> StepResult {
    let home = run.plain_page("/")?;
    let tried = run.try_all(attempts).await?;
    world.saw(EvidenceKind::Exchange, did, &lines(&tried));
    let wrong = tried
        .iter()
        .filter(|one| leads_elsewhere(&home, &one.response).is_some());
    let wrong = lines(wrong);
    expect(
        Blame::Candidate,
        wrong.is_empty(),
        did,
        "no answer leads to another site",
        wrong,
    )
}

async fn other_host(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let mut attempts = Vec::new();
    for (what, path) in [
        ("the home page", "/"),
        ("a folder", "/ui"),
        ("the admin page", run.profile.admin_page.path.as_str()),
        ("the sign-out", run.profile.login.sign_out.as_str()),
    ] {
        let as_host = Raw::get(ELSEWHERE, path).header("Accept", "text/html");
        attempts.push((format!("{what} as host {ELSEWHERE}"), as_host));
        for header in ["X-Forwarded-Host", "X-Host", "Forwarded"] {
            let value = if header == "Forwarded" {
                format!("host={ELSEWHERE}")
            } else {
                ELSEWHERE.to_owned()
            };
            let raw = run
                .raw(path)
                .header("Accept", "text/html")
                .header(header, &value);
            attempts.push((format!("{what} with {header}"), raw));
        }
    }
    let attempts = attempts
        .into_iter()
        .map(|(what, raw)| Attempt {
            what,
            raw,
            mark: String::new(),
        })
        .collect();
    no_location(world, &run, "ask as another host", attempts).await
}
