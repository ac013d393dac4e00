//! Everything that is known about an item before it is run.

use std::collections::BTreeSet;

use crate::{
    mutation::{Catalogue, Mutant},
    plan::{Bound, Bundle, Item, ItemId, ItemPattern, Phase, Rule, Sign},
    steps::{codes, registry},
};

#[derive(Debug)]
pub struct Explanation<'a> {
    pub item: &'a Item,
    pub phase: &'a Phase,
    /// FILE:LINE of it in the plan.
    pub at: String,
    pub scenarios: Vec<Scenario<'a>>,
    /// `None` without a catalogue.
    pub mutants: Option<Mutants<'a>>,
    /// The causes that its failure can have.
    pub causes: Causes<'a>,
}

/// A scenario as its feature has it.
#[derive(Debug)]
pub struct Scenario<'a> {
    pub name: &'a str,
    /// FILE:LINE of it.
    pub at: String,
    /// Its steps with their lines, the background's first.
    pub steps: Vec<(usize, String)>,
    /// The codes that its failure can have.
    pub codes: BTreeSet<&'static str>,
}

/// The mutants of a catalogue that concern an item.
#[derive(Debug, Default)]
pub struct Mutants<'a> {
    /// Those that it must catch.
    pub must: Vec<&'a Mutant>,
    /// Those that name it among the items that may fail, too.
    pub may: Vec<&'a Mutant>,
    /// Those whose damage may take it along, as one of many.
    pub along: Vec<&'a Mutant>,
}

/// The rules of the diagnosis that concern an item.
#[derive(Debug, Default)]
pub struct Causes<'a> {
    /// Those that look at this item.
    pub shown: Vec<&'a Rule>,
    /// The others that account for its failure.
    pub others: Vec<&'a Rule>,
}

/// What is known about `id`; `None` where the plan has no such item.
#[must_use]
pub fn explain<'a>(
    bundle: &'a Bundle,
    catalogue: Option<&'a Catalogue>,
    id: ItemId,
) -> Option<Explanation<'a>> {
    let found = |phase: &'a Phase| Some((phase, phase.items.iter().find(|item| item.id == id)?));
    let (phase, item) = bundle.phases.iter().find_map(found)?;
    let own = |bound: &Bound<'a>| bound.items().any(|item| item == id);
    Some(Explanation {
        item,
        phase,
        at: bundle.place_of(id),
        scenarios: bundle.scenarios().filter(own).map(scenario).collect(),
        mutants: catalogue.map(|catalogue| mutants(catalogue, id)),
        causes: causes(&bundle.rules, id),
    })
}

fn scenario(bound: Bound<'_>) -> Scenario<'_> {
    let scenario = bound.scenario;
    let mut rules = bound.feature.rules.iter();
    let rule = rules.find(|rule| rule.scenarios.iter().any(|one| std::ptr::eq(one, scenario)));
    let backgrounds = [
        bound.feature.background.as_ref(),
        rule.and_then(|rule| rule.background.as_ref()),
    ];
    let steps: Vec<_> = (backgrounds.into_iter().flatten())
        .flat_map(|background| &background.steps)
        .chain(&scenario.steps)
        .collect();
    let known = codes::all();
    let definitions =
        (steps.iter()).flat_map(|step| registry::matching(step.ty.into(), &step.value));
    let codes = definitions.flat_map(|one| one.finer.iter().copied().chain([one.code]));
    let written = steps.iter().map(|step| {
        let text = format!("{}{}", step.keyword, step.value);
        (step.position.line, text)
    });
    Scenario {
        name: &scenario.name,
        at: bound.at(),
        steps: written.collect(),
        codes: codes.filter(|code| known.contains_key(code)).collect(),
    }
}

fn mutants(catalogue: &Catalogue, id: ItemId) -> Mutants<'_> {
    let mut sorted = Mutants::default();
    for mutant in &catalogue.mutants {
        if mutant.breaks.contains(&id) {
            sorted.must.push(mutant);
        } else if mutant.may.contains(&ItemPattern::Item(id)) {
            sorted.may.push(mutant);
        } else if mutant.may.iter().any(|pattern| pattern.covers(id)) {
            sorted.along.push(mutant);
        }
    }
    sorted
}

fn causes(rules: &[Rule], id: ItemId) -> Causes<'_> {
    let covers = |patterns: &[ItemPattern]| patterns.iter().any(|pattern| pattern.covers(id));
    let accounting = rules.iter().filter(|rule| covers(&rule.explains));
    let (shown, others) = accounting.partition(|rule| {
        let mut signs = rule.when.iter().flat_map(Sign::each);
        signs.any(|sign| covers(&sign.items))
    });
    Causes { shown, others }
}

/// The items that may have been meant by `typed`: those whose title holds it, those of the phase
/// that it names, else whatever is written much like it.
#[must_use]
pub fn nearest(bundle: &Bundle, typed: &str) -> Vec<ItemId> {
    let wanted = typed.trim().to_lowercase();
    let items = || bundle.phases.iter().flat_map(|phase| &phase.items);
    let holds = |title: &String| title.to_lowercase().contains(&wanted);
    if wanted.chars().count() > 1 {
        let named = items().filter(|item| holds(&item.title.en) || holds(&item.title.ja));
        let named: Vec<ItemId> = named.map(|item| item.id).collect();
        if !named.is_empty() {
            return named;
        }
    }
    let phase = wanted.split('.').next().unwrap_or_default();
    let of_phase = (bundle.phases.iter()).find(|one| one.name().to_lowercase() == phase);
    if let Some(phase) = of_phase {
        return phase.items.iter().map(|item| item.id).collect();
    }
    let like = |id: ItemId| strsim::damerau_levenshtein(&wanted, &id.to_string().to_lowercase());
    let closest = bundle.items().map(like).min();
    bundle
        .items()
        .filter(|id| Some(like(*id)) == closest && like(*id) < 3)
        .collect()
}
