//! The tenant's pages.

use axum::http::{HeaderName, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use minijinja::{Environment, Value, context};

const LOGIN: &str = include_str!("pages/login.html");
const ERROR: &str = include_str!("pages/error.html");

/// Pages of a login are nobody's to keep.
const NO_STORE: (HeaderName, &str) = (header::CACHE_CONTROL, "no-store");

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
        let status = match self.error {
            Some(_) => StatusCode::BAD_REQUEST,
            None => StatusCode::OK,
        };
        let values = context! {
            client => self.client,
            state => self.state,
            username => self.username,
            error => self.error,
        };
        page(status, LOGIN, values)
    }
}

/// A page for a request that cannot be answered with a redirect.
pub(super) fn error(status: StatusCode, error: &str, description: &str) -> Response {
    page(status, ERROR, context! { error, description })
}

/// What is put into it is text: the template's name has it escaped.
fn page(status: StatusCode, template: &str, values: Value) -> Response {
    match Environment::new().render_named_str("page.html", template, values) {
        Ok(html) => (status, [NO_STORE], Html(html)).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn text(response: Response) -> (StatusCode, String) {
        let (head, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 10_000).await.unwrap();
        (head.status, String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn what_is_put_into_a_page_is_text() {
        let shown = error(
            StatusCode::BAD_REQUEST,
            r#"<b a="'">&{{description}}"#,
            "why",
        );
        let (status, page) = text(shown).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        let escaped = "<strong>&lt;b a=&quot;&#x27;&quot;&gt;&amp;{{description}}</strong>: why";
        assert!(page.contains(escaped), "{page}");
    }

    #[tokio::test]
    async fn the_form_shows_what_was_typed_and_what_was_wrong() {
        let form = |error| LoginForm {
            client: "gateway",
            state: "st-ate_1",
            username: "\"><i>a+b@example.com",
            error,
        };
        let (status, page) = text(form(None).into_response()).await;
        assert!(
            status.is_success() && !page.contains("role=\"alert\""),
            "{page}"
        );
        for part in [
            "continue to gateway.",
            r#"action="/u/login?state=st-ate_1""#,
            r#"value="&quot;&gt;&lt;i&gt;a+b@example.com""#,
        ] {
            assert!(page.contains(part), "{part} in {page}");
        }
        let (status, page) = text(form(Some("Wrong")).into_response()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(page.contains(r#"<p role="alert" id="error-element-password">Wrong</p>"#));
    }
}
