//! The step definitions as the check of a plan bundle asks for them.

use cucumber::gherkin::StepType;

use super::{codes, registry};
use crate::{plan::Vocabulary, yaml};

/// Every step definition.
pub struct StepTable;

impl Vocabulary for StepTable {
    fn count(&self, kind: StepType, text: &str) -> usize {
        registry::matching(kind.into(), text).len()
    }

    fn nearest(&self, kind: StepType, text: &str) -> Option<String> {
        let known: Vec<String> = registry::all()
            .filter(|def| def.keyword == kind.into())
            .map(|def| registry::readable(def.pattern))
            .collect();
        yaml::suggest(text, known.iter().map(String::as_str)).map(str::to_owned)
    }

    fn codes(&self) -> Vec<&'static str> {
        codes::all().into_keys().collect()
    }
}
