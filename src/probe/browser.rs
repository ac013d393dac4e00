//! A browser without a screen: a cookie jar, and redirects followed by hand, each hop kept.

use std::sync::LazyLock;

use cookie_store::CookieStore;
use regex::Regex;
use url::Url;

use super::http::{Http, NoAnswer, Request, Response};

/// The most redirects that are followed, as in Chromium.
const HOPS: usize = 20;

/// A request and what came back.
#[derive(Clone, Debug)]
pub struct Hop {
    /// The request, cookies included.
    pub request: Request,
    /// The response.
    pub response: Response,
}

/// One person's browser.
#[derive(Debug)]
pub struct Browser {
    http: Http,
    jar: CookieStore,
}

impl Browser {
    /// A fresh one: nothing in its jar.
    #[must_use]
    pub fn new(http: Http) -> Self {
        Self {
            http,
            jar: CookieStore::default(),
        }
    }

    /// The same browser state in another hand: what one changes the other does not see.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self {
            http: self.http.clone(),
            jar: self.jar.clone(),
        }
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
    ///
    /// # Errors
    /// Where no response came.
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
            }
        }
        Ok(Hop { request, response })
    }

    /// Sends a request and follows where it is sent, to the end.
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
    #[must_use]
    pub fn cookies(&self, url: &Url) -> Option<String> {
        let pairs: Vec<String> = self
            .jar
            .get_request_values(url)
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }

    /// The value of a cookie that belongs to an address.
    #[must_use]
    pub fn cookie(&self, url: &Url, name: &str) -> Option<String> {
        self.jar
            .get_request_values(url)
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.to_owned())
    }
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
    #[must_use]
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

    /// The request that submits it.
    #[must_use]
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
