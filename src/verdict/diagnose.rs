//! Causes told from symptoms: the rules of the plan bundle, held against what failed.

use regex::Regex;

use crate::{
    model::outcome::Outcome,
    plan::{ItemId, Rule, Sign},
    report::{Cause, ItemReport},
};

/// The longest quote of what shows a cause, in characters.
const QUOTE: usize = 400;

/// The causes of the candidate's failures. Rules come in their order, the root causes first: one
/// is named where all of its signs are there and it accounts for a failure that none before it
/// does.
#[must_use]
pub fn diagnose(rules: &[Rule], items: &[ItemReport], extended: &[ItemReport]) -> Vec<Cause> {
    let failed: Vec<&ItemReport> = items
        .iter()
        .chain(extended)
        .filter(|item| item.outcome() == Outcome::Failed)
        .collect();
    let mut left: Vec<ItemId> = failed.iter().map(|item| item.id).collect();
    let mut causes = Vec::new();
    for rule in rules {
        if left.is_empty() {
            break;
        }
        let Some((item, quote)) = signs(rule, &failed) else {
            continue;
        };
        let explains = |id: &ItemId| rule.explains.iter().any(|pattern| pattern.covers(*id));
        let (own, others): (Vec<ItemId>, Vec<ItemId>) = left.into_iter().partition(explains);
        left = others;
        if own.is_empty() {
            continue;
        }
        causes.push(Cause {
            rule: rule.id.clone(),
            cause: rule.cause.clone(),
            remedy: rule.remedy.clone(),
            look: rule.look.clone(),
            explains: own,
            shown_by: item,
            seen: quote,
        });
    }
    causes
}

/// Where every sign of a rule is there: the item that shows the first of them, and its words.
fn signs(rule: &Rule, failed: &[&ItemReport]) -> Option<(ItemId, String)> {
    let shown = |sign: &Sign| Look::at(sign)?.shown(failed);
    let mut found = rule.when.iter().map(shown);
    let first = found.next()??;
    if found.any(|sign| sign.is_none()) || rule.unless.iter().any(|sign| shown(sign).is_some()) {
        return None;
    }
    Some(first)
}

/// A sign with its patterns compiled.
struct Look<'a> {
    sign: &'a Sign,
    facts: Vec<(&'a str, Regex)>,
    any: Vec<Self>,
    says: Option<Regex>,
    evidence: Option<Regex>,
}

