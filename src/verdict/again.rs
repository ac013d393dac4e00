//! What is worth running again.

use crate::{
    model::outcome::Outcome,
    plan::ItemId,
    report::{ItemReport, RunReport},
};

/// The items of a run that are open: chosen, and failed, or without a result, or skipped because
/// of what was seen on the way. What was left out before it began (`--quick`) is not: it would be
/// left out again.
#[must_use]
pub fn run_again(report: &RunReport) -> Vec<ItemId> {
    let open = |item: &&ItemReport| match item.outcome() {
        Outcome::Passed | Outcome::NotSelected => false,
        Outcome::Failed | Outcome::Inconclusive => true,
        Outcome::Skipped => !item.steps.is_empty(),
    };
    let open = report.all_items().filter(open);
    open.map(|item| item.id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        engine::event::{RunEvent, StepRecord, StepStatus},
        report::samples::{self, Sample, id, mislabelled, noisy, skipped},
        verdict::fold,
    };

    /// A run in which 4.4 began and was then skipped.
    fn skipped_on_the_way(sample: &Sample) -> RunReport {
        let mut events = sample.events();
        let over = |event: &RunEvent| matches!(event, RunEvent::ItemFinished { item, .. } if *item == id("4.4"));
        let at = events.iter().position(over).unwrap();
        let began = Sample::default().only(&["4.4"]).events();
        let started = began
            .into_iter()
            .find(|event| matches!(event, RunEvent::ItemStarted { .. }));
        let step = RunEvent::StepFinished {
            item: id("4.4"),
            step: StepRecord {
                text: "Given a token".to_owned(),
                at: "phase4.feature:40".to_owned(),
                status: StepStatus::Failed,
                duration_ms: 1.0,
            },
        };
        events.splice(at..at, [started.unwrap(), step]);
        fold(events).unwrap()
    }

    #[test]
    fn what_failed_could_not_tell_or_was_stopped_on_the_way_is_run_again() {
        let sample = Sample::default()
            .extended("X.1")
            .with("3.1", mislabelled())
            .with(
                "4.4",
                skipped("a token is needed, and generating one fails"),
            )
            .with("7.1", noisy())
            .with("7.2", skipped("left out by --quick"))
            .with("X.1", mislabelled());
        let again = run_again(&skipped_on_the_way(&sample));
        assert_eq!(again, [id("3.1"), id("4.4"), id("7.1"), id("X.1")]);
    }

    #[test]
    fn what_a_run_that_broke_off_did_not_reach_is_run_again() {
        let again = run_again(&samples::inconclusive());
        let open = [
            "4.2", "4.4", "5.1", "5.2", "6.1", "6.2", "6.3", "6.4", "7.1", "7.2",
        ];
        assert_eq!(again, open.map(id));
    }

    #[test]
    fn what_passed_or_was_not_chosen_is_not() {
        assert_eq!(run_again(&samples::pass()), []);
        assert_eq!(run_again(&samples::partial()), []);
    }
}
