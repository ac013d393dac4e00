//! A person logs in, sees the admin page, and logs out.

use std::collections::BTreeMap;

use super::{
    log::pairs::pair_of_user,
    operations::values,
    prelude::*,
    session::{ticket_key, way},
};
use crate::profile::Context;

steps! {
    /// A browser with nothing in its jar. The log, and the identity provider's journal, are
    /// looked at from here on.
    Given "^a fresh browser$" => fresh_browser, "login.browser";
    /// Asks for a path of the public site and goes where it is sent.
    When "^it asks for (?P<page>\"[^\"]+\"|the home page|the admin page)$" => asks_for, "login.asked";
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
    Then "^it comes back through the callback to (?P<page>\"[^\"]+\"|the home page|the admin page), which answers 200$" => comes_back, "login.comes-back";
    /// The session cookie was set with HttpOnly and SameSite.
    Then "^the session cookie is set, HttpOnly and SameSite$" => cookie_set, "login.cookie";
    /// The key that the cookie's ticket names exists in Redis.
    Then "^Redis holds the session that the cookie's ticket names$" => session_in_redis, "login.redis";
    /// The identity provider's journal has, for this login, one code and one exchange of it.
    Then "^the identity provider issued one code for the (?P<role>admin|test user|plain user) and exchanged it once$" => one_code, "login.code";
    /// In the log since the browser was fresh: a tracking pair of the user in the context.
    Then "^the log has the tracking pair of the (?P<role>admin|test user|plain user) in the context \"(?P<context>[^\"]+)\"$" => pair_in_window, "login.tracked", crate::steps::log::pairs::CODES;
    /// Control: a fresh browser without a session is not answered with 200 by the site.
    Then "^without a session (?P<page>\"[^\"]+\"|the home page|the admin page) is not answered with 200$" => not_without_session, "access.without-session";
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

/// The session's cookie before the logout.
struct OldCookie(String);

/// The `Set-Cookie` fields for the session cookie, the newest first.
fn set_cookies<'a>(run: &'a Run, hops: &'a [Hop]) -> impl Iterator<Item = &'a str> {
    let name = format!("{}=", run.profile.login.cookie);
    hops.iter()
        .rev()
        .flat_map(|hop| &hop.response.headers)
        .filter(move |(header, value)| header == "set-cookie" && value.starts_with(&name))
        .map(|(_, value)| value.as_str())
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

/// The way must end at the login form.
fn must_show_form(world: &World, run: &Run, did: &str, expected: &str) -> StepResult {
    let form = run.login_form(&world.hops);
    check(did, way_seen(run, &world.hops)).must(expected, form.is_some())
}

async fn fresh_browser(world: &mut World, run: &Run, _: Args) -> StepResult {
    world.window = Some(run.log_from_here().await?);
    world.idp_cursor = run.idp.cursor().await?;
    world.session = Some(Session {
        browser: run.person().await?,
        email: String::new(),
    });
    world.hops.clear();
    Ok(())
}

/// Types an address of the site, with a nonce, and goes where that leads.
async fn walk(world: &mut World, run: &Run, path: &str) -> StepResult {
    let (url, _) = run.page(path)?;
    let hops = run.walk(world.browser()?, url).await?;
    world.saw_hops(&hops);
    world.hops.extend(hops);
    Ok(())
}

async fn asks_for(world: &mut World, run: &Run, args: Args) -> StepResult {
    let path = run.path_of(args.text("page"));
    walk(world, run, path).await?;
    world.saw_page(&format!("after {path} was asked for")).await
}

async fn complete_request(world: &mut World, run: &Run, _: Args) -> StepResult {
    let hops = &world.hops;
    let query = |hop: &Hop| -> BTreeMap<String, String> {
        hop.request.url.query_pairs().into_owned().collect()
    };
    let at = hops
        .iter()
        .position(|hop| query(hop).contains_key("response_type"));
    let seen = || check("ask for a page without a session", way_seen(run, hops));
    let Some(at) = at else {
        return seen().must(
            "a redirect to the identity provider's authorize endpoint",
            false,
        );
    };
    let authorize = &hops[at];
    let query = query(authorize);
    let has = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
    let login = &run.profile.login;
    let callback = run.plain_page(&login.callback)?;
    let mut scopes = login.scopes.iter();
    let complete = !run.profile.site.has(&authorize.request.url)
        && !has("client_id").is_empty()
        && !has("state").is_empty()
        && has("response_type") == "code"
        && has("redirect_uri") == callback.as_str()
        && scopes.all(|scope| has("scope").split(' ').any(|one| one == scope));
    let redirected = hops[..at]
        .iter()
        .all(|hop| REDIRECT.fits(hop.response.status));
    let expected = format!(
        "a redirect to authorize with client_id, redirect_uri={callback}, response_type=code, scope {:?}, state",
        login.scopes
    );
    seen().must(expected, complete && redirected)
}

async fn shown_form(world: &mut World, run: &Run, _: Args) -> StepResult {
    let did = "ask for a page without a session";
    must_show_form(world, run, did, "the identity provider's login form")
}

async fn submit(world: &mut World, run: &Run, role: &str, password: Option<&str>) -> StepResult {
    let email = run.email(role)?;
    let Some(form) = run.login_form(&world.hops) else {
        let did = "ask for a page without a session";
        let expected = "the identity provider's login form";
        return must_show_form(world, run, did, expected).code("login.form");
    };
    let right = run.password(email)?;
    let session = world.session()?;
    email.clone_into(&mut session.email);
    let password = password.unwrap_or(&right);
    let hops = run
        .submit(&mut session.browser, &form, email, password)
        .await?;
    world.saw_hops(&hops);
    world.hops.extend(hops);
    let title = format!("after the login form was sent as {email}");
    world.saw_page(&title).await
}

async fn wrong_password(world: &mut World, run: &Run, args: Args) -> StepResult {
    submit(world, run, args.text("role"), Some("not the password")).await?;
    // The form is asked for again with the next step; what it was shown is what counts so far.
    let last = world.hops.last().map(|hop| hop.response.status);
    check("log in with a wrong password", format!("{last:?}"))
        .control("the identity provider refuses", last == Some(400))
}

async fn no_session(world: &mut World, run: &Run, _: Args) -> StepResult {
    let cookie = run.session_cookie(world.browser()?)?;
    check("log in with a wrong password", "one was set")
        .must("no session cookie", cookie.is_none())?;
    world.hops.clear();
    walk(world, run, run.profile.home()).await?;
    must_show_form(
        world,
        run,
        "visit again after a wrong password",
        "the login form",
    )
}

async fn right_password(world: &mut World, run: &Run, args: Args) -> StepResult {
    submit(world, run, args.text("role"), None).await?;
    let own = world.session()?.copy();
    if run.session_cookie(&own.browser)?.is_some() {
        let sessions = &mut run.made.lock().await.sessions;
        sessions.entry(own.email.clone()).or_insert(Ok(own));
    }
    Ok(())
}

async fn comes_back(world: &mut World, run: &Run, args: Args) -> StepResult {
    let callback = &run.profile.login.callback;
    let path = run.path_of(args.text("page"));
    let is_at = |hop: &Hop, path: &str| {
        run.profile.site.has(&hop.request.url) && hop.request.url.path() == path
    };
    let hops = &world.hops;
    let through = hops.iter().any(|hop| is_at(hop, callback));
    let last = hops.last();
    let back = last.is_some_and(|hop| is_at(hop, path) && hop.response.status == 200);
    check("log in with the right password", way_seen(run, hops)).must(
        format!("back through {callback} to {path}, which answers 200"),
        through && back,
    )
}

async fn cookie_set(world: &mut World, run: &Run, _: Args) -> StepResult {
    let set = set_cookies(run, &world.hops).map(str::to_ascii_lowercase);
    let set: Vec<String> = set.collect();
    let flagged = |cookie: &String| cookie.contains("; httponly") && cookie.contains("; samesite");
    let kept = run.session_cookie(world.browser()?)?.is_some();
    let expected = format!("{} set, HttpOnly and SameSite", run.profile.login.cookie);
    check("log in", run.recorder.redact(&lines(&set)))
        .must(expected, set.iter().any(flagged) && kept)
}

async fn session_in_redis(world: &mut World, run: &Run, _: Args) -> StepResult {
    let cookie = run.session_cookie(world.browser()?)?.unwrap_or_default();
    let did = "look the session up in Redis";
    let no_ticket = || StepError::candidate(did, "a cookie with a ticket", "it names no key");
    let key = ticket_key(&cookie).ok_or_else(no_ticket)?;
    let found = run.key(key).await?;
    let last = world.hops.last();
    let nonce = last.and_then(|hop| crate::probe::nonce_of(&hop.request.url));
    let (stage, kind) = (Stage::RedisAfter, EvidenceKind::Redis);
    world.saw_of(&nonce.unwrap_or_default(), stage, kind, &found.key, &found);
    found.must_exist(did)
}

async fn one_code(world: &mut World, run: &Run, args: Args) -> StepResult {
    let email = run.email(args.text("role"))?;
    let entries = run.idp.since(world.idp_cursor).await?;
    let received = lines(entries.iter().map(|entry| {
        let (method, path, status) = (&entry.method, &entry.path, entry.status);
        let note = entry.note.as_deref().unwrap_or_default();
        format!("{method} {path} -> {status} {note}")
    }));
    let title = "what the identity provider received";
    world.saw(EvidenceKind::Journal, title, &received);
    let count = |what: &str| {
        let note = format!("{what} for {email}");
        let noted = entries
            .iter()
            .filter(|entry| entry.note.as_ref() == Some(&note));
        noted.count()
    };
    let (codes, exchanges) = (count("code issued"), count("code exchanged"));
    check(
        "read the identity provider's journal of this login",
        format!("{codes} codes, {exchanges} exchanges:\n{received}"),
    )
    .must("one code, exchanged once", (codes, exchanges) == (1, 1))
}

async fn pair_in_window(world: &mut World, run: &Run, args: Args) -> StepResult {
    let email = run.email(args.text("role"))?;
    let did = format!("log in as {email}");
    pair_of_user(world, run, &did, email, args.text("context")).await
}

async fn not_without_session(world: &mut World, run: &Run, args: Args) -> StepResult {
    let path = run.path_of(args.text("page"));
    let (url, _) = run.page(path)?;
    let hop = run.browser().send(Request::get(url)).await?;
    world.must(format!("ask for {path} without a session"), &hop, NOT_OK)
}

impl Run {
    /// What only the admin page has: as the profile says, or its `<title>`.
    pub(super) fn admin_page_marker(&self) -> StepResult<String> {
        let page = &self.profile.admin_page;
        if let Some(marker) = &page.marker {
            return Ok(marker.clone());
        }
        let did = format!("read the title of {}", page.file);
        let html = std::fs::read_to_string(self.plan.files.html.join(&page.file))
            .map_err(|error| StepError::harness(&did, "a page", error))?;
        let title = html.split_once("<title>");
        let title = title.and_then(|(_, rest)| rest.split_once("</title>"));
        let (title, _) = title.ok_or_else(|| {
            StepError::harness(did, "a title, or admin_page.marker in the profile", "none")
        })?;
        Ok(format!("<title>{title}</title>"))
    }
}

async fn is_admin_page(world: &mut World, run: &Run, _: Args) -> StepResult {
    let marker = run.admin_page_marker()?;
    let response = &world.last()?.response;
    let kind = response.header("content-type").unwrap_or_default();
    let shown =
        response.status == 200 && kind.starts_with("text/html") && response.body.contains(&marker);
    let page = check(format!("ask for {}", run.profile.admin_page.path), response)
        .must(format!("200, HTML, with {marker}"), shown);
    match run.sends_to_login(response) {
        true => page.code("session.not-accepted"),
        false => page,
    }
}

async fn signs_out(world: &mut World, run: &Run, _: Args) -> StepResult {
    // Control: the session works before it is ended, and Redis knows it.
    let (home, _) = run.page(run.profile.home())?;
    let before = world.browser()?.open(home).await?.response;
    if before.status != 200 {
        let seen = before.summary();
        return lacks(format!(
            "the session does not work before it is ended: {seen}"
        ));
    }
    let cookie = run.session_cookie(world.browser()?)?.unwrap_or_default();
    let found = run.key(ticket_key(&cookie).unwrap_or_default()).await?;
    check("look the session up in Redis before it is ended", "(nil)")
        .control(&found.key, found.exists)?;
    world.keep(OldCookie(cookie));
    world.hops.clear();
    walk(world, run, &run.profile.login.sign_out).await?;
    world.saw_page("after the logout").await
}

async fn session_gone(world: &mut World, run: &Run, _: Args) -> StepResult {
    let left = run.session_cookie(world.browser()?)?;
    check("sign out", way_seen(run, &world.hops))
        .must("the session cookie is cleared", left.is_none())
        .code("logout.cookie")?;
    let OldCookie(cookie) = world.kept()?;
    let key = run.key(ticket_key(cookie).unwrap_or_default()).await?;
    key.seen_by(world)
        .must_not_exist("look the session up in Redis after it was ended")
}

async fn old_cookie_refused(world: &mut World, run: &Run, _: Args) -> StepResult {
    let OldCookie(cookie) = world.kept()?;
    let pair = format!("{}={cookie}", run.profile.login.cookie);
    let contexts = run.profile.contexts.values();
    let paths = contexts.flat_map(Context::paths);
    let mut requests = Vec::new();
    for path in paths.chain([run.profile.admin_page.path.as_str()]) {
        requests.push(Request::get(run.page(path)?.0));
    }
    // Who only asks keeps no page: an operation of the admin API, which changes nothing.
    let operation = run.operation("list tokens")?;
    requests.push(run.operation_request(&operation, &values([]))?);
    for request in requests {
        let hop = run.browser().send(request.header("cookie", &pair)).await?;
        let (method, url) = (&hop.request.method, &hop.request.url);
        world.must(
            format!("send the old cookie again: {method} {url}"),
            &hop,
            NOT_OK,
        )?;
    }
    Ok(())
}

async fn next_visit_form(world: &mut World, run: &Run, _: Args) -> StepResult {
    world.hops.clear();
    walk(world, run, run.profile.home()).await?;
    world.saw_page("at the next visit after the logout").await?;
    let did = "visit the site again in the browser that signed out";
    must_show_form(world, run, did, "the login form, not a silent login")
}
