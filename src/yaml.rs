//! YAML files read into types, with errors that a person can act on: where, what, and what
//! was probably meant.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
};

use serde::de::{DeserializeOwned, IgnoredAny};
use serde_saphyr::{
    DefaultMessageFormatter, Error, MessageFormatter as _, Options, Spanned, budget, options,
};

use crate::input;

/// A YAML file that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum YamlError {
    /// The system said no.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The content is not what it must be.
    #[error("{}:{line}:{column}: {message}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The column, from 1.
        column: u64,
        /// What is wrong, and what would be right.
        message: String,
    },
}

/// Reads the file into a `T`.
///
/// # Errors
///
/// When the file cannot be read or is not a `T`: FILE:LINE:COLUMN, and for an unknown key or
/// value the one that was probably meant.
pub fn load<T: DeserializeOwned>(path: &Path) -> Result<T, YamlError> {
    parse(&text(path)?, path)
}

/// Reads the text of a YAML file.
///
/// # Errors
///
/// When it cannot be read, or is no regular file of bounded size.
pub fn text(path: &Path) -> Result<String, YamlError> {
    input::text(path, input::TEXT_LIMIT).map_err(|source| YamlError::Read {
        path: path.to_owned(),
        source,
    })
}

/// Reads the text of the file at `path` into a `T`.
///
/// # Errors
///
/// As [`load`].
pub fn parse<T: DeserializeOwned>(text: &str, path: &Path) -> Result<T, YamlError> {
    serde_saphyr::from_str_with_options(text, reading()).map_err(|error| {
        let place = error.location();
        YamlError::Content {
            path: path.to_owned(),
            line: place.map_or(1, |place| place.line()),
            column: place.map_or(1, |place| place.column()),
            message: message(&error),
        }
    })
}

/// Refuses a mapping with a key that is not one of `known`.
///
/// # Errors
///
/// As [`load`].
pub fn known_keys(text: &str, path: &Path, known: &[&str]) -> Result<(), YamlError> {
    let keys: HashMap<Spanned<String>, IgnoredAny> = parse(text, path)?;
    let strangers = (keys.into_keys()).filter(|key| !known.contains(&key.value.as_str()));
    let first = strangers.min_by_key(|key| (key.referenced.line(), key.referenced.column()));
    first.map_or(Ok(()), |key| {
        Err(YamlError::Content {
            path: path.to_owned(),
            line: key.referenced.line(),
            column: key.referenced.column(),
            message: unknown("key", &key.value, known),
        })
    })
}

/// Snippets are left out: the place says it, and errors stay one line each. The budget is far
/// above any file that a person wrote, far below what costs noticeable time or memory.
fn reading() -> Options {
    options! {
        with_snippet: false,
        budget: budget! {
            max_events: 500_000,
            max_depth: 64,
            max_aliases: 1_000,
            max_anchors: 1_000,
            max_recorded_anchor_events: 100_000,
            max_recorded_anchor_bytes: 4 * 1024 * 1024,
        },
    }
}

fn message(error: &Error) -> String {
    match error.without_snippet() {
        Error::SerdeUnknownField {
            field, expected, ..
        } => unknown("key", field, expected),
        Error::SerdeUnknownVariant {
            variant, expected, ..
        } => unknown("value", variant, expected),
        Error::SerdeMissingField { field, .. } => format!("the key `{field}` is missing"),
        Error::AliasError { .. } => error.to_string(),
        plain => DefaultMessageFormatter.format_message(plain).into_owned(),
    }
}

fn unknown(kind: &str, word: &str, expected: &[&str]) -> String {
    let list = expected.join(", ");
    match suggest(word, expected.iter().copied()) {
        Some(meant) => {
            format!("unknown {kind} `{word}`; did you mean `{meant}`? (known: {list})")
        }
        None => format!("unknown {kind} `{word}`; known: {list}"),
    }
}

