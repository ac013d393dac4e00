//! A person's session: a browser that has logged in, and the way it went.

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::{
    run::Run,
    world::{Seen, StepError},
};
use crate::probe::{
    NONCE,
    browser::{Browser, Hop, LoginForm},
    http::Response,
    nonce,
};
use crate::stack::Act;

/// A logged-in browser.
#[derive(Debug)]
pub struct Session {
    /// The browser.
    pub browser: Browser,
    /// Who logged in.
    pub email: String,
}

impl Session {
    /// The same session in another hand.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self {
            browser: self.browser.copy(),
            email: self.email.clone(),
        }
    }
}

/// Why a login did not come to its end.
#[derive(Debug)]
pub struct LoginFailure {
    /// What was seen instead.
    pub seen: String,
    /// The hops up to there.
    pub hops: Vec<Hop>,
}

impl LoginFailure {
    /// What was seen, with the answer at the end of the way.
    #[must_use]
    pub fn seen(&self) -> Seen {
        let seen = Seen::from(&self.seen);
        match self.hops.last() {
            Some(last) => seen.answered(&last.response),
            None => seen,
        }
    }
}

impl Run {
    /// An address of the public site, with a nonce of its own.
    ///
    /// # Errors
    /// A path in the profile that is none.
    pub fn page(&self, path: &str) -> Result<(Url, String), StepError> {
        let mut url = self.plain_page(path)?;
        let nonce = nonce();
        url.query_pairs_mut().append_pair(NONCE, &nonce);
        Ok((url, nonce))
    }

    /// An address of the public site as it is.
    ///
    /// # Errors
    /// A path in the profile that is none.
    pub fn plain_page(&self, path: &str) -> Result<Url, StepError> {
        let text = format!("http://{}{path}", self.profile.site.authority());
        text.parse()
            .map_err(|error| StepError::harness("make an address", text, error))
    }

    /// A fresh browser, the built-in one: for single requests and for logins that another item is
    /// about.
    #[must_use]
    pub fn browser(&self) -> Browser {
        Browser::new(self.http.clone())
    }

    /// A fresh browser of the kind that the run was asked for: for what a person does and sees.
    ///
    /// # Errors
    /// A real browser that does not start.
    pub async fn person(&self) -> Result<Browser, StepError> {
        self.seen_through(self.browser()).await
    }

    /// A browser as it is, looked at through the kind of browser that the run was asked for.
    ///
    /// # Errors
    /// A real browser that does not start.
    pub async fn seen_through(&self, browser: Browser) -> Result<Browser, StepError> {
        Ok(match self.chromium().await? {
            Some(chromium) => browser.through(&chromium),
            None => browser,
        })
    }

    /// Opens a page and goes where it is sent, as far as a page to look at. Secrets met on
    /// the way are learnt before anything is written down.
    ///
    /// # Errors
    /// Where no answer came.
    pub async fn walk(&self, browser: &mut Browser, url: Url) -> Result<Vec<Hop>, StepError> {
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
    ) -> Result<(), StepError> {
        let after = self.session_cookie(browser)?;
        if after != before
            && let Some(key) = after.as_deref().and_then(ticket_key)
        {
            self.stack.may(Act::KeepSession(&key)).await?;
        }
        for hop in hops {
            for (name, value) in &hop.response.headers {
                if name == "set-cookie"
                    && let Some((_, value)) = value
                        .split(';')
                        .next()
                        .and_then(|pair| pair.split_once('='))
                {
                    self.redactor.learn(value);
                }
            }
        }
        Ok(())
    }

    /// Whether an answer sends a browser to the login, or to another site.
    #[must_use]
    pub fn sends_to_login(&self, response: &Response) -> bool {
        response.location().is_some_and(|to| {
            let own = to.starts_with('/') || to.contains(&self.profile.site.authority());
            !own || to.contains("/oauth2/")
        })
    }

