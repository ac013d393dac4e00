//! X.1: client-supplied identity headers are ignored.

use super::{
    attack::{Attempt, AttemptResult, all_must, control, holds, none_reached, refused, with_nonce},
    tracking_endpoint::{named_lines, tracked_request},
};
use crate::{
    probe::raw::Raw,
    profile::Operation,
    steps::{log::pairs::pair_of_request, operations::values, prelude::*},
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

/// Whom a client claims to be.
#[derive(Clone, Copy)]
enum Claim {
    Admin,
    Stranger,
}

impl Claim {
    const BOTH: [Self; 2] = [Self::Admin, Self::Stranger];

    fn name(self) -> &'static str {
        match self {
            Self::Admin => "the admin",
            Self::Stranger => "a stranger",
        }
    }

    /// A stranger's address holds the attempt's own mark.
    fn email(self, run: &Run, mark: &str) -> String {
        match self {
            Self::Admin => run.profile.users.admin.clone(),
            Self::Stranger => claimed(mark),
        }
    }
}

/// The claims of a scenario so far.
#[derive(Default)]
struct Claims {
    /// Without a session.
    outside: Vec<AttemptResult>,
    /// In a session, each with the request that may be tracked.
    in_session: Vec<AttemptResult<InSession>>,
    /// The marks of the others.
    marks: Vec<String>,
}

