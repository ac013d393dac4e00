//! X.12: nobody outside writes a line of the gateway's log.

use serde_json::json;

use super::{
    attack::{Attempt, AttemptResult, control, lines_of, with_nonce},
    tracking_endpoint::tracked_request,
};
use crate::{
    probe::{
        jwt::{self, Mac},
        log::{Line, Tracked},
        raw::Raw,
    },
    steps::{log::pairs::user_of, operations::values, prelude::*},
};

steps! {
    /// Control: the session asks for a context, and its tracking pair is read in the window. The forged
    /// lines are made from it.
    Given "^a genuine tracking pair of the session in the context \"(?P<context>[^\"]+)\" is read$" => genuine, "forged-log.genuine", crate::steps::log::pairs::CODES;
    /// Sends that pair, with an invented address in place of the user's, in paths, queries, headers,
    /// tokens and operations, behind line breaks of every kind; in the session and without one.
    When "^outsiders write such a pair for invented addresses wherever they can$" => written, "forged-log.written";
    /// No record of the log, and no line of one, begins with what was sent.
    Then "^no line of the log begins with what they wrote$" => none_begins, "forged-log.line";
    /// The reader of tracking lines finds none that names an invented address, and none is active.
    Then "^no tracking line of an invented address is read$" => none_read, "forged-log.read";
}

/// Lines that somebody outside wrote, and the requests that they were written in.
struct Forged {
    forms: Vec<String>,
    results: Vec<AttemptResult>,
}

const DID: &str = "write tracking lines into requests";

/// What is written for one invented address: a whole line as nginx writes it, and a message alone.
fn forms(tracked: &[Tracked], email: &str, invented: &str) -> Vec<String> {
    let of = |one: &Tracked| {
        let text = one.record.message.get(one.at..).unwrap_or_default();
        let forms = [&one.record.raw, &format!("[info] {text}"), text];
        forms.map(|form: &str| form.replace(email, invented))
    };
    tracked.iter().flat_map(of).collect()
}

fn invented(mark: &str) -> String {
    format!("invented-{mark}@example.com")
}

async fn genuine(world: &mut World, run: &Run, args: Args) -> StepResult {
    run.may_make_active(&invented("x")).await?;
    let session = world.session()?.copy();
    control(tracked_request(world, run, &session, args.text("context")).await)
}

/// A text as a part of a path or a query: everything but letters and digits encoded.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte.is_ascii_alphanumeric() {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02x}"),
        })
        .collect()
}

/// Everywhere that a text can be put into a request, with a word for where that is.
fn places(run: &Run, text: &str, mark: &str) -> Vec<(String, Raw)> {
    let at = |path: &str| run.raw(&with_nonce(path, mark));
    let mut places = Vec::new();
    let mut add = |place: String, raw: Raw| places.push((place, raw));
    for (word, before) in [("LF", "\n"), ("CR LF", "\r\n"), ("nothing", "")] {
        let text = encoded(&format!("{before}{text}"));
        add(format!("the path, behind {word}"), at(&format!("/x{text}")));
        add(
            format!("the query, behind {word}"),
            at(&format!("/?email={text}")),
        );
    }
    let twice = encoded(&encoded(&format!("\n{text}")));
    add(
        "the query, encoded twice".to_owned(),
        at(&format!("/?next={twice}")),
    );
    // A header carries it on one line.
    let line = text.replace(['\r', '\n'], " ");
    for name in [
        "User-Agent",
        "Referer",
        "X-Forwarded-For",
        "X-Request-Id",
        "Cookie",
        "Accept-Language",
        "X-Real-IP",
    ] {
        add(name.to_owned(), at("/").header(name, &line));
        let behind_cr = at("/").header(name, &format!("x\r{line}"));
        add(format!("{name}, behind a bare CR"), behind_cr);
    }
    for (place, value) in [
        ("a header of its own", format!("x\n{line}")),
        ("a folded header", format!("x\r\n {line}")),
    ] {
        add(place.to_owned(), at("/").header("User-Agent", &value));
    }
    add("the bearer token".to_owned(), run.message_with(&line, mark));
    let body = json!({"model": format!("x\n{line}")}).to_string();
    add("the body".to_owned(), run.message(mark).json(body));
    places
}

