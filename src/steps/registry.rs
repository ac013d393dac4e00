//! The table of step definitions: what `verify steps` lists, what the bundle's check
//! looks up, and what cucumber runs.

use std::sync::LazyLock;

use cucumber::gherkin::StepType;
use cucumber::step::{Collection, Step};
use regex::Regex;

use super::world::World;

/// The keyword that a step definition answers to. `And` and `But` take the one before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Keyword {
    /// What must be so before: made when it is not.
    Given,
    /// What is done.
    When,
    /// What must be seen.
    Then,
}

impl From<StepType> for Keyword {
    fn from(kind: StepType) -> Self {
        match kind {
            StepType::Given => Self::Given,
            StepType::When => Self::When,
            StepType::Then => Self::Then,
        }
    }
}

/// One step definition.
pub struct StepDef {
    /// Its keyword.
    pub keyword: Keyword,
    /// The pattern that a step's text matches as a whole.
    pub pattern: &'static str,
    /// What it does, and what it takes to fail.
    pub doc: &'static str,
    /// The source file that holds it.
    pub file: &'static str,
    /// The code of the check that it is.
    pub code: &'static str,
    /// The codes of checks within it, each in [`super::codes`].
    pub finer: &'static [&'static str],
    /// What cucumber calls.
    pub run: Step<World>,
}

/// Every step definition of every phase.
pub fn all() -> impl Iterator<Item = &'static StepDef> {
    super::TABLES.iter().flat_map(|table| table.iter())
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
#[must_use]
pub fn matching(keyword: Keyword, text: &str) -> Vec<&'static StepDef> {
    COMPILED
        .iter()
        .filter(|step| step.def.keyword == keyword && step.regex.is_match(text))
        .map(|step| step.def)
        .collect()
}

/// A pattern as a person reads it: a group as its name in angle brackets, or as its choices.
#[must_use]
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
#[must_use]
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

/// Makes a table of step definitions of one file:
/// `/// doc`, keyword, pattern, `=>`, the async function that takes `(&mut World, Args)`, the code
/// that its failure has, and the codes of checks within it.
#[macro_export]
macro_rules! steps {
    (@finer) => { &[] };
    (@finer $finer:expr) => { $finer };
    ($( $(#[doc = $doc:literal])+ $keyword:ident $pattern:literal => $function:path, $code:literal $(, $finer:expr)?; )*) => {
        /// The step definitions of this file.
        pub static STEPS: &[$crate::steps::registry::StepDef] = &[$(
            $crate::steps::registry::StepDef {
                keyword: $crate::steps::registry::Keyword::$keyword,
                pattern: $pattern,
                doc: concat!($($doc, "\n"),+),
                file: file!(),
                code: $code,
                finer: $crate::steps!(@finer $($finer)?),
                run: |world, context| {
                    let args = $crate::steps::world::Args::new(context);
                    ::std::boxed::Box::pin(async move {
                        let result = $function(&mut *world, args).await;
                        world.conclude(result, $code, $crate::steps!(@finer $($finer)?)).await;
                    })
                },
            },
        )*];
    };
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
