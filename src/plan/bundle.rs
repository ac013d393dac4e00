//! A plan bundle read from its folder: `plan.yaml` and the feature files that it names.

use std::{
    collections::BTreeMap,
    fmt, io,
    path::{Component, Path, PathBuf},
};

use cucumber::{
    feature::Ext as _,
    gherkin::{Background, Examples, Feature, GherkinEnv, Scenario, Step},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{ItemId, Lang, Phase, Rule, Text, diagnosis, gherkin_error};
use crate::{
    input,
    yaml::{self, YamlError},
};

/// What gives the text of a bundle's file, by its path inside the bundle.
pub type Reader<'a> = dyn Fn(&Path) -> io::Result<String> + 'a;

/// The file of a bundle that holds the plan.
pub const PLAN_FILE: &str = "plan.yaml";

/// What `plan.yaml` is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanFile {
    /// The plan's title.
    title: Text,
    /// The plan's version.
    version: String,
    /// Its phases, with their items.
    phases: Vec<Phase>,
    /// Checks that stand beside the plan's items.
    #[serde(default)]
    extended: Option<Phase>,
    /// The items that must pass again on a baseline that was put back; those of the first phase
    /// where none is named.
    #[serde(default)]
    rollback_proof: Vec<ItemId>,
}

/// A plan with the features that encode it.
#[derive(Debug)]
pub struct Bundle {
    pub dir: PathBuf,
    pub title: Text,
    pub version: String,
    /// The plan's phases with their items; the extended checks last, as phase [`EXTENDED`].
    ///
    /// [`EXTENDED`]: super::EXTENDED
    pub phases: Vec<Phase>,
    /// The features, one a phase, in the phases' order.
    pub features: Vec<Feature>,
    /// The items that must pass again on a baseline that was put back; where `plan.yaml` names
    /// none, those of the first phase.
    pub rollback_proof: Vec<ItemId>,
    /// The rules that tell causes from symptoms, root causes first.
    pub rules: Vec<Rule>,
    /// The line that each of them begins at.
    pub(super) rule_lines: Vec<u64>,
    /// Where `plan.yaml` names each item; the last place, should there be two.
    pub(super) lines: BTreeMap<ItemId, u64>,
}

#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    #[error("no plan bundle in {}: there must be a {PLAN_FILE} and the feature files that it names", .0.display())]
    NoBundle(PathBuf),
    #[error(transparent)]
    Plan(#[from] YamlError),
    /// Everything that is wrong, in the bundle's order.
    #[error("the plan bundle in {} cannot be run:{}", dir.display(), list(problems))]
    Problems {
        dir: PathBuf,
        /// What is wrong, each with what to do.
        problems: Vec<Problem>,
    },
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    pub path: PathBuf,
    pub line: u64,
    /// What is wrong, and what to do.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path.display(), self.line, self.text)
    }
}

fn list(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(|problem| format!("\n  {problem}"))
        .collect()
}

/// A scenario with the tags that hold for it: its feature's, its rule's and its own.
#[derive(Clone, Debug)]
pub struct Bound<'a> {
    pub feature: &'a Feature,
    pub scenario: &'a Scenario,
    /// Tags without their `@`.
    pub tags: Vec<String>,
}

impl Bound<'_> {
    /// The numbers in its tags `@item-…`; a tag that is none is left out.
    pub fn items(&self) -> impl Iterator<Item = ItemId> {
        self.tags
            .iter()
            .filter_map(|tag| tag.strip_prefix("item-")?.parse().ok())
    }

    /// FILE:LINE of the scenario.
    #[must_use]
    pub fn at(&self) -> String {
        let path = self.feature.path.as_deref().unwrap_or(Path::new("?"));
        format!("{}:{}", path.display(), self.scenario.position.line)
    }
}

impl Bundle {
    /// Reads the bundle in `dir`. That every item has its scenario, and every step its
    /// definition, is what [`Bundle::check`] looks at.
    ///
    /// # Errors
    ///
    /// When a file is missing or is not what it must be: FILE:LINE for each.
    pub fn load(dir: &Path) -> Result<Self, BundleError> {
        Self::read(dir, &|name| {
            input::text(&input::inside(dir, name)?, input::TEXT_LIMIT)
        })
    }

