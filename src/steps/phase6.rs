//! Phase 6: who is active, and who is kept out.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    operations::{Answer, values},
    run::{Run, Token},
    session::Session,
    tracking::pair_of_user,
    trail,
    world::{Args, Blame, Coded as _, Seen, StepError, StepResult, World, expect},
};
use crate::{
    evidence::{EvidenceKind, Stage},
    probe::{
        http::{Request, Response},
        log::Window,
        nonce_of, now_ms,
    },
    profile::WhenBanned,
    stack::{Act, Service},
    steps,
};

/// How far a ban's TTL may be below what was asked, in seconds (checks.md, 6.2).
const TTL_SLACK: i64 = 60;

steps! {
    /// Asks for the list of active users.
    When "^the session lists the active users$" => lists_users, "users.list";
    /// The list has the user, last seen since the run began and not in the future.
    Then "^the list has the (?P<role>admin), last seen within the run$" => has_user, "users.listed", &["users.list"];
    /// Makes the user's last access older in Redis, so that a later one is told from it; where
    /// the list does not come from there, waits for the next second.
    When "^the (?P<role>admin) was last seen a while ago$" => seen_a_while_ago, "users.aged", &["users.list"];
    /// The list has the user, last seen not before the last request.
    Then "^the list has the (?P<role>admin), last seen not before that request$" => seen_again, "users.seen-again", &["users.list"];
    /// The list does not have someone who never came.
    Then "^the list does not have someone who never came$" => not_stranger, "users.stranger", &["users.list"];
    /// Control: the test user's session and token are both let in.
    Given "^the test user's session and token both work$" => both_work, "ban.before";
    /// The admin bans the test user for so many days.
    When "^the admin bans the test user for (?P<days>[0-9]+) days$" => bans, "ban.answer";
    /// The ban's key exists under exactly that address, with a TTL of so many days less at most a
    /// minute; of the profile's length, where it has bans of one length only.
    Then "^Redis holds the ban under exactly that address for (?P<days>[0-9]+) days$" => ban_in_redis, "ban.redis";
    /// The next request with the session, and the next with the token, are refused.
    Then "^from the next request on both the session and the token are refused$" => both_refused, "ban.refused";
    /// The admin's session is let in, and the admin has no ban.
    Then "^the admin is not touched$" => admin_untouched, "ban.admin";
    /// The test user is banned; now, if no item did so before.
    Given "^the test user is banned$" => is_banned, "ban.needed";
    /// Logs in at the identity provider with the right password, in a fresh browser.
    When "^the banned user logs in with the right password$" => banned_logs_in, "ban.login";
    /// None of the site's locations answers 200, but for those that a ban does not reach, as the
    /// profile says; those are told.
    Then "^no location answers the banned user with 200$" => nothing_open, "ban.locations";
    /// The user's key is not made again.
    Then "^the banned user does not become active again$" => not_active, "ban.active";
    /// The admin lifts the ban.
    When "^the admin unbans the test user$" => unbans, "unban.answer";
    /// The ban's key does not exist.
    Then "^the ban is gone from Redis$" => ban_gone, "unban.redis";
    /// Logs in again in a fresh browser; the home page answers.
    Then "^the test user logs in again and is let in$" => logs_in_again, "unban.login";
    /// The log has the tracking pair of the test user in the context since the ban was lifted.
    Then "^the test user is tracked again in the context \"(?P<context>[^\"]+)\"$" => tracked_again, "unban.tracked", super::tracking::CODES;
    /// The token is let in.
    Then "^the test user's token works again$" => token_again, "unban.token";
    /// Lifting the ban once more is answered with 200 or 404 and changes nothing.
    Then "^a second unban does no harm$" => second_unban, "unban.again";
}

/// A session of the admin, for operations.
async fn admin(run: &Run) -> Result<Session, StepError> {
    run.need_session(&run.email("admin")?).await
}

