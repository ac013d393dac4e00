//! The tenant's pages.

use axum::http::{HeaderName, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

const LOGIN: &str = include_str!("pages/login.html");
const LOGIN_ERROR: &str = include_str!("pages/login_error.html");
const ERROR: &str = include_str!("pages/error.html");

/// Pages of a login are nobody's to keep.
const NO_STORE: (HeaderName, &str) = (header::CACHE_CONTROL, "no-store");

/// A piece of HTML that is safe to put into a page.
struct Markup(String);

impl Markup {
    /// Text, escaped for elements and for quoted attributes alike.
    fn text(text: &str) -> Self {
        let mut html = String::with_capacity(text.len());
        for letter in text.chars() {
            match letter {
                '&' => html.push_str("&amp;"),
                '<' => html.push_str("&lt;"),
                '>' => html.push_str("&gt;"),
                '"' => html.push_str("&quot;"),
                '\'' => html.push_str("&#39;"),
                letter => html.push(letter),
            }
        }
        Self(html)
    }
}

/// The template with every `{{name}}` replaced, in one pass: what was put in is not searched again,
/// so nobody's name can be a placeholder.
fn fill(template: &str, values: &[(&str, Markup)]) -> Markup {
    let mut page = String::with_capacity(template.len() + 256);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        page.push_str(before);
        let Some((name, after)) = after.split_once("}}") else {
            rest = after;
            break;
        };
        if let Some((_, value)) = values.iter().find(|(key, _)| *key == name) {
            page.push_str(&value.0);
        }
        rest = after;
    }
    page.push_str(rest);
    Markup(page)
}

/// The login form as it is shown to someone.
pub(super) struct LoginForm<'a> {
    /// The application's name.
    pub(super) client: &'a str,
    /// The login under way.
    pub(super) state: &'a str,
    /// What stands in the user's field.
    pub(super) username: &'a str,
    /// What was wrong with the last attempt.
    pub(super) error: Option<&'a str>,
}

impl IntoResponse for LoginForm<'_> {
    fn into_response(self) -> Response {
        let error = match self.error {
            Some(message) => fill(LOGIN_ERROR, &[("message", Markup::text(message))]),
            None => Markup(String::new()),
        };
        let query: String = url::form_urlencoded::byte_serialize(self.state.as_bytes()).collect();
        let page = fill(
            LOGIN,
            &[
                ("client", Markup::text(self.client)),
                ("action", Markup::text(&format!("/u/login?state={query}"))),
                ("state", Markup::text(self.state)),
                ("username", Markup::text(self.username)),
                ("error", error),
            ],
        );
        let status = if self.error.is_some() {
            StatusCode::BAD_REQUEST
        } else {
            StatusCode::OK
        };
        (status, [NO_STORE], Html(page.0)).into_response()
    }
}

/// A page for a request that cannot be answered with a redirect.
pub(super) fn error(status: StatusCode, error: &str, description: &str) -> Response {
    let values = [
        ("error", Markup::text(error)),
        ("description", Markup::text(description)),
    ];
    (status, [NO_STORE], Html(fill(ERROR, &values).0)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_into_a_page_is_text() {
        let values = [
            ("error", Markup::text(r#"<b a="'">&{{description}}"#)),
            ("description", Markup::text("d")),
        ];
        let page = fill("[{{error}}|{{description}}|{{unknown}}]", &values).0;
        assert_eq!(
            page,
            "[&lt;b a=&quot;&#39;&quot;&gt;&amp;{{description}}|d|]"
        );
    }

    #[test]
    fn every_placeholder_of_a_page_is_filled() {
        assert_eq!(LOGIN.matches("{{").count(), 5);
        assert_eq!(ERROR.matches("{{").count(), 2);
        assert_eq!(LOGIN_ERROR.matches("{{").count(), 1);
    }
}
