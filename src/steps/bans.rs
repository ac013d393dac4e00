//! A banned user is kept out until the ban is lifted.

use super::{
    log::{pairs::pair_of_user, request_trace},
    operations::Answer,
    prelude::*,
    security::attack::refused_by_every_worker,
};
use crate::{
    probe::{nonce_of, now_ms},
    profile::WhenBanned,
};

/// How far a ban's TTL may be below what was asked, in seconds (checks.md, 6.2).
const TTL_SLACK: i64 = 60;

/// The name of the test user's token, minted once a run.
const TOKEN: &str = "the test user's";

steps! {
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
    Then "^the test user is tracked again in the context \"(?P<context>[^\"]+)\"$" => tracked_again, "unban.tracked", crate::steps::log::pairs::CODES;
    /// The token is let in.
    Then "^the test user's token works again$" => token_again, "unban.token";
    /// Lifting the ban once more is answered with 200 or 404 and changes nothing.
    Then "^a second unban does no harm$" => second_unban, "unban.again";
}

/// The nonce of the request that changed the ban last.
#[derive(Default)]
struct Changed(String);

/// What the site answered the banned user, but for locations that a ban does not reach.
struct Visits(Vec<Hop>);

fn test_user(run: &Run) -> &str {
    &run.profile.users.test
}

async fn test_token(run: &Run) -> StepResult<Token> {
    let mut made = run.made.lock().await;
    let token = match made.tokens.get(TOKEN) {
        Some(Ok(token)) => token.clone(),
        _ => run.mint(test_user(run), 30).await?,
    };
    made.tokens.insert(TOKEN.to_owned(), Ok(token.clone()));
    Ok(token)
}

/// The home page in a session, and the model's API with the token.
struct Access {
    page: u16,
    model: u16,
}

impl Access {
    async fn of(
        world: &World,
        run: &Run,
        session: &mut Session,
        token: &Token,
    ) -> StepResult<Self> {
        let (home, _) = run.page(run.profile.home())?;
        let page = session.browser.send(Request::get(home)).await?;
        let model = run
            .ask_model(Some(&token.jwt), "is this user let in?")
            .await?;
        world.saw_hop(&page);
        world.saw_hop(&model);
        Ok(Self {
            page: page.response.status,
            model: model.response.status,
        })
    }

    fn text(&self) -> String {
        let Self { page, model } = self;
        format!("the home page answers {page}, the model's API {model}")
    }
}

async fn both_work(world: &mut World, run: &Run, _: Args) -> StepResult {
    let token = test_token(run).await?;
    let mut session = run.need_session(test_user(run)).await?;
    let access = Access::of(world, run, &mut session, &token).await?;
    world.session = Some(session);
    world.tokens = vec![token];
    if (access.page, access.model) == (200, 200) {
        return Ok(());
    }
    let text = access.text();
    lacks(format!(
        "the test user is not let in before the ban: {text}"
    ))
}

async fn bans(world: &mut World, run: &Run, args: Args) -> StepResult {
    let days: i64 = args.number("days")?;
    let before = request_trace::value_of(run, &run.ban_key(test_user(run))).await;
    let answer = run.ban(test_user(run), days).await?;
    follow(world, run, &answer, before).await;
    let lasts = run.profile.ban.fixed_days.unwrap_or(days) * 86_400;
    let until = now_ms() / 1000 + lasts;
    let as_asked = answer.value("until").is_none_or(|told| {
        let told = run.profile.moment(&told);
        told.is_some_and(|told| (told - until).abs() <= TTL_SLACK)
    });
    check("ban the test user", &answer.hop).must(
        format!("{}, banned until about {until}", answer.success()),
        answer.ok() && as_asked,
    )
}

/// Keeps a request that changes the test user's ban, and what it found in Redis; what it leaves
/// there is looked up later.
async fn follow(world: &mut World, run: &Run, answer: &Answer, before: Option<String>) {
    world.saw_hop(&answer.hop);
    if let Some(nonce) = nonce_of(&answer.hop.request.url) {
        request_trace::access_log(world, run, &nonce).await;
        if let Some(before) = before {
            let key = run.ban_key(test_user(run));
            request_trace::key_before(world, &nonce, &key, &before);
        }
        world.keep(Changed(nonce));
    }
}

