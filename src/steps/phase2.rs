//! Phase 2: a person logs in, sees the admin page, and logs out.

use super::{
    operations::values,
    run::Run,
    session::{Session, ticket_key},
    tracking::pair_of_user,
    world::{Args, Blame, Coded as _, Seen, StepError, StepResult, World, expect},
};
use crate::{
    evidence::{EvidenceKind, Stage},
    probe::{
        browser::{Hop, gave_up},
        http::Request,
        log::Window,
        nonce_of,
    },
    stack::Service,
    steps,
};

steps! {
    /// A browser with nothing in its jar. The log, and the identity provider's journal, are
    /// looked at from here on.
    Given "^a fresh browser$" => fresh_browser, "login.browser";
    /// Asks for a path of the public site and goes where it is sent.
    When "^it asks for \"(?P<path>[^\"]+)\"$" => asks_for, "login.asked";
    /// On the way there is a redirect to the identity provider's authorize endpoint with
    /// client_id, redirect_uri, response_type=code, the scopes of the profile and a state.
    Then "^it is sent to the identity provider with a complete authorization request$" => complete_request, "login.authorize";
    /// The way ends at a page of the identity provider with the form's fields.
    Then "^it is shown the login form$" => shown_form, "login.form";
    /// Fills the form in with a user's address and a wrong password.
    When "^it submits the form as the (?P<role>admin|test user|plain user) with a wrong password$" => wrong_password, "login.wrong-password", &["login.form"];
    /// There is no session cookie, and the page first asked for is not answered with 200.
    Then "^it has no session$" => no_session, "login.no-session";
    /// Fills the form in with a user's address and password, and goes where that leads.
    When "^it submits the form as the (?P<role>admin|test user|plain user) with the right password$" => right_password, "login.right-password", &["login.form"];
    /// The way goes through the callback and ends at this path of the site with 200.
    Then "^it comes back through the callback to \"(?P<path>[^\"]+)\", which answers 200$" => comes_back, "login.comes-back";
    /// The session cookie was set with HttpOnly and SameSite.
    Then "^the session cookie is set, HttpOnly and SameSite$" => cookie_set, "login.cookie";
    /// The key that the cookie's ticket names exists in Redis.
    Then "^Redis holds the session that the cookie's ticket names$" => session_in_redis, "login.redis";
    /// The identity provider's journal has, for this login, one code and one exchange of it.
    Then "^the identity provider issued one code for the (?P<role>admin|test user|plain user) and exchanged it once$" => one_code, "login.code";
    /// In the log since the browser was fresh: a tracking pair of the user in the context.
    Then "^the log has the tracking pair of the (?P<role>admin|test user|plain user) in the context \"(?P<context>[^\"]+)\"$" => pair_in_window, "login.tracked", super::tracking::CODES;
    /// Control: a fresh browser without a session is not answered with 200 by the site.
    Then "^without a session \"(?P<path>[^\"]+)\" is not answered with 200$" => not_without_session, "access.without-session";
    /// A session of the user, made by a login if there is none yet.
    Given "^the (?P<role>admin|test user|plain user) has a session$" => has_session, "session.needed";
    /// A session of the user that no other item uses.
    Given "^the (?P<role>admin|test user|plain user) has a session of its own$" => own_session, "session.own";
    /// Asks for a path in the session, and follows no redirect.
    When "^the session asks for \"(?P<path>[^\"]+)\"$" => session_asks, "session.asks";
    /// Opens a path in the session as a person does: a real browser shows where it leads. What the
    /// site answers first is the answer.
    When "^the session opens \"(?P<path>[^\"]+)\"$" => session_opens, "session.opens";
    /// Status 200, HTML, and the text that only the admin page has.
    Then "^the answer is the admin page$" => is_admin_page, "admin-page.shown", &["session.not-accepted"];
    /// Asks for the path that ends a session, and goes where that leads.
    When "^the session signs out$" => signs_out, "logout.sent";
    /// The browser has the session cookie no more, and its key is gone from Redis.
    Then "^the session cookie is cleared and the session is gone from Redis$" => session_gone, "logout.redis", &["logout.cookie"];
    /// The old cookie, sent again, is not answered with 200.
    Then "^the old cookie is refused$" => old_cookie_refused, "logout.old-cookie";
    /// The same browser, on its next visit, is sent to the login form again.
    Then "^the next visit in the same browser shows the login form$" => next_visit_form, "logout.next-visit";
}