async fn users(world: &World) -> Result<(Answer, Vec<Value>), StepError> {
    let run = world.run()?;
    let answer = run
        .operate(&mut admin(&run).await?, "list active users", &values([]))
        .await?;
    world.saw_hop(&answer.hop);
    match answer.entries().filter(|_| answer.ok()) {
        Some(entries) => Ok((answer, entries)),
        None => Err(StepError::candidate(
            "list the active users",
            "200, JSON, a list",
            &answer.hop.response,
        )
        .code("users.list")),
    }
}

/// When a user was last seen by the list, in seconds since 1970.
async fn last_seen(world: &World, email: &str) -> Result<(Option<f64>, Response), StepError> {
    let (answer, entries) = users(world).await?;
    let own = entries
        .iter()
        .find(|entry| answer.of_entry(entry, "email") == Some(&json!(email)));
    let seen = own.and_then(|entry| answer.of_entry(entry, "last_access")?.as_f64());
    Ok((seen, answer.hop.response))
}

async fn lists_users(world: &mut World, _: Args) -> StepResult {
    users(world).await.map(drop)
}

#[allow(clippy::cast_precision_loss)] // seconds since 1970 are exact in an f64
fn seconds(ms: i64) -> f64 {
    (ms / 1000) as f64
}

async fn has_user(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    let email = run.email(args.text("role"))?;
    let began = run
        .plan
        .run
        .started_at
        .parse::<jiff::Timestamp>()
        .map(|time| time.as_millisecond());
    let began =
        began.map_err(|error| StepError::harness("read the run's start", "a time", error))?;
    let (seen, answer) = last_seen(world, &email).await?;
    expect(
        Blame::Candidate,
        seen.is_some_and(|seen| seen >= seconds(began) && seen <= seconds(now_ms()) + 1.0),
        "list the active users",
        format!("{email}, last seen between {} and now", seconds(began)),
        &answer,
    )
}

async fn seen_a_while_ago(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    let email = run.email(args.text("role"))?;
    let keys = &run.profile.redis;
    let key = keys.active_user_metadata.replace("{email}", &email);
    let earlier = now_ms() / 1000 - 100;
    let metadata = run
        .redis
        .get(&key)
        .await?
        .and_then(|text| serde_json::from_str::<Value>(&text).ok());
    if let Some(mut metadata) = metadata
        && let Some(last) = metadata.pointer_mut(&keys.last_access)
    {
        *last = json!(earlier);
        run.stack.may(Act::WriteKey(&key)).await?;
        run.redis.replace(&key, &metadata.to_string()).await?;
    }
    let (seen, _) = last_seen(world, &email).await?;
    if seen.is_some_and(|seen| seen > seconds(earlier * 1000)) {
        let into_second = u64::try_from(now_ms() % 1000).unwrap_or_default();
        tokio::time::sleep(Duration::from_millis(1000 - into_second)).await;
    }
    world.scene.since_ms = now_ms();
    Ok(())
}

async fn seen_again(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    let email = run.email(args.text("role"))?;
    let since = seconds(world.scene.since_ms);
    let (seen, answer) = last_seen(world, &email).await?;
    expect(
        Blame::Candidate,
        seen.is_some_and(|seen| seen >= since && seen <= seconds(now_ms()) + 1.0),
        "make a request and list the active users again",
        format!("{email}, last seen at {since} or later"),
        &answer,
    )
}

async fn not_stranger(world: &mut World, _: Args) -> StepResult {
    let stranger = format!("never-{}@example.com", crate::probe::nonce());
    let (seen, answer) = last_seen(world, &stranger).await?;
    // The list is read by the same reader that found the admin in it; Redis is put to the test.
    world.run()?.redis_shows().await?;
    let plain = world
        .run()?
        .redis
        .exists(
            &world
                .run()?
                .profile
                .redis
                .active_user
                .replace("{email}", &stranger),
        )
        .await?;
    expect(
        Blame::Candidate,
        seen.is_none() && !plain,
        "look for someone who never came",
        "not in the list",
        &answer,
    )
}

