//! X.1: whatever a client says about who it is, it says in vain.

use super::{
    outside::{Attempt, Tried, all_must, control, holds, kept_out, none_reached, refused},
    tracker::{named_lines, tracked_request},
};
use crate::{
    probe::{NONCE, nonce, raw::Raw},
    steps,
    steps::{
        operations::values,
        run::{Run, Sent},
        tracking::pair_of_request,
        world::{Args, Blame, Coded as _, StepError, StepResult, World, expect},
    },
};

/// A client that sends so many other headers first hides its claim from a gateway that reads
/// only the first hundred (lua-nginx-module's default).
const CROWD: usize = 120;

/// The codes of a session that stays who it is.
const CODES: &[&str] = &[
    "identity.told",
    "upstream.reached",
    "tracking.failed",
    "tracking.wrong-user",
    "tracking.wrong-context",
    "tracking.form",
    "tracking.first-line-missing",
    "tracking.second-line-missing",
    "tracking.doubled",
    "tracking.level",
    "tracking.missing",
];

steps! {
    /// Asks for every context, the admin API and the model's API, without a session and without a token, and
    /// claims in the profile's identity headers to be the admin, or a stranger: in all of them,
    /// in each alone, and behind many other headers. Nobody may be let in.
    When "^someone without a session claims in identity headers to be the admin, or a stranger$" => without_session, "identity.sent";
    /// Each was refused or sent to the login, and nothing of it reached the upstream.
    Then "^each claim is refused or sent to the login, and none reaches the upstream$" => all_kept_out, "identity.kept-out", &["upstream.reached"];
    /// The scenario's session asks for every context with the same claims. Where only an admin
    /// may go it is refused; elsewhere it is tracked as its own user, and what the upstream
    /// receives does not hold the claim.
    When "^the session claims in identity headers to be the admin, or a stranger$" => in_session, "identity.in-session";
    /// The session came out as itself everywhere.
    Then "^the session stays who it is: no admin right, tracked as itself, the upstream told nothing else$" => stays_itself, "identity.session", CODES;
    /// The admin's token asks the model with the same claims. What the upstream receives does
    /// not hold them; without them the token works, too.
    Then "^the admin's token stays the admin's under such a claim$" => token_stays, "identity.token", &["identity.told"];
    /// No stranger is active, and no tracking line names one.
    Then "^nobody is tracked under a claimed address$" => nobody_tracked, "identity.tracked";
}