    /// The same, with its files as `read` gives them: their paths are inside `dir`.
    ///
    /// # Errors
    ///
    /// As [`Bundle::load`].
    pub fn read(dir: &Path, read: &Reader<'_>) -> Result<Self, BundleError> {
        let path = dir.join(PLAN_FILE);
        let text = read(Path::new(PLAN_FILE)).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                BundleError::NoBundle(dir.to_owned())
            }
            _ => BundleError::Plan(YamlError::Read {
                path: path.clone(),
                source,
            }),
        })?;
        let mut plan: PlanFile = yaml::parse(&text, &path)?;
        let mut lines: Lines = yaml::parse(&text, &path)?;
        plan.phases.extend(plan.extended.take());
        lines.phases.extend(lines.extended.take());
        let mut problems = Vec::new();
        let mut features = Vec::new();
        for (phase, place) in plan.phases.iter().zip(&lines.phases) {
            match read_feature(dir, &phase.feature, read) {
                Ok(feature) => features.push(feature),
                Err(mut problem) => {
                    if problem.line == 0 {
                        problem.path.clone_from(&path);
                        problem.line = place.feature.referenced.line();
                    }
                    problems.push(problem);
                }
            }
        }
        if !problems.is_empty() {
            let dir = dir.to_owned();
            return Err(BundleError::Problems { dir, problems });
        }
        let (rules, rule_lines) = diagnosis::load(dir, read)?;
        let mut rollback_proof = plan.rollback_proof;
        if rollback_proof.is_empty() {
            let first = plan.phases.first().into_iter();
            rollback_proof = first
                .flat_map(|phase| &phase.items)
                .map(|item| item.id)
                .collect();
        }
        Ok(Self {
            dir: dir.to_owned(),
            title: plan.title,
            version: plan.version,
            phases: plan.phases,
            rollback_proof,
            features,
            rules,
            rule_lines,
            lines: lines.of_items(),
        })
    }

    /// Every scenario of every feature, in order.
    pub fn scenarios(&self) -> impl Iterator<Item = Bound<'_>> {
        self.features.iter().flat_map(|feature| {
            let bound = |tags: &[String], scenario| Bound {
                feature,
                scenario,
                tags: [&feature.tags, tags].concat(),
            };
            let plain = feature
                .scenarios
                .iter()
                .map(move |scenario| bound(&scenario.tags, scenario));
            let ruled = feature.rules.iter().flat_map(move |rule| {
                rule.scenarios.iter().map(move |scenario| {
                    bound(
                        &[rule.tags.clone(), scenario.tags.clone()].concat(),
                        scenario,
                    )
                })
            });
            plain.chain(ruled)
        })
    }

    /// Every step of every scenario and background, with its feature.
    pub fn steps(&self) -> impl Iterator<Item = (&Feature, &Step)> {
        let backgrounds = self
            .backgrounds()
            .flat_map(|(feature, found)| found.steps.iter().map(move |step| (feature, step)));
        let scenarios = self.scenarios().flat_map(|bound| {
            let feature = bound.feature;
            bound.scenario.steps.iter().map(move |step| (feature, step))
        });
        backgrounds.chain(scenarios)
    }

    pub(super) fn backgrounds(&self) -> impl Iterator<Item = (&Feature, &Background)> {
        self.features.iter().flat_map(|feature| {
            let of_rules = feature
                .rules
                .iter()
                .filter_map(|rule| rule.background.as_ref());
            feature
                .background
                .iter()
                .chain(of_rules)
                .map(move |background| (feature, background))
        })
    }

    /// Every item's number, in the plan's order.
    pub fn items(&self) -> impl Iterator<Item = ItemId> {
        self.phases
            .iter()
            .flat_map(|phase| phase.items.iter().map(|item| item.id))
    }

    /// FILE:LINE of the item in the plan; the file alone for an item that it does not have.
    #[must_use]
    pub fn place_of(&self, id: ItemId) -> String {
        let file = self.dir.join(PLAN_FILE);
        match self.lines.get(&id) {
            Some(line) => format!("{}:{line}", file.display()),
            None => file.display().to_string(),
        }
    }

    /// The item's title.
    #[must_use]
    pub fn title_of(&self, id: ItemId, lang: Lang) -> Option<&str> {
        self.phases
            .iter()
            .flat_map(|phase| &phase.items)
            .find(|item| item.id == id)
            .map(|item| item.title.get(lang))
    }
}

