//! The items with what was done and seen.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::plot::{Plot, plot};
use crate::{
    engine::event::{self, StepStatus},
    evidence::{self, EvidenceKind, Image, Stage, Trail},
    plan::{ItemId, Lang},
    report::{
        ItemReport, RunReport, Status, conditions,
        text::{line, lines},
        trace::{Place, Seen, Trace, halves, traces},
        words::{self, fill},
    },
    verdict::{NOT_SELECTED, Outcome},
};

/// The longest text that a format for programs has in one place, in bytes; `report.json` has all
/// of it.
pub const LIMIT: usize = 32 * 1024;

/// Items that belong together.
#[derive(Serialize)]
pub struct Group {
    /// The phase's number; 0 for the extended checks.
    pub phase: u8,
    pub title: String,
    pub items: Vec<Item>,
}

#[derive(Serialize)]
pub struct Item {
    #[serde(skip)]
    pub item: ItemId,
    #[serde(skip)]
    pub outcome: Outcome,
    /// As the report states it.
    #[serde(skip)]
    pub status: Status,
    #[serde(skip)]
    pub lang: Lang,
    pub id: String,
    pub title: String,
    /// The outcome's name for programs.
    pub class: &'static str,
    pub mark: &'static str,
    pub sign: &'static str,
    pub word: &'static str,
    /// ` (required)`
    pub weight: String,
    #[serde(skip)]
    pub weight_for_programs: &'static str,
    #[serde(skip)]
    pub duration_ms: f64,
    pub took: String,
    pub took_of: String,
    pub allowed: String,
    /// Failed or inconclusive.
    pub problem: bool,
    /// Why it did not pass, in one line; empty where it did.
    pub reason: String,
    pub failure: Option<Failure>,
    /// Why it matters, and what to do: where it failed.
    pub why: String,
    pub next: String,
    pub steps: Vec<Step>,
    pub traces: Vec<TraceView>,
    pub evidence: Vec<Evidence>,
}

/// What was done, expected and seen.
#[derive(Clone, Eq, PartialEq, Serialize)]
pub struct Failure {
    /// The code of the check; empty where the report has none.
    pub code: String,
    /// What must hold, where the language has it.
    pub condition: &'static str,
    pub did: String,
    pub expected: String,
    pub seen: String,
}

#[derive(Serialize)]
pub struct Step {
    #[serde(skip)]
    pub status: StepStatus,
    pub class: &'static str,
    pub mark: &'static str,
    pub sign: &'static str,
    pub word: &'static str,
    pub text: String,
    /// FILE:LINE of the plan.
    pub at: String,
    #[serde(skip)]
    pub duration_ms: f64,
    pub took: String,
}

/// The trace of one request.
#[derive(Serialize)]
pub struct TraceView {
    pub nonce: String,
    pub stops: Vec<Stop>,
}