/// The way that the browser went, as a person reads it.
pub(super) fn way(hops: &[Hop]) -> String {
    let hop = |hop: &Hop| {
        let (request, response) = (&hop.request, hop.response.summary());
        format!("{} {} -> {response}", request.method, request.url)
    };
    let mut lines: Vec<String> = hops.iter().map(hop).collect();
    if gave_up(hops) {
        let after = hops.len() - 1;
        lines.insert(
            0,
            format!("redirects without an end, given up after {after}:"),
        );
    }
    lines.join("\n")
}

/// The way, the answer at its end, and how the session's cookie was to be sent back.
fn way_seen(run: &Run, hops: &[Hop]) -> Seen {
    let mut seen = Seen::from(way(hops));
    if let Some(last) = hops.last() {
        seen = seen.answered(&last.response);
    }
    let samesite = set_cookies(run, hops).find_map(|cookie| {
        let flags = cookie.split(';').map(str::trim);
        flags
            .filter_map(|flag| flag.split_once('='))
            .find(|(name, _)| name.eq_ignore_ascii_case("samesite"))
    });
    match samesite {
        Some((_, value)) => seen.fact("samesite", value.to_ascii_lowercase()),
        None => seen,
    }
}

async fn fresh_browser(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    world.scene.window = Some(Window::open(&*run.stack, Service::Gateway).await?);
    world.scene.idp_cursor = run.idp.cursor().await?;
    world.scene.session = Some(Session {
        browser: run.person().await?,
        email: String::new(),
    });
    world.scene.hops.clear();
    Ok(())
}

/// Types an address of the site, with a nonce, and goes where that leads.
async fn walk(world: &mut World, path: &str) -> StepResult {
    let run = world.run()?;
    let (url, _) = run.page(path)?;
    let hops = run.walk(&mut world.session()?.browser, url).await?;
    went(world, hops);
    Ok(())
}

/// Keeps the way that the browser went.
fn went(world: &mut World, hops: Vec<Hop>) {
    hops.iter().for_each(|hop| world.saw_hop(hop));
    world.scene.hops.extend(hops);
}

async fn asks_for(world: &mut World, args: Args) -> StepResult {
    walk(world, args.text("path")).await?;
    world
        .saw_page(&format!("after {} was asked for", args.text("path")))
        .await
}

async fn complete_request(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let hops = &world.scene.hops;
    let authorize = hops.iter().find(|hop| {
        hop.request
            .url
            .query_pairs()
            .any(|(name, _)| name == "response_type")
    });
    let did = "ask for a page without a session";
    let Some(hop) = authorize else {
        return Err(StepError::candidate(
            did,
            "a redirect to the identity provider's authorize endpoint",
            way_seen(&run, hops),
        ));
    };
    let query: std::collections::BTreeMap<String, String> =
        hop.request.url.query_pairs().into_owned().collect();
    let has = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
    let callback = run.plain_page(&run.profile.login.callback)?;
    let scopes: Vec<&str> = has("scope").split(' ').collect();
    let complete = !run.profile.site.has(&hop.request.url)
        && !has("client_id").is_empty()
        && !has("state").is_empty()
        && has("response_type") == "code"
        && has("redirect_uri") == callback.as_str()
        && run
            .profile
            .login
            .scopes
            .iter()
            .all(|scope| scopes.contains(&scope.as_str()));
    let redirected = hops
        .iter()
        .take_while(|other| other.request.url != hop.request.url)
        .all(|hop| hop.response.status == 302);
    expect(
        Blame::Candidate,
        complete && redirected,
        did,
        format!(
            "302 to authorize with client_id, redirect_uri={callback}, response_type=code, scope {:?}, state",
            run.profile.login.scopes
        ),
        way_seen(&run, hops),
    )
}

