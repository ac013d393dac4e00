//! A person's browser. The built-in one has no screen: a cookie jar, and redirects followed by
//! hand, each hop kept. The real one is a private window of Chromium; what a person does goes
//! through it, and single requests are sent with its cookies.

use std::sync::{Arc, LazyLock};

use cookie_store::CookieStore;
use regex::Regex;
use url::Url;

pub use super::message::Hop;
use super::{
    chromium::{BrowseError, Chromium, ChromiumError, Tab},
    http::{Http, NoAnswer},
    message::Request,
};

/// The most redirects that are followed, as in Chromium.
const HOPS: usize = 20;

#[derive(Debug)]
pub struct Browser {
    http: Http,
    jar: CookieStore,
    real: Option<Real>,
}

/// The real browser behind it: its window is opened when it is first looked through.
#[derive(Debug)]
struct Real {
    chromium: Arc<Chromium>,
    tab: Option<Tab>,
    /// Whether the jar has cookies that the window does not know of.
    behind: bool,
}

impl Browser {
    /// A fresh one: nothing in its jar.
    pub fn new(http: Http) -> Self {
        Self {
            http,
            jar: CookieStore::default(),
            real: None,
        }
    }

    /// The same, with a private window of Chromium for what a person does.
    #[must_use]
    pub fn through(mut self, chromium: &Arc<Chromium>) -> Self {
        self.real = Some(Real {
            chromium: Arc::clone(chromium),
            tab: None,
            behind: true,
        });
        self
    }

    /// The same browser state in another hand: what one changes the other does not see.
    pub fn copy(&self) -> Self {
        let copy = Self {
            http: self.http.clone(),
            jar: self.jar.clone(),
            real: None,
        };
        match &self.real {
            Some(real) => copy.through(&real.chromium),
            None => copy,
        }
    }

    /// The tab that a person looks at, with the jar's cookies in its window; `None` for the built-in
    /// browser. [`Browser::looked`] ends what is done in it.
    pub async fn tab(&mut self) -> Result<Option<&mut Tab>, ChromiumError> {
        let Some(real) = &mut self.real else {
            return Ok(None);
        };
        let tab = match real.tab.take() {
            Some(tab) => tab,
            None => real.chromium.fresh().await?,
        };
        if std::mem::take(&mut real.behind) {
            tab.put(&self.jar).await?;
        }
        Ok(Some(real.tab.insert(tab)))
    }

    /// Takes the window's cookies over, after something was done in it.
    pub async fn looked(&mut self) -> Result<(), ChromiumError> {
        if let Some(tab) = self.real.as_ref().and_then(|real| real.tab.as_ref()) {
            self.jar = tab.jar().await?;
        }
        Ok(())
    }

    /// Another tab of the same window; `None` for the built-in browser.
    pub async fn second_tab(&mut self) -> Result<Option<Self>, ChromiumError> {
        let Some(tab) = self.tab().await? else {
            return Ok(None);
        };
        let beside = tab.beside().await?;
        let mut second = self.copy();
        if let Some(real) = &mut second.real {
            real.tab = Some(beside);
            real.behind = false;
        }
        Ok(Some(second))
    }

    /// Puts a cookie into the jar as if the site had set it; whether it could be one.
    pub fn keep(&mut self, site: &Url, name: &str, value: &str) -> bool {
        let plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b';' | b',' | b'"');
        value.bytes().all(plain)
            && self
                .jar
                .parse(&format!("{name}={value}; Path=/"), site)
                .is_ok()
    }

    /// Sends one request with the cookies that belong to it, and keeps those that come back.
    pub async fn send(&mut self, mut request: Request) -> Result<Hop, NoAnswer> {
        if let Some(cookies) = self.cookies(&request.url) {
            request.headers.push(("cookie".to_owned(), cookies));
        }
        let response = self.http.send(&request).await?;
        for (name, value) in &response.headers {
            if name == "set-cookie" {
                // What a browser would not accept is no cookie: the session then is not there,
                // which is what the items look at.
                let _ = self.jar.parse(value, &request.url);
                if let Some(real) = &mut self.real {
                    real.behind = true;
                }
            }
        }
        Ok(Hop { request, response })
    }

    /// Types an address and goes where that leads, to the end.
    ///
    /// # Errors
    /// Where no response came, or a real browser that cannot be used.
    pub async fn visit(&mut self, url: Url) -> Result<Vec<Hop>, BrowseError> {
        let Some(tab) = self.tab().await? else {
            let request = Request::get(url).header("accept", "text/html");
            return Ok(self.follow(request).await?);
        };
        let gone = tab.go(&url).await;
        self.looked().await?;
        gone
    }

    /// Types an address; what the site itself answers to that. The real browser goes on from there.
    ///
    /// # Errors
    /// As [`Browser::visit`].
    pub async fn open(&mut self, url: Url) -> Result<Hop, BrowseError> {
        if self.real.is_none() {
            return Ok(self.send(Request::get(url)).await?);
        }
        let hops = self.visit(url).await?;
        let first = hops.into_iter().next();
        first.ok_or_else(|| {
            ChromiumError::Unreadable("a page that nothing was asked for".to_owned()).into()
        })
    }

    /// Fills a login form in, of the page that was last visited, and goes where that leads. The
    /// fields are names and texts, the password last.
    ///
    /// # Errors
    /// As [`Browser::visit`].
    pub async fn submit(
        &mut self,
        form: &LoginForm,
        fields: &[(&str, &str)],
    ) -> Result<Vec<Hop>, BrowseError> {
        let Some(tab) = self.tab().await? else {
            return Ok(self.follow(form.submit(fields)).await?);
        };
        let selectors: Vec<String> = (fields.iter())
            .map(|(name, _)| format!("[name={}]", serde_json::json!(name)))
            .collect();
        let fields: Vec<(&str, &str)> = (selectors.iter().zip(fields))
            .map(|(selector, (_, text))| (selector.as_str(), *text))
            .collect();
        let gone = tab.submit(&fields).await;
        self.looked().await?;
        gone
    }

    /// Sends a request and follows where it is sent, to the end, without a window.
    ///
    /// # Errors
    /// Where no response came. Too many redirects end in the last hop, a redirect itself.
    pub async fn follow(&mut self, request: Request) -> Result<Vec<Hop>, NoAnswer> {
        let mut hops = vec![self.send(request).await?];
        while let Some(next) = hops.last().and_then(next_url) {
            if hops.len() > HOPS {
                break;
            }
            let accept = Request::get(next).header("accept", "text/html,*/*");
            hops.push(self.send(accept).await?);
        }
        Ok(hops)
    }

    /// The value of the `Cookie` header for an address, if there is any.
    pub fn cookies(&self, url: &Url) -> Option<String> {
        let pairs: Vec<String> = self
            .jar
            .get_request_values(url)
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// The value of a cookie that belongs to an address.
    pub fn cookie(&self, url: &Url, name: &str) -> Option<String> {
        self.jar
            .get_request_values(url)
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.to_owned())
    }
}