/// A place on a request's way, with what was seen there; both are empty where nothing was.
#[derive(Serialize)]
pub struct Stop {
    pub place: &'static str,
    pub unseen: &'static str,
    /// A text, its lines that decide apart.
    pub text: Vec<Segment>,
    /// A value as it was and as it became, each with its label.
    pub change: Vec<(&'static str, String)>,
}

#[derive(Serialize)]
pub struct Evidence {
    pub id: String,
    #[serde(skip)]
    pub is_remark: bool,
    pub kind: &'static str,
    pub title: String,
    /// All of it.
    pub body: String,
    /// Whether a trace has all of it.
    pub in_trace: bool,
    /// Where the same body is already: its id and label.
    pub same: Option<(String, String)>,
    /// What was asked, where it is an exchange.
    pub request: String,
    /// The body but for the request, the lines that decide apart.
    pub parts: Vec<Segment>,
    #[serde(skip)]
    pub picture: Option<Image>,
    /// The picture as the address of its own bytes.
    pub image: Option<String>,
    pub plot: Option<Plot>,
}

/// Lines that belong together.
#[derive(Serialize)]
pub struct Segment {
    pub decisive: bool,
    pub text: String,
}

/// The phases of which something was selected; the extended checks last.
pub fn groups(report: &RunReport, lang: Lang) -> Vec<Group> {
    let mut bodies = Bodies::default();
    let mut group = |phase: u8, title: String, items: &[ItemReport]| Group {
        phase,
        title,
        items: (items.iter())
            .filter(|item| item.phase == phase && item.outcome().is_selected())
            .map(|it| item(it, lang, &mut bodies))
            .collect(),
    };
    // A report that names a phase again has no more items for that.
    let mut known = BTreeSet::new();
    let phases = report.phases.iter().filter(|phase| known.insert(phase.id));
    let mut groups: Vec<Group> = phases
        .map(|phase| {
            let title = phase_heading(phase.id, &line(phase.title.get(lang)));
            group(phase.id, title, &report.items)
        })
        .collect();
    let title = words::words(lang).extended_checks.to_owned();
    groups.push(group(0, title, &report.extended));
    groups.retain(|group| !group.items.is_empty());
    groups
}

/// `Phase 3: User tracking`
pub fn phase_heading(no: u8, title: &str) -> String {
    format!("Phase {no}: {title}")
}

fn item(item: &ItemReport, lang: Lang, bodies: &mut Bodies) -> Item {
    let w = words::words(lang);
    let outcome = item.outcome();
    let (mark, sign) = marks(outcome);
    let weight = match item.id {
        ItemId::Plan { .. } => words::checklist(item.checklist, lang),
        ItemId::Extended(_) => w.extended_check,
    };
    let took = words::duration(item.duration_ms);
    let minutes = item.planned_minutes;
    let found = traces(item);
    let decisive = Decisive::of(item, &found);
    let passed = outcome == Outcome::Passed;
    Item {
        item: item.id,
        outcome,
        status: item.status,
        lang,
        id: item.id.to_string(),
        title: line(item.title.get(lang)),
        class: outcome.name(),
        mark,
        sign,
        word: words::outcome(outcome, lang),
        weight: fill(w.weight, &[("weight", &weight)]),
        weight_for_programs: match item.id {
            ItemId::Plan { .. } => words::checklist(item.checklist, Lang::En),
            ItemId::Extended(_) => "extended",
        },
        duration_ms: item.duration_ms,
        took_of: fill(w.took_of, &[("took", &took), ("minutes", &minutes)]),
        took,
        allowed: fill(w.allowed, &[("minutes", &minutes)]),
        problem: outcome.is_problem(),
        reason: match passed {
            true => String::new(),
            false => reason(item, lang),
        },
        failure: (item.failure.as_ref().filter(|_| !passed)).map(|it| failure(it, lang)),
        why: match outcome {
            Outcome::Failed => lines(item.why.get(lang).trim_end()),
            _ => String::new(),
        },
        next: match outcome {
            Outcome::Failed => lines(item.remedy.get(lang).trim_end()),
            Outcome::Inconclusive => w.rerun_advice.to_owned(),
            _ => String::new(),
        },
        steps: item.steps.iter().map(|it| step(it, lang)).collect(),
        traces: (found.iter())
            .map(|trace| TraceView {
                nonce: line(trace.nonce),
                stops: stops(trace, &decisive, lang),
            })
            .collect(),
        evidence: (item.evidence.iter().zip(1..))
            .map(|(one, no)| {
                let id = format!("e-{}-{no}", item.id);
                let in_trace = is_in_trace(one, &found);
                let bodies = (!in_trace).then_some(&mut *bodies);
                Evidence {
                    in_trace,
                    ..evidence(one, id, item.id, &decisive, bodies, lang)
                }
            })
            .collect(),
    }
}

/// An outcome's mark on the page, and its sign in Markdown.
fn marks(outcome: Outcome) -> (&'static str, &'static str) {
    match outcome {
        Outcome::Passed => ("✔", "✅"),
        Outcome::Failed => ("✘", "❌"),
        Outcome::Inconclusive => ("?", "❓"),
        Outcome::Skipped | Outcome::NotSelected => ("–", "⏭️"),
    }
}

/// Why an item did not pass, in one line.
pub fn reason(item: &ItemReport, lang: Lang) -> String {
    match item.reason.as_deref() {
        Some(NOT_SELECTED) => words::words(lang).not_selected.to_owned(),
        Some(reason) => line(reason),
        None => String::new(),
    }
}

/// The condition that an item did not meet, with its label, where the language has it.
pub fn condition(item: &ItemReport, lang: Lang) -> String {
    let failure = item.failure.as_ref().map(|it| failure(it, lang));
    failure.map(|it| it.headline()).unwrap_or_default()
}

/// A failure with the condition that it is about.
#[must_use]
pub fn failure(failure: &event::Failure, lang: Lang) -> Failure {
    Failure {
        code: line(&failure.code),
        condition: match lang {
            Lang::En => "",
            Lang::Ja => conditions::japanese(&failure.code).unwrap_or_default(),
        },
        did: lines(&failure.did),
        expected: lines(&failure.expected),
        seen: lines(&failure.seen),
    }
}

fn step(step: &event::StepRecord, lang: Lang) -> Step {
    let outcome = match step.status {
        StepStatus::Passed => Outcome::Passed,
        StepStatus::Failed => Outcome::Failed,
        StepStatus::Skipped => Outcome::Skipped,
    };
    let (mark, sign) = marks(outcome);
    Step {
        status: step.status,
        class: outcome.name(),
        mark,
        sign,
        word: words::outcome(outcome, lang),
        text: line(&step.text),
        at: line(&step.at),
        duration_ms: step.duration_ms,
        took: format!("{:.1} ms", step.duration_ms),
    }
}

impl Failure {
    /// The condition with its label; empty where the language has none.
    #[must_use]
    pub fn headline(&self) -> String {
        match self.condition {
            "" => String::new(),
            condition => format!("{}：{condition}", words::words(Lang::Ja).condition),
        }
    }
}

impl Item {
    /// `3.4 Title`
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} {}", self.id, self.title)
    }

    /// The code of its failure.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        let code = self.failure.as_ref().map(|failure| failure.code.as_str());
        code.filter(|code| !code.is_empty())
    }

    /// FILE and LINE of the step that failed, else of the first one; the file as the plan names it.
    #[must_use]
    pub fn place(&self) -> Option<(&str, u64)> {
        let failed = |step: &&Step| step.status == StepStatus::Failed;
        let failed = self.steps.iter().find(failed);
        let (file, no) = failed.or(self.steps.first())?.at.rsplit_once(':')?;
        Some((file, no.parse().ok()?))
    }

    /// The condition that it did not meet, where the language has it.
    fn headline(&self) -> Option<String> {
        let headline = self.failure.as_ref().map(Failure::headline);
        headline.filter(|headline| !headline.is_empty())
    }

    /// Why it did not pass, in one line.
    #[must_use]
    pub fn message(&self) -> String {
        let told = self.headline();
        bounded(told.as_ref().unwrap_or(&self.reason), 1024)
    }

    /// What was done, expected and seen, where, and what to do about it.
    #[must_use]
    pub fn details(&self) -> String {
        let w = words::words(self.lang);
        let mut parts: Vec<String> = self.headline().into_iter().collect();
        parts.push(self.reason.clone());
        let mut part = |label: &str, text: &str| parts.push(format!("{label}: {}", text.trim()));
        if let Some(failure) = &self.failure {
            if let Some(code) = self.code() {
                part(w.code, code);
            }
            part(w.did, &failure.did);
            part(w.expected, &failure.expected);
            part(w.seen, &failure.seen);
        }
        if let Some((file, no)) = self.place() {
            part(w.step, &format!("{file}:{no}"));
        }
        if !self.next.is_empty() {
            part(w.next, &self.next);
        }
        parts.retain(|part| !part.is_empty());
        bounded(&parts.join("\n"), LIMIT)
    }

    /// Everything that was seen, each piece below a line that says what it is.
    #[must_use]
    pub fn all_evidence(&self) -> String {
        let pieces = self.evidence.iter();
        let pieces = pieces.map(|one| format!("--- {}\n{}", one.name(), one.body.trim_end()));
        bounded(&pieces.collect::<Vec<_>>().join("\n"), LIMIT)
    }

    /// The remarks among what was seen.
    pub fn remarks(&self) -> impl Iterator<Item = &Evidence> {
        self.evidence.iter().filter(|one| one.is_remark)
    }
}

