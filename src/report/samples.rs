//! Reports made from events, for the tests of whatever reads or judges reports.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Component, FileRef, RunInfo, RunReport};
use crate::{
    engine::event::{Failure, Outcome, RunEnd, RunEvent, StepRecord, StepStatus},
    evidence::{Evidence, EvidenceKind},
    plan::{ItemId, ItemPattern, Phase, Rule, Sign, Text},
    verdict::fold,
};

/// `features/plan.yaml`, read the way that its loader does.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanFile {
    pub title: Text,
    pub version: String,
    pub phases: Vec<Phase>,
    #[allow(dead_code)] // no part of a report
    pub rollback_proof: Vec<ItemId>,
    /// A sample has those that it asks for.
    #[allow(dead_code)]
    pub extended: Phase,
}

pub fn plan_file() -> PlanFile {
    serde_saphyr::from_str(include_str!("../../features/plan.yaml")).unwrap()
}

pub fn id(text: &str) -> ItemId {
    text.parse().unwrap()
}

/// How long each item takes.
const ITEM_MS: f64 = 12.25;

/// A run of the plan: every item chosen and passed unless said otherwise.
pub struct Sample {
    pub run: RunInfo,
    pub phases: Vec<Phase>,
    pub selected: Vec<ItemId>,
    pub rules: Vec<Rule>,
    /// Items that do not pass; `None`: without an end.
    pub outcomes: BTreeMap<ItemId, Option<Outcome>>,
    pub end: Option<RunEnd>,
}

impl Default for Sample {
    fn default() -> Self {
        let plan = plan_file();
        let items = plan.phases.iter().flat_map(|phase| &phase.items);
        Self {
            run: run_info(plan.title.clone()),
            selected: items.map(|item| item.id).collect(),
            phases: plan.phases,
            rules: Vec::new(),
            outcomes: BTreeMap::new(),
            end: Some(RunEnd::Completed),
        }
    }
}

impl Sample {
    pub fn with(mut self, item: &str, outcome: Outcome) -> Self {
        self.outcomes.insert(id(item), Some(outcome));
        self
    }

    pub fn without_end(mut self, item: &str) -> Self {
        self.outcomes.insert(id(item), None);
        self
    }

    pub fn only(mut self, items: &[&str]) -> Self {
        self.selected = items.iter().map(|item| id(item)).collect();
        self.run.partial = true;
        self
    }

    pub fn ended(mut self, end: Option<RunEnd>) -> Self {
        self.end = end;
        self
    }

    /// Adds an extended check, chosen.
    pub fn extended(mut self, item: &str) -> Self {
        let mut check = self.phases[6].items[1].clone();
        check.id = id(item);
        check.title = text("Query string kept through the login", "クエリ文字列の保持");
        check.done = None;
        self.phases.push(Phase {
            no: 0,
            title: text("Extended", "追加検証"),
            feature: "extended.feature".to_owned(),
            items: vec![check],
        });
        self.selected.push(id(item));
        self
    }

    pub fn events(&self) -> Vec<RunEvent> {
        let mut events = vec![
            RunEvent::RunStarted {
                run: Box::new(self.run.clone()),
                phases: self.phases.clone(),
                selected: self.selected.clone(),
                rules: self.rules.clone(),
            },
            component("gateway", "nginx", "1.26.3", true),
            component("auth", "oauth2-proxy", "7.15.3", true),
            component("redis", "redis-server", "8.0.2", true),
            component("upstream", "mock LiteLLM", "0.1.0", false),
            component("idp", "mock Auth0", "0.1.0", false),
            RunEvent::StackUp {
                duration_ms: 71.0,
                at_ms: Some(83.0),
            },
        ];
        for (item, place) in self.selected.iter().zip(0_u32..) {
            // One after the other, each when the one before is over.
            let at_ms = 85.0 + f64::from(place) * ITEM_MS;
            let outcome = self.outcomes.get(item).cloned();
            self.item_events(
                *item,
                at_ms,
                outcome.unwrap_or(Some(Outcome::Passed)),
                &mut events,
            );
        }
        if let Some(end) = self.end.clone() {
            events.push(RunEvent::RunFinished {
                duration_ms: 1234.5,
                end,
            });
        }
        events
    }

    pub fn report(&self) -> RunReport {
        fold(self.events()).unwrap()
    }

    fn item_events(
        &self,
        item: ItemId,
        at_ms: f64,
        outcome: Option<Outcome>,
        events: &mut Vec<RunEvent>,
    ) {
        if !matches!(outcome, Some(Outcome::Skipped { .. })) {
            events.push(RunEvent::ItemStarted {
                item,
                at_ms: Some(at_ms),
            });
            ran(item, outcome.as_ref(), events);
        }
        if let Some(outcome) = outcome {
            events.push(RunEvent::ItemFinished {
                item,
                outcome,
                duration_ms: ITEM_MS,
            });
        }
    }
}

fn ran(item: ItemId, outcome: Option<&Outcome>, events: &mut Vec<RunEvent>) {
    events.push(RunEvent::StepStarted {
        item,
        text: "When the item is looked at".to_owned(),
    });
    let status = match outcome {
        None => return,
        Some(Outcome::Passed) => StepStatus::Passed,
        Some(_) => StepStatus::Failed,
    };
    events.push(RunEvent::StepFinished {
        item,
        step: StepRecord {
            text: "When the item is looked at".to_owned(),
            at: "phase.feature:7".to_owned(),
            status,
            duration_ms: 3.5,
        },
    });
    events.push(RunEvent::EvidenceSeen {
        item,
        evidence: Evidence {
            kind: EvidenceKind::Log,
            title: "gateway log".to_owned(),
            body: "[info] Tracking user: alice@example.com [Default]\n```\nnot the end".to_owned(),
            image: None,
            trail: None,
            figures: None,
        },
    });
}

