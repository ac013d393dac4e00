//! The templates: HTML and Markdown over a [`View`], every text escaped for its place.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use minijinja::{
    AutoEscape, Environment, Output, State, UndefinedBehavior, Value, escape_formatter,
    syntax::SyntaxConfig, value::Serde,
};
use serde::Serialize;

use super::text::{md_cell, md_code, md_fence, md_inline, md_prose};
use crate::report::view::{Item, View};

/// What the page looks like.
pub(super) const STYLE: &str = include_str!("templates/style.css");

/// What filters and folds. Everything can be read without it.
pub(super) const SCRIPT: &str = include_str!("templates/script.js");

macro_rules! templates {
    ($($name:literal)*) => { &[$(($name, include_str!(concat!("templates/", $name)))),*] };
}

const TEMPLATES: &[(&str, &str)] = templates! {
    "report.html" "verdict.html" "problems.html" "timeline.html" "item.html" "evidence.html"
    "matrix.html" "run.html"
    "report.md" "head.md" "summary.md" "findings.md" "causes.md" "assessment.md" "rollback.md"
    "checklist.md" "lint.md" "item.md"
};

static ENVIRONMENT: LazyLock<Result<Environment<'static>, minijinja::Error>> =
    LazyLock::new(environment);

/// A rendering that could not be made: a defect of the templates.
#[derive(Debug, thiserror::Error)]
#[error("the report cannot be rendered: {0:#}")]
pub struct TemplateError(String);

impl From<&minijinja::Error> for TemplateError {
    fn from(error: &minijinja::Error) -> Self {
        Self(format!("{error:#}"))
    }
}

/// The report as a page: one file that needs nothing else, no network and no scripts.
///
/// # Errors
/// Where a template is wrong.
pub fn html(view: &View<'_>) -> Result<String, TemplateError> {
    #[derive(Serialize)]
    struct Page<'a> {
        v: &'a View<'a>,
        style: &'a Value,
        script: &'a Value,
        policy: &'a str,
    }
    static OWN: LazyLock<(Value, Value, String)> = LazyLock::new(|| {
        let policy = format!(
            "default-src 'none'; img-src data:; style-src '{}'; script-src '{}'; base-uri 'none'; form-action 'none'",
            hash(STYLE),
            hash(SCRIPT)
        );
        let own = |text: &str| Value::from_safe_string(text.to_owned());
        (own(STYLE), own(SCRIPT), policy)
    });
    let (style, script, policy) = &*OWN;
    let page = Page {
        v: view,
        style,
        script,
        policy,
    };
    Ok(render("report.html", page)?.trim_end().to_owned())
}

/// `report.md`: the plan's own template (検証結果レポート), filled in: its summary, its problems,
/// its boxes, its checklist; then the evidence of each item, and how to make the report again.
///
/// # Errors
/// Where a template is wrong.
pub fn markdown(view: &View<'_>) -> Result<String, TemplateError> {
    part("report.md", view, None)
}

/// A part of `report.md`; `item` is for the one that shows an item.
pub(super) fn part(
    name: &str,
    view: &View<'_>,
    item: Option<&Item>,
) -> Result<String, TemplateError> {
    #[derive(Serialize)]
    struct Part<'a> {
        v: &'a View<'a>,
        item: Option<&'a Item>,
    }
    render(name, Part { v: view, item })
}

fn render(name: &str, context: impl Serialize) -> Result<String, TemplateError> {
    let environment = ENVIRONMENT.as_ref().map_err(TemplateError::from)?;
    let template = environment.get_template(name);
    let made = template.and_then(|template| template.render(Serde(context)));
    made.map_err(|error| TemplateError::from(&error))
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
    let syntax = syntax.trim_blocks(true).lstrip_blocks(true);
    environment.set_syntax(syntax.keep_trailing_newline(true).build()?);
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|name| match name.ends_with(".md") {
        true => AutoEscape::Custom("md".into()),
        false => AutoEscape::Html,
    });
    environment.set_formatter(escaped);
    let safe = |escape: fn(&str) -> String| move |text: &str| Value::from_safe_string(escape(text));
    environment.add_filter("content", safe(html_content));
    environment.add_filter("paragraphs", safe(html_paragraphs));
    environment.add_filter("cell", safe(md_cell));
    environment.add_filter("code", safe(md_code));
    environment.add_filter("fence", safe(md_fence));
    environment.add_filter("prose", safe(md_prose));
    for (name, source) in TEMPLATES {
        environment.add_template(name, source)?;
    }
    Ok(environment)
}

/// A text that is between tags and in no attribute, where a quote ends nothing: evidence is full
/// of them.
fn html_content(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;")
}

/// A text of the plan in its paragraphs and its commands, which are indented by four.
fn html_paragraphs(text: &str) -> String {
    let mut parts: Vec<(bool, String)> = Vec::new();
    let mut fresh = true;
    for line in text.lines() {
        let command = line.starts_with("    ");
        match parts.last_mut().filter(|last| !fresh && last.0 == command) {
            _ if line.trim().is_empty() => {}
            Some((_, text)) => {
                text.push(if command { '\n' } else { ' ' });
                text.push_str(line.trim());
            }
            None => parts.push((command, line.trim().to_owned())),
        }
        fresh = line.trim().is_empty();
    }
    let part = |(command, text): &(bool, String)| match command {
        true => format!("<pre class=\"command\">{}</pre>", html_content(text)),
        false => format!("<p>{}</p>", html_content(text)),
    };
    parts.iter().map(part).collect()
}

/// Every text escaped but those of this module. In HTML a slash is left as it is, unlike
/// minijinja's own: it can end nothing, and logs are full of it.
fn escaped(
    out: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), minijinja::Error> {
    let Some(text) = value.as_str().filter(|_| !value.is_safe()) else {
        return match state.auto_escape() {
            AutoEscape::Html => escape_formatter(out, state, value),
            // Numbers, and what a filter has escaped already.
            _ => write!(out, "{value}").map_err(Into::into),
        };
    };
    let text = match state.auto_escape() {
        AutoEscape::Html => html_content(text)
            .replace('"', "&quot;")
            .replace('\'', "&#39;"),
        _ => md_inline(text),
    };
    out.write_str(&text).map_err(Into::into)
}