impl Evidence {
    /// `Log: gateway log`
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}: {}", self.kind, self.title)
    }
}

/// At most `limit` bytes of `text`, and how much is left out.
#[must_use]
pub fn bounded(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let kept = text
        .get(..text.floor_char_boundary(limit))
        .unwrap_or_default();
    let left = text.len() - kept.len();
    format!("{kept}… ({left} bytes left out, see report.json)")
}

// ---------------------------------------------------------------- evidence

/// Where long bodies are on the page: the evidence's id and label by the text, so that none is
/// there twice.
#[derive(Default)]
struct Bodies(BTreeMap<String, (String, String)>);

impl Bodies {
    /// Where this body is already; noted as being here where it is not. Short ones are no burden.
    fn before(&mut self, body: &str, id: &str, label: String) -> Option<(String, String)> {
        if body.len() < 600 {
            return None;
        }
        if let Some(place) = self.0.get(body) {
            return Some(place.clone());
        }
        self.0.insert(body.to_owned(), (id.to_owned(), label));
        None
    }
}

fn evidence(
    one: &evidence::Evidence,
    id: String,
    item: ItemId,
    decisive: &Decisive,
    bodies: Option<&mut Bodies>,
    lang: Lang,
) -> Evidence {
    let title = line(&one.title);
    let same = bodies.and_then(|it| it.before(&one.body, &id, format!("{item}: {title}")));
    let (request, body) = match one.kind {
        EvidenceKind::Exchange => halves(&one.body),
        _ => (String::new(), one.body.clone()),
    };
    let is_log = one.kind == EvidenceKind::Log;
    let shown = same.is_none();
    Evidence {
        id,
        is_remark: one.kind == EvidenceKind::Remark,
        kind: words::evidence_kind(one.kind, lang),
        title,
        body: lines(&one.body),
        in_trace: false,
        same,
        request: match shown {
            true => lines(request.trim_end()),
            false => String::new(),
        },
        parts: match shown {
            true => segments(lines(&body).trim_end(), |line| is_log && decisive.is(line)),
            false => Vec::new(),
        },
        picture: one.image.clone(),
        image: one.image.as_ref().and_then(address),
        plot: one.figures.as_ref().map(|figures| plot(figures, lang)),
    }
}