/// Who is claimed to be: a stranger's address holds the attempt's own text.
fn claims(run: &Run, mark: &str) -> [(&'static str, String); 2] {
    [
        ("the admin", run.profile.users.admin.clone()),
        ("a stranger", claimed(mark)),
    ]
}

pub(super) fn claimed(mark: &str) -> String {
    format!("claimed-{mark}@example.com")
}

pub(super) fn names(run: &Run) -> Vec<String> {
    let mut names = run.profile.identity.headers.clone();
    let known = |header: &String| header.eq_ignore_ascii_case(&run.profile.llm.user_header);
    if !names.iter().any(known) {
        names.push(run.profile.llm.user_header.clone());
    }
    names
}

pub(super) fn claiming(raw: Raw, names: &[String], who: &str) -> Raw {
    names.iter().fold(raw, |raw, name| raw.header(name, who))
}

/// A path with a nonce in its query.
fn marked(path: &str, mark: &str) -> String {
    let sign = if path.contains('?') { '&' } else { '?' };
    format!("{path}{sign}{NONCE}={mark}")
}

/// The admin API's first question, with a nonce.
pub(super) fn admin_question(run: &Run, mark: &str) -> Result<Raw, StepError> {
    let operation = run.operation("list active users")?;
    let raw = run
        .raw(&marked(&operation.path, mark))
        .method(&operation.method);
    Ok(match operation.body(&values([])) {
        Some(body) => raw.json(body.to_string()),
        None => raw,
    })
}

async fn without_session(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    run.may_make_active(&claimed("x")).await?;
    let names = names(&run);
    let mut attempts = Vec::new();
    let mut attempt = |what: String,
                       raw: &dyn Fn(&str) -> Result<Raw, StepError>,
                       names: &[String],
                       who: usize| {
        let mark = nonce();
        let (role, email) = &claims(&run, &mark)[who];
        let raw = claiming(raw(&mark)?, names, email);
        attempts.push(Attempt {
            what: format!("{what} as {role}"),
            raw,
            mark,
        });
        Ok::<(), StepError>(())
    };
    for who in [0, 1] {
        for (context, found) in &run.profile.contexts {
            let path = |mark: &str| Ok(run.raw(&marked(&found.path, mark)));
            attempt(format!("{context}, all headers"), &path, &names, who)?;
        }
        attempt(
            "admin API, all headers".to_owned(),
            &|mark| admin_question(&run, mark),
            &names,
            who,
        )?;
        attempt(
            "model's API, all headers".to_owned(),
            &|mark| Ok(run.message(mark)),
            &names,
            who,
        )?;
    }
    for name in &names {
        let one = std::slice::from_ref(name);
        attempt(
            format!("admin API, {name}"),
            &|mark| admin_question(&run, mark),
            one,
            0,
        )?;
        attempt(
            format!("model's API, {name}"),
            &|mark| Ok(run.message(mark)),
            one,
            1,
        )?;
    }
    let crowded = |mark: &str| {
        let crowd = |raw: Raw, at: usize| raw.header(&format!("X-Crowd-{at}"), "1");
        Ok((0..CROWD).fold(admin_question(&run, mark)?, crowd))
    };
    attempt(
        format!("admin API behind {CROWD} headers"),
        &crowded,
        &names,
        0,
    )?;
    world.scene.tried = run.try_all(attempts).await?;
    Ok(())
}

async fn all_kept_out(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let did = "claim in identity headers to be somebody, without a session";
    let right = |one: &Tried| kept_out(&run, &one.response);
    all_must(
        world,
        did,
        "401, 403 or the way to the login",
        &world.scene.tried,
        right,
    )?;
    none_reached(world, did, &world.scene.tried).await
}

async fn in_session(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let session = world.session()?.copy();
    let names = names(&run);
    let (mut attempts, mut sent) = (Vec::new(), Vec::new());
    for (context, found) in &run.profile.contexts {
        // Control: without a claim the session is let in where it may be, and tracked as itself.
        if !found.admin {
            control(tracked_request(world, &run, &session, context).await)?;
        }
        for who in [0, 1] {
            let mark = nonce();
            let (role, email) = &claims(&run, &mark)[who];
            let mut raw = claiming(
                run.raw_in(&session, &marked(&found.path, &mark))?,
                &names,
                email,
            );
            // An upstream may refuse so many headers by itself.
            if who == 0 && (found.admin || !found.upstream) {
                raw = (0..CROWD).fold(raw, |raw, at| raw.header(&format!("X-Crowd-{at}"), "1"));
                // Behind the crowd once more, for those who read the last one of a name.
                raw = claiming(raw, &names, email);
            }
            let what = format!("{context} as {role}");
            attempts.push(Attempt {
                what,
                raw,
                mark: mark.clone(),
            });
            sent.push(Sent {
                nonce: mark,
                email: session.email.clone(),
                context: context.clone(),
            });
        }
    }
    world.scene.sent = sent;
    let tried = run.try_all(attempts).await?;
    world.scene.count_before = Some(world.scene.tried.len());
    world.scene.tried.extend(tried);
    Ok(())
}

async fn stays_itself(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let session = world.session()?.email.clone();
    let tried = world
        .scene
        .tried
        .split_off(world.scene.count_before.unwrap_or_default());
    let only_admins = |one: &Tried| {
        run.profile
            .contexts
            .iter()
            .any(|(name, context)| context.admin && one.what.starts_with(&format!("{name} as")))
    };
    let right = |one: &Tried| match only_admins(one) {
        true => refused(one.response.status),
        false => !kept_out(&run, &one.response) && one.response.status < 500,
    };
    let did = format!("claim in the session of {session} to be somebody else");
    let expected = "as without the claim: 401 or 403 where only admins may go, else let in";
    all_must(world, &did, expected, &tried, right)?;
    for (one, sent) in tried.iter().zip(world.scene.sent.clone()) {
        if !only_admins(one) {
            pair_of_request(world, &run, &sent).await?;
        }
    }
    let forbidden: Vec<Tried> = tried
        .iter()
        .filter(|one| only_admins(one))
        .cloned()
        .collect();
    none_reached(world, &did, &forbidden).await?;
    not_told(world, &did, &tried).await?;
    world.scene.tried.extend(tried);
    Ok(())
}

/// Nothing that the upstream received of these attempts holds the address that they claimed.
async fn not_told(world: &World, did: &str, tried: &[Tried]) -> StepResult {
    let run = world.run()?;
    if !run.upstream.is_kept() {
        return Ok(());
    }
    let admin = &run.profile.users.admin;
    let entries = run.upstream.since(world.scene.upstream_cursor).await?;
    let mut told = Vec::new();
    for one in tried {
        let stranger = claimed(&one.mark);
        let claims = [&stranger, admin];
        for entry in entries.iter().filter(|entry| holds(entry, &one.mark)) {
            let own = one.what.contains("admin's token");
            let wrong = claims
                .into_iter()
                .filter(|claim| !(own && *claim == admin))
                .find(|claim| holds(entry, claim));
            if let Some(claim) = wrong {
                let headers: Vec<String> = entry
                    .headers
                    .iter()
                    .filter(|(_, value)| value.contains(claim))
                    .map(|(name, value)| format!("{name}: {value}"))
                    .collect();
                told.push(format!(
                    "{}: {} {} {}",
                    one.what,
                    entry.method,
                    entry.path,
                    headers.join(", ")
                ));
            }
        }
    }
    expect(
        Blame::Candidate,
        told.is_empty(),
        did,
        "the upstream is not told the claimed address",
        told.join("\n"),
    )
    .code("identity.told")
}

async fn token_stays(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let token = run.need_token("verify-guard", 1).await?;
    let bearer = format!("Bearer {}", token.jwt);
    let plain = nonce();
    let raw = run.message(&plain).header("Authorization", &bearer);
    let without = run.send_raw(&raw).await?;
    control(expect(
        Blame::Candidate,
        without.status == 200,
        "ask the model with the admin's token",
        "200",
        &without,
    ))?;
    let mark = nonce();
    let raw = claiming(
        run.message(&mark).header("Authorization", &bearer),
        &names(&run),
        &claimed(&mark),
    );
    let what = "the admin's token as a stranger".to_owned();
    let tried = run.try_all(vec![Attempt { what, raw, mark }]).await?;
    let did = "ask the model with the admin's token, claiming to be a stranger";
    all_must(world, did, "200, as without the claim", &tried, |one| {
        one.response.status == 200
    })?;
    not_told(world, did, &tried).await?;
    world.scene.tried.extend(tried);
    Ok(())
}

async fn nobody_tracked(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let strangers: Vec<String> = world
        .scene
        .tried
        .iter()
        .map(|one| claimed(&one.mark))
        .collect();
    let active = run.made_active(&claimed("*")).await?;
    let did = "claim in identity headers to be a stranger";
    expect(
        Blame::Candidate,
        active.is_empty(),
        did,
        "no stranger becomes active",
        format!("{} exist", active.join(", ")),
    )?;
    let records = world.window()?.records(&*run.stack).await?;
    let named = named_lines(&run, &records, &strangers);
    expect(
        Blame::Candidate,
        named.is_empty(),
        did,
        "no tracking line names a stranger",
        named.join("\n"),
    )
}
