//! Whether a bundle can be run: every item bound to one scenario, every step to one
//! definition, nothing that would be passed over in silence.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use cucumber::gherkin::{self, Background, Step, StepType};

use super::{
    Bundle, BundleError, Checklist, DIAGNOSIS_FILE, EXTENDED, ItemId, Phase,
    bundle::{Bound, PLAN_FILE, Problem},
    diagnosis,
};
use crate::{evidence::EvidenceKind, yaml::suggest};

/// The words that steps are written with.
pub trait Vocabulary {
    /// How many step definitions answer to this step: one is right, none is undefined, more
    /// are ambiguous.
    fn count(&self, kind: StepType, text: &str) -> usize;

    /// The step that was probably meant by one that is undefined.
    fn nearest(&self, kind: StepType, text: &str) -> Option<String>;

    /// The codes that failures of these steps can have.
    fn codes(&self) -> Vec<&'static str>;
}

impl Bundle {
    /// Checks all of the bundle.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, together.
    pub fn check(&self, vocabulary: &impl Vocabulary) -> Result<(), BundleError> {
        let mut problems = self.plan_problems();
        problems.extend(self.stray_features());
        problems.extend(self.rule_problems(&vocabulary.codes()));
        let mut bound: BTreeMap<ItemId, String> = BTreeMap::new();
        for scenario in self.scenarios() {
            problems.extend(self.binding_problems(&scenario, &mut bound));
            problems.extend(shape_problems(&scenario, vocabulary));
        }
        for background in self.backgrounds() {
            problems.extend(background_problems(background, vocabulary));
        }
        problems.extend(self.items_without_scenario(&bound));
        if problems.is_empty() {
            return Ok(());
        }
        let place = |problem: &Problem| (problem.path.clone(), problem.line);
        problems.sort_by_key(place);
        let dir = self.dir.clone();
        Err(BundleError::Problems { dir, problems })
    }

    fn plan_problem(&self, id: ItemId, text: String) -> Problem {
        Problem {
            path: self.dir.join(PLAN_FILE),
            line: self.lines.get(&id).copied().unwrap_or(1),
            text,
        }
    }

    fn rule_problems(&self, codes: &[&str]) -> Vec<Problem> {
        let items: Vec<ItemId> = self.items().collect();
        let found = diagnosis::problems(&self.rules, &self.rule_lines, &items, codes);
        let path = self.dir.join(DIAGNOSIS_FILE);
        let problem = |(line, text)| Problem {
            path: path.clone(),
            line,
            text,
        };
        found.into_iter().map(problem).collect()
    }

