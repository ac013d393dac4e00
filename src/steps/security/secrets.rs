//! X.13: no log of the run holds a secret.

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use crate::{
    probe::{jwt, log::Level, nonce_of},
    stack::LogCursor,
    steps::{prelude::*, self_check::log_line},
};

/// What is shorter is found in ordinary text.
const SHORTEST: usize = 12;

/// How much of a line is shown on each side of what it must not hold, in letters.
const AROUND: usize = 80;

steps! {
    /// A good token, one signed with another key and a session that is none, in their headers,
    /// and a token in a query string, which is the client's own doing.
    When "^tokens and a session come that are good, worthless, and in the wrong place$" => all_come, "secret.sent";
    /// The logs of the gateway since the candidate's start, of oauth2-proxy, Redis and the
    /// upstream hold none of the stack's secrets, passwords, tokens and cookies of the run.
    Then "^no log of the run holds a secret$" => none_leaked, "secret.logged";
    /// A mark written to each of these logs is found in each.
    Then "^a mark in the same logs is found by the same search$" => mark_found, "secret.control";
}

/// What is in the upstream's log where that is read rightly.
struct UpstreamMark(String);

/// A text that no log may hold.
struct Needle {
    what: &'static str,
    text: SecretString,
}

/// A log of the run.
struct Log {
    name: String,
    text: String,
}

/// The part of a secret by which it is known however it is quoted: of a JWT its signature, of
/// anything else its longest run of letters and digits. `None` where that is too short to tell.
fn core(secret: &str) -> Option<&str> {
    let parts: Vec<&str> = secret.split('.').collect();
    let core = match parts.as_slice() {
        [head, _, signature] if head.starts_with("eyJ") => *signature,
        _ => secret
            .split(|letter: char| !letter.is_ascii_alphanumeric() && !"-_".contains(letter))
            .max_by_key(|run| run.len())?,
    };
    (core.len() >= SHORTEST).then_some(core)
}

fn needles(run: &Run) -> Vec<Needle> {
    let secrets = run.stack.secrets();
    let is = |known: &SecretString, text: &str| known.expose_secret() == text;
    let what = |text: &str| match text {
        _ if secrets.jwt_secret.iter().any(|known| is(known, text)) => "JWT_SECRET",
        _ if secrets.passwords.values().any(|known| is(known, text)) => "a password",
        _ if secrets.others.iter().any(|known| is(known, text)) => "a key or secret of the stack",
        _ if text.starts_with("eyJ") => "a token",
        _ => "a cookie",
    };
    let public = run.notes().in_address.clone();
    run.redactor
        .secrets()
        .iter()
        .filter(|secret| !public.iter().any(|public| is(secret, public)))
        .filter_map(|secret| {
            let text = secret.expose_secret();
            Some(Needle {
                what: what(text),
                text: SecretString::from(core(text)?.to_owned()),
            })
        })
        .collect()
}

/// The needles that stand in some log, by one pass over each.
fn present<'a>(needles: &'a [Needle], logs: &[Log]) -> StepResult<Vec<&'a Needle>> {
    let texts: Vec<String> = needles
        .iter()
        .map(|needle| regex::escape(needle.text.expose_secret()))
        .collect();
    // The pattern is made of secrets: what the error would quote is not shown.
    let any = regex::Regex::new(&texts.join("|")).map_err(|_| {
        StepError::harness(
            "look for secrets",
            "a pattern of them",
            "it does not compile",
        )
    })?;
    let hit = |log: &&Log| any.is_match(&log.text);
    let hits: Vec<&Log> = logs.iter().filter(hit).collect();
    let stands = |needle: &&Needle| {
        let text = needle.text.expose_secret();
        hits.iter().any(|log| log.text.contains(text))
    };
    Ok(needles.iter().filter(stands).collect())
}

/// Where a text stands in logs: the log's name, and the line with the text itself taken out.
fn places(run: &Run, logs: &[Log], text: &str) -> Vec<String> {
    let shown = |log: &Log, line: &str| {
        let clean = run.recorder.redact(&line.replace(text, "[HERE]"));
        let at = clean.find("[HERE]").unwrap_or(0);
        let before = clean.get(..at).unwrap_or_default().chars().count();
        let part: String = clean
            .chars()
            .skip(before.saturating_sub(AROUND))
            .take(2 * AROUND)
            .collect();
        format!("{}: …{part}…", log.name)
    };
    logs.iter()
        .filter(|log| log.text.contains(text))
        .flat_map(|log| {
            let lines = log.text.lines().filter(|line| line.contains(text));
            lines.map(|line| shown(log, line)).collect::<Vec<_>>()
        })
        .collect()
}

