//! The table of step definitions: what `verify steps` lists, what the bundle's check
//! looks up, and what cucumber runs.

use std::sync::LazyLock;

use cucumber::step::Collection;
use regex::Regex;

pub use super::definition::{Keyword, StepDef};
use super::{
    active_users, bans, deploy, health, llm, log, login, page, request, resilience, security,
    session, sockets, speed, token_form, tokens, world::World,
};

/// The tables of step definitions, a file each.
static TABLES: &[&[StepDef]] = &[
    request::STEPS,
    page::STEPS,
    deploy::STEPS,
    health::STEPS,
    log::errors::STEPS,
    login::STEPS,
    session::STEPS,
    log::tracking::STEPS,
    tokens::STEPS,
    token_form::STEPS,
    llm::STEPS,
    active_users::STEPS,
    bans::STEPS,
    sockets::STEPS,
    speed::STEPS,
    security::identity::STEPS,
    security::internal_port::STEPS,
    security::forged_tokens::STEPS,
    security::banned_tokens::STEPS,
    security::email_addresses::STEPS,
    security::tracking_endpoint::STEPS,
    security::deep_link::STEPS,
    security::tabs::STEPS,
    security::back_button::STEPS,
    security::open_redirect::STEPS,
    security::admin_rights::STEPS,
    security::forged_log::STEPS,
    security::secrets::STEPS,
    security::error_log_audit::STEPS,
    resilience::outage::STEPS,
    resilience::streaming::STEPS,
    resilience::sizes::STEPS,
    resilience::load::STEPS,
    resilience::reload::STEPS,
];

/// Every step definition.
pub fn all() -> impl Iterator<Item = &'static StepDef> {
    TABLES.iter().flat_map(|table| table.iter())
}

/// A step definition with its pattern compiled.
struct Compiled {
    def: &'static StepDef,
    regex: Regex,
}

/// A pattern that does not compile is a defect of this program; a test finds it, and here
/// its step stays undefined, which the bundle's check refuses.
static COMPILED: LazyLock<Vec<Compiled>> = LazyLock::new(|| {
    all()
        .filter_map(|def| {
            Some(Compiled {
                def,
                regex: Regex::new(def.pattern).ok()?,
            })
        })
        .collect()
});

/// Compiles every pattern, so that this need not be waited for later.
pub fn compile() {
    LazyLock::force(&COMPILED);
}

/// The definitions that match a step's text: one is right, none is undefined, two are ambiguous.
pub fn matching(keyword: Keyword, text: &str) -> Vec<&'static StepDef> {
    COMPILED
        .iter()
        .filter(|step| step.def.keyword == keyword && step.regex.is_match(text))
        .map(|step| step.def)
        .collect()
}

/// A pattern as a person reads it: a group as its name in angle brackets, or as its choices.
pub fn readable(pattern: &str) -> String {
    let pattern = pattern.trim_start_matches('^').trim_end_matches('$');
    let mut text = String::new();
    let mut rest = pattern;
    while let Some((before, group)) = rest.split_once("(?P<") {
        text.push_str(before);
        let (name, body) = group.split_once('>').unwrap_or((group, ""));
        let (inner, after) = body.split_once(')').unwrap_or((body, ""));
        let choices = inner
            .chars()
            .all(|letter| letter.is_alphanumeric() || " |".contains(letter));
        text.push_str(&format!("<{}>", if choices { inner } else { name }));
        rest = after;
    }
    text + rest
}

/// The collection that cucumber's runner looks steps up in.
pub fn collection() -> Collection<World> {
    COMPILED.iter().fold(Collection::new(), |steps, step| {
        let regex = step.regex.clone();
        match step.def.keyword {
            Keyword::Given => steps.given(None, regex, step.def.run),
            Keyword::When => steps.when(None, regex, step.def.run),
            Keyword::Then => steps.then(None, regex, step.def.run),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles_and_matches_whole_steps() {
        assert_eq!(COMPILED.len(), all().count());
        for def in all() {
            assert!(
                def.pattern.starts_with('^') && def.pattern.ends_with('$'),
                "{} would match a part of a step",
                def.pattern
            );
            assert!(!def.doc.trim().is_empty());
        }
    }
}