    /// The login form that a walk ended at, if it did.
    #[must_use]
    pub fn login_form(&self, hops: &[Hop]) -> Option<LoginForm> {
        let form = &self.profile.login.form;
        let last = hops.last().filter(|hop| hop.response.status == 200)?;
        let at_gateway = self.profile.site.has(&last.request.url);
        if at_gateway {
            None
        } else {
            LoginForm::on(last, &form.username, &form.password)
        }
    }

    /// Fills a login form in and goes where that leads.
    ///
    /// # Errors
    /// Where no answer came.
    pub async fn submit(
        &self,
        browser: &mut Browser,
        form: &LoginForm,
        email: &str,
        password: &str,
    ) -> Result<Vec<Hop>, StepError> {
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

    /// The password of a user.
    ///
    /// # Errors
    /// A user that the stack does not know.
    pub fn password(&self, email: &str) -> Result<String, StepError> {
        self.stack
            .secrets()
            .passwords
            .get(email)
            .map(|password| password.expose_secret().to_owned())
            .ok_or_else(|| {
                StepError::Skip(format!(
                    "a login of {email} is needed, and no password is known: needs --credentials"
                ))
            })
    }

    /// Logs a user in, from the home page to wherever that leads, in a built-in browser of its own.
    ///
    /// # Errors
    /// The outer error is the harness's; the inner one says what the gateway did instead.
    pub async fn log_in(
        &self,
        email: &str,
    ) -> Result<Result<(Session, Vec<Hop>), LoginFailure>, StepError> {
        self.log_in_with(self.browser(), email).await
    }

    /// Logs a user in with this browser, as [`Run::log_in`].
    ///
    /// # Errors
    /// As [`Run::log_in`].
    pub async fn log_in_with(
        &self,
        mut browser: Browser,
        email: &str,
    ) -> Result<Result<(Session, Vec<Hop>), LoginFailure>, StepError> {
        self.stack.may(Act::LogIn(email)).await?;
        let password = self.password(email)?;
        let (home, _) = self.page("/")?;
        let mut hops = self.walk(&mut browser, home).await?;
        let Some(form) = self.login_form(&hops) else {
            let seen = hops
                .last()
                .map(|hop| format!("{} answered {}", hop.request.url, hop.response.summary()));
            return Ok(Err(LoginFailure {
                seen: format!("no login form: {}", seen.unwrap_or_default()),
                hops,
            }));
        };
        hops.extend(self.submit(&mut browser, &form, email, &password).await?);
        if self.session_cookie(&browser)?.is_none() {
            let seen = hops
                .last()
                .map(|hop| format!("{} answered {}", hop.request.url, hop.response.summary()));
            return Ok(Err(LoginFailure {
                seen: format!(
                    "no {} cookie was set: {}",
                    self.profile.login.cookie,
                    seen.unwrap_or_default()
                ),
                hops,
            }));
        }
        Ok(Ok((
            Session {
                browser,
                email: email.to_owned(),
            },
            hops,
        )))
    }

    /// A session that was handed to the run, in a browser of its own.
    ///
    /// # Errors
    /// A value that is no cookie's.
    pub fn given_session(&self, email: &str, cookie: &SecretString) -> Result<Session, StepError> {
        self.redactor.learn(cookie.expose_secret());
        let mut browser = self.browser();
        let site = self.plain_page("/")?;
        let kept = browser.keep(&site, &self.profile.login.cookie, cookie.expose_secret());
        if !kept {
            return Err(StepError::harness(
                "use the session that was given",
                "the value of a cookie",
                "it holds characters that no cookie has",
            ));
        }
        Ok(Session {
            browser,
            email: email.to_owned(),
        })
    }

    /// The session's cookie in a browser.
    ///
    /// # Errors
    /// A path in the profile that is none.
    pub fn session_cookie(&self, browser: &Browser) -> Result<Option<String>, StepError> {
        Ok(browser.cookie(&self.plain_page("/")?, &self.profile.login.cookie))
    }
}

/// The key in Redis that a session cookie's ticket names. oauth2-proxy's cookie is
/// `base64(ticket)|time|signature`, its ticket `v2.base64(key).secret`
/// (pkg/sessions/persistence/ticket.go).
#[must_use]
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
