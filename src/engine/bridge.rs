//! Between cucumber and the run's events: which item runs, which step, and how it ended.

use std::{sync::Arc, time::SystemTime};

use cucumber::{
    Event, Writer, cli,
    event::{Cucumber, Feature, Scenario, Step, StepError as CucumberError},
    gherkin, parser, writer,
};

use crate::{
    model::event::{Failure, Outcome, RunEvent, StepRecord, StepStatus},
    plan::ItemId,
    steps::{
        recheck::Deferred,
        run::Run,
        world::{StepError, World},
    },
};

/// The item that a scenario encodes, by its tag.
#[must_use]
pub fn item_of(scenario: &gherkin::Scenario) -> Option<ItemId> {
    scenario.tags.iter().find_map(|tag| {
        tag.trim_start_matches('@')
            .strip_prefix("item-")?
            .parse()
            .ok()
    })
}

/// Tells cucumber's events as the run's.
pub struct Bridge {
    run: Arc<Run>,
    current: Option<Current>,
    deferred: Vec<Deferred>,
    /// When the event that is handled happened: it may be handled a little later.
    now: SystemTime,
}

struct Current {
    item: ItemId,
    feature: String,
    started: SystemTime,
    step_started: SystemTime,
    /// How many steps were recorded.
    recorded: usize,
    passed: usize,
    outcome: Option<Outcome>,
}

impl Bridge {
    #[must_use]
    pub fn new(run: Arc<Run>) -> Self {
        Self {
            run,
            current: None,
            deferred: Vec::new(),
            now: SystemTime::now(),
        }
    }

    /// The items whose end is still open.
    #[must_use]
    pub fn deferred(self) -> Vec<Deferred> {
        self.deferred
    }

    fn scenario(
        &mut self,
        feature: &gherkin::Feature,
        scenario: &gherkin::Scenario,
        event: Scenario<World>,
    ) {
        match event {
            Scenario::Started => self.start(feature, scenario),
            Scenario::Background(step, event) | Scenario::Step(step, event) => {
                self.step(&step, event)
            }
            Scenario::Hook(_, cucumber::event::Hook::Failed(_, info)) => self.end(panicked(&*info)),
            Scenario::Finished => self.finish(feature, scenario),
            Scenario::Hook(..) | Scenario::Log(_) => {}
        }
    }

    fn start(&mut self, feature: &gherkin::Feature, scenario: &gherkin::Scenario) {
        let Some(item) = item_of(scenario) else {
            return;
        };
        let file = feature.path.as_deref().and_then(|path| path.file_name());
        self.current = Some(Current {
            item,
            feature: file
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default(),
            started: self.now,
            step_started: self.now,
            recorded: 0,
            passed: 0,
            outcome: None,
        });
    }

    fn step(&mut self, step: &gherkin::Step, event: Step<World>) {
        let Some(current) = &mut self.current else {
            return;
        };
        let status = match event {
            Step::Started => {
                current.step_started = self.now;
                let (item, text) = (current.item, self.run.recorder.redact(&text(step)));
                return self
                    .run
                    .recorder
                    .tell(&RunEvent::StepStarted { item, text });
            }
            Step::Passed(..) => {
                current.passed += 1;
                StepStatus::Passed
            }
            Step::Skipped => {
                let outcome = undefined(step, "no step definition matches");
                self.end(outcome);
                StepStatus::Failed
            }
            Step::Failed(_, _, _, error) => {
                let outcome = match error {
                    CucumberError::NotFound => undefined(step, "no step definition matches"),
                    CucumberError::AmbiguousMatch(_) => {
                        undefined(step, "more than one step definition matches")
                    }
                    CucumberError::Panic(info) => panicked(&*info),
                };
                self.end(outcome);
                StepStatus::Failed
            }
        };
        self.record(step, status);
    }

    fn record(&mut self, step: &gherkin::Step, status: StepStatus) {
        let Some(current) = &mut self.current else {
            return;
        };
        current.recorded += 1;
        let ran = status != StepStatus::Skipped;
        let step = StepRecord {
            text: self.run.recorder.redact(&text(step)),
            at: format!("{}:{}", current.feature, step.position.line),
            status,
            duration_ms: if ran {
                ms(current.step_started, self.now)
            } else {
                0.0
            },
        };
        self.run.recorder.tell(&RunEvent::StepFinished {
            item: current.item,
            step,
        });
    }