    /// What is wrong in `plan.yaml` by itself.
    fn plan_problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut whole = |text: String| {
            problems.push(Problem {
                path: self.dir.join(PLAN_FILE),
                line: 1,
                text,
            });
        };
        for id in &self.rollback_proof {
            if !self.items().any(|item| item == *id) {
                whole(format!("rollback_proof: the plan has no item {id}"));
            }
        }
        if self.items().next().is_none() {
            whole("the plan has no items".to_owned());
        }
        let (mut numbers, mut files) = (BTreeSet::new(), BTreeSet::new());
        for phase in &self.phases {
            if !numbers.insert(phase.no) {
                whole(format!("there are two phases {}", phase.name()));
            }
            if !files.insert(&phase.feature) {
                whole(format!(
                    "two phases name the feature file {}",
                    phase.feature
                ));
            }
        }
        let mut seen = BTreeSet::new();
        for phase in &self.phases {
            for item in &phase.items {
                if !seen.insert(item.id) {
                    let text = format!("there are two items {}: number one of them anew", item.id);
                    problems.push(self.plan_problem(item.id, text));
                }
                let own = |kind: &EvidenceKind| kind.by_the_candidate();
                if item.checklist == Checklist::Required
                    && !item.rests_on.is_empty()
                    && item.rests_on.iter().all(own)
                {
                    let text = format!(
                        "item {} rests only on what the candidate can write itself: name in rests_on \
                         what else shows it",
                        item.id
                    );
                    problems.push(self.plan_problem(item.id, text));
                }
                if item.id.phase().unwrap_or(EXTENDED) != phase.no {
                    let text = format!("item {} stands in phase {}", item.id, phase.name());
                    problems.push(self.plan_problem(item.id, text));
                }
            }
        }
        problems
    }

    /// Feature files that no phase names: their scenarios would never run.
    fn stray_features(&self) -> Vec<Problem> {
        let named: BTreeSet<PathBuf> = self
            .phases
            .iter()
            .map(|phase| self.dir.join(&phase.feature))
            .collect();
        let Ok(entries) = fs::read_dir(&self.dir) else {
            return Vec::new();
        };
        entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|ending| ending == "feature"))
            .filter(|path| !named.contains(path))
            .map(|path| Problem {
                path,
                line: 1,
                text: format!("no phase of {PLAN_FILE} names this file: it would never run"),
            })
            .collect()
    }

    /// Whether the scenario's tags bind it to one item, in the file where it belongs.
    fn binding_problems(
        &self,
        scenario: &Bound<'_>,
        bound: &mut BTreeMap<ItemId, String>,
    ) -> Vec<Problem> {
        let items: Vec<&str> = scenario
            .tags
            .iter()
            .filter_map(|tag| tag.strip_prefix("item-"))
            .collect();
        let item = match items[..] {
            [item] => item,
            [] => return vec![problem(scenario, no_item_tag(scenario))],
            _ => {
                let list = items.join(", ");
                let text = format!("a scenario checks one item, this one is tagged with {list}");
                return vec![problem(scenario, text)];
            }
        };
        let Ok(id) = item.parse::<ItemId>() else {
            let text =
                format!("`@item-{item}` is no item: write @item-PHASE.NUMBER, like @item-3.4");
            return vec![problem(scenario, text)];
        };
        let Some(phase) = self.phase_of(id) else {
            return vec![problem(scenario, self.unknown_item(id))];
        };
        let mut problems = Vec::new();
        if let Some(first) = bound.get(&id) {
            let text = format!("item {id} has a scenario already, at {first}");
            problems.push(problem(scenario, text));
        } else {
            bound.insert(id, scenario.at());
        }
        problems.extend(self.place_problems(scenario, id, phase));
        problems
    }

    /// Whether the scenario is in its phase's file and has its phase's tag.
    fn place_problems(&self, scenario: &Bound<'_>, id: ItemId, phase: &Phase) -> Vec<Problem> {
        let mut problems = Vec::new();
        let file = self.dir.join(&phase.feature);
        if scenario.feature.path.as_ref() != Some(&file) {
            let text = format!("item {id} belongs into {}", file.display());
            problems.push(problem(scenario, text));
        }
        let right = phase.tag();
        let is_phase = |tag: &&String| tag.starts_with("phase-") || **tag == "extended";
        let tags = scenario.tags.iter().filter(is_phase);
        let mut wrong = tags.clone().filter(|tag| **tag != right).peekable();
        if let Some(tag) = wrong.peek() {
            let text = format!(
                "item {id} is of phase {}, yet the scenario is tagged @{tag}",
                phase.name()
            );
            problems.push(problem(scenario, text));
        } else if tags.count() == 0 {
            problems.push(problem(scenario, format!("the tag @{right} is missing")));
        }
        problems
    }

    fn phase_of(&self, id: ItemId) -> Option<&Phase> {
        self.phases
            .iter()
            .find(|phase| phase.items.iter().any(|item| item.id == id))
    }

    fn unknown_item(&self, id: ItemId) -> String {
        let known: Vec<String> = self.items().map(|item| item.to_string()).collect();
        let meant = suggest(&id.to_string(), known.iter().map(String::as_str))
            .map_or_else(String::new, |meant| {
                format!("; did you mean @item-{meant}?")
            });
        format!("{PLAN_FILE} has no item {id}{meant}")
    }

    fn items_without_scenario(&self, bound: &BTreeMap<ItemId, String>) -> Vec<Problem> {
        let mut problems = Vec::new();
        for phase in &self.phases {
            for item in phase
                .items
                .iter()
                .filter(|item| !bound.contains_key(&item.id))
            {
                let (id, file) = (item.id, self.dir.join(&phase.feature));
                let text = format!(
                    "item {id} has no scenario: write one with the tags @{} @item-{id} into {}",
                    phase.tag(),
                    file.display()
                );
                problems.push(self.plan_problem(id, text));
            }
        }
        problems
    }
}

