//! Rules that tell causes from symptoms, as data: `diagnosis.yaml` of a plan bundle.

use std::{collections::BTreeMap, io, path::Path};

use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_saphyr::Spanned;

use super::{ItemId, ItemPattern, Text};
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
    /// The codes that the failure may have; a `*` at the end stands for any rest. Any where none is
    /// named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<String>,
    /// Facts that the failure must have, each matching a regular expression.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
    /// Signs of which one is enough.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub any: Vec<Self>,
    /// What the failure says was done, expected or seen: a regular expression. Texts change; codes and
    /// facts stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub says: Option<String>,
    /// What a piece of the item's evidence holds: a regular expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
}

impl Rule {
    /// Every sign for it and against it.
    fn signs(&self) -> impl Iterator<Item = &Sign> {
        self.when.iter().chain(&self.unless).flat_map(Sign::each)
    }
}

impl Sign {
    /// It, and those of which one is enough.
    pub fn each(&self) -> Vec<&Self> {
        let mut all = vec![self];
        all.extend(self.any.iter().flat_map(Self::each));
        all
    }

    /// Whether a failure may have this code.
    #[must_use]
    pub fn has_code(&self, code: &str) -> bool {
        let is_it = |wanted: &String| match wanted.strip_suffix('*') {
            Some(start) => code.starts_with(start),
            None => code == wanted,
        };
        self.codes.is_empty() || self.codes.iter().any(is_it)
    }
}

/// The same file once more, for the lines alone.
#[derive(Deserialize)]
struct Line {
    id: Spanned<String>,
}

/// The rules of the bundle in `dir`, with the line that each begins at.
pub(super) fn load(
    dir: &Path,
    read: &dyn Fn(&Path) -> io::Result<String>,
) -> Result<(Vec<Rule>, Vec<u64>), YamlError> {
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

/// What is wrong with the rules, by the line of each: a pattern that is none, a rule that could never
/// hold. `items` and `codes` are those that there are.
pub(super) fn problems(
    rules: &[Rule],
    lines: &[u64],
    items: &[ItemId],
    codes: &[&str],
) -> Vec<(u64, String)> {
    let mut problems = Vec::new();
    let placed = || rules.iter().zip(lines);
    for (number, (rule, line)) in placed().enumerate() {
        let mut complain = |text: String| problems.push((*line, format!("{}: {text}", rule.id)));
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
        for sign in rule.signs() {
            let texts = [&sign.says, &sign.evidence].into_iter().flatten();
            for text in texts.chain(sign.facts.values()) {
                if let Err(error) = Regex::new(text) {
                    complain(format!("`{text}` is no regular expression: {error}"));
                }
            }
        }
        for wanted in rule.signs().flat_map(|sign| &sign.codes) {
            let one = Sign {
                codes: vec![wanted.clone()],
                ..Sign::default()
            };
            if !codes.iter().any(|code| one.has_code(code)) {
                let meant = yaml::suggest(wanted, codes.iter().copied())
                    .map_or_else(String::new, |one| format!(", did you mean `{one}`?"));
                complain(format!("no check has the code `{wanted}`{meant}"));
            }
        }
        let named = rule.signs().flat_map(|sign| &sign.items);
        for pattern in named.chain(&rule.explains) {
            if !items.iter().any(|item| pattern.covers(*item)) {
                complain(format!("the plan has no item {pattern}"));
            }
        }
    }
    problems
}