/// Every log of the run as it is now.
async fn logs(run: &Run) -> StepResult<Vec<Log>> {
    let mut logs = Vec::new();
    let (since, _) = run.need_candidate().await?;
    let (stack, start) = (&*run.stack, LogCursor::default());
    let all = [
        (Service::Gateway, since.chunks(stack).await?),
        (Service::Auth, stack.log_since(Service::Auth, &start).await?),
        (
            Service::Redis,
            stack.log_since(Service::Redis, &start).await?,
        ),
    ];
    for (service, chunks) in all {
        logs.extend(chunks.into_iter().map(|chunk| Log {
            name: name(service, &chunk.source),
            text: String::from_utf8_lossy(&chunk.bytes).into_owned(),
        }));
    }
    if run.upstream.is_kept() {
        let before = run.notes().upstream_log.clone();
        logs.push(Log {
            name: Service::Upstream.to_string(),
            text: before + &run.upstream.log().await?,
        });
    }
    Ok(logs)
}

/// What nginx itself writes at info, whatever its configuration, when a client sends a header
/// twice: it quotes both. The forged tokens of X.2 do, and so may other clients.
const SENT_TWICE: &str = "client sent duplicate header line";

/// A gateway's log without what it quotes of headers that were sent twice, and how many lines
/// that were.
fn unquoted(text: &str) -> (String, usize) {
    let (quoted, own): (Vec<&str>, Vec<&str>) = text
        .split_inclusive('\n')
        .partition(|line| line.contains(SENT_TWICE));
    (own.concat(), quoted.len())
}

fn name(service: Service, source: &str) -> String {
    format!("{service} {source}")
}

async fn all_come(world: &mut World, run: &Run, _: Args) -> StepResult {
    // Without the mark that a later step writes, a log without secrets shows nothing.
    run.stack.may(Act::WriteLog).await?;
    let admin = &run.profile.users.admin;
    let (good, public) = (run.mint(admin, 1).await?, run.mint(admin, 1).await?);
    let failed = |error: jwt::JwtError| StepError::harness("sign a token", "a JWT", error);
    let claims = json!({&run.profile.jwt.id_claim: nonce(), &run.profile.jwt.email_claim: admin});
    let key = SecretString::from(format!("{}{}", nonce(), nonce()));
    let worthless = jwt::sign(&claims, &key).map_err(failed)?;
    let cookie = format!("{}{}{}", nonce(), nonce(), nonce());
    for secret in [&worthless, &cookie] {
        run.redactor.learn(secret);
    }
    run.notes().in_address.push(public.jwt.clone());

    let mut in_address = run.page(&run.profile.llm.path)?.0;
    in_address
        .query_pairs_mut()
        .append_pair("access_token", &public.jwt);
    let cookie = format!("{}={cookie}", run.profile.login.cookie);
    let browser = world.browser()?;
    let requests = [
        run.model_request(Some(&good.jwt), &nonce())?,
        run.model_request(Some(&worthless), &nonce())?,
        Request::get(run.page(run.profile.home())?.0).header("cookie", &cookie),
        run.get_with_cookies(browser, run.page(run.profile.home())?.0),
        Request::json("POST", in_address, "{}".to_owned()),
    ];
    let mut seen = Vec::new();
    for (number, request) in requests.iter().enumerate() {
        let answer = run.http.send(request).await?;
        if number == 0 && answer.status != 200 {
            return lacks(format!("a good token is not let in: {}", answer.summary()));
        }
        let (method, url) = (&request.method, &request.url);
        seen.push(format!("{method} {url}: {}", answer.summary()));
    }
    let title = "tokens and sessions, good and worthless";
    world.saw(EvidenceKind::Exchange, title, lines(seen));
    // The first of them goes on to the upstream: its nonce is the mark in the upstream's log.
    let mark = nonce_of(&requests[0].url).unwrap_or_default();
    world.keep(UpstreamMark(mark));
    Ok(())
}

