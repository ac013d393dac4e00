//! A person's session: how one logs in, and what one asks for.

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::{prelude::*, state::LoginFailure};
use crate::probe::browser::{Browser, LoginForm, gave_up};

steps! {
    /// A session of the user, made by a login if there is none yet.
    Given "^the (?P<role>admin|test user|plain user) has a session$" => has_session, "session.needed";
    /// A session of the user that no other item uses.
    Given "^the (?P<role>admin|test user|plain user) has a session of its own$" => own_session, "session.own";
    /// Asks for a path in the session, and follows no redirect.
    When "^the session asks for (?P<page>\"[^\"]+\"|the home page|the admin page)$" => session_asks, "session.asks";
    /// Opens a path in the session as a person does: a real browser shows where it leads. What the
    /// site answers first is the answer.
    When "^the session opens (?P<page>\"[^\"]+\"|the home page|the admin page)$" => session_opens, "session.opens";
    /// Asks for a path in the session so many times, and looks at nothing but that answers
    /// come: what requests cost by themselves.
    When "^the session asks for (?P<page>\"[^\"]+\"|the home page|the admin page) (?P<count>[0-9]+) times, unchecked$" => unchecked, "session.unchecked";
}

async fn has_session(world: &mut World, run: &Run, args: Args) -> StepResult {
    let mut session = run.need_session(run.email(args.text("role"))?).await?;
    session.browser = run.seen_through(session.browser).await?;
    world.session = Some(session);
    Ok(())
}

async fn own_session(world: &mut World, run: &Run, args: Args) -> StepResult {
    let email = run.email(args.text("role"))?;
    let login = run.log_in_with(run.person().await?, email).await?;
    let (session, _) = login.map_err(|failure| failure.consequence(email))?;
    world.session = Some(session);
    Ok(())
}

async fn session_asks(world: &mut World, run: &Run, args: Args) -> StepResult {
    let (url, _) = run.page(run.path_of(args.text("page")))?;
    let hop = world.browser()?.send(Request::get(url)).await?;
    world.saw_hop(&hop);
    world.last = Some(hop);
    Ok(())
}

async fn session_opens(world: &mut World, run: &Run, args: Args) -> StepResult {
    let path = run.path_of(args.text("page"));
    let (url, _) = run.page(path)?;
    let hop = world.browser()?.open(url).await?;
    world.saw_hop(&hop);
    world.last = Some(hop);
    world.saw_page(&format!("after {path} was asked for")).await
}

async fn unchecked(world: &mut World, run: &Run, args: Args) -> StepResult {
    let (url, _) = run.page(run.path_of(args.text("page")))?;
    for _ in 0..args.number::<u32>("count")? {
        world.browser()?.send(Request::get(url.clone())).await?;
    }
    Ok(())
}

/// The way that the browser went, as a person reads it.
pub(super) fn way(hops: &[Hop]) -> String {
    let hop = |hop: &Hop| {
        let (request, response) = (&hop.request, hop.response.summary());
        format!("{} {} -> {response}", request.method, request.url)
    };
    let way = lines(hops.iter().map(hop));
    match gave_up(hops) {
        true => {
            let after = hops.len() - 1;
            format!("redirects without an end, given up after {after}:\n{way}")
        }
        false => way,
    }
}

/// A login: the session with the hops of its way, or what the gateway did instead.
pub type Login = Result<(Session, Vec<Hop>), LoginFailure>;

impl LoginFailure {
    fn after(hops: Vec<Hop>, what: &str) -> Self {
        let last = hops
            .last()
            .map(|hop| format!("{} answered {}", hop.request.url, hop.response.summary()));
        Self {
            seen: format!("{what}: {}", last.unwrap_or_default()),
            hops,
        }
    }

    /// What was seen, with the answer at the end of the way.
    pub fn seen(&self) -> Seen {
        let seen = Seen::from(&self.seen);
        match self.hops.last() {
            Some(last) => seen.answered(&last.response),
            None => seen,
        }
    }
}

