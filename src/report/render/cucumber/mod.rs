//! Cucumber Messages: one JSON envelope a line, as formatters of Cucumber read them.
//!
//! A report has no feature files, so the messages bring their own: one feature a phase, written
//! from the items and their steps. Where a step really stands is in the message of its failure.

use serde_json::{Value, json};

mod feature;

use self::feature::{Feature, Scenario, feature};
use crate::{
    engine::event::StepStatus,
    gate::ExitStatus,
    report::{
        text::json_escaped,
        view::{Evidence, Group, Item, LIMIT, View, bounded},
    },
    verdict::Outcome,
};

/// The version of the messages that these are.
const PROTOCOL: &str = "34.2.1";
/// The run's id among the messages.
const RUN: &str = "run";

/// The report as Cucumber Messages.
#[must_use]
pub fn cucumber_messages(view: &View<'_>) -> String {
    let product = |name: &str| json!({"name": name});
    let start = i128::from(view.started_ms());
    let mut writer = Writer {
        lines: String::new(),
        now: Clock::after(start, 0.0),
    };
    writer.envelope(
        "meta",
        json!({
            "protocolVersion": PROTOCOL,
            "implementation": {"name": "verify", "version": env!("CARGO_PKG_VERSION")},
            "runtime": product(&view.run.stack),
            "os": product("linux"),
            "cpu": product("unknown"),
        }),
    );
    let features: Vec<Feature> = view.groups.iter().map(|it| feature(it, view.t)).collect();
    let mut phases = Vec::with_capacity(features.len());
    for feature in features {
        writer.envelope("source", feature.source);
        writer.envelope("gherkinDocument", feature.document);
        for pickle in feature.pickles {
            writer.envelope("pickle", pickle);
        }
        phases.push(feature.scenarios);
    }
    let now = writer.now.timestamp();
    writer.envelope("testRunStarted", json!({"id": RUN, "timestamp": now}));
    for (group, scenarios) in view.groups.iter().zip(&phases) {
        writer.group(group, scenarios);
    }
    let end = Clock::after(start, view.report.run.duration_ms);
    writer.envelope(
        "testRunFinished",
        json!({
            "testRunStartedId": RUN,
            "success": view.decision.exit == ExitStatus::Pass,
            "message": view.decision.name_for_programs,
            "timestamp": end.max(writer.now).timestamp(),
        }),
    );
    writer.lines
}

struct Writer {
    lines: String,
    now: Clock,
}

impl Writer {
    fn envelope(&mut self, kind: &str, body: Value) {
        // Moved and not copied, as `json!` would: a document may be most of the report.
        let envelope = Value::Object([(kind.to_owned(), body)].into_iter().collect());
        self.lines.push_str(&json_escaped(envelope.to_string()));
        self.lines.push('\n');
    }

    fn group(&mut self, group: &Group, scenarios: &[Scenario]) {
        for (item, scenario) in group.items.iter().zip(scenarios) {
            let case = format!("case-{}", item.id);
            let steps: Vec<Value> = scenario
                .steps
                .iter()
                .map(|step| {
                    json!({
                        "id": step.test,
                        "pickleStepId": step.pickle,
                        "stepDefinitionIds": ["verify"],
                        "stepMatchArgumentsLists": [],
                    })
                })
                .collect();
            self.envelope(
                "testCase",
                json!({
                    "id": case,
                    "pickleId": scenario.pickle,
                    "testSteps": steps,
                    "testRunStartedId": RUN,
                }),
            );
        }
        for (item, scenario) in group.items.iter().zip(scenarios) {
            self.case(item, scenario);
        }
    }

    fn case(&mut self, item: &Item, scenario: &Scenario) {
        let started = format!("attempt-{}", item.id);
        let now = self.now.timestamp();
        self.envelope(
            "testCaseStarted",
            json!({
                "attempt": 0,
                "id": started,
                "testCaseId": format!("case-{}", item.id),
                "timestamp": now,
            }),
        );
        let telling = scenario.telling();
        for (step, no) in scenario.steps.iter().zip(0..) {
            let now = self.now.timestamp();
            self.envelope(
                "testStepStarted",
                json!({"testCaseStartedId": started, "testStepId": step.test, "timestamp": now}),
            );
            let here = Some(no) == telling;
            if here {
                for piece in &item.evidence {
                    self.attachment(piece, &started, &step.test);
                }
            }
            let mut result = json!({
                "duration": span(step.duration_ms),
                "status": status(step.status, item.outcome),
            });
            if here && item.outcome != Outcome::Passed {
                result["message"] = item.details().into();
            }
            self.now = self.now.plus(step.duration_ms);
            let now = self.now.timestamp();
            self.envelope(
                "testStepFinished",
                json!({
                    "testCaseStartedId": started,
                    "testStepId": step.test,
                    "testStepResult": result,
                    "timestamp": now,
                }),
            );
        }
        let now = self.now.timestamp();
        self.envelope(
            "testCaseFinished",
            json!({"testCaseStartedId": started, "timestamp": now, "willBeRetried": false}),
        );
    }

    fn attachment(&mut self, piece: &Evidence, case: &str, step: &str) {
        let title = piece.name();
        let mut attach = |body: String, encoding: &str, media_type: &str| {
            self.envelope(
                "attachment",
                json!({
                    "body": body,
                    "contentEncoding": encoding,
                    "fileName": title,
                    "mediaType": media_type,
                    "testCaseStartedId": case,
                    "testStepId": step,
                }),
            );
        };
        attach(bounded(&piece.body, LIMIT), "IDENTITY", "text/plain");
        if let Some(image) = &piece.picture {
            attach(image.data.clone(), "BASE64", &image.media_type);
        }
    }
}

/// What is inconclusive is `PENDING`: `UNKNOWN` would not keep a scenario from passing.
fn status(step: StepStatus, item: Outcome) -> &'static str {
    match (step, item) {
        (StepStatus::Passed, _) => "PASSED",
        (StepStatus::Skipped, _) | (_, Outcome::Skipped | Outcome::NotSelected) => "SKIPPED",
        (StepStatus::Failed, Outcome::Inconclusive) => "PENDING",
        (StepStatus::Failed, _) => "FAILED",
    }
}

/// A time, in nanoseconds since 1970. Of each step the report has how long it took, so the items
/// are laid one after another.
#[derive(Clone, Copy, Eq, Ord, PartialEq, PartialOrd)]
struct Clock(i128);

const NANOS: i128 = 1_000_000_000;

impl Clock {
    fn after(start_ms: i128, ms: f64) -> Self {
        Self(start_ms * 1_000_000).plus(ms)
    }

    #[allow(clippy::cast_possible_truncation)] // saturates
    fn plus(self, ms: f64) -> Self {
        Self(self.0 + (ms.max(0.0) * 1e6).round() as i128)
    }

    fn timestamp(self) -> Value {
        let seconds = i64::try_from(self.0.div_euclid(NANOS)).unwrap_or_default();
        let nanos = i64::try_from(self.0.rem_euclid(NANOS)).unwrap_or_default();
        json!({"seconds": seconds, "nanos": nanos})
    }
}

fn span(ms: f64) -> Value {
    Clock(0).plus(ms).timestamp()
}