impl<'a> Look<'a> {
    /// The patterns of a bundle were checked when it was read; in a saved report that somebody
    /// changed, a broken one shows nothing.
    fn at(sign: &'a Sign) -> Option<Self> {
        let compiled = |text: &Option<String>| text.as_deref().map(Regex::new).transpose();
        let fact =
            |(name, text): (&'a String, &String)| Some((name.as_str(), Regex::new(text).ok()?));
        Some(Self {
            sign,
            facts: sign.facts.iter().map(fact).collect::<Option<_>>()?,
            any: sign.any.iter().map(Self::at).collect::<Option<_>>()?,
            says: compiled(&sign.says).ok()?,
            evidence: compiled(&sign.evidence).ok()?,
        })
    }

    fn shown(&self, failed: &[&ItemReport]) -> Option<(ItemId, String)> {
        let items = &self.sign.items;
        let meant =
            |item: &&&ItemReport| items.is_empty() || items.iter().any(|one| one.covers(item.id));
        let mut meant = failed.iter().filter(meant);
        if self.any.is_empty() {
            return meant.find_map(|item| self.of(item));
        }
        meant.find_map(|item| {
            self.of(item)?;
            self.any.iter().find_map(|one| one.shown(&[item]))
        })
    }

    fn of(&self, item: &ItemReport) -> Option<(ItemId, String)> {
        let failure = item.failure.clone().unwrap_or_default();
        let has = |(name, pattern): &(&str, Regex)| {
            let value = failure.facts.get(*name);
            value.is_some_and(|value| pattern.is_match(value))
        };
        if !self.sign.has_code(&failure.code) || !self.facts.iter().all(has) {
            return None;
        }
        let said = format!("{}\n{}\n{}", failure.did, failure.expected, failure.seen);
        let mut quote = failure.seen;
        if let Some(pattern) = &self.says {
            let found = first_line(pattern, [said.as_str()])?;
            if quote.trim().is_empty() {
                quote = found;
            }
        }
        if let Some(pattern) = &self.evidence {
            quote = first_line(pattern, item.evidence.iter().map(|one| one.body.as_str()))?;
        }
        Some((item.id, quote.chars().take(QUOTE).collect()))
    }
}

/// The line in which the pattern's first match begins.
fn first_line<'a>(pattern: &Regex, texts: impl IntoIterator<Item = &'a str>) -> Option<String> {
    texts.into_iter().find_map(|text| {
        let start = pattern.find(text)?.start();
        let before = text.get(..start)?.rfind('\n').map_or(0, |end| end + 1);
        text.get(before..)?.lines().next().map(str::to_owned)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{Sample, id, label_rule, mislabelled, noisy};

    fn named(rules: &[Rule], sample: Sample) -> Vec<(String, Vec<String>)> {
        let report = Sample {
            rules: rules.to_vec(),
            ..sample
        }
        .report();
        let text = |ids: Vec<ItemId>| ids.iter().map(ItemId::to_string).collect();
        let causes = report.causes.into_iter();
        causes
            .map(|cause| (cause.rule, text(cause.explains)))
            .collect()
    }

    fn two() -> Sample {
        Sample::default()
            .with("3.1", mislabelled())
            .with("3.6", mislabelled())
    }

    #[test]
    fn a_cause_is_named_once_with_all_that_it_explains() {
        let found = named(
            &[label_rule(), label_rule()],
            two().with("4.1", mislabelled()),
        );
        assert_eq!(
            found,
            [("label".to_owned(), vec!["3.1".to_owned(), "3.6".to_owned()])]
        );
    }

    #[test]
    fn every_sign_must_be_there_and_none_that_speaks_against_it() {
        let mut other = label_rule();
        other.when.push(Sign {
            items: vec!["4.*".parse().unwrap()],
            ..Sign::default()
        });
        assert!(named(&[other.clone()], two()).is_empty());
        assert_eq!(named(&[other], two().with("4.1", mislabelled())).len(), 1);

        let mut not = label_rule();
        not.unless.push(Sign {
            says: Some("User tracking success".to_owned()),
            ..Sign::default()
        });
        assert!(named(&[not], two()).is_empty());
        let mut unseen = label_rule();
        unseen.when[0].evidence = Some("MCP".to_owned());
        assert!(named(&[unseen], two()).is_empty(), "there is no evidence");
    }

    #[test]
    fn what_is_not_the_candidate_s_fault_has_no_cause() {
        let sample = Sample::default().with("3.1", noisy());
        assert!(named(&[label_rule()], sample).is_empty());
        assert!(named(&[label_rule()], Sample::default()).is_empty());
    }

    #[test]
    fn the_first_rule_that_explains_something_new_comes_first() {
        let mut root = label_rule();
        root.id = "root".to_owned();
        root.explains = vec!["3.1".parse().unwrap()];
        let names: Vec<String> = named(&[root, label_rule()], two())
            .into_iter()
            .map(|(rule, _)| rule)
            .collect();
        assert_eq!(names, ["root", "label"]);
    }

    #[test]
    fn the_line_that_shows_it_is_quoted() {
        let report = Sample {
            rules: vec![label_rule()],
            ..two()
        }
        .report();
        let cause = &report.causes[0];
        assert_eq!(cause.shown_by, id("3.1"));
        assert!(cause.seen.contains("[MCP|Int]"), "{}", cause.seen);
        let pattern = Regex::new("b+").unwrap();
        assert_eq!(first_line(&pattern, ["a\nabc\nd"]), Some("abc".to_owned()));
    }

    #[test]
    fn a_pattern_that_is_none_shows_nothing() {
        let mut broken = label_rule();
        broken.when[0].says = Some("(".to_owned());
        assert!(named(&[broken], two()).is_empty());
    }
}