async fn shown_form(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    expect(
        Blame::Candidate,
        run.login_form(&world.scene.hops).is_some(),
        "ask for a page without a session",
        "the identity provider's login form",
        way_seen(&run, &world.scene.hops),
    )
}

async fn submit(world: &mut World, role: &str, password: Option<&str>) -> StepResult {
    let run = world.run()?;
    let email = run.email(role)?;
    let form = run.login_form(&world.scene.hops).ok_or_else(|| {
        let did = "ask for a page without a session";
        StepError::candidate(
            did,
            "the identity provider's login form",
            way_seen(&run, &world.scene.hops),
        )
        .code("login.form")
    })?;
    let right = run.password(&email)?;
    let session = world.session()?;
    session.email.clone_from(&email);
    let password = password.unwrap_or(&right);
    let hops = run
        .submit(&mut session.browser, &form, &email, password)
        .await?;
    went(world, hops);
    let title = format!("after the login form was sent as {email}");
    world.saw_page(&title).await
}

async fn wrong_password(world: &mut World, args: Args) -> StepResult {
    submit(world, args.text("role"), Some("not the password")).await?;
    // The form is asked for again with the next step; what it was shown is what counts so far.
    let last = world.scene.hops.last().map(|hop| hop.response.status);
    expect(
        Blame::Control,
        last == Some(400),
        "log in with a wrong password",
        "the identity provider refuses",
        format!("{last:?}"),
    )
}

async fn no_session(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let cookie = run.session_cookie(&world.session()?.browser)?;
    expect(
        Blame::Candidate,
        cookie.is_none(),
        "log in with a wrong password",
        "no session cookie",
        "one was set",
    )?;
    world.scene.hops.clear();
    walk(world, "/").await?;
    expect(
        Blame::Candidate,
        run.login_form(&world.scene.hops).is_some(),
        "visit again after a wrong password",
        "the login form",
        way_seen(&run, &world.scene.hops),
    )
}

async fn right_password(world: &mut World, args: Args) -> StepResult {
    submit(world, args.text("role"), None).await?;
    let run = world.run()?;
    let own = world.session()?.copy();
    if run.session_cookie(&own.browser)?.is_some() {
        run.made
            .lock()
            .await
            .sessions
            .entry(own.email.clone())
            .or_insert(Ok(own));
    }
    Ok(())
}

async fn comes_back(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    let hops = &world.scene.hops;
    let at_site = |hop: &&Hop| run.profile.site.has(&hop.request.url);
    let callback = hops
        .iter()
        .filter(at_site)
        .any(|hop| hop.request.url.path() == run.profile.login.callback);
    let last = hops.last().filter(at_site);
    let back = last.is_some_and(|hop| {
        hop.request.url.path() == args.text("path") && hop.response.status == 200
    });
    expect(
        Blame::Candidate,
        callback && back,
        "log in with the right password",
        format!(
            "back through {} to {}, which answers 200",
            run.profile.login.callback,
            args.text("path")
        ),
        way_seen(&run, hops),
    )
}

/// The `Set-Cookie` fields for the session cookie, the newest first.
fn set_cookies<'a>(run: &'a Run, hops: &'a [Hop]) -> impl Iterator<Item = &'a str> {
    let name = format!("{}=", run.profile.login.cookie);
    hops.iter()
        .rev()
        .flat_map(|hop| &hop.response.headers)
        .filter(move |(header, value)| header == "set-cookie" && value.starts_with(&name))
        .map(|(_, value)| value.as_str())
}

async fn cookie_set(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let set: Vec<String> = set_cookies(&run, &world.scene.hops)
        .map(str::to_ascii_lowercase)
        .collect();
    let holds = set
        .iter()
        .any(|cookie| cookie.contains("; httponly") && cookie.contains("; samesite"));
    expect(
        Blame::Candidate,
        holds && run.session_cookie(&world.session()?.browser)?.is_some(),
        "log in",
        format!("{} set, HttpOnly and SameSite", run.profile.login.cookie),
        run.recorder.redact(&set.join("\n")),
    )
}

