//! Rules that tell causes from symptoms, as data: `diagnosis.yaml` of a plan bundle.

use std::{io, path::Path};

use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_saphyr::Spanned;

use super::{Bundle, ItemPattern, Problem, Text, bundle::Reader};
use crate::yaml::{self, YamlError};

/// The file of a bundle that holds the rules; a bundle may have none.
pub const DIAGNOSIS_FILE: &str = "diagnosis.yaml";

/// A cause that failures can have, how it is known, and what to do about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its name: letters, digits and `-`.
    pub id: String,
    /// What is wrong with the gateway, one sentence.
    pub cause: Text,
    /// What to do about it.
    pub remedy: Text,
    /// Commands that show more, as a person types them.
    #[serde(default)]
    pub look: Vec<String>,
    /// What must have been seen, each of these.
    pub when: Vec<Sign>,
    /// What must not have been seen, none of these.
    #[serde(default)]
    pub unless: Vec<Sign>,
    /// The failures that it accounts for, where they are there.
    pub explains: Vec<ItemPattern>,
}

/// Something that a failed item says: of one item, everything that is named here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sign {
    /// Which items; any where none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<ItemPattern>,
    /// What the failure says was done, expected or seen: a regular expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub says: Option<String>,
    /// What a piece of the item's evidence holds: a regular expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
}

/// The same file once more, for the lines alone.
#[derive(Deserialize)]
struct Line {
    id: Spanned<String>,
}

/// The rules of the bundle in `dir`, with the line that each begins at.
pub(super) fn load(dir: &Path, read: &Reader<'_>) -> Result<(Vec<Rule>, Vec<u64>), YamlError> {
    let path = dir.join(DIAGNOSIS_FILE);
    let text = match read(Path::new(DIAGNOSIS_FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((vec![], vec![])),
        Err(source) => return Err(YamlError::Read { path, source }),
    };
    let rules: Vec<Rule> = yaml::parse(&text, &path)?;
    let lines: Vec<Line> = yaml::parse(&text, &path)?;
    let lines = lines.into_iter().map(|line| line.id.referenced.line());
    Ok((rules, lines.collect()))
}

impl Bundle {
    /// What is wrong with the rules: a pattern that is none, a rule that could never hold.
    pub(super) fn rule_problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let placed = || self.rules.iter().zip(&self.rule_lines);
        for (number, (rule, line)) in placed().enumerate() {
            let mut complain = |text: String| {
                problems.push(Problem {
                    path: self.dir.join(DIAGNOSIS_FILE),
                    line: *line,
                    text: format!("{}: {text}", rule.id),
                });
            };
            let mut earlier = placed().take(number);
            if let Some((_, line)) = earlier.find(|(other, _)| other.id == rule.id) {
                complain(format!("line {line} has a rule of the same id"));
            }
            if rule.when.is_empty() {
                complain("no sign under `when`: it would always hold".to_owned());
            }
            if rule.explains.is_empty() {
                complain("explains nothing: it would never be named".to_owned());
            }
            for sign in rule.when.iter().chain(&rule.unless) {
                for text in [&sign.says, &sign.evidence].into_iter().flatten() {
                    if let Err(error) = Regex::new(text) {
                        complain(format!("`{text}` is no regular expression: {error}"));
                    }
                }
            }
            let named = [&rule.when, &rule.unless]
                .into_iter()
                .flatten()
                .flat_map(|sign| &sign.items);
            for pattern in named.chain(&rule.explains) {
                if !self.items().any(|item| pattern.covers(item)) {
                    complain(format!("the plan has no item {pattern}"));
                }
            }
        }
        problems
    }
}