    fn end(&mut self, outcome: Outcome) {
        if let Some(current) = &mut self.current {
            current.outcome.get_or_insert(outcome);
        }
    }

    fn finish(&mut self, feature: &gherkin::Feature, scenario: &gherkin::Scenario) {
        let steps: Vec<&gherkin::Step> = feature
            .background
            .iter()
            .flat_map(|background| &background.steps)
            .chain(&scenario.steps)
            .collect();
        let recorded = self.current.as_ref().map_or(0, |current| current.recorded);
        for step in steps.iter().skip(recorded) {
            self.record(step, StepStatus::Skipped);
        }
        let Some(current) = self.current.take() else {
            return;
        };
        let duration_ms = ms(current.started, self.now);
        // A scenario passes when every one of its steps did, and not because none failed.
        let outcome = current.outcome.unwrap_or_else(|| {
            if current.passed == steps.len() && !steps.is_empty() {
                Outcome::Passed
            } else {
                Outcome::Inconclusive(Failure {
                    code: "harness.scenario".to_owned(),
                    did: "run the scenario".to_owned(),
                    expected: format!("{} steps to pass", steps.len()),
                    seen: format!("{} passed, and none failed", current.passed),
                    ..Failure::default()
                })
            }
        });
        let again = self
            .run
            .notes()
            .revoked
            .iter()
            .any(|(item, _)| *item == current.item);
        if outcome == Outcome::Passed && again {
            self.deferred.push(Deferred {
                item: current.item,
                duration_ms,
            });
        } else {
            self.run.finish_item(current.item, outcome, duration_ms);
        }
    }
}

/// Milliseconds between two moments; 0 where the clock was set back in between.
fn ms(from: SystemTime, to: SystemTime) -> f64 {
    to.duration_since(from).unwrap_or_default().as_secs_f64() * 1e3
}

fn text(step: &gherkin::Step) -> String {
    format!("{}{}", step.keyword, step.value)
}

fn undefined(step: &gherkin::Step, why: &str) -> Outcome {
    Outcome::Inconclusive(Failure {
        code: "harness.step".to_owned(),
        did: text(step),
        expected: "exactly one step definition".to_owned(),
        seen: why.to_owned(),
        ..Failure::default()
    })
}

/// What a step threw: its own error, or a defect of this program.
fn panicked(info: &(dyn std::any::Any + Send)) -> Outcome {
    match info.downcast_ref::<StepError>() {
        Some(error) => error.clone().into(),
        None => {
            let seen = info
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| info.downcast_ref::<&str>().copied())
                .unwrap_or("(nothing said)");
            Outcome::Inconclusive(Failure {
                code: "harness.defect".to_owned(),
                did: "run a step".to_owned(),
                expected: "that it ends by itself".to_owned(),
                seen: format!("a defect of verify: {seen}"),
                ..Failure::default()
            })
        }
    }
}

impl From<StepError> for Outcome {
    fn from(error: StepError) -> Self {
        match error {
            StepError::Candidate(failure) => Self::Failed(failure),
            StepError::Harness(failure) => Self::Inconclusive(failure),
            StepError::Consequence(reason) => Self::Skipped {
                reason,
                consequence: true,
            },
            StepError::Skip(reason) => Self::Skipped {
                reason,
                consequence: false,
            },
        }
    }
}

impl Writer<World> for Bridge {
    type Cli = cli::Empty;

    async fn handle_event(&mut self, event: parser::Result<Event<Cucumber<World>>>, _: &Self::Cli) {
        // A feature that cannot be parsed was refused before the run: nothing is lost here.
        let Ok(Event {
            value: Cucumber::Feature(feature, event),
            at,
            ..
        }) = event
        else {
            return;
        };
        if let Feature::Scenario(scenario, event) = event {
            self.now = at;
            self.scenario(&feature, &scenario, event.event);
        }
    }
}

/// One scenario runs at a time, so its events come in order.
impl writer::Normalized for Bridge {}