/// The candidate that was probably meant by `word`, if any comes close.
pub fn suggest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| {
            let distance = strsim::damerau_levenshtein(&word, &candidate.to_lowercase());
            (distance, candidate)
        })
        .filter(|(distance, candidate)| {
            let longest = word.chars().count().max(candidate.chars().count());
            *distance <= (longest / 3).max(1) && *distance < longest
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Item;

    const ITEM: &str = r#"
id: "3.4"
title: { en: a, ja: b }
priority: highest
planned_minutes: 3
checklist: required
why: { en: a, ja: b }
remedy: { en: a, ja: b }
"#;

    fn refused(text: &str) -> String {
        parse::<Item>(text, Path::new("plan.yaml"))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn what_is_right_is_read() {
        let item: Item = parse(ITEM, Path::new("plan.yaml")).unwrap();
        assert_eq!(item.id.to_string(), "3.4");
    }

    #[test]
    fn an_unknown_key_has_its_place_and_the_one_that_was_meant() {
        let error = refused(&ITEM.replace("priority:", "priorty:"));
        assert!(
            error.starts_with(
                "plan.yaml:4:1: unknown key `priorty`; did you mean `priority`? (known: id, "
            ),
            "{error}"
        );
    }

    #[test]
    fn an_unknown_value_has_its_place_and_the_one_that_was_meant() {
        let error = refused(&ITEM.replace("highest", "higest"));
        assert!(
            error.starts_with(
                "plan.yaml:4:11: unknown value `higest`; did you mean `highest`? (known: highest, high, medium)"
            ),
            "{error}"
        );
    }

    #[test]
    fn missing_keys_wrong_types_and_broken_yaml_have_their_place() {
        let missing = refused(&ITEM.replace("planned_minutes: 3\n", ""));
        assert!(
            missing.contains("`planned_minutes` is missing"),
            "{missing}"
        );
        let wrong = refused(&ITEM.replace("planned_minutes: 3", "planned_minutes: soon"));
        assert!(wrong.starts_with("plan.yaml:5:18: "), "{wrong}");
        let number = refused(&ITEM.replace("\"3.4\"", "\"three\""));
        assert!(
            number.starts_with("plan.yaml:2:") && number.contains("3.4"),
            "{number}"
        );
        let broken = refused("id: [1\n");
        assert!(broken.starts_with("plan.yaml:"), "{broken}");
        let twice = refused(&format!("{ITEM}checklist: required\n"));
        assert!(twice.starts_with("plan.yaml:9:1: "), "{twice}");
    }

    #[test]
    fn bombs_are_refused() {
        let refused = |text: &str| {
            parse::<serde_json::Value>(text, Path::new("bomb.yaml"))
                .unwrap_err()
                .to_string()
        };
        let deep = refused(&"[".repeat(10_000));
        assert!(deep.starts_with("bomb.yaml:1:"), "{deep}");
        let indented: String = (0..1_000)
            .map(|depth| format!("{}a:\n", " ".repeat(depth)))
            .collect();
        let indented = refused(&indented);
        assert!(indented.starts_with("bomb.yaml:"), "{indented}");
        // A billion laughs: nine lists, each of nine times the one before.
        let mut aliases = "a0: &a0 [x]\n".to_owned();
        for level in 1..=9 {
            let before = format!("*a{}, ", level - 1).repeat(9);
            aliases.push_str(&format!("a{level}: &a{level} [{before}]\n"));
        }
        let aliases = refused(&aliases);
        assert!(aliases.starts_with("bomb.yaml:"), "{aliases}");
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = load::<Item>(Path::new("/nonexistent/plan.yaml")).unwrap_err();
        assert!(error.to_string().contains("/nonexistent/plan.yaml"));
    }

    #[test]
    fn only_what_comes_close_is_suggested() {
        let known = ["candidate", "baseline", "lua"];
        assert_eq!(suggest("candiate", known), Some("candidate"));
        assert_eq!(suggest("LUA", known), Some("lua"));
        assert_eq!(suggest("colour", known), None);
        assert_eq!(suggest("9", ["3"]), None);
    }
}