/// A picture as the address of its own bytes; `None` for what is no picture.
fn address(image: &Image) -> Option<String> {
    let known = matches!(image.media_type.as_str(), "image/png" | "image/jpeg");
    let base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
    (known && image.data.bytes().all(base64))
        .then(|| format!("data:{};base64,{}", image.media_type, image.data))
}

/// A text in parts, by whether their lines decide.
fn segments(text: &str, decides: impl Fn(&str) -> bool) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::new();
    for line in text.lines() {
        let decisive = decides(line);
        match segments.last_mut() {
            Some(last) if last.decisive == decisive => {
                last.text.push('\n');
                last.text.push_str(line);
            }
            _ => segments.push(Segment {
                decisive,
                text: line.to_owned(),
            }),
        }
    }
    segments
}

/// What tells a line that decides from those around it.
struct Decisive {
    /// Lines that the failure quotes.
    quoted: Vec<String>,
    /// The marks of the requests that are followed.
    marks: Vec<String>,
}

impl Decisive {
    fn of(item: &ItemReport, traces: &[Trace<'_>]) -> Self {
        let seen = item.failure.as_ref().map_or("", |it| it.seen.as_str());
        // Shorter ones are no lines of a log.
        let quoted = seen.lines().map(str::trim).filter(|line| line.len() > 20);
        let mark = |trace: &Trace<'_>| format!("{}={}", crate::probe::NONCE, trace.nonce);
        Self {
            quoted: quoted.map(str::to_owned).collect(),
            marks: traces.iter().map(mark).collect(),
        }
    }

    fn is(&self, line: &str) -> bool {
        self.is_quoted(line) || self.marks.iter().any(|mark| line.contains(mark.as_str()))
    }

    fn is_quoted(&self, line: &str) -> bool {
        self.quoted
            .iter()
            .any(|quoted| line.contains(quoted.as_str()))
    }
}

// ---------------------------------------------------------------- traces

/// Whether a trace has all of it already: an exchange has a body, too.
fn is_in_trace(one: &evidence::Evidence, traces: &[Trace<'_>]) -> bool {
    let trail = one.trail.as_ref().filter(|it| it.stage != Stage::Exchange);
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

/// The places of a trace with all that was seen there.
#[must_use]
pub fn trace_stops(trace: &Trace<'_>, lang: Lang) -> Vec<Stop> {
    let stop =
        |it: &crate::report::trace::Stop| stop(it, lang, |text| segments(&lines(text), |_| false));
    trace.stops.iter().map(stop).collect()
}

/// The same for the page: without the body of an answer, which is among the evidence, and with
/// the lines that decide apart.
fn stops(trace: &Trace<'_>, decisive: &Decisive, lang: Lang) -> Vec<Stop> {
    let user = |line: &str| line.to_ascii_lowercase().starts_with("x-litellm-user");
    let one = |it: &crate::report::trace::Stop| {
        stop(it, lang, |text| match it.place {
            Place::Answer => {
                let head = text.split("\n\n").next().unwrap_or_default();
                segments(&lines(head), |_| false)
            }
            Place::Upstream => segments(&lines(text), user),
            Place::Lua => segments(&lines(text), |line| decisive.is_quoted(line)),
            _ => segments(&lines(text), |_| false),
        })
    };
    trace.stops.iter().map(one).collect()
}

fn stop(
    stop: &crate::report::trace::Stop,
    lang: Lang,
    text: impl Fn(&str) -> Vec<Segment>,
) -> Stop {
    let w = words::words(lang);
    let (seen, change) = match &stop.seen {
        None => (Vec::new(), Vec::new()),
        Some(Seen::Text(seen)) => (text(seen), Vec::new()),
        Some(Seen::Change { before, after }) => {
            let sides = [(w.before, before), (w.after, after)].into_iter();
            let known = sides.filter_map(|(label, side)| Some((label, lines(side.as_deref()?))));
            (Vec::new(), known.collect())
        }
    };
    Stop {
        place: match stop.place {
            Place::Request => w.at_request,
            Place::AccessLog => w.at_access_log,
            Place::Lua => w.at_lua,
            Place::Redis => w.at_redis,
            Place::Upstream => w.at_upstream,
            Place::Answer => w.at_answer,
        },
        unseen: match (&stop.seen, stop.place) {
            (Some(_), _) => "",
            (None, Place::Upstream) => w.unseen_upstream,
            (None, _) => w.unseen,
        },
        text: seen,
        change,
    }
}