pub fn run_info(plan: Text) -> RunInfo {
    RunInfo {
        id: "20251108-101500-1a2b".to_owned(),
        started_at: "2025-11-08T10:15:00+09:00".to_owned(),
        duration_ms: 0.0,
        partial: false,
        stack: "sandbox".to_owned(),
        components: Vec::new(),
        candidate: file("fixtures/gateway/nginx_v11.1.conf", 'c'),
        baseline: file("fixtures/gateway/nginx_v10.conf", 'b'),
        profile: "plan".to_owned(),
        command: vec![
            "verify".to_owned(),
            "--candidate".to_owned(),
            "my nginx.conf".to_owned(),
        ],
        allow_conditional: false,
        end: None,
        plan,
        stack_up: None,
        inputs: Vec::new(),
        sources: Vec::new(),
        verify: None,
        host: None,
    }
}

fn file(path: &str, digit: char) -> FileRef {
    FileRef {
        path: path.into(),
        sha256: digit.to_string().repeat(64),
    }
}

fn component(service: &str, program: &str, version: &str, real: bool) -> RunEvent {
    RunEvent::Component(Component {
        sha256: None,
        service: service.to_owned(),
        program: program.to_owned(),
        version: version.to_owned(),
        real,
        image: None,
    })
}

fn text(en: &str, ja: &str) -> Text {
    Text {
        en: en.to_owned(),
        ja: ja.to_owned(),
    }
}

/// A wrong context label, as the candidate's failure.
pub fn mislabelled() -> Outcome {
    Outcome::Failed(Failure {
        did: "GET /v1/internal/info?verify=7f3a with the session of alice@example.com".to_owned(),
        expected: "exactly one line `Tracking user: <email> [MCP/Internal]` for this request"
            .to_owned(),
        seen: "2025/11/08 10:15:00 [info] 42#42: *7 Tracking user: alice@example.com [MCP|Int]\n\
               2025/11/08 10:15:00 [info] 42#42: *7 User tracking success: alice@example.com"
            .to_owned(),
        code: "tracking.wrong-context".to_owned(),
        facts: [("context".to_owned(), "MCP|Int".to_owned())].into(),
    })
}

/// A measurement too noisy to tell.
pub fn noisy() -> Outcome {
    Outcome::Inconclusive(Failure {
        did: "measured GET /health of v10 and v11.1, 40 blocks each".to_owned(),
        expected: "an interval of the ratio narrower than the margin of 10 %".to_owned(),
        seen: "ratio 1.02, interval 0.81 to 1.31".to_owned(),
        ..Failure::default()
    })
}

pub fn skipped(reason: &str) -> Outcome {
    Outcome::Skipped {
        reason: reason.to_owned(),
        consequence: false,
    }
}

/// What could not run because the candidate fails what it needs.
pub fn follows(reason: &str) -> Outcome {
    Outcome::Skipped {
        reason: reason.to_owned(),
        consequence: true,
    }
}

/// A rule that knows [`mislabelled`] in phase 3.
pub fn label_rule() -> Rule {
    Rule {
        id: "label".to_owned(),
        cause: text(
            "a location tracks under a label that the plan does not have",
            "計画にない context で追跡している location があります",
        ),
        remedy: text(
            "Mend the second argument of `track_user` in that location.",
            "該当する location の `track_user` の第2引数を修正します。",
        ),
        look: vec!["grep -n 'track_user(' nginx.conf".to_owned()],
        when: vec![Sign {
            items: vec![ItemPattern::Phase(Some(3))],
            says: Some(r"\[MCP\|Int\]".to_owned()),
            ..Sign::default()
        }],
        unless: Vec::new(),
        explains: vec![ItemPattern::Phase(Some(3))],
    }
}

pub fn pass() -> RunReport {
    Sample::default().report()
}

pub fn conditional() -> RunReport {
    Sample::default()
        .with("7.2", noisy())
        .with("6.3", mislabelled())
        .report()
}

/// The candidate's failure, with text in what was seen that must not reach a terminal.
pub fn fail() -> RunReport {
    let hostile = Outcome::Failed(Failure {
        did: "sent five requests, then 20 at once".to_owned(),
        expected: "the set of contexts is exactly the five of the plan".to_owned(),
        seen:
            "\u{1b}[2J\u{1b}[31mcontext [MCP|Int] is not in the plan\u{7}\n```\n| a | table |\n```"
                .to_owned(),
        ..Failure::default()
    });
    let sample = Sample {
        rules: vec![label_rule()],
        ..Sample::default()
    };
    sample
        .with("3.1", mislabelled())
        .with("3.6", hostile)
        .with("7.2", skipped("left out by --quick"))
        .report()
}

pub fn inconclusive() -> RunReport {
    let died = Outcome::Inconclusive(Failure {
        did: "GET active_user:alice@example.com".to_owned(),
        expected: "an answer from Redis".to_owned(),
        seen: "connection refused (127.0.0.1:6379)".to_owned(),
        ..Failure::default()
    });
    let mut sample = Sample::default().with("4.2", died).without_end("4.4");
    for item in ["5.1", "5.2", "6.1", "6.2", "6.3", "6.4", "7.1", "7.2"] {
        sample = sample.without_end(item);
    }
    let end = RunEnd::Broken {
        reason: "redis exited with signal 9 in the middle of the run".to_owned(),
    };
    sample.ended(Some(end)).report()
}

pub fn partial() -> RunReport {
    let phase_3 = ["3.1", "3.2", "3.3", "3.4", "3.5", "3.6"];
    Sample::default().only(&phase_3).report()
}
