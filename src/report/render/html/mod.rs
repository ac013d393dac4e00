//! `report.html`: one file that needs nothing else, no network and no scripts. What stands in it
//! is made here, as plain data; how it looks is in the templates beside.

mod evidence;
mod items;
mod matrix;
mod page;
mod plot;
mod timeline;
mod verdict;
mod words;

#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use minijinja::{
    AutoEscape, Environment, Output, State, UndefinedBehavior, Value, escape_formatter,
    syntax::SyntaxConfig, value::Serde,
};
use serde::Serialize;

use self::page::Page;
use crate::{mutation::Matrix, plan::Lang, report::RunReport};

/// What the page looks like.
const STYLE: &str = include_str!("style.css");

/// What filters and folds. Everything can be read without it.
const SCRIPT: &str = include_str!("script.js");

/// The templates by their name.
const TEMPLATES: [(&str, &str); 8] = [
    ("report.html", include_str!("report.html")),
    ("verdict.html", include_str!("verdict.html")),
    ("problems.html", include_str!("problems.html")),
    ("timeline.html", include_str!("timeline.html")),
    ("item.html", include_str!("item.html")),
    ("evidence.html", include_str!("evidence.html")),
    ("matrix.html", include_str!("matrix.html")),
    ("run.html", include_str!("run.html")),
];

static ENVIRONMENT: LazyLock<Result<Environment<'static>, minijinja::Error>> =
    LazyLock::new(environment);

/// A page that could not be made: a defect of the templates.
#[derive(Debug, thiserror::Error)]
#[error("the page cannot be made: {0:#}")]
pub struct HtmlError(String);

impl From<&minijinja::Error> for HtmlError {
    fn from(error: &minijinja::Error) -> Self {
        Self(format!("{error:#}"))
    }
}

/// The report as a page, with the matrix of a catalogue of mutants where there is one.
///
/// # Errors
///
/// Where a template is wrong.
pub fn html(report: &RunReport, matrix: Option<&Matrix>, lang: Lang) -> Result<String, HtmlError> {
    #[derive(Serialize)]
    struct Context<'a> {
        page: Page,
        style: &'a Value,
        script: &'a Value,
        policy: &'a str,
    }
    static PARTS: LazyLock<(Value, Value, String)> = LazyLock::new(|| {
        let policy = format!(
            "default-src 'none'; img-src data:; style-src '{}'; script-src '{}'; base-uri 'none'; form-action 'none'",
            hash(STYLE),
            hash(SCRIPT)
        );
        let own = |text: &str| Value::from_safe_string(text.to_owned());
        (own(STYLE), own(SCRIPT), policy)
    });
    let (style, script, policy) = &*PARTS;
    let environment = ENVIRONMENT.as_ref().map_err(HtmlError::from)?;
    let template = environment
        .get_template("report.html")
        .map_err(|error| HtmlError::from(&error))?;
    let context = Context {
        page: Page::of(report, matrix, lang),
        style,
        script,
        policy,
    };
    template
        .render(Serde(context))
        .map_err(|error| HtmlError::from(&error))
}

/// A text as the content security policy names it: what is not this text is not run.
fn hash(text: &str) -> String {
    let digest = digest(&SHA256, text.as_bytes());
    format!("sha256-{}", STANDARD.encode(digest.as_ref()))
}

fn environment() -> Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    // Blocks leave no empty line behind.
    let mut syntax = SyntaxConfig::builder();
    let syntax = syntax.trim_blocks(true).lstrip_blocks(true).build()?;
    environment.set_syntax(syntax);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_formatter(escaped);
    environment.add_filter("content", content);
    for (name, source) in TEMPLATES {
        environment.add_template(name, source)?;
    }
    Ok(environment)
}

/// A text that stands between tags and in no attribute, where a quote ends nothing: evidence is
/// full of them.
fn content(text: &str) -> Value {
    let escaped = text
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;");
    Value::from_safe_string(escaped)
}

/// Every text escaped but those of this module. Unlike minijinja's own, a slash is left as it
/// is: it can end nothing, and logs are full of it.
fn escaped(
    out: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), minijinja::Error> {
    let Some(text) = value.as_str().filter(|_| !value.is_safe()) else {
        return escape_formatter(out, state, value);
    };
    let mut rest = text;
    while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
        let (before, special) = rest.split_at(at);
        out.write_str(before)?;
        out.write_str(match special.as_bytes().first() {
            Some(b'&') => "&amp;",
            Some(b'<') => "&lt;",
            Some(b'>') => "&gt;",
            Some(b'"') => "&quot;",
            _ => "&#39;",
        })?;
        rest = special.get(1..).unwrap_or_default();
    }
    out.write_str(rest).map_err(Into::into)
}
