//! Each item with what was done and seen.

use std::collections::BTreeMap;

use serde::Serialize;

use super::evidence::{EvidenceView, Segment, segments, view};
use crate::{
    engine::event::StepStatus,
    evidence::{Evidence, Stage, Trail},
    plan::Lang,
    report::{
        ItemReport, RunReport,
        render::{
            text::{line, lines},
            trace::{place, unseen},
            words::{self, say},
        },
        trace::{Place, Seen, Stop, Trace, traces},
    },
    verdict::{Standing, is_selected, standing},
};

/// The items of a phase.
#[derive(Serialize)]
pub struct Group {
    /// Its number; 0 for extended checks.
    phase: u8,
    title: String,
    items: Vec<ItemView>,
}

/// An item.
#[derive(Serialize)]
struct ItemView {
    id: String,
    title: String,
    /// `passed`, `failed`, `skipped`, `unclear`.
    class: &'static str,
    mark: &'static str,
    word: &'static str,
    weight: String,
    took: String,
    allowed: String,
    open: bool,
    trouble: Vec<Told>,
    steps: Vec<StepView>,
    traces: Vec<TraceView>,
    evidence: Vec<EvidenceView>,
}

/// A label with a text.
#[derive(Serialize)]
struct Told {
    label: &'static str,
    /// Whether its lines are to be kept as they are.
    whole: bool,
    text: String,
    parts: Vec<Prose>,
}

/// A part of a text that a person wrote.
#[derive(Serialize)]
pub struct Prose {
    /// Whether it is to be typed.
    command: bool,
    text: String,
}

/// A text of the plan in its paragraphs and its commands, which are indented by four.
pub fn prose(text: &str) -> Vec<Prose> {
    let mut parts: Vec<Prose> = Vec::new();
    let mut fresh = true;
    for line in lines(text).lines() {
        let command = line.starts_with("    ");
        match parts
            .last_mut()
            .filter(|last| !fresh && last.command == command)
        {
            _ if line.trim().is_empty() => {}
            Some(last) => {
                last.text.push(if command { '\n' } else { ' ' });
                last.text.push_str(line.trim());
            }
            None => parts.push(Prose {
                command,
                text: line.trim().to_owned(),
            }),
        }
        fresh = line.trim().is_empty();
    }
    parts
}

#[derive(Serialize)]
struct StepView {
    class: &'static str,
    mark: &'static str,
    word: &'static str,
    text: String,
    at: String,
    took: String,
}

#[derive(Serialize)]
struct TraceView {
    nonce: String,
    stops: Vec<StopView>,
}

#[derive(Serialize)]
struct StopView {
    place: &'static str,
    /// `text`, `change`, `unseen`.
    kind: &'static str,
    text: Vec<Segment>,
    before: String,
    after: String,
    unseen: &'static str,
}

/// What is known of the page so far, so that nothing stands on it twice.
#[derive(Default)]
pub struct Shown {
    /// Where a body stands, by its text: the evidence's id and its label.
    bodies: BTreeMap<String, (String, String)>,
}

impl Shown {
    /// Where this body stands already; noted as standing here where it does not. Short ones are
    /// no burden.
    pub fn before(&mut self, body: &str, id: &str, label: &str) -> Option<(String, String)> {
        if body.len() < 600 {
            return None;
        }
        if let Some(place) = self.bodies.get(body) {
            return Some(place.clone());
        }
        let place = (id.to_owned(), label.to_owned());
        self.bodies.insert(body.to_owned(), place);
        None
    }
}

/// Every item that was chosen, by phase; extended checks last.
pub fn groups(report: &RunReport, lang: Lang) -> Vec<Group> {
    let mut shown = Shown::default();
    let mut groups = Vec::new();
    let mut push = |phase: u8, title: String, items: Vec<&ItemReport>| {
        if !items.is_empty() {
            let items = items.into_iter();
            groups.push(Group {
                phase,
                title,
                items: items.map(|one| item(one, lang, &mut shown)).collect(),
            });
        }
    };
    for phase in &report.phases {
        let chosen = (report.items.iter())
            .filter(|item| item.phase == phase.id && is_selected(item))
            .collect();
        let title = line(phase.title.get(lang));
        push(phase.id, format!("Phase {}: {title}", phase.id), chosen);
    }
    let title = say(lang, "Extended checks", "追加検証").to_owned();
    push(0, title, report.extended.iter().collect());
    groups
}

/// A standing for the page's style, and its mark.
pub fn class(item: &ItemReport) -> (&'static str, &'static str) {
    match standing(item) {
        Standing::Passed => ("passed", "✔"),
        Standing::Failed => ("failed", "✘"),
        Standing::Skipped => ("skipped", "–"),
        Standing::Unclear => ("unclear", "?"),
    }
}

fn item(item: &ItemReport, lang: Lang, shown: &mut Shown) -> ItemView {
    let (class, mark) = class(item);
    let traces = traces(item);
    let decisive = Decisive::of(item, &traces);
    let mut evidence = Vec::new();
    for (one, no) in item.evidence.iter().zip(1_usize..) {
        if is_told(one, &traces) {
            continue;
        }
        evidence.push(view(one, &item.id.to_string(), no, &decisive, lang, shown));
    }
    ItemView {
        id: item.id.to_string(),
        title: line(item.title.get(lang)),
        class,
        mark,
        word: words::standing_word(item, lang),
        weight: words::weight(item, lang),
        took: words::duration(item.duration_ms),
        allowed: match lang {
            Lang::En => format!("the plan allows {} min", item.planned_minutes),
            Lang::Ja => format!("計画：{}分", item.planned_minutes),
        },
        open: matches!(standing(item), Standing::Failed | Standing::Unclear),
        trouble: trouble(item, lang),
        steps: steps(item, lang),
        traces: (traces.iter())
            .map(|trace| trace_view(trace, &decisive, lang))
            .collect(),
        evidence,
    }
}