/// The test user's token, minted once a run.
async fn test_token(run: &Run) -> Result<Token, StepError> {
    let mut made = run.made.lock().await;
    let token = match made.tokens.get("the test user's") {
        Some(Ok(token)) => token.clone(),
        _ => run.mint(&run.email("test user")?, 30).await?,
    };
    made.tokens
        .insert("the test user's".to_owned(), Ok(token.clone()));
    Ok(token)
}

/// The status of the home page in a session, and of the model's API with the token.
async fn statuses(
    world: &World,
    session: &mut Session,
    token: &Token,
) -> Result<(u16, u16), StepError> {
    let run = world.run()?;
    let (home, _) = run.page("/")?;
    let page = session.browser.send(Request::get(home)).await?;
    let model = run
        .ask_model(Some(&token.jwt), "is this user let in?", &[])
        .await?;
    world.saw_hop(&page);
    world.saw_hop(&model);
    Ok((page.response.status, model.response.status))
}

async fn both_work(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let token = test_token(&run).await?;
    let mut session = run.need_session(&run.email("test user")?).await?;
    let seen = statuses(world, &mut session, &token).await?;
    world.scene.session = Some(session);
    world.scene.tokens = vec![token];
    if seen == (200, 200) {
        return Ok(());
    }
    Err(StepError::Skip(format!(
        "the test user is not let in before the ban: the home page answers {}, the model's API {}",
        seen.0, seen.1
    )))
}

async fn ban(run: &Run, days: i64) -> Result<Answer, StepError> {
    let email = run.email("test user")?;
    let values = values([("email", json!(email)), ("days", json!(days))]);
    run.operate(&mut admin(run).await?, "ban user", &values)
        .await
}

async fn bans(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    let days: i64 = args.number("days")?;
    let before = trail::value_of(world, &ban_key(&run)?).await;
    let answer = ban(&run, days).await?;
    follow(world, &answer, before).await?;
    let lasts = run.profile.ban.fixed_days.unwrap_or(days) * 86_400;
    let until = now_ms() / 1000 + lasts;
    let said = answer.value("until").and_then(|said| said.as_i64());
    expect(
        Blame::Candidate,
        answer.ok() && said.is_none_or(|said| (said - until).abs() <= TTL_SLACK),
        "ban the test user",
        format!("200, JSON, banned until about {until}"),
        &answer.hop.response,
    )
}

/// Keeps a request that changes the test user's ban, and what it found in Redis; what it leaves
/// there is looked up later.
async fn follow(world: &mut World, answer: &Answer, before: Option<String>) -> StepResult {
    let run = world.run()?;
    world.saw_hop(&answer.hop);
    if let Some(nonce) = nonce_of(&answer.hop.request.url) {
        trail::access_log(world, &nonce).await;
        if let Some(before) = before {
            trail::key_before(world, &nonce, &ban_key(&run)?, &before);
        }
        world.scene.followed = nonce;
    }
    Ok(())
}

/// The key of the test user's ban.
fn ban_key(run: &Run) -> Result<String, StepError> {
    Ok(run
        .profile
        .redis
        .ban
        .replace("{email}", &run.email("test user")?))
}

async fn ban_in_redis(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    let key = ban_key(&run)?;
    let days: i64 = args.number("days")?;
    let lasts = run.profile.ban.fixed_days.unwrap_or(days);
    if lasts != days {
        world.saw(
            EvidenceKind::Remark,
            &format!("a ban of {days} days cannot be had"),
            &format!("Every ban of this gateway lasts {lasts} days, as the profile says: that is what was looked for."),
        );
    }
    let asked = lasts * 86_400;
    let (value, ttl) = (run.redis.get(&key).await?, run.redis.ttl(&key).await?);
    let seen = format!(
        "GET {key} = {}, TTL {ttl:?} s",
        value.as_deref().unwrap_or("(nil)")
    );
    world.saw_of(
        &world.scene.followed,
        Stage::RedisAfter,
        EvidenceKind::Redis,
        &key,
        &seen,
    );
    expect(
        Blame::Candidate,
        value.is_some() && ttl.is_some_and(|ttl| ttl <= asked && ttl > asked - TTL_SLACK),
        format!("look {key} up in Redis"),
        format!("it exists, TTL within a minute below {asked} s"),
        Seen::from(seen).fact("exists", value.is_some()),
    )
}