fn problem(scenario: &Bound<'_>, text: String) -> Problem {
    at_line(scenario.feature, scenario.scenario.position.line, text)
}

fn at_line(feature: &gherkin::Feature, line: usize, text: String) -> Problem {
    Problem {
        path: feature.path.clone().unwrap_or_default(),
        line: line as u64,
        text,
    }
}

fn no_item_tag(scenario: &Bound<'_>) -> String {
    let near = scenario.tags.iter().find(|tag| {
        let word = tag.split(['-', '.', '_', ':']).next().unwrap_or_default();
        suggest(word, ["item"]).is_some()
    });
    match near {
        Some(tag) => format!("no tag @item-PHASE.NUMBER; is `@{tag}` meant as one?"),
        None => "no tag @item-PHASE.NUMBER: which item does this scenario check?".to_owned(),
    }
}

/// What is wrong with the scenario's own steps.
fn shape_problems(scenario: &Bound<'_>, vocabulary: &impl Vocabulary) -> Vec<Problem> {
    let found = scenario.scenario;
    let mut problems = swallowed(
        scenario.feature,
        found.description.as_deref(),
        found.position.line,
    );
    if found.steps.is_empty() {
        problems.push(problem(
            scenario,
            "the scenario has no steps: it would check nothing".to_owned(),
        ));
    } else if !found.steps.iter().any(|step| step.ty == StepType::Then) {
        let text = "the scenario has no Then step: it could never fail";
        problems.push(problem(scenario, text.to_owned()));
    }
    problems.extend(step_problems(scenario.feature, &found.steps, vocabulary));
    problems
}

fn background_problems(
    (feature, background): (&gherkin::Feature, &Background),
    vocabulary: &impl Vocabulary,
) -> Vec<Problem> {
    let line = background.position.line;
    let mut problems = swallowed(feature, background.description.as_deref(), line);
    problems.extend(step_problems(feature, &background.steps, vocabulary));
    problems
}

/// Lines before the first step are free text in Gherkin, a misspelt step among them: it
/// would not be run, and nobody would notice.
fn swallowed(feature: &gherkin::Feature, text: Option<&str>, line: usize) -> Vec<Problem> {
    text.into_iter()
        .flat_map(str::lines)
        .filter_map(|seen| {
            let seen = seen.trim();
            let word = seen.split_whitespace().next()?;
            let meant = suggest(word, ["Given", "When", "Then"])?;
            let text =
                format!("`{seen}` is no step, it would be passed over; did you mean `{meant}`?");
            Some(at_line(feature, line, text))
        })
        .collect()
}

fn step_problems(
    feature: &gherkin::Feature,
    steps: &[Step],
    vocabulary: &impl Vocabulary,
) -> Vec<Problem> {
    steps
        .iter()
        .filter_map(|step| {
            let said = format!("{} {}", step.keyword.trim(), step.value);
            let text = match vocabulary.count(step.ty, &step.value) {
                1 => return None,
                0 => undefined(&said, vocabulary.nearest(step.ty, &step.value)),
                many => format!("ambiguous step: {many} definitions answer to `{said}`"),
            };
            Some(at_line(feature, step.position.line, text))
        })
        .collect()
}

fn undefined(said: &str, nearest: Option<String>) -> String {
    match nearest {
        Some(meant) => format!("undefined step `{said}`; did you mean `{meant}`?"),
        None => format!("undefined step `{said}`; `verify steps` lists those that there are"),
    }
}