/// A claim in a session.
#[derive(Clone)]
struct InSession {
    /// Whether only an admin may go there.
    admin: bool,
    sent: Sent,
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

pub(super) fn claiming(raw: Raw, names: &[String], email: &str) -> Raw {
    names.iter().fold(raw, |raw, name| raw.header(name, email))
}

/// The admin API's first question.
pub(super) const ADMIN_QUESTION: &str = "list active users";

/// The same as a request with a nonce.
pub(super) fn admin_question(run: &Run, operation: &Operation, mark: &str) -> Raw {
    let target = with_nonce(&operation.path, mark);
    let raw = run.raw(&target).method(&operation.method);
    match operation.body(&values([])) {
        Some(body) => raw.json(body.to_string()),
        None => raw,
    }
}

/// A request behind many other headers.
fn crowded(raw: Raw) -> Raw {
    (0..CROWD).fold(raw, |raw, at| raw.header(&format!("X-Crowd-{at}"), "1"))
}

async fn without_session(world: &mut World, run: &Run, _: Args) -> StepResult {
    run.may_make_active(&claimed("x")).await?;
    let names = names(run);
    let mut attempts = Vec::new();
    let mut add = |what: &str, claim: Claim, names: &[String], raw: &dyn Fn(&str) -> Raw| {
        let mark = nonce();
        let raw = claiming(raw(&mark), names, &claim.email(run, &mark));
        let what = format!("{what} as {}", claim.name());
        attempts.push(Attempt::new((), what, mark, raw));
    };
    let operation = run.operation(ADMIN_QUESTION)?;
    let admin = |mark: &str| admin_question(run, &operation, mark);
    let model = |mark: &str| run.message(mark);
    for claim in Claim::BOTH {
        for (context, found) in &run.profile.contexts {
            let page = |mark: &str| run.raw(&with_nonce(&found.path, mark));
            add(&format!("{context}, all headers"), claim, &names, &page);
        }
        add("admin API, all headers", claim, &names, &admin);
        add("model's API, all headers", claim, &names, &model);
    }
    for name in &names {
        let one = std::slice::from_ref(name);
        add(&format!("admin API, {name}"), Claim::Admin, one, &admin);
        add(
            &format!("model's API, {name}"),
            Claim::Stranger,
            one,
            &model,
        );
    }
    let behind = |mark: &str| crowded(admin(mark));
    let what = format!("admin API behind {CROWD} headers");
    add(&what, Claim::Admin, &names, &behind);
    world.keep(Claims {
        outside: run.attempt_all(attempts).await?,
        ..Claims::default()
    });
    Ok(())
}

async fn all_kept_out(world: &mut World, run: &Run, _: Args) -> StepResult {
    let results = &world.kept::<Claims>()?.outside;
    let did = "claim in identity headers to be somebody, without a session";
    // An error of the gateway's own lets nobody in.
    let expected = "401, 403, 5xx or the way to the login";
    all_must(world, did, expected, results, |one| {
        run.turned_away(&one.response) || one.status() >= 500
    })?;
    none_reached(world, run, did, results).await
}

async fn in_session(world: &mut World, run: &Run, _: Args) -> StepResult {
    let session = world.session()?.copy();
    let names = names(run);
    let mut attempts = Vec::new();
    for (context, found) in &run.profile.contexts {
        // Control: without a claim the session is let in where it may be, and tracked as itself.
        if !found.admin {
            control(tracked_request(world, run, &session, context).await)?;
        }
        for claim in Claim::BOTH {
            let mark = nonce();
            let email = claim.email(run, &mark);
            let raw = run.raw_in(&session, &with_nonce(&found.path, &mark))?;
            let mut raw = claiming(raw, &names, &email);
            // An upstream may refuse so many headers by itself.
            if matches!(claim, Claim::Admin) && (found.admin || !found.upstream) {
                // Behind the crowd once more, for those who read the last one of a name.
                raw = claiming(crowded(raw), &names, &email);
            }
            let kind = InSession {
                admin: found.admin,
                sent: Sent::new(mark.clone(), &session.email, context),
            };
            let what = format!("{context} as {}", claim.name());
            attempts.push(Attempt::new(kind, what, mark, raw));
        }
    }
    let results = run.attempt_all(attempts).await?;
    world.kept_mut::<Claims>()?.in_session = results;
    Ok(())
}

async fn stays_itself(world: &mut World, run: &Run, _: Args) -> StepResult {
    let results = &world.kept::<Claims>()?.in_session;
    let right = |one: &AttemptResult<InSession>| match one.kind.admin {
        true => refused(one.status()) || one.status() == run.profile.identity.not_admin,
        false => run.kept_out(&one.response).is_none(),
    };
    let did = format!(
        "claim in the session of {} to be somebody else",
        world.email()
    );
    let expected = "as without the claim: 401 or 403 where only admins may go, else let in";
    all_must(world, &did, expected, results, right)?;
    for one in results.iter().filter(|one| !one.kind.admin) {
        pair_of_request(world, run, &one.kind.sent).await?;
    }
    let forbidden = results.iter().filter(|one| one.kind.admin).cloned();
    let forbidden: Vec<AttemptResult<InSession>> = forbidden.collect();
    none_reached(world, run, &did, &forbidden).await?;
    let both = [Claim::Admin, Claim::Stranger];
    not_told(world, run, &did, results, &both).await?;
    let marks: Vec<String> = results.iter().map(|one| one.mark.clone()).collect();
    world.kept_mut::<Claims>()?.marks.extend(marks);
    Ok(())
}

/// Nothing that the upstream received of these attempts holds an address that was claimed.
async fn not_told<K>(
    world: &World,
    run: &Run,
    did: &str,
    results: &[AttemptResult<K>],
    claims: &[Claim],
) -> StepResult {
    if !run.upstream.is_kept() {
        return Ok(());
    }
    let entries = run.upstream.since(world.upstream_cursor).await?;
    let mut told = Vec::new();
    for one in results {
        for entry in entries.iter().filter(|entry| holds(entry, &one.mark)) {
            let mut emails = claims.iter().map(|claim| claim.email(run, &one.mark));
            let Some(email) = emails.find(|email| holds(entry, email)) else {
                continue;
            };
            let headers = entry
                .headers
                .iter()
                .filter(|(_, value)| value.contains(&email));
            let headers: Vec<String> = headers
                .map(|(name, value)| format!("{name}: {value}"))
                .collect();
            let (method, path) = (&entry.method, &entry.path);
            told.push(format!(
                "{}: {method} {path} {}",
                one.what,
                headers.join(", ")
            ));
        }
    }
    none(did, "the upstream is not told the claimed address", &told).code("identity.told")
}

async fn token_stays(world: &mut World, run: &Run, _: Args) -> StepResult {
    let token = run.need_token("verify-guard", 1).await?;
    let without = run
        .send_raw(&run.message_with(&token.jwt, &nonce()))
        .await?;
    let plain = check("ask the model with the admin's token", &without);
    control(plain.must(OK, without.status == 200))?;
    let mark = nonce();
    let message = run.message_with(&token.jwt, &mark);
    let raw = claiming(message, &names(run), &claimed(&mark));
    let attempt = Attempt::new((), "the admin's token as a stranger", mark, raw);
    let results = run.attempt_all(vec![attempt]).await?;
    let did = "ask the model with the admin's token, claiming to be a stranger";
    let expected = "200, as without the claim";
    all_must(world, did, expected, &results, |one| one.status() == 200)?;
    not_told(world, run, did, &results, &[Claim::Stranger]).await?;
    let marks = results.into_iter().map(|one| one.mark);
    world.kept_mut::<Claims>()?.marks.extend(marks);
    Ok(())
}

async fn nobody_tracked(world: &mut World, run: &Run, _: Args) -> StepResult {
    let claims = world.kept::<Claims>()?;
    let outside = claims.outside.iter().map(|one| &one.mark);
    let marks = outside.chain(&claims.marks);
    let strangers: Vec<String> = marks.map(|mark| claimed(mark)).collect();
    let active = run.made_active(&claimed("*")).await?;
    let did = "claim in identity headers to be a stranger";
    check(did, format!("{} exist", active.join(", ")))
        .must("no stranger becomes active", active.is_empty())?;
    let named = named_lines(run, &world.records(run).await?, &strangers);
    none(did, "no tracking line names a stranger", &named)
}