impl Run {
    /// A fresh browser, the built-in one: for single requests and for logins that another item is
    /// about.
    pub fn browser(&self) -> Browser {
        Browser::new(self.http.clone())
    }

    /// A fresh browser of the kind that the run was asked for: for what a person does and sees.
    pub async fn person(&self) -> StepResult<Browser> {
        self.seen_through(self.browser()).await
    }

    /// A browser as it is, looked at through the kind of browser that the run was asked for.
    pub async fn seen_through(&self, browser: Browser) -> StepResult<Browser> {
        Ok(match self.chromium().await? {
            Some(chromium) => browser.through(&chromium),
            None => browser,
        })
    }

    /// A GET with a browser's cookies.
    pub fn get_with_cookies(&self, browser: &Browser, url: Url) -> Request {
        let cookies = browser.cookies(&url).unwrap_or_default();
        Request::get(url).header("cookie", &cookies)
    }

    /// Opens a page and goes where it is sent, as far as a page to look at. Secrets met on
    /// the way are learnt before anything is written down.
    pub async fn walk(&self, browser: &mut Browser, url: Url) -> StepResult<Vec<Hop>> {
        let before = self.session_cookie(browser)?;
        let hops = browser.visit(url).await?;
        self.learn_from(browser, before, &hops).await?;
        Ok(hops)
    }

    /// Learns the secrets that a way brought, and keeps a session that it made.
    async fn learn_from(
        &self,
        browser: &Browser,
        before: Option<String>,
        hops: &[Hop],
    ) -> StepResult {
        let after = self.session_cookie(browser)?;
        if after != before
            && let Some(key) = after.as_deref().and_then(ticket_key)
        {
            self.stack.may(Act::KeepSession(&key)).await?;
        }
        for (name, value) in hops.iter().flat_map(|hop| &hop.response.headers) {
            let pair = value.split(';').next().unwrap_or_default();
            if name == "set-cookie"
                && let Some((_, value)) = pair.split_once('=')
            {
                self.redactor.learn(value);
            }
        }
        Ok(())
    }

    /// Whether an answer sends a browser to the login, or to another site.
    pub fn sends_to_login(&self, response: &Response) -> bool {
        response.location().is_some_and(|to| {
            let site = self.plain_page("/").ok();
            let to = site.and_then(|site| Some((site.join(to).ok()?, site)));
            to.is_none_or(|(to, site)| {
                to.origin() != site.origin() || self.profile.login.leads_through(to.path())
            })
        })
    }