async fn ban_in_redis(world: &mut World, run: &Run, args: Args) -> StepResult {
    let days: i64 = args.number("days")?;
    let lasts = run.profile.ban.fixed_days.unwrap_or(days);
    if lasts != days {
        world.remark(
            format!("a ban of {days} days cannot be had"),
            format!("Every ban of this gateway lasts {lasts} days, as the profile says: that is what was looked for."),
        );
    }
    let asked = lasts * 86_400;
    let found = run.entry(run.ban_key(test_user(run))).await?;
    let Changed(nonce) = world.kept_mut()?;
    let (nonce, stage) = (nonce.clone(), Stage::RedisAfter);
    world.saw_of(&nonce, stage, EvidenceKind::Redis, &found.key, &found);
    let exists = found.value.is_some();
    let in_time = |ttl: i64| ttl <= asked && ttl > asked - TTL_SLACK;
    check(
        format!("look {} up in Redis", found.key),
        Seen::from(&found).fact("exists", exists),
    )
    .must(
        format!("it exists, TTL within a minute below {asked} s"),
        exists && found.ttl.is_some_and(in_time),
    )
}

async fn both_refused(world: &mut World, run: &Run, _: Args) -> StepResult {
    let missing = || StepError::missing("a session");
    let mut session = world.session.take().ok_or_else(missing)?;
    let missing = || StepError::missing("a token");
    let token = world.tokens.first().cloned().ok_or_else(missing)?;
    let access = Access::of(world, run, &mut session, &token).await?;
    let Access { page, model } = access;
    check(
        "use the session and the token right after the ban",
        Seen::from(access.text()).fact("status", page.max(model)),
    )
    .must(
        format!("{REFUSED} for both"),
        REFUSED.fits(page) && REFUSED.fits(model),
    )?;
    let did = "use the token right after the ban";
    let raw = run.message_with(&token.jwt, &nonce());
    refused_by_every_worker(run, did, &raw).await?;
    let did = "use the session right after the ban";
    let raw = run.raw_in(&session, run.profile.home())?;
    refused_by_every_worker(run, did, &raw).await
}

async fn admin_untouched(_: &mut World, run: &Run, _: Args) -> StepResult {
    let admin = &run.profile.users.admin;
    let (home, _) = run.page(run.profile.home())?;
    let mut session = run.need_session(admin).await?;
    let status = session
        .browser
        .send(Request::get(home))
        .await?
        .response
        .status;
    let ban = run.key(run.ban_key(admin)).await?;
    let did = "use the admin's session after the ban of another";
    check(did, format!("{status}, {ban}")).must(
        format!("200, and {} does not exist", ban.key),
        status == 200 && !ban.exists,
    )
}

async fn is_banned(_: &mut World, run: &Run, _: Args) -> StepResult {
    let key = run.ban_key(test_user(run));
    if run.redis.exists(&key).await? {
        return Ok(());
    }
    let answer = run.ban(test_user(run), 7).await?;
    if answer.ok() && run.redis.exists(&key).await? {
        return Ok(());
    }
    let seen = answer.summary();
    lacks(format!(
        "a banned user is needed, and the ban fails: {seen}"
    ))
}

async fn banned_logs_in(world: &mut World, run: &Run, _: Args) -> StepResult {
    let email = test_user(run);
    let active = run.active_key(email);
    run.stack.may(Act::WriteKey(&active)).await?;
    run.redis.delete(&active).await?;
    let cursor = run.idp.cursor().await?;
    let (mut browser, hops) = match run.log_in(email).await? {
        Ok((session, hops)) => (session.browser, hops),
        Err(failure) => (run.browser(), failure.hops),
    };
    world.saw_hops(&hops);
    // The identity provider let the user in; it is the gateway that must not.
    let note = format!("password accepted for {email}");
    let entries = run.idp.since(cursor).await?;
    let accepted = entries
        .iter()
        .any(|entry| entry.note.as_ref() == Some(&note));
    let did = "log in at the identity provider with the right password";
    check(did, "it does not").control("it lets the user in", accepted)?;
    let of_site = |hop: &Hop| run.profile.site.has(&hop.request.url);
    let mut visits: Vec<Hop> = hops.into_iter().filter(of_site).collect();
    let contexts = run.profile.contexts.values();
    let paths = contexts.flat_map(|one| one.paths().map(|path| (path, one.banned)));
    let admin_page = run.profile.admin_page.path.as_str();
    for (path, banned) in paths.chain([(admin_page, WhenBanned::Refused)]) {
        let (url, _) = run.page(path)?;
        let hop = browser.send(Request::get(url)).await?;
        world.saw_hop(&hop);
        match banned {
            WhenBanned::Refused => visits.push(hop),
            WhenBanned::Served => world.remark(
                format!("a ban does not reach {path}"),
                format!("It answers the banned user {}. The profile says so, and it is not held against the candidate.", hop.response.status),
            ),
        }
    }
    world.keep(Visits(visits));
    Ok(())
}

