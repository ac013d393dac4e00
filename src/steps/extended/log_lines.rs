//! X.12: nobody outside writes a line of the gateway's log.

use serde_json::json;

use super::outside::control;
use super::{
    outside::{Attempt, lines},
    tracker::tracked_request,
};
use crate::{
    evidence::EvidenceKind,
    probe::{
        NONCE,
        jwt::{self, Mac},
        log::{Line, Record, Tracked},
        nonce,
        raw::Raw,
    },
    stack::Act,
    steps,
    steps::{
        operations::values,
        run::Run,
        session::Session,
        world::{Args, Blame, StepError, StepResult, World, expect},
    },
};

steps! {
    /// Control: the session asks for a context, and its tracking pair is read in the window. The forged
    /// lines are made from it.
    Given "^a genuine tracking pair of the session in the context \"(?P<context>[^\"]+)\" is read$" => genuine, "forged-log.genuine", crate::steps::tracking::CODES;
    /// Sends that pair, with an invented address in place of the user's, in paths, queries, headers,
    /// tokens and operations, behind line breaks of every kind; in the session and without one.
    When "^outsiders write such a pair for invented addresses wherever they can$" => written, "forged-log.written";
    /// No record of the log, and no line of one, begins with what was sent.
    Then "^no line of the log begins with what they wrote$" => none_begins, "forged-log.line";
    /// The reader of tracking lines finds none that names an invented address, and none is active.
    Then "^no tracking line of an invented address is read$" => none_read, "forged-log.read";
}

/// What is written for one invented address: a whole line as nginx writes it, and a message alone.
fn forms(tracked: &[Tracked], email: &str, invented: &str) -> Vec<String> {
    let mut forms = Vec::new();
    for one in tracked {
        let text = one.record.message.get(one.at..).unwrap_or_default();
        let level = format!("[info] {text}");
        forms.extend([
            one.record.raw.replace(email, invented),
            level.replace(email, invented),
        ]);
        forms.push(text.replace(email, invented));
    }
    forms
}

fn invented(mark: &str) -> String {
    format!("invented-{mark}@example.com")
}

/// The first line of the genuine pair in the scenario's window, of the session's user.
async fn first_line(world: &World, run: &Run, email: &str) -> Result<Vec<Tracked>, StepError> {
    let records = world.window()?.records(&*run.stack).await?;
    let own = |line: &Line| match line {
        Line::Tracking { email: found, .. } => found == email,
        _ => false,
    };
    let mut tracked = run.grammar.lines(&records);
    tracked.retain(|one| own(&one.line));
    tracked.truncate(1);
    Ok(tracked)
}