/// Whether a browser gave this way up: it led on after the most redirects that are followed.
pub fn gave_up(hops: &[Hop]) -> bool {
    hops.len() > HOPS && hops.last().and_then(next_url).is_some()
}

fn next_url(hop: &Hop) -> Option<Url> {
    hop.request.url.join(hop.response.location()?).ok()
}

/// The first form of a page, as far as it is needed to fill it in.
#[derive(Clone, Debug)]
pub struct LoginForm {
    action: Url,
    hidden: Vec<(String, String)>,
}

static FORM: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"(?is)<form\b([^>]*)>(.*?)</form>"#).ok());
static INPUT: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?is)<input\b([^>]*)>").ok());
static ATTRIBUTE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"(?is)([a-z-]+)\s*=\s*"([^"]*)""#).ok());

impl LoginForm {
    /// The form on the page that a hop ended at, if it has one with such fields.
    pub fn on(hop: &Hop, username: &str, password: &str) -> Option<Self> {
        let form = FORM.as_ref()?.captures(&hop.response.body)?;
        let inputs: Vec<Vec<(String, String)>> = INPUT
            .as_ref()?
            .captures_iter(&form[2])
            .map(|input| attributes(&input[1]))
            .collect();
        let named = |wanted: &str| {
            inputs
                .iter()
                .any(|input| value(input, "name") == Some(wanted))
        };
        if !named(username) || !named(password) {
            return None;
        }
        let action = value(&attributes(&form[1]), "action")
            .map(str::to_owned)
            .unwrap_or_default();
        let hidden = inputs
            .iter()
            .filter(|input| value(input, "type") == Some("hidden"))
            .filter_map(|input| {
                Some((
                    value(input, "name")?.to_owned(),
                    value(input, "value")?.to_owned(),
                ))
            })
            .collect();
        Some(Self {
            action: hop.request.url.join(&action).ok()?,
            hidden,
        })
    }

    pub fn submit(&self, fields: &[(&str, &str)]) -> Request {
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(&self.hidden);
        body.extend_pairs(fields);
        Request {
            method: "POST".to_owned(),
            url: self.action.clone(),
            headers: vec![(
                "content-type".to_owned(),
                "application/x-www-form-urlencoded".to_owned(),
            )],
            body: Some(body.finish()),
        }
    }
}

fn attributes(text: &str) -> Vec<(String, String)> {
    ATTRIBUTE
        .iter()
        .flat_map(|pattern| pattern.captures_iter(text))
        .map(|pair| (pair[1].to_ascii_lowercase(), unescape(&pair[2])))
        .collect()
}

fn value<'a>(attributes: &'a [(String, String)], name: &str) -> Option<&'a str> {
    attributes
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.as_str())
}

fn unescape(text: &str) -> String {
    [
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&#x27;", "'"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::message::Response;

    fn page(body: &str) -> Hop {
        Hop {
            request: Request::get("http://auth0:9000/u/login?state=x".parse().unwrap()),
            response: Response {
                status: 200,
                headers: Vec::new(),
                body: body.to_owned(),
            },
        }
    }

    #[test]
    fn a_login_form_is_filled_in() {
        let hop = page(
            "<form method=\"post\" action=\"/u/login?state=a&amp;b=c\"><input type=\"hidden\" name=\"state\" value=\"s&quot;t\">\
             <input name=\"username\"><input type=\"password\" name=\"password\"></form>",
        );
        let request = LoginForm::on(&hop, "username", "password")
            .unwrap()
            .submit(&[("username", "a+b@c")]);
        assert_eq!(
            request.url.as_str(),
            "http://auth0:9000/u/login?state=a&b=c"
        );
        assert_eq!(request.body.unwrap(), "state=s%22t&username=a%2Bb%40c");
    }

    #[test]
    fn a_page_without_such_fields_is_no_login_form() {
        assert!(
            LoginForm::on(
                &page("<form><input name=\"q\"></form>"),
                "username",
                "password"
            )
            .is_none()
        );
        assert!(LoginForm::on(&page("<p>Welcome</p>"), "username", "password").is_none());
    }
}