async fn none_leaked(world: &mut World, run: &Run, _: Args) -> StepResult {
    for service in [Service::Gateway, Service::Auth, Service::Redis] {
        // A service without a shell cannot be asked; its lines have had the time of the whole
        // run to arrive, and the mark shows whether they do.
        let settled = run.stack.log_settled(service).await;
        if service == Service::Gateway {
            settled?;
        }
    }
    let mut logs = logs(run).await?;
    let gateway = format!("{} ", Service::Gateway);
    let mut quoted = 0;
    for log in logs.iter_mut().filter(|log| log.name.starts_with(&gateway)) {
        let (own, count) = unquoted(&log.text);
        log.text = own;
        quoted += count;
    }
    if quoted > 0 {
        world.remark(
            format!("{quoted} lines quote a header that a client sent twice"),
            "nginx does so at level info; with `error_log … warn` it does not.",
        );
    }
    let needles = needles(run);
    let sizes = logs.iter();
    let sizes = sizes.map(|log| format!("{}: {} bytes", log.name, log.text.len()));
    let title = format!("{} secrets looked for", needles.len());
    world.saw(EvidenceKind::Log, title, lines(sizes));
    for public in run.notes().in_address.clone() {
        let places = core(&public).map(|core| places(run, &logs, core));
        if let Some(places) = places.filter(|places| !places.is_empty()) {
            let title = "a token that a client writes into an address is logged with it";
            world.remark(title, lines(places));
        }
    }
    check("collect the run's secrets", "none").control("some", !needles.is_empty())?;
    let mut found = Vec::new();
    for Needle { what, text } in present(&needles, &logs)? {
        let places = places(run, &logs, text.expose_secret());
        found.extend(places.iter().map(|place| format!("{what} in {place}")));
    }
    let shown = lines(found.iter().take(5));
    check(
        format!("look for {} secrets in {} logs", needles.len(), logs.len()),
        format!("{} times: {shown}", found.len()),
    )
    .must("none of them in any", found.is_empty())
}

async fn mark_found(world: &mut World, run: &Run, _: Args) -> StepResult {
    let mark = format!("verify{}{}", nonce(), nonce());
    run.notes().marks.push(mark.clone());
    let line = log_line(Level::Notice, &mark);
    let mut expected = Vec::new();
    for service in [Service::Gateway, Service::Auth, Service::Redis] {
        // What is allowed on a deployment is to write to the gateway's log alone.
        if service != Service::Gateway && run.stack.is_shared() {
            continue;
        }
        match run.stack.append_log(service, &line).await {
            Ok(sources) => expected.extend(sources.iter().map(|source| name(service, source))),
            Err(error) if service == Service::Gateway => return Err(error.into()),
            Err(error) => world.remark(
                format!("no mark could be written to the log of {service}"),
                error,
            ),
        }
    }
    let core = core(&mark).unwrap_or_default();
    let UpstreamMark(nonce) = world.kept()?;
    let missing = async || {
        let logs = logs(run).await?;
        let found = |name: &str, text: &str| {
            let mut own = logs.iter().filter(|log| log.name == name);
            own.any(|log| log.text.contains(text))
        };
        let mut missing = expected.clone();
        missing.retain(|name: &String| !found(name, core));
        let upstream = Service::Upstream.to_string();
        if run.upstream.is_kept() && !found(&upstream, nonce) {
            missing.push(upstream);
        }
        Ok::<Vec<String>, StepError>(missing)
    };
    let missing = poll(run.deadline(), missing, Vec::is_empty).await?;
    check(
        format!("write a mark to {}", expected.join(", ")),
        format!("not found in {}", missing.join(", ")),
    )
    .control(
        "the same search finds it in each, and in the upstream's log a request of the run",
        missing.is_empty(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_a_client_sent_twice_is_quoted_by_nginx_itself() {
        let own = "[info] 7#7: *1 [lua] x: kept\n";
        let quoted =
            "[info] 7#7: *1 client sent duplicate header line: \"Authorization: Bearer s\"\n";
        let found = unquoted(&format!("{own}{quoted}{own}"));
        assert_eq!(found, (format!("{own}{own}"), 1));
    }

    #[test]
    fn a_secret_is_known_by_what_quoting_leaves_of_it() {
        assert_eq!(
            core("eyJhbGciOiJIUzI1NiJ9.eyJhIjoxfQ.c2lnbmF0dXJlLW9mLWl0"),
            Some("c2lnbmF0dXJlLW9mLWl0")
        );
        assert_eq!(
            core("djIuYWJjZGVmZ2hp=|1700000000|x=="),
            Some("djIuYWJjZGVmZ2hp")
        );
        assert_eq!(core("short|1700000000"), None);
    }
}