async fn session_in_redis(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let cookie = run
        .session_cookie(&world.session()?.browser)?
        .unwrap_or_default();
    let did = "look the session up in Redis";
    let key = ticket_key(&cookie)
        .ok_or_else(|| StepError::candidate(did, "a cookie with a ticket", "it names no key"))?;
    let exists = run.redis.exists(&key).await?;
    let last = world
        .scene
        .hops
        .last()
        .and_then(|hop| nonce_of(&hop.request.url));
    world.saw_of(
        &last.unwrap_or_default(),
        Stage::RedisAfter,
        EvidenceKind::Redis,
        &key,
        if exists { "exists" } else { "(nil)" },
    );
    world.scene.note = key.clone();
    expect(
        Blame::Candidate,
        exists,
        did,
        format!("{key} exists"),
        "(nil)",
    )
}

async fn one_code(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    let email = run.email(args.text("role"))?;
    let entries = run.idp.since(world.scene.idp_cursor).await?;
    let notes: Vec<String> = entries
        .iter()
        .map(|entry| {
            format!(
                "{} {} -> {} {}",
                entry.method,
                entry.path,
                entry.status,
                entry.note.clone().unwrap_or_default()
            )
        })
        .collect();
    world.saw(
        EvidenceKind::Journal,
        "what the identity provider received",
        &notes.join("\n"),
    );
    let count = |what: &str| {
        entries
            .iter()
            .filter(|entry| entry.note.as_deref() == Some(&format!("{what} for {email}")))
            .count()
    };
    let seen = (count("code issued"), count("code exchanged"));
    expect(
        Blame::Candidate,
        seen == (1, 1),
        "read the identity provider's journal of this login",
        "one code, exchanged once",
        format!(
            "{} codes, {} exchanges:\n{}",
            seen.0,
            seen.1,
            notes.join("\n")
        ),
    )
}

async fn pair_in_window(world: &mut World, args: Args) -> StepResult {
    let email = world.run()?.email(args.text("role"))?;
    pair_of_user(
        world,
        &format!("log in as {email}"),
        &email,
        args.text("context"),
    )
    .await
}

async fn not_without_session(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    let (url, _) = run.page(args.text("path"))?;
    let hop = run.browser().send(Request::get(url)).await?;
    world.saw_hop(&hop);
    expect(
        Blame::Candidate,
        hop.response.status != 200,
        format!("ask for {} without a session", args.text("path")),
        "anything but 200",
        &hop.response,
    )
}

async fn has_session(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    let email = run.email(args.text("role"))?;
    let mut session = run.need_session(&email).await?;
    session.browser = run.seen_through(session.browser).await?;
    world.scene.session = Some(session);
    Ok(())
}

async fn own_session(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    let email = run.email(args.text("role"))?;
    let person = run.person().await?;
    world.scene.session = match run.log_in_with(person, &email).await? {
        Ok((session, _)) => Some(session),
        Err(failure) => {
            return Err(StepError::Skip(format!(
                "a session of {email} is needed, and the login fails: {}",
                failure.seen
            )));
        }
    };
    Ok(())
}

async fn session_asks(world: &mut World, args: Args) -> StepResult {
    let (url, _) = world.run()?.page(args.text("path"))?;
    let hop = world.session()?.browser.send(Request::get(url)).await?;
    world.saw_hop(&hop);
    world.scene.last = Some(hop);
    Ok(())
}

async fn session_opens(world: &mut World, args: Args) -> StepResult {
    let (url, _) = world.run()?.page(args.text("path"))?;
    let hop = world.session()?.browser.open(url).await?;
    world.saw_hop(&hop);
    world.scene.last = Some(hop);
    world
        .saw_page(&format!("after {} was asked for", args.text("path")))
        .await
}