/// Whether the way of a request tells it already, all of it: an exchange has a body, too.
fn is_told(one: &Evidence, traces: &[Trace<'_>]) -> bool {
    let trail = one
        .trail
        .as_ref()
        .filter(|trail| trail.stage != Stage::Exchange);
    let followed = |trail: &Trail| traces.iter().find(|trace| trace.nonce == trail.nonce);
    let body = one.body.trim_end();
    trail.and_then(followed).is_some_and(|trace| {
        trace.stops.iter().any(|stop| match &stop.seen {
            Some(Seen::Text(text)) => text == body,
            Some(Seen::Change { before, after }) => [before, after]
                .into_iter()
                .flatten()
                .any(|side| side.trim_end() == body),
            None => false,
        })
    })
}

/// What tells a line that decides from those around it.
pub struct Decisive {
    /// Lines that the failure quotes.
    quoted: Vec<String>,
    /// The marks of the requests that are followed.
    marks: Vec<String>,
}

impl Decisive {
    fn of(item: &ItemReport, traces: &[Trace<'_>]) -> Self {
        let seen = item
            .failure
            .as_ref()
            .map_or("", |failure| failure.seen.as_str());
        // Shorter ones are no lines of a log.
        let quoted = seen.lines().map(str::trim).filter(|line| line.len() > 20);
        Self {
            quoted: quoted.map(str::to_owned).collect(),
            marks: traces
                .iter()
                .map(|trace| format!("{}={}", crate::probe::NONCE, trace.nonce))
                .collect(),
        }
    }

    /// Whether a line is one.
    pub fn is(&self, line: &str) -> bool {
        self.is_quoted(line) || self.marks.iter().any(|mark| line.contains(mark.as_str()))
    }

    /// Whether the failure quotes it.
    fn is_quoted(&self, line: &str) -> bool {
        self.quoted
            .iter()
            .any(|quoted| line.contains(quoted.as_str()))
    }
}

/// What did not come out, why it matters and what to do.
fn trouble(item: &ItemReport, lang: Lang) -> Vec<Told> {
    let mut told = Vec::new();
    let mut tell = |label, whole, text: String| {
        let parts = if whole { Vec::new() } else { prose(&text) };
        told.push(Told {
            label,
            whole,
            text,
            parts,
        });
    };
    let next = say(lang, "What to do next", "対応");
    match (&item.failure, standing(item)) {
        (_, Standing::Passed) => {}
        (None, now) => {
            tell(
                say(lang, "Reason", "理由"),
                false,
                line(&words::reason(item, lang)),
            );
            if now == Standing::Unclear {
                tell(next, false, words::rerun_advice(lang).to_owned());
            }
        }
        (Some(failure), now) => {
            tell(
                say(lang, "What was done", "実施内容"),
                false,
                line(&failure.did),
            );
            tell(
                say(lang, "Expected", "期待結果"),
                false,
                line(&failure.expected),
            );
            tell(
                say(lang, "Seen", "実際の結果"),
                true,
                lines(&failure.seen).trim_end().to_owned(),
            );
            if now == Standing::Failed {
                tell(
                    say(lang, "Why it matters", "重要性"),
                    false,
                    item.why.get(lang).to_owned(),
                );
                tell(next, false, item.remedy.get(lang).to_owned());
            } else {
                tell(next, false, words::rerun_advice(lang).to_owned());
            }
        }
    }
    told
}

fn steps(item: &ItemReport, lang: Lang) -> Vec<StepView> {
    let view = |step: &crate::engine::event::StepRecord| {
        let (class, mark, word) = match step.status {
            StepStatus::Passed => ("passed", "✔", say(lang, "passed", "成功")),
            StepStatus::Failed => ("failed", "✘", say(lang, "failed", "失敗")),
            StepStatus::Skipped => ("skipped", "–", say(lang, "skipped", "スキップ")),
        };
        StepView {
            class,
            mark,
            word,
            text: line(&step.text),
            at: line(&step.at),
            took: format!("{:.1} ms", step.duration_ms),
        }
    };
    item.steps.iter().map(view).collect()
}

fn trace_view(trace: &Trace<'_>, decisive: &Decisive, lang: Lang) -> TraceView {
    let stop = |stop: &Stop| {
        let clean = |text: &Option<String>| text.as_deref().map(lines).unwrap_or_default();
        let name = place(stop.place, lang);
        let (kind, text, before, after) = match &stop.seen {
            None => ("unseen", Vec::new(), String::new(), String::new()),
            Some(Seen::Text(text)) => (
                "text",
                stop_text(stop.place, text, decisive),
                String::new(),
                String::new(),
            ),
            Some(Seen::Change { before, after }) => {
                ("change", Vec::new(), clean(before), clean(after))
            }
        };
        StopView {
            place: name,
            kind,
            text,
            before,
            after,
            unseen: unseen(stop.place, lang),
        }
    };
    TraceView {
        nonce: line(trace.nonce),
        stops: trace.stops.iter().map(stop).collect(),
    }
}

/// What was seen at a place, without the body of an answer, which stands with the evidence.
fn stop_text(place: Place, text: &str, decisive: &Decisive) -> Vec<Segment> {
    let user = |line: &str| line.to_ascii_lowercase().starts_with("x-litellm-user");
    match place {
        Place::Answer => {
            let head = text.split("\n\n").next().unwrap_or_default();
            segments(&lines(head), |_| false)
        }
        Place::Upstream => segments(&lines(text), user),
        Place::Lua => segments(&lines(text), |line| decisive.is_quoted(line)),
        _ => segments(&lines(text), |_| false),
    }
}