async fn both_refused(world: &mut World, _: Args) -> StepResult {
    let (Some(mut session), Some(token)) = (
        world.scene.session.take(),
        world.scene.tokens.first().cloned(),
    ) else {
        return Err(StepError::harness(
            "use the session and the token",
            "both",
            "the scenario has not",
        ));
    };
    let seen = statuses(world, &mut session, &token).await?;
    let refused = |status: u16| matches!(status, 401 | 403);
    expect(
        Blame::Candidate,
        refused(seen.0) && refused(seen.1),
        "use the session and the token right after the ban",
        "401 or 403 for both",
        Seen::from(format!(
            "the home page answers {}, the model's API {}",
            seen.0, seen.1
        ))
        .fact("status", seen.0.max(seen.1)),
    )
}

async fn admin_untouched(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let (home, _) = run.page("/")?;
    let hop = admin(&run).await?.browser.send(Request::get(home)).await?;
    let key = run
        .profile
        .redis
        .ban
        .replace("{email}", &run.email("admin")?);
    let banned = run.redis.exists(&key).await?;
    expect(
        Blame::Candidate,
        hop.response.status == 200 && !banned,
        "use the admin's session after the ban of another",
        format!("200, and {key} does not exist"),
        format!(
            "{}, {key} {}",
            hop.response.status,
            if banned { "exists" } else { "(nil)" }
        ),
    )
}

async fn is_banned(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    if run.redis.exists(&ban_key(&run)?).await? {
        return Ok(());
    }
    let answer = ban(&run, 7).await?;
    if answer.ok() && run.redis.exists(&ban_key(&run)?).await? {
        return Ok(());
    }
    Err(StepError::Skip(format!(
        "a banned user is needed, and the ban fails: {}",
        answer.summary()
    )))
}

async fn banned_logs_in(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let email = run.email("test user")?;
    let active = run.profile.redis.active_user.replace("{email}", &email);
    run.stack.may(Act::WriteKey(&active)).await?;
    run.redis.delete(&active).await?;
    let cursor = run.idp.cursor().await?;
    let (mut browser, hops) = match run.log_in(&email).await? {
        Ok((session, hops)) => (session.browser, hops),
        Err(failure) => (run.browser(), failure.hops),
    };
    hops.iter().for_each(|hop| world.saw_hop(hop));
    // Control: the identity provider let the user in; it is the gateway that must not.
    let let_in = run
        .idp
        .since(cursor)
        .await?
        .iter()
        .any(|entry| entry.note.as_deref() == Some(&format!("password accepted for {email}")));
    expect(
        Blame::Control,
        let_in,
        "log in at the identity provider with the right password",
        "it lets the user in",
        "it does not",
    )?;
    world.scene.answers = hops
        .into_iter()
        .filter(|hop| run.profile.site.has(&hop.request.url))
        .collect();
    let contexts = run.profile.contexts.values();
    let paths: Vec<(String, WhenBanned)> = contexts
        .map(|context| (context.path.clone(), context.banned))
        .chain([(run.profile.admin_page.path.clone(), WhenBanned::Refused)])
        .collect();
    for (path, banned) in paths {
        let (url, _) = run.page(&path)?;
        let hop = browser.send(Request::get(url)).await?;
        world.saw_hop(&hop);
        match banned {
            WhenBanned::Refused => world.scene.answers.push(hop),
            WhenBanned::Served => world.saw(
                EvidenceKind::Remark,
                &format!("a ban does not reach {path}"),
                &format!("It answers the banned user {}. The profile says so, and it is not held against the candidate.", hop.response.status),
            ),
        }
    }
    Ok(())
}