async fn genuine(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    run.may_make_active(&invented("x")).await?;
    let session = world.session()?.copy();
    control(tracked_request(world, &run, &session, args.text("context")).await)
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

/// A text as a header may carry it: one line.
fn one_line(text: &str) -> String {
    text.replace(['\r', '\n'], " ")
}

/// Everywhere that a text can be put into a request, with a word for where that is.
fn places(run: &Run, text: &str, mark: &str) -> Vec<(String, Raw)> {
    let with_nonce = |path: String| {
        let sign = if path.contains('?') { '&' } else { '?' };
        format!("{path}{sign}{NONCE}={mark}")
    };
    let plain = || run.raw(&with_nonce("/".to_owned()));
    let mut places = Vec::new();
    for (word, before) in [("LF", "\n"), ("CR LF", "\r\n"), ("nothing", "")] {
        let text = encoded(&format!("{before}{text}"));
        places.push((
            format!("the path, behind {word}"),
            run.raw(&with_nonce(format!("/x{text}"))),
        ));
        places.push((
            format!("the query, behind {word}"),
            run.raw(&with_nonce(format!("/?email={text}"))),
        ));
    }
    let twice = encoded(&encoded(&format!("\n{text}")));
    places.push((
        "the query, encoded twice".to_owned(),
        run.raw(&with_nonce(format!("/?next={twice}"))),
    ));
    for name in [
        "User-Agent",
        "Referer",
        "X-Forwarded-For",
        "X-Request-Id",
        "Cookie",
        "Accept-Language",
        "X-Real-IP",
    ] {
        let text = one_line(text);
        places.push((name.to_owned(), plain().header(name, &text)));
        places.push((
            format!("{name}, behind a bare CR"),
            plain().header(name, &format!("x\r{text}")),
        ));
    }
    let text = one_line(text);
    places.push((
        "a header of its own".to_owned(),
        plain().header("User-Agent", &format!("x\n{text}")),
    ));
    places.push((
        "a folded header".to_owned(),
        plain().header("User-Agent", &format!("x\r\n {text}")),
    ));
    places.push((
        "the bearer token".to_owned(),
        run.message(mark)
            .header("Authorization", &format!("Bearer {text}")),
    ));
    places.push((
        "the body".to_owned(),
        run.message(mark)
            .json(json!({"model": format!("x\n{text}")}).to_string()),
    ));
    places
}

/// Tokens whose claims or header hold a text: signed with the run's secret where it is known, and
/// with another key.
async fn tokens(run: &Run, text: &str, mark: &str) -> Result<Vec<(String, Raw)>, StepError> {
    let address = format!("{}\n{text}", invented(mark));
    let genuine = run.mint(&address, 1).await;
    let mut places = Vec::new();
    let mut add = |what: &str, token: &str| {
        let raw = run
            .message(mark)
            .header("Authorization", &format!("Bearer {token}"));
        places.push((what.to_owned(), raw));
    };
    let mut claims = json!({"exp": 4_102_444_800_i64});
    claims[&run.profile.jwt.email_claim] = json!(address);
    claims[&run.profile.jwt.id_claim] = json!(format!("x\n{text}"));
    let header = json!({"alg": "HS256", "typ": "JWT", "kid": format!("x\n{text}")});
    add(
        "a token of another key",
        &jwt::forge(&header, &claims, Mac::Sha256(b"another key")),
    );
    match genuine {
        Ok(token) => add("the e-mail of a signed token", &token.jwt),
        Err(StepError::Skip(_)) => {}
        Err(other) => return Err(other),
    }
    Ok(places)
}

/// An operation of the admin's that looks a text up.
fn looked_up(run: &Run, session: &Session, text: &str, mark: &str) -> Result<Raw, StepError> {
    let operation = run.operation("token info")?;
    let id = format!("x\n{text}");
    let sign = if operation.path.contains('?') {
        '&'
    } else {
        '?'
    };
    let path = operation.path.replace("{id}", &encoded(&id));
    let raw = run
        .raw_in(session, &format!("{path}{sign}{NONCE}={mark}"))?
        .method(&operation.method);
    Ok(match operation.body(&values([("id", json!(id))])) {
        Some(body) => raw.json(body.to_string()),
        None => raw,
    })
}

async fn written(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let session = world.session()?.copy();
    run.stack.may(Act::Mint(&invented("x"))).await?;
    let pair = first_line(world, &run, &session.email).await?;
    let mut attempts = Vec::new();
    for which in 0..forms(&pair, &session.email, "x").len() {
        let mark = nonce();
        let texts = forms(&pair, &session.email, &invented(&mark));
        let Some(text) = texts.get(which) else {
            continue;
        };
        let mut places = places(&run, text, &mark);
        if which == 0 || which == 1 {
            places.extend(tokens(&run, text, &mark).await?);
            places.push((
                "an id that is looked up".to_owned(),
                looked_up(&run, &session, text, &mark)?,
            ));
        }
        for (what, raw) in places {
            let site = run.plain_page("/")?;
            let cookies = session.browser.cookies(&site).unwrap_or_default();
            let attempt = |what: String, raw: Raw| Attempt {
                what,
                raw,
                mark: mark.clone(),
            };
            let in_session = raw
                .headers
                .iter()
                .all(|(name, _)| name != "Cookie" && name != "Authorization");
            if in_session {
                attempts.push(attempt(
                    format!("{what}, in a session"),
                    raw.clone().header("Cookie", &cookies),
                ));
            }
            attempts.push(attempt(what, raw));
        }
        world.scene.forged.extend(texts);
    }
    world.scene.tried = run.try_all(attempts).await?;
    Ok(())
}

async fn none_begins(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    expect(
        Blame::Control,
        !world.scene.tried.is_empty() && !world.scene.forged.is_empty(),
        "write tracking lines",
        "some",
        "none",
    )?;
    world.saw(
        EvidenceKind::Exchange,
        "where such lines were written",
        &lines(&world.scene.tried),
    );
    let records: Vec<Record> = world.window()?.records(&*run.stack).await?;
    let forged = |line: &str| {
        line.split('\r').any(|part| {
            let part = part.trim_start();
            world
                .scene
                .forged
                .iter()
                .any(|form| part.starts_with(form.as_str()))
        })
    };
    let found: Vec<&str> = records
        .iter()
        .filter(|record| forged(&record.message) || record.raw.lines().any(forged))
        .map(|record| record.raw.as_str())
        .collect();
    expect(
        Blame::Candidate,
        found.is_empty(),
        "write tracking lines into requests",
        "no line of the log begins with one",
        found.join("\n"),
    )
}

async fn none_read(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let records = world.window()?.records(&*run.stack).await?;
    let is_invented = |one: &Tracked| match &one.line {
        Line::Tracking { email, .. } | Line::Success { email } | Line::Failed { email } => {
            email.starts_with("invented-")
        }
        Line::Misshapen => one.record.message.contains("invented-"),
    };
    let found: Vec<String> = run
        .grammar
        .lines(&records)
        .into_iter()
        .filter(is_invented)
        .map(|one| one.record.raw)
        .collect();
    let did = "write tracking lines into requests";
    let active = run.made_active(&format!("*{}", invented("*"))).await?;
    expect(
        Blame::Candidate,
        found.is_empty(),
        did,
        "no tracking line names an invented address",
        found.join("\n"),
    )?;
    expect(
        Blame::Candidate,
        active.is_empty(),
        did,
        "no invented address is active",
        active.join("\n"),
    )
}
