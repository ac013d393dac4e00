//! X.10: no link that names the site ends at another one.

use futures::future::join_all;
use url::Url;

use super::outside::{Attempt, control, lines};
use crate::{
    evidence::EvidenceKind,
    probe::{
        NONCE,
        browser::{Browser, Hop},
        http::{Request, Response},
        nonce,
        raw::Raw,
    },
    steps,
    steps::{
        run::Run,
        world::{Args, Blame, StepError, StepResult, World, expect},
    },
};

/// The other site. Nothing of the stack has this name.
const ELSEWHERE: &str = "elsewhere.example.net";

/// A header that only a line break smuggled into an answer could set.
const SMUGGLED: &str = "x-verify-smuggled";

/// The most hops of one way.
const HOPS: usize = 12;

steps! {
    /// A browser that is logged in at the identity provider goes through the login again with each
    /// way to name another site as the page to come back to: in the parameters with which the
    /// gateway itself sends people to the login, in headers, as a path. No hop leads to another site.
    Then "^no way through the login ends at another site$" => login;
    /// Control: with a page of the site in the same parameter the way ends exactly there.
    Then "^the same way with a page of the site ends there$" => control_page;
    /// The profile's sign-out, with the same values and headers, leads to no other site.
    Then "^no sign-out ends at another site$" => sign_out;
    /// Asked as another host, directly or behind a proxy, the site names that host in no `Location`.
    Then "^asked as another host the site sends nobody there$" => other_host;
}

/// Values that some reader of addresses takes for another site (WHATWG URL: backslashes are
/// slashes, tabs and line breaks are dropped, one slash is enough for http).
fn values() -> Vec<String> {
    let host = ELSEWHERE;
    vec![
        format!("https://{host}/"),
        format!("//{host}/"),
        format!("///{host}/"),
        format!("/\\{host}/"),
        format!("\\\\{host}/"),
        format!("/\t/{host}/"),
        format!("/\n/{host}/"),
        format!("https:/{host}/"),
        format!("https:{host}"),
        format!("%2f%2f{host}/"),
        format!("/%2f{host}/"),
        format!("/%5c{host}/"),
        format!("/./\\{host}/"),
        format!("/.//{host}/"),
        format!("javascript:alert('{host}')"),
        format!("/ok\r\n{SMUGGLED}: 1"),
        format!("/ok\r\nLocation: https://{host}/"),
        format!("/ok%0d%0a{SMUGGLED}:%201"),
    ]
}

/// Where an answer leads from an address, as a browser reads it, if it is elsewhere; or what it
/// smuggled into the answer.
fn leads_elsewhere(from: &Url, response: &Response) -> Option<String> {
    if response.header(SMUGGLED).is_some() {
        return Some(format!("a header {SMUGGLED}"));
    }
    response
        .headers
        .iter()
        .filter(|(name, _)| matches!(name.as_str(), "location" | "refresh" | "content-location"))
        .find_map(|(name, value)| {
            let value = match name.as_str() {
                "refresh" => value.split_once("url=").map_or("", |(_, to)| to),
                _ => value,
            };
            let to = from.join(value).ok();
            let elsewhere = to.as_ref().is_some_and(|to| {
                to.host_str().is_some_and(|host| host.contains(ELSEWHERE))
                    || to.scheme() == "javascript"
            });
            elsewhere.then(|| format!("{name}: {value}"))
        })
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

/// An address with each of its parameters set to a value; with `rd` where it has none.
fn with_value(address: &Url, value: &str) -> Url {
    let names: Vec<String> = address
        .query_pairs()
        .map(|(name, _)| name.into_owned())
        .collect();
    let mut address = address.clone();
    address.set_query(None);
    let mut query = address.query_pairs_mut();
    for name in names
        .iter()
        .map(String::as_str)
        .chain(names.is_empty().then_some("rd"))
    {
        query.append_pair(name, value);
    }
    drop(query);
    address
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
    let ways = join_all(requests.into_iter().map(async |(what, request)| {
        (
            what,
            walk(&home, browser.copy(), request.header("accept", "text/html")).await,
        )
    }))
    .await;
    let (mut wrong, mut seen) = (Vec::new(), Vec::new());
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
    wrong.extend(paths(&run).await?);
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

/// The same values as paths of the site, byte for byte, without a session: the first hop, and the
/// page that it will come back to.
async fn paths(run: &Run) -> Result<Vec<String>, StepError> {
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
    let wrong = tried.iter().filter(|one| {
        let back = one.response.location().and_then(|to| home.join(to).ok());
        let pages = back
            .iter()
            .flat_map(|to| to.query_pairs())
            .any(|(_, page)| {
                let as_answer = Response {
                    status: 302,
                    headers: vec![("location".to_owned(), page.into_owned())],
                    body: String::new(),
                };
                leads_elsewhere(&home, &as_answer).is_some()
            });
        pages || leads_elsewhere(&home, &one.response).is_some()
    });
    Ok(wrong.map(|one| one.line()).collect())
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

#[cfg(test)]
mod tests {
    use super::*;

    fn led(header: &str, value: &str) -> bool {
        let from = "http://gateway.example.com/x".parse().unwrap();
        let answer = Response {
            status: 302,
            headers: vec![(header.to_owned(), value.to_owned())],
            body: String::new(),
        };
        leads_elsewhere(&from, &answer).is_some()
    }

    #[test]
    fn what_a_browser_takes_for_another_site_is_one() {
        let host = ELSEWHERE;
        for value in [
            format!("https://{host}/"),
            format!("//{host}"),
            format!("/\\{host}"),
            format!("\\\\{host}"),
            format!("/\t/{host}"),
            format!("https:/\\{host}"),
            format!("http://user@{host}/"),
            "javascript:alert(1)".to_owned(),
        ] {
            assert!(led("location", &value), "{value}");
        }
        for value in [
            format!("/{host}"),
            format!("/?rd=https://{host}/"),
            format!("/%5c{host}/"),
        ] {
            assert!(!led("location", &value), "{value}");
        }
        assert!(led("refresh", &format!("0; url=https://{host}/")));
        assert!(led(SMUGGLED, "1"));
    }
}