/// Tokens whose claims or header hold a text: signed with the run's secret where it is known, and
/// with another key.
async fn tokens(run: &Run, text: &str, mark: &str) -> StepResult<Vec<(String, Raw)>> {
    let address = format!("{}\n{text}", invented(mark));
    let genuine = run.mint(&address, 1).await;
    let mut claims = json!({"exp": 4_102_444_800_i64});
    claims[&run.profile.jwt.email_claim] = json!(address);
    claims[&run.profile.jwt.id_claim] = json!(format!("x\n{text}"));
    let header = json!({"alg": "HS256", "typ": "JWT", "kid": format!("x\n{text}")});
    let forged = jwt::forge(&header, &claims, Mac::Sha256(b"another key"));
    let mut places = vec![(
        "a token of another key".to_owned(),
        run.message_with(&forged, mark),
    )];
    match genuine {
        Ok(token) => {
            let place = "the e-mail of a signed token".to_owned();
            places.push((place, run.message_with(&token.jwt, mark)));
        }
        Err(error) if error.is_not_reached() => {}
        Err(other) => return Err(other),
    }
    Ok(places)
}

/// An operation of the admin's that looks a text up.
fn looked_up(run: &Run, session: &Session, text: &str, mark: &str) -> StepResult<Raw> {
    let operation = run.operation("token info")?;
    let id = format!("x\n{text}");
    let path = operation.path.replace("{id}", &encoded(&id));
    let raw = run.raw_in(session, &with_nonce(&path, mark))?;
    let raw = raw.method(&operation.method);
    Ok(match operation.body(&values([("id", json!(id))])) {
        Some(body) => raw.json(body.to_string()),
        None => raw,
    })
}

async fn written(world: &mut World, run: &Run, _: Args) -> StepResult {
    let session = world.session()?.copy();
    run.stack.may(Act::Mint(&invented("x"))).await?;
    // The forged lines are made from the first line of the genuine pair.
    let mut pair = run.grammar.lines(&world.records(run).await?);
    pair.retain(|one| matches!(&one.line, Line::Tracking { email, .. } if *email == session.email));
    pair.truncate(1);
    let cookies = run.cookies_of(&session)?;
    let (mut attempts, mut all_forms) = (Vec::new(), Vec::new());
    for which in 0..forms(&pair, &session.email, "x").len() {
        let mark = nonce();
        let forms = forms(&pair, &session.email, &invented(&mark));
        let Some(text) = forms.get(which) else {
            continue;
        };
        let mut places = places(run, text, &mark);
        if which < 2 {
            places.extend(tokens(run, text, &mark).await?);
            let raw = looked_up(run, &session, text, &mark)?;
            places.push(("an id that is looked up".to_owned(), raw));
        }
        for (what, raw) in places {
            let bare = |(name, _): &(String, String)| name != "Cookie" && name != "Authorization";
            if raw.headers.iter().all(bare) {
                let raw = raw.clone().header("Cookie", &cookies);
                let what = format!("{what}, in a session");
                attempts.push(Attempt::new((), what, mark.clone(), raw));
            }
            attempts.push(Attempt::new((), what, mark.clone(), raw));
        }
        all_forms.extend(forms);
    }
    let results = run.attempt_all(attempts).await?;
    world.keep(Forged {
        forms: all_forms,
        results,
    });
    Ok(())
}

async fn none_begins(world: &mut World, run: &Run, _: Args) -> StepResult {
    let Forged { forms, results } = world.kept()?;
    check("write tracking lines", "none")
        .control("some", !results.is_empty() && !forms.is_empty())?;
    let title = "where such lines were written";
    world.saw(EvidenceKind::Exchange, title, lines_of(results));
    let forged = |line: &str| {
        line.split('\r').any(|part| {
            let part = part.trim_start();
            forms.iter().any(|form| part.starts_with(form.as_str()))
        })
    };
    let mut found = world.records(run).await?;
    found.retain(|record| forged(&record.message) || record.raw.lines().any(forged));
    let raw: Vec<&str> = found.iter().map(|record| record.raw.as_str()).collect();
    none(DID, "no line of the log begins with one", &raw)
}

async fn none_read(world: &mut World, run: &Run, _: Args) -> StepResult {
    let is_invented = |one: &Tracked| match user_of(&one.line) {
        Some(email) => email.starts_with("invented-"),
        None => one.record.message.contains("invented-"),
    };
    let mut found = run.grammar.lines(&world.records(run).await?);
    found.retain(is_invented);
    let raw: Vec<&str> = found.iter().map(|one| one.record.raw.as_str()).collect();
    let active = run.made_active(&format!("*{}", invented("*"))).await?;
    none(DID, "no tracking line names an invented address", &raw)?;
    none(DID, "no invented address is active", &active)
}