/// The same file once more, for the lines of its items alone.
#[derive(Debug, Deserialize)]
struct Lines {
    phases: Vec<PhaseLines>,
    #[serde(default)]
    extended: Option<PhaseLines>,
}

#[derive(Debug, Deserialize)]
struct PhaseLines {
    feature: Spanned<String>,
    items: Vec<ItemLine>,
}

#[derive(Debug, Deserialize)]
struct ItemLine {
    id: Spanned<ItemId>,
}

impl Lines {
    fn of_items(&self) -> BTreeMap<ItemId, u64> {
        let mut lines = BTreeMap::new();
        for item in self.phases.iter().flat_map(|phase| &phase.items) {
            // Of two items with one number the second is the one to be numbered anew.
            lines.insert(item.id.value, item.id.referenced.line());
        }
        lines
    }
}

/// The longest line of a feature file, in bytes: the parser's time grows with the square of it.
const FEATURE_LINE_LIMIT: usize = 8 * 1024;

/// The most steps that an outline may come to: a small file could else fill the memory.
const OUTLINE_LIMIT: usize = 5_000;

/// A problem at line 0 is one of the line in `plan.yaml` that names the file.
fn read_feature(dir: &Path, name: &str, read: &Reader<'_>) -> Result<Feature, Problem> {
    let path = dir.join(name);
    let problem = |line: usize, text: String| Problem {
        path: path.clone(),
        line: line as u64,
        text,
    };
    let inside = Path::new(name)
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if !inside {
        return Err(problem(
            0,
            format!("the feature file `{name}` must be inside the bundle"),
        ));
    }
    let text = read(Path::new(name)).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => {
            problem(0, format!("there is no feature file {}", path.display()))
        }
        _ => problem(0, format!("cannot read {}: {source}", path.display())),
    })?;
    let long = text
        .lines()
        .position(|line| line.len() > FEATURE_LINE_LIMIT);
    if let Some(before) = long {
        let text = format!("a line of more than {FEATURE_LINE_LIMIT} bytes");
        return Err(problem(before + 1, text));
    }
    parsed(&text, path)
}

/// A feature, an outline in it as one scenario for each row of its examples.
///
/// # Errors
/// Text that is no Gherkin, or an outline that would check nothing or names a column it has not.
pub fn parsed(text: &str, path: PathBuf) -> Result<Feature, Problem> {
    let problem = |line: usize, text: String| Problem {
        path: path.clone(),
        line: line as u64,
        text,
    };
    let feature = Feature::parse(text, GherkinEnv::default()).map_err(|error| {
        let (line, what) = gherkin_error::explain(text, &error.to_string());
        problem(line, what)
    })?;
    let of_rules = feature.rules.iter().flat_map(|rule| &rule.scenarios);
    for scenario in feature.scenarios.iter().chain(of_rules) {
        let mut words = ["Outline", "Template"].into_iter();
        let is_outline = words.any(|word| scenario.keyword.contains(word));
        let rows = |examples: &Examples| examples.table.as_ref().map_or(0, |it| it.rows.len());
        let empty = scenario.examples.iter().find(|one| rows(one) < 2);
        if empty.is_some() || (is_outline && scenario.examples.is_empty()) {
            let line = empty.map_or(scenario.position.line, |one| one.position.line);
            let text = "an outline without a row of examples would check nothing".to_owned();
            return Err(problem(line, text));
        }
        let rows: usize = scenario.examples.iter().map(rows).sum();
        if rows * (scenario.steps.len() + 1) > OUTLINE_LIMIT {
            let text = format!("an outline that comes to more than {OUTLINE_LIMIT} steps");
            return Err(problem(scenario.position.line, text));
        }
    }
    let mut feature = feature.expand_examples().map_err(|error| {
        let text = format!("the examples have no column `{}`", error.name);
        problem(error.pos.line, text)
    })?;
    feature.path = Some(path);
    Ok(feature)
}
