//! What must hold for every set of results.

use proptest::prelude::*;

use super::*;
use crate::{
    engine::event::{Failure, Outcome},
    plan::{Checklist, ItemId},
    report::samples::{Sample, plan_file},
    verdict::{fold, judge},
};

/// What may become of an item: its outcome, or no end at all.
fn result() -> impl Strategy<Value = Option<Outcome>> {
    prop_oneof![
        12 => Just(Some(Outcome::Passed)),
        1 => Just(Some(Outcome::Failed(Failure::default()))),
        1 => Just(Some(Outcome::Inconclusive(Failure::default()))),
        1 => any::<bool>().prop_map(|consequence| Some(Outcome::Skipped {
            reason: "a reason".to_owned(),
            consequence,
        })),
        1 => Just(None),
    ]
}

fn end() -> impl Strategy<Value = Option<RunEnd>> {
    prop_oneof![
        4 => Just(Some(RunEnd::Completed)),
        1 => Just(Some(RunEnd::Interrupted { signal: "SIGTERM".to_owned() })),
        1 => Just(Some(RunEnd::Broken { reason: "redis died".to_owned() })),
        1 => Just(None),
    ]
}

fn required() -> Vec<ItemId> {
    let plan = plan_file();
    let items = plan.phases.iter().flat_map(|phase| &phase.items);
    items
        .filter(|item| item.checklist == Checklist::Required)
        .map(|item| item.id)
        .collect()
}

fn sample(results: Vec<Option<Outcome>>, end: Option<RunEnd>) -> Sample {
    let mut sample = Sample::default().extended("X.1").ended(end);
    sample.outcomes = sample.selected.iter().copied().zip(results).collect();
    sample
}

proptest! {
    #[test]
    fn every_set_of_results_has_the_verdict_that_section_6_gives_it(
        results in prop::collection::vec(result(), 26),
        end in end(),
        allow_conditional: bool,
    ) {
        let sample = sample(results, end.clone());
        let decision = decide(&sample.report(), Policy { allow_conditional, ..Policy::default() }).unwrap();
        let result_of = |item: &ItemId| sample.outcomes[item].clone();
        let required: Vec<_> = required().iter().map(result_of).collect();

        let failed = |found: &&Option<Outcome>| matches!(
            found,
            Some(Outcome::Failed(_) | Outcome::Skipped { consequence: true, .. })
        );
        let candidate_failed = required.iter().any(|found| failed(&found));
        prop_assert_eq!(decision.verdict == Some(Verdict::Fail), candidate_failed);
        prop_assert_eq!(decision.rollback_required, candidate_failed);

        let all_required = required.iter().all(|found| *found == Some(Outcome::Passed));
        let good = matches!(decision.verdict, Some(Verdict::Pass | Verdict::Conditional));
        prop_assert_eq!(good, all_required && end == Some(RunEnd::Completed));
        prop_assert!(all_required || decision.exit != ExitStatus::Pass);

        // An extended check that was left out says nothing.
        let left_out = |item: &ItemId, found: &Option<Outcome>| {
            item.phase().is_none() && matches!(found, Some(Outcome::Skipped { consequence: false, .. }))
        };
        let mut outcomes = sample.outcomes.iter();
        let all = outcomes.all(|(item, found)| *found == Some(Outcome::Passed) || left_out(item, found));
        prop_assert_eq!(decision.verdict == Some(Verdict::Pass), all && good);
        prop_assert_eq!(decision.exit == ExitStatus::Pass, good && (all || allow_conditional));
        let interrupted = matches!(end, Some(RunEnd::Interrupted { .. }));
        prop_assert_eq!(decision.exit == ExitStatus::Interrupted, interrupted);
    }

    #[test]
    fn a_harness_fault_alone_never_fails_the_candidate(
        results in prop::collection::vec(result(), 26),
        end in end(),
    ) {
        let blameless = |found| match found {
            Some(Outcome::Failed(failure)) => Some(Outcome::Inconclusive(failure)),
            Some(Outcome::Skipped { reason, .. }) => Some(Outcome::Skipped {
                reason,
                consequence: false,
            }),
            other => other,
        };
        let sample = sample(results.into_iter().map(blameless).collect(), end);
        let decision = decide(&sample.report(), Policy::default()).unwrap();
        prop_assert_ne!(decision.verdict, Some(Verdict::Fail));
        prop_assert_ne!(decision.exit, ExitStatus::Fail);
    }

    /// SIGKILL may come at any moment: what is left is always a report, and never a pass.
    #[test]
    fn a_run_that_is_killed_still_has_a_report_and_never_passes(
        results in prop::collection::vec(result(), 26),
        length in 1usize..120,
    ) {
        let mut events = sample(results, None).events();
        events.truncate(length);
        let report = fold(events).unwrap();
        let policy = Policy { allow_conditional: true, ..Policy::default() };
        let decision = decide(&report, policy).unwrap();
        prop_assert_eq!(report.items.len(), 25);
        prop_assert_ne!(decision.exit, ExitStatus::Pass);
    }

    #[test]
    fn a_required_item_that_is_missing_from_a_report_never_passes(
        missing in prop::sample::select(required()),
    ) {
        let mut report = Sample::default().report();
        report.items.retain(|item| item.id != missing);
        let policy = Policy { allow_conditional: true, ..Policy::default() };
        prop_assert!(decide(&report, policy).is_err());
    }

    #[test]
    fn any_mixture_of_status_and_fault_that_is_not_a_clean_pass_is_no_pass(
        at in 0usize..25,
        status in prop::sample::select(vec![
            crate::report::Status::Passed, crate::report::Status::Failed,
            crate::report::Status::Skipped, crate::report::Status::Inconclusive,
        ]),
        fault in prop::sample::select(vec![
            None, Some(crate::report::Fault::Candidate), Some(crate::report::Fault::Harness),
        ]),
    ) {
        let mut report = Sample::default().report();
        report.items[at].status = status;
        report.items[at].fault = fault;
        let clean = status == crate::report::Status::Passed && fault.is_none();
        let (verdict, _) = judge(&report.items, &[], false);
        prop_assert_eq!(verdict == Some(Verdict::Pass), clean);
        let required = report.items[at].checklist == Checklist::Required;
        let good = matches!(verdict, Some(Verdict::Pass | Verdict::Conditional));
        prop_assert!(clean || !required || !good);
    }
}
