//! Cookies between the browser and a jar: the built-in client carries the browser's on.

use cookie_store::{Cookie, CookieDomain, CookieStore};
use serde_json::{Value, json};
use url::Url;

/// A jar with the browser's cookies.
pub fn jar(told: &Value) -> CookieStore {
    let mut jar = CookieStore::default();
    for cookie in told["cookies"].as_array().into_iter().flatten() {
        // A cookie that the jar does not take is none that an API call would carry.
        if let Some((field, site)) = as_set(cookie) {
            let _ = jar.parse(&field, &site);
        }
    }
    jar
}

/// A cookie as the site set it, and the site.
fn as_set(cookie: &Value) -> Option<(String, Url)> {
    let text = |name: &str| cookie[name].as_str();
    let domain = text("domain")?;
    let host = domain.trim_start_matches('.');
    let path = text("path").unwrap_or("/");
    let secure = cookie["secure"] == true;
    let scheme = if secure { "https" } else { "http" };
    let mut field = format!("{}={}; Path={path}", text("name")?, text("value")?);
    if domain.starts_with('.') {
        field.push_str(&format!("; Domain={host}"));
    }
    if secure {
        field.push_str("; Secure");
    }
    if cookie["httpOnly"] == true {
        field.push_str("; HttpOnly");
    }
    if let Some(same) = text("sameSite") {
        field.push_str(&format!("; SameSite={same}"));
    }
    Some((field, format!("{scheme}://{host}{path}").parse().ok()?))
}

/// The cookies of a jar, as the browser is told them.
pub fn told(jar: &CookieStore) -> Vec<Value> {
    jar.iter_unexpired().filter_map(one).collect()
}

fn one(cookie: &Cookie<'_>) -> Option<Value> {
    let path: &str = cookie.path.as_ref();
    let (host, whole_domain) = match &cookie.domain {
        CookieDomain::HostOnly(host) => (host, false),
        CookieDomain::Suffix(host) => (host, true),
        _ => return None,
    };
    let mut told = json!({
        "name": cookie.name(),
        "value": cookie.value(),
        "path": path,
        "secure": cookie.secure().unwrap_or_default(),
        "httpOnly": cookie.http_only().unwrap_or_default(),
    });
    if whole_domain {
        told["domain"] = json!(format!(".{host}"));
    } else {
        let scheme = if cookie.secure() == Some(true) {
            "https"
        } else {
            "http"
        };
        told["url"] = json!(format!("{scheme}://{host}{path}"));
    }
    if let Some(same) = cookie.same_site() {
        told["sameSite"] = json!(same.to_string());
    }
    Some(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_goes_to_the_browser_and_back() {
        let site: Url = "http://gateway.example.com/".parse().unwrap();
        let mut before = CookieStore::default();
        let field = "_oauth2_proxy=a|b=; Path=/; HttpOnly; SameSite=Lax";
        before.parse(field, &site).unwrap();
        let told = told(&before);
        assert_eq!(told.len(), 1);
        assert_eq!(
            told[0],
            json!({"name": "_oauth2_proxy", "value": "a|b=", "path": "/", "secure": false,
                "httpOnly": true, "url": "http://gateway.example.com/", "sameSite": "Lax"})
        );
        let mut back = told[0].clone();
        back["domain"] = json!("gateway.example.com");
        let after = jar(&json!({"cookies": [back]}));
        let pair: Vec<_> = after.get_request_values(&site).collect();
        assert_eq!(pair, [("_oauth2_proxy", "a|b=")]);
    }

    #[test]
    fn a_secure_cookie_is_not_sent_to_a_plain_site() {
        let jar = jar(&json!({"cookies": [{"name": "s", "value": "1", "path": "/",
            "domain": "gateway.example.com", "secure": true}]}));
        let site: Url = "http://gateway.example.com/".parse().unwrap();
        assert_eq!(jar.get_request_values(&site).count(), 0);
    }
}