async fn nothing_open(world: &mut World, _: &Run, _: Args) -> StepResult {
    let Visits(visits) = world.kept()?;
    check("visit the site as the banned user", "none").control("answers", !visits.is_empty())?;
    let open = visits.iter().filter(|hop| hop.response.status == 200);
    let open = open.map(|hop| format!("{} -> {}", hop.request.url, hop.response.summary()));
    let open: Vec<String> = open.collect();
    let seen = Seen::from(lines(&open)).worst(visits.iter().map(|hop| &hop.response));
    check("visit every location as the banned user", seen).must("no 200", open.is_empty())
}

async fn not_active(world: &mut World, run: &Run, _: Args) -> StepResult {
    let key = run.key(run.active_key(test_user(run))).await?;
    let did = format!("look {} up after the banned user's visits", key.key);
    key.seen_by(world).must_not_exist(did)
}

async fn unban(world: &mut World, run: &Run) -> StepResult<Answer> {
    let before = request_trace::value_of(run, &run.ban_key(test_user(run))).await;
    let answer = run.unban(test_user(run)).await?;
    follow(world, run, &answer, before).await;
    Ok(answer)
}

async fn unbans(world: &mut World, run: &Run, _: Args) -> StepResult {
    let answer = unban(world, run).await?;
    world.window = Some(run.log_from_here().await?);
    check("unban the test user", &answer.hop).must(answer.success(), answer.ok())
}

async fn ban_gone(world: &mut World, run: &Run, _: Args) -> StepResult {
    let key = run.ban_key(test_user(run));
    let found = run.redis.get(&key).await?;
    let value = found.as_deref().unwrap_or("(nil)");
    let Changed(nonce) = world.kept_mut()?;
    let (nonce, body) = (nonce.clone(), format!("{key} = {value}"));
    let (stage, kind) = (Stage::RedisAfter, EvidenceKind::Redis);
    world.saw_of(&nonce, stage, kind, &key, body);
    check(format!("look {key} up in Redis"), value).must("(nil)", found.is_none())
}

async fn logs_in_again(world: &mut World, run: &Run, _: Args) -> StepResult {
    let email = test_user(run);
    let (let_in, seen) = match run.log_in(email).await? {
        Ok((_, hops)) => {
            world.saw_hops(&hops);
            let last = hops.last();
            let let_in = last.is_some_and(|hop| hop.response.status == 200);
            (let_in, last.map(Seen::from).unwrap_or_default())
        }
        Err(failure) => (false, failure.seen()),
    };
    check(format!("log in as {email} after the ban was lifted"), seen)
        .must("the home page with 200", let_in)
}

async fn tracked_again(world: &mut World, run: &Run, args: Args) -> StepResult {
    let email = test_user(run);
    let did = format!("log in again as {email}");
    pair_of_user(world, run, &did, email, args.text("context")).await
}

async fn token_again(world: &mut World, run: &Run, _: Args) -> StepResult {
    let token = test_token(run).await?;
    let hop = run
        .ask_model(Some(&token.jwt), "after the ban was lifted")
        .await?;
    world.must("use the token after the ban was lifted", &hop, OK)
}

async fn second_unban(world: &mut World, run: &Run, _: Args) -> StepResult {
    let answer = unban(world, run).await?;
    let did = "unban once more";
    let (status, success) = (answer.hop.response.status, answer.operation.status);
    check(did, &answer.hop).must(
        format!("{success} or 404"),
        status == success || status == 404,
    )?;
    let key = run.key(run.ban_key(test_user(run))).await?;
    key.must_not_exist(did)
}