    /// Why an answer means that the request was not let in, if it does.
    pub fn kept_out(&self, response: &Response) -> Option<&'static str> {
        match response.status {
            401 | 403 => Some("refused"),
            500.. => Some("failed"),
            _ => self.sends_to_login(response).then_some("sent to the login"),
        }
    }

    /// The login form that a walk ended at, if it did.
    pub fn login_form(&self, hops: &[Hop]) -> Option<LoginForm> {
        let form = &self.profile.login.form;
        let last = hops.last().filter(|hop| hop.response.status == 200)?;
        if self.profile.site.has(&last.request.url) {
            return None;
        }
        LoginForm::on(last, &form.username, &form.password)
    }

    /// Fills a login form in and goes where that leads.
    pub async fn submit(
        &self,
        browser: &mut Browser,
        form: &LoginForm,
        email: &str,
        password: &str,
    ) -> StepResult<Vec<Hop>> {
        self.stack.may(Act::LogIn(email)).await?;
        let names = &self.profile.login.form;
        let fields = [
            (names.username.as_str(), email),
            (&names.password, password),
        ];
        let before = self.session_cookie(browser)?;
        let hops = browser.submit(form, &fields).await?;
        self.learn_from(browser, before, &hops).await?;
        Ok(hops)
    }

    /// The password of a user; skips what needs one that is not known.
    pub fn password(&self, email: &str) -> StepResult<String> {
        match self.stack.secrets().passwords.get(email) {
            Some(password) => Ok(password.expose_secret().to_owned()),
            None => skip(format!(
                "a login of {email} is needed, and no password is known: needs --credentials"
            )),
        }
    }

    /// Logs a user in, from the home page to wherever that leads, in a built-in browser of its own.
    pub async fn log_in(&self, email: &str) -> StepResult<Login> {
        self.log_in_with(self.browser(), email).await
    }

    /// The same with this browser.
    pub async fn log_in_with(&self, mut browser: Browser, email: &str) -> StepResult<Login> {
        self.stack.may(Act::LogIn(email)).await?;
        let password = self.password(email)?;
        let (home, _) = self.page(self.profile.home())?;
        let mut hops = self.walk(&mut browser, home).await?;
        let Some(form) = self.login_form(&hops) else {
            return Ok(Err(LoginFailure::after(hops, "no login form")));
        };
        hops.extend(self.submit(&mut browser, &form, email, &password).await?);
        if self.session_cookie(&browser)?.is_none() {
            let what = format!("no {} cookie was set", self.profile.login.cookie);
            return Ok(Err(LoginFailure::after(hops, &what)));
        }
        let email = email.to_owned();
        Ok(Ok((Session { browser, email }, hops)))
    }

    /// A session of a user, logged in when it is first needed; fails what needs a session that
    /// cannot be had.
    pub async fn need_session(&self, email: &str) -> StepResult<Session> {
        let mut made = self.made.lock().await;
        if !made.sessions.contains_key(email) {
            let session = match self.stack.given_session(email) {
                Some(cookie) => Ok(self.given_session(email, &cookie).await?),
                None => match self.log_in(email).await? {
                    Ok((session, _)) => Ok(session),
                    Err(failure) => Err(failure.seen),
                },
            };
            made.sessions.insert(email.to_owned(), session);
        }
        match made.sessions.get(email) {
            Some(Ok(session)) => Ok(session.copy()),
            Some(Err(why)) => lacks(format!(
                "a session of {email} is needed, and the login fails: {why}"
            )),
            None => Err(StepError::harness("keep a session", email, "it is gone")),
        }
    }

    /// A session that was handed to the run, in a browser of its own.
    async fn given_session(&self, email: &str, cookie: &SecretString) -> StepResult<Session> {
        self.stack.may(Act::Visit(email)).await?;
        self.redactor.learn(cookie.expose_secret());
        let mut browser = self.browser();
        let site = self.plain_page("/")?;
        let kept = browser.keep(&site, &self.profile.login.cookie, cookie.expose_secret());
        let seen = "it holds characters that no cookie has";
        check("use the session that was given", seen).control("the value of a cookie", kept)?;
        if let Some(path) = &self.profile.login.visit {
            let (page, _) = self.page(path)?;
            browser.send(Request::get(page)).await?;
        }
        let email = email.to_owned();
        Ok(Session { browser, email })
    }

    /// The session's cookie in a browser.
    pub fn session_cookie(&self, browser: &Browser) -> StepResult<Option<String>> {
        Ok(browser.cookie(&self.plain_page("/")?, &self.profile.login.cookie))
    }
}

/// The key in Redis that a session cookie's ticket names. oauth2-proxy's cookie is
/// `base64(ticket)|time|signature`, its ticket `v2.base64(key).secret`
/// (pkg/sessions/persistence/ticket.go).
pub fn ticket_key(cookie: &str) -> Option<String> {
    use base64::{
        Engine as _,
        engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD},
    };
    let ticket = String::from_utf8(URL_SAFE.decode(cookie.split('|').next()?).ok()?).ok()?;
    let id = ticket.strip_prefix("v2.")?.split('.').next()?;
    String::from_utf8(URL_SAFE_NO_PAD.decode(id).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ticket_names_its_key() {
        use base64::{
            Engine as _,
            engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD},
        };
        let ticket = format!(
            "v2.{}.{}",
            URL_SAFE_NO_PAD.encode("_oauth2_proxy-0123"),
            "c2VjcmV0"
        );
        let cookie = format!("{}|1700000000|sig=", URL_SAFE.encode(ticket));
        assert_eq!(ticket_key(&cookie).as_deref(), Some("_oauth2_proxy-0123"));
        assert_eq!(ticket_key("garbage"), None);
    }
}
