//! What the rules say, from `rules.yaml`.

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;

use crate::{
    lint::{Finding, Level, config::At},
    plan::Text,
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    level: Level,
    what: Text,
    why: Text,
    remedy: Text,
}

/// That the file can be read, and names every rule, is a test.
static RULES: LazyLock<BTreeMap<String, Rule>> =
    LazyLock::new(|| serde_saphyr::from_str(include_str!("../rules.yaml")).unwrap_or_default());

/// What a rule found, with what stands for each `{name}` of its texts.
pub fn finding(rule: &str, at: &At, values: &[(&str, Text)]) -> Finding {
    let said = RULES.get(rule);
    let level = said.map_or(Level::Note, |said| said.level);
    let text =
        |of: fn(&Rule) -> &Text| said.map_or_else(Text::default, |it| filled(of(it), values));
    Finding {
        rule: rule.to_owned(),
        level,
        file: at.file.to_path_buf(),
        line: at.line,
        what: text(|rule| &rule.what),
        why: text(|rule| &rule.why),
        remedy: text(|rule| &rule.remedy),
    }
}

impl Finding {
    pub(super) fn at_level(self, level: Level) -> Self {
        Self { level, ..self }
    }
}

fn filled(text: &Text, values: &[(&str, Text)]) -> Text {
    let value = |name: &str| Some(&values.iter().find(|(known, _)| *known == name)?.1);
    Text {
        en: fill(&text.en, |name| Some(value(name)?.en.as_str())),
        ja: fill(&text.ja, |name| Some(value(name)?.ja.as_str())),
    }
}

/// In one pass: what a value holds is not looked at again.
fn fill<'a>(template: &str, value: impl Fn(&str) -> Option<&'a str>) -> String {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let named = after.split_once('}');
        match named.and_then(|(name, behind)| Some((value(name)?, behind))) {
            Some((value, behind)) => {
                filled.push_str(value);
                rest = behind;
            }
            None => {
                filled.push('{');
                rest = after;
            }
        }
    }
    filled + rest
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use regex::Regex;

    use super::*;

    #[test]
    fn every_rule_says_the_same_in_both_languages() {
        let marks = Regex::new(r"\{[a-z]+\}").unwrap();
        let marks = |text: &str| -> BTreeSet<String> {
            marks
                .find_iter(text)
                .map(|it| it.as_str().to_owned())
                .collect()
        };
        for (name, rule) in RULES.iter() {
            for text in [&rule.what, &rule.why, &rule.remedy] {
                assert!(!text.en.is_empty() && !text.ja.is_empty(), "{name}");
                assert_eq!(marks(&text.en), marks(&text.ja), "{name}");
            }
        }
    }

    #[test]
    fn every_rule_has_its_texts_and_every_text_its_rule() {
        let called = Regex::new(r#"finding\(\s*"([a-z-]+)""#).unwrap();
        let mut named = BTreeSet::new();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lint/rules");
        for entry in fs::read_dir(folder).unwrap() {
            let source = fs::read_to_string(entry.unwrap().path()).unwrap();
            named.extend(called.captures_iter(&source).map(|it| it[1].to_owned()));
        }
        let known: BTreeSet<String> = RULES.keys().cloned().collect();
        assert_eq!(named, known);
    }

    #[test]
    fn a_value_stands_for_its_name_and_nothing_in_it_does() {
        let value = |name: &str| (name == "a").then_some("{a} {b}");
        assert_eq!(fill("x{a}-{b} {", value), "x{a} {b}-{b} {");
    }
}