/// What only the admin page has: as the profile says, or its `<title>`.
pub(super) fn marker(run: &Run) -> Result<String, StepError> {
    let page = &run.profile.admin_page;
    if let Some(marker) = &page.marker {
        return Ok(marker.clone());
    }
    let file = run.plan.files.html.join(&page.file);
    let did = format!("read the title of {}", page.file);
    let html = std::fs::read_to_string(&file)
        .map_err(|error| StepError::harness(&did, "a page", error))?;
    let title = html
        .split_once("<title>")
        .and_then(|(_, rest)| rest.split_once("</title>"));
    title
        .map(|(title, _)| format!("<title>{title}</title>"))
        .ok_or_else(|| {
            StepError::harness(did, "a title, or admin_page.marker in the profile", "none")
        })
}

async fn is_admin_page(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let marker = marker(&run)?;
    let response = &world.last()?.response;
    let html = response
        .header("content-type")
        .is_some_and(|kind| kind.starts_with("text/html"));
    expect(
        Blame::Candidate,
        response.status == 200 && html && response.body.contains(&marker),
        format!("ask for {}", run.profile.admin_page.path),
        format!("200, HTML, with {marker}"),
        response,
    )
    .map_err(|error| match run.sends_to_login(response) {
        true => error.code("session.not-accepted"),
        false => error,
    })
}

async fn signs_out(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    // Control: the session works before it is ended, and Redis knows it.
    let (home, _) = run.page("/")?;
    let before = world.session()?.browser.open(home).await?;
    if before.response.status != 200 {
        return Err(StepError::Skip(format!(
            "the session does not work before it is ended: {}",
            before.response.summary()
        )));
    }
    let cookie = run
        .session_cookie(&world.session()?.browser)?
        .unwrap_or_default();
    let key = ticket_key(&cookie).unwrap_or_default();
    expect(
        Blame::Control,
        run.redis.exists(&key).await?,
        "look the session up in Redis before it is ended",
        &key,
        "(nil)",
    )?;
    world.scene.note = cookie;
    world.scene.hops.clear();
    walk(world, &run.profile.login.sign_out).await?;
    world.saw_page("after the logout").await
}

async fn session_gone(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let left = run.session_cookie(&world.session()?.browser)?;
    expect(
        Blame::Candidate,
        left.is_none(),
        "sign out",
        "the session cookie is cleared",
        way_seen(&run, &world.scene.hops),
    )
    .code("logout.cookie")?;
    let key = ticket_key(&world.scene.note).unwrap_or_default();
    let exists = run.redis.exists(&key).await?;
    world.saw(
        EvidenceKind::Redis,
        &key,
        if exists { "exists" } else { "(nil)" },
    );
    expect(
        Blame::Candidate,
        !exists,
        "look the session up in Redis after it was ended",
        "(nil)",
        format!("{key} exists"),
    )
}

async fn old_cookie_refused(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let pair = format!("{}={}", run.profile.login.cookie, world.scene.note);
    let did = "send the old cookie again";
    let contexts = run.profile.contexts.values();
    let paths = contexts.map(|context| context.path.as_str());
    for path in paths.chain([run.profile.admin_page.path.as_str()]) {
        let (url, _) = run.page(path)?;
        let request = Request::get(url).header("cookie", &pair);
        refused(world, did, run.browser().send(request).await?)?;
    }
    // Who only asks keeps no page: an operation of the admin API, which changes nothing.
    let operation = run.operation("list tokens")?;
    let request = run.operation_request(&operation, &values([]))?;
    let request = request.header("cookie", &pair);
    refused(world, did, run.browser().send(request).await?)
}

fn refused(world: &World, did: &str, hop: Hop) -> StepResult {
    world.saw_hop(&hop);
    expect(
        Blame::Candidate,
        hop.response.status != 200,
        format!("{did}: {} {}", hop.request.method, hop.request.url),
        "anything but 200",
        &hop.response,
    )
}

async fn next_visit_form(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    world.scene.hops.clear();
    walk(world, "/").await?;
    world.saw_page("at the next visit after the logout").await?;
    expect(
        Blame::Candidate,
        run.login_form(&world.scene.hops).is_some(),
        "visit the site again in the browser that signed out",
        "the login form, not a silent login",
        way_seen(&run, &world.scene.hops),
    )
}
