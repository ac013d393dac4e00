//! Another site, and what a browser takes for the way to it.

use url::Url;

use crate::probe::http::Response;

/// The other site. Nothing of the stack has this name.
pub const ELSEWHERE: &str = "elsewhere.example.net";

/// A header that only a line break smuggled into an answer could set.
pub const SMUGGLED: &str = "x-verify-smuggled";

/// Values that some reader of addresses takes for another site (WHATWG URL: backslashes are
/// slashes, tabs and line breaks are dropped, one slash is enough for http).
pub fn values() -> Vec<String> {
    let host = ELSEWHERE;
    vec![
        format!("https://{host}/"),
        format!("//{host}/"),
        format!("///{host}/"),
        format!("/\\{host}/"),
        format!("\\\\{host}/"),
        format!("/\t/{host}/"),
        format!("/\n/{host}/"),
        format!("https:/{host}/"),
        format!("https:{host}"),
        format!("%2f%2f{host}/"),
        format!("/%2f{host}/"),
        format!("/%5c{host}/"),
        format!("/./\\{host}/"),
        format!("/.//{host}/"),
        format!("javascript:alert('{host}')"),
        format!("/ok\r\n{SMUGGLED}: 1"),
        format!("/ok\r\nLocation: https://{host}/"),
        format!("/ok%0d%0a{SMUGGLED}:%201"),
    ]
}

/// Where an answer leads from an address, as a browser reads it, if it is elsewhere; or what it
/// smuggled into the answer.
pub fn leads_elsewhere(from: &Url, response: &Response) -> Option<String> {
    if response.header(SMUGGLED).is_some() {
        return Some(format!("a header {SMUGGLED}"));
    }
    response
        .headers
        .iter()
        .filter(|(name, _)| matches!(name.as_str(), "location" | "refresh" | "content-location"))
        .find_map(|(name, value)| {
            let value = match name.as_str() {
                "refresh" => value.split_once("url=").map_or("", |(_, to)| to),
                _ => value,
            };
            let to = from.join(value).ok();
            let elsewhere = to.as_ref().is_some_and(|to| {
                to.host_str().is_some_and(|host| host.contains(ELSEWHERE))
                    || to.scheme() == "javascript"
            });
            elsewhere.then(|| format!("{name}: {value}"))
        })
}

/// An address with each of its parameters set to a value; with `rd` where it has none.
pub fn with_value(address: &Url, value: &str) -> Url {
    let names: Vec<String> = address
        .query_pairs()
        .map(|(name, _)| name.into_owned())
        .collect();
    let mut address = address.clone();
    address.set_query(None);
    let mut query = address.query_pairs_mut();
    for name in names
        .iter()
        .map(String::as_str)
        .chain(names.is_empty().then_some("rd"))
    {
        query.append_pair(name, value);
    }
    drop(query);
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    fn led(header: &str, value: &str) -> bool {
        let from = "http://gateway.example.com/x".parse().unwrap();
        let answer = Response {
            status: 302,
            headers: vec![(header.to_owned(), value.to_owned())],
            body: String::new(),
        };
        leads_elsewhere(&from, &answer).is_some()
    }

    #[test]
    fn what_a_browser_takes_for_another_site_is_one() {
        let host = ELSEWHERE;
        for value in [
            format!("https://{host}/"),
            format!("//{host}"),
            format!("/\\{host}"),
            format!("\\\\{host}"),
            format!("/\t/{host}"),
            format!("https:/\\{host}"),
            format!("http://user@{host}/"),
            "javascript:alert(1)".to_owned(),
        ] {
            assert!(led("location", &value), "{value}");
        }
        for value in [
            format!("/{host}"),
            format!("/?rd=https://{host}/"),
            format!("/%5c{host}/"),
        ] {
            assert!(!led("location", &value), "{value}");
        }
        assert!(led("refresh", &format!("0; url=https://{host}/")));
        assert!(led(SMUGGLED, "1"));
    }
}