async fn nothing_open(world: &mut World, _: Args) -> StepResult {
    let answers = world.scene.answers.iter().map(|hop| &hop.response);
    let open: Vec<String> = world
        .scene
        .answers
        .iter()
        .filter(|hop| hop.response.status == 200)
        .map(|hop| format!("{} -> {}", hop.request.url, hop.response.summary()))
        .collect();
    expect(
        Blame::Control,
        !world.scene.answers.is_empty(),
        "visit the site as the banned user",
        "answers",
        "none",
    )?;
    expect(
        Blame::Candidate,
        open.is_empty(),
        "visit every location as the banned user",
        "no 200",
        Seen::from(open.join("\n")).worst(answers),
    )
}

async fn not_active(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let key = run
        .profile
        .redis
        .active_user
        .replace("{email}", &run.email("test user")?);
    let exists = run.redis.exists(&key).await?;
    world.saw(
        EvidenceKind::Redis,
        &key,
        if exists { "exists" } else { "(nil)" },
    );
    expect(
        Blame::Candidate,
        !exists,
        format!("look {key} up after the banned user's visits"),
        "(nil)",
        "it exists",
    )
}

async fn unban(world: &mut World) -> Result<Answer, StepError> {
    let run = world.run()?;
    let email = run.email("test user")?;
    let before = trail::value_of(world, &ban_key(&run)?).await;
    let answer = run
        .operate(
            &mut admin(&run).await?,
            "unban user",
            &values([("email", json!(email))]),
        )
        .await?;
    follow(world, &answer, before).await?;
    Ok(answer)
}

async fn unbans(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let answer = unban(world).await?;
    world.scene.window = Some(Window::open(&*run.stack, Service::Gateway).await?);
    expect(
        Blame::Candidate,
        answer.ok(),
        "unban the test user",
        "200, JSON",
        &answer.hop.response,
    )?;
    Ok(())
}

async fn ban_gone(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let key = ban_key(&run)?;
    let found = run.redis.get(&key).await?;
    world.saw_of(
        &world.scene.followed,
        Stage::RedisAfter,
        EvidenceKind::Redis,
        &key,
        &format!("{key} = {}", found.as_deref().unwrap_or("(nil)")),
    );
    expect(
        Blame::Candidate,
        found.is_none(),
        format!("look {key} up in Redis"),
        "(nil)",
        found.unwrap_or_default(),
    )
}

async fn logs_in_again(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let email = run.email("test user")?;
    let seen = match run.log_in(&email).await? {
        Ok((_, hops)) => {
            let last = hops
                .last()
                .map(|hop| (hop.response.status, Seen::from(&hop.response)));
            hops.iter().for_each(|hop| world.saw_hop(hop));
            last.unwrap_or_default()
        }
        Err(failure) => (0, failure.seen()),
    };
    expect(
        Blame::Candidate,
        seen.0 == 200,
        format!("log in as {email} after the ban was lifted"),
        "the home page with 200",
        seen.1,
    )
}

async fn tracked_again(world: &mut World, args: Args) -> StepResult {
    let email = world.run()?.email("test user")?;
    pair_of_user(
        world,
        &format!("log in again as {email}"),
        &email,
        args.text("context"),
    )
    .await
}

async fn token_again(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let token = test_token(&run).await?;
    let hop = run
        .ask_model(Some(&token.jwt), "after the ban was lifted", &[])
        .await?;
    world.saw_hop(&hop);
    expect(
        Blame::Candidate,
        hop.response.status == 200,
        "use the token after the ban was lifted",
        "200",
        &hop.response,
    )
}

async fn second_unban(world: &mut World, _: Args) -> StepResult {
    let answer = unban(world).await?;
    let status = answer.hop.response.status;
    expect(
        Blame::Candidate,
        matches!(status, 200 | 404),
        "unban once more",
        "200 or 404",
        &answer.hop.response,
    )?;
    ban_gone_again(world).await
}

async fn ban_gone_again(world: &World) -> StepResult {
    let run = world.run()?;
    let key = ban_key(&run)?;
    let exists = run.redis.exists(&key).await?;
    expect(
        Blame::Candidate,
        !exists,
        "unban once more",
        format!("{key} does not exist"),
        "it exists",
    )
}
