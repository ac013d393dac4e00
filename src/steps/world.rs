//! What a step works with: the run that it belongs to, what its scenario has seen so far,
//! and how it ends.

use std::{collections::BTreeMap, fmt::Display, sync::Arc};

use cucumber::{World as CucumberWorld, step::Context};
use serde_json::Value;

use super::{
    codes,
    run::{Run, Token},
    session::Session,
};
use crate::{
    engine::event::Failure,
    evidence::{Evidence, EvidenceKind, Stage, Trail},
    plan::ItemId,
    probe::{
        browser::{Browser, Hop},
        chromium::{BrowseError, ChromiumError},
        http::{NoAnswer, Response, transcript},
        journal::JournalError,
        log::Window,
        nonce_of,
        redis::RedisError,
    },
    stack::{Output, Service, ServiceState, StackError},
};

/// How a step that did not come out ends its scenario.
#[derive(Clone, Debug)]
pub enum StepError {
    /// The candidate did not do what it must.
    Candidate(Failure),
    /// The harness cannot tell.
    Harness(Failure),
    /// Something that the item depends on is not there.
    Skip(String),
}

/// What a step definition returns.
pub type StepResult = Result<(), StepError>;

impl StepError {
    /// The candidate's fault.
    pub fn candidate(did: impl Display, expected: impl Display, seen: impl Into<Seen>) -> Self {
        Self::Candidate(failure(did, expected, seen))
    }

    /// The harness's fault.
    pub fn harness(did: impl Display, expected: impl Display, seen: impl Into<Seen>) -> Self {
        Self::Harness(failure(did, expected, seen))
    }
}

fn failure(did: impl Display, expected: impl Display, seen: impl Into<Seen>) -> Failure {
    let seen = seen.into();
    Failure {
        code: String::new(),
        did: did.to_string(),
        expected: expected.to_string(),
        seen: seen.text,
        facts: seen.facts,
    }
}

/// What was seen: the text for a person, and the parts of it that a diagnosis looks at.
#[derive(Debug, Default)]
pub struct Seen {
    text: String,
    facts: BTreeMap<String, String>,
}

impl<T: Display> From<T> for Seen {
    fn from(text: T) -> Self {
        Self {
            text: text.to_string(),
            ..Self::default()
        }
    }
}

impl From<&Response> for Seen {
    fn from(response: &Response) -> Self {
        Self::from(response.summary()).answered(response)
    }
}

impl Seen {
    /// With a part of it, by name.
    #[must_use]
    pub fn fact(mut self, name: &str, value: impl Display) -> Self {
        self.facts.insert(name.to_owned(), value.to_string());
        self
    }

    /// With the parts of an answer: its status, where it leads, and the body of an error.
    #[must_use]
    pub fn answered(self, response: &Response) -> Self {
        let mut seen = self.fact("status", response.status);
        if let Some(to) = response.location() {
            seen = seen.fact("location", to);
        }
        if response.status >= 400 {
            seen = seen.fact("body", response.body.chars().take(BODY).collect::<String>());
        }
        seen
    }

    /// With the parts of the worst of some answers.
    #[must_use]
    pub fn worst<'a>(self, responses: impl IntoIterator<Item = &'a Response>) -> Self {
        match responses.into_iter().max_by_key(|response| response.status) {
            Some(worst) => self.answered(worst),
            None => self,
        }
    }
}

/// How much of an error's body is a fact, in characters.
const BODY: usize = 200;

/// A failure whose check is named. The first name stays: who is nearer to it knows better.
pub trait Coded {
    /// Names the check.
    #[must_use]
    fn code(self, code: &str) -> Self;
}

impl Coded for StepError {
    fn code(mut self, code: &str) -> Self {
        if let Self::Candidate(failure) | Self::Harness(failure) = &mut self
            && failure.code.is_empty()
        {
            code.clone_into(&mut failure.code);
        }
        self
    }
}

impl<T> Coded for Result<T, StepError> {
    fn code(self, code: &str) -> Self {
        self.map_err(|error| error.code(code))
    }
}

/// Whose fault it is when an expectation does not hold.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Blame {
    /// The gateway must do this.
    Candidate,
    /// A control: it shows that the check can see.
    Control,
}

/// Holds an expectation against what was seen.
///
/// # Errors
/// Where it does not hold.
pub fn expect(
    blame: Blame,
    holds: bool,
    did: impl Display,
    expected: impl Display,
    seen: impl Into<Seen>,
) -> StepResult {
    match (holds, blame) {
        (true, _) => Ok(()),
        (false, Blame::Candidate) => Err(StepError::candidate(did, expected, seen)),
        (false, Blame::Control) => Err(StepError::harness(did, expected, seen)),
    }
}

impl From<StackError> for StepError {
    fn from(error: StackError) -> Self {
        match error {
            StackError::NotAllowed { .. } => Self::Skip(error.to_string()),
            _ => Self::harness("ask the stack", "an answer", error).code("harness.stack"),
        }
    }
}

impl From<RedisError> for StepError {
    fn from(error: RedisError) -> Self {
        Self::harness("ask Redis", "an answer", error).code("harness.redis")
    }
}

impl From<JournalError> for StepError {
    fn from(error: JournalError) -> Self {
        match error {
            JournalError::NoDouble { .. } => Self::Skip(error.to_string()),
            _ => Self::harness("read a double's journal", "its entries", error)
                .code("harness.journal"),
        }
    }
}

impl From<NoAnswer> for StepError {
    fn from(error: NoAnswer) -> Self {
        let did = format!("{} {}", error.method, error.url);
        match error.service {
            Service::Gateway => Self::candidate(did, "an answer", error).code("gateway.no-answer"),
            _ => Self::harness(did, "an answer", error).code("harness.no-answer"),
        }
    }
}

impl From<ChromiumError> for StepError {
    fn from(error: ChromiumError) -> Self {
        Self::harness("look through the real browser", "a browser", error).code("harness.browser")
    }
}

impl From<BrowseError> for StepError {
    fn from(error: BrowseError) -> Self {
        match error {
            BrowseError::NoAnswer(error) => error.into(),
            BrowseError::Browser(error) => error.into(),
        }
    }
}

/// What a scenario has seen so far.
#[derive(Debug, Default)]
pub struct Scene {
    /// The part of the gateway's log that the scenario looks at.
    pub window: Option<Window>,
    /// The last request and its response.
    pub last: Option<Hop>,
    /// The way that a browser went.
    pub hops: Vec<Hop>,
    /// A session of the scenario's own.
    pub session: Option<Session>,
    /// The address that the session's window was at when its page was looked at.
    pub address: Option<url::Url>,
    /// Another tab of the session's window.
    pub second_tab: Option<Browser>,
    /// Requests whose traces are looked for: nonce, e-mail, context.
    pub sent: Vec<super::run::Sent>,
    /// Nonces of requests that must leave no tracking line.
    pub untracked: Vec<String>,
    /// The last JSON answer of an operation.
    pub answer: Option<Value>,
    /// Tokens by their name.
    pub tokens: Vec<Token>,
    /// How many entries a list had before.
    pub count_before: Option<usize>,
    /// Where the journals ended before.
    pub idp_cursor: u64,
    /// Where the journals ended before.
    pub upstream_cursor: u64,
    /// When the scenario's request was sent, in milliseconds since 1970.
    pub since_ms: i64,
    /// What commands did.
    pub outputs: Vec<Output>,
    /// The processes of the gateway before.
    pub before: Option<ServiceState>,
    /// A text that the scenario carries along: a prompt, a cookie, a backup's path.
    pub note: String,
    /// The note of the request whose way was kept for the report.
    pub followed: String,
    /// Answers of requests made together.
    pub answers: Vec<Hop>,
    /// What was tried, and what came of it.
    pub tried: Vec<super::extended::outside::Tried>,
    /// Lines of a log that were written by somebody outside.
    pub forged: Vec<String>,
    /// Users with odd addresses.
    pub visitors: Vec<super::extended::visitor::Visitor>,
    /// The processes that accepted connections, `None` where none was found.
    pub pids: Vec<Option<u32>>,
    /// Local ports of kept connections.
    pub ports: Vec<u16>,
    /// What was seen while a service was down.
    pub outage: Option<super::extended::outage::Outage>,
    /// Large, slow and excessive requests.
    pub borne: Vec<super::extended::sizes::Borne>,
    /// A second user.
    pub second: Option<super::extended::crowd::Second>,
    /// What was seen of a reload.
    pub reload: Option<super::extended::reload::Reload>,
    /// Requests that were not served, and why.
    pub not_served: Vec<String>,
    /// What was seen of a streamed answer.
    pub stream: Option<super::extended::streaming::Seen>,
    /// A comparison of durations.
    pub comparison: Option<crate::probe::stats::Comparison>,
}

/// The scenario's world.
#[derive(Debug, Default)]
pub struct World {
    run: Option<Arc<Run>>,
    item: Option<ItemId>,
    /// What the scenario has seen so far.
    pub scene: Scene,
}

impl CucumberWorld for World {
    type Error = std::convert::Infallible;

    async fn new() -> Result<Self, Self::Error> {
        Ok(Self::default())
    }
}

impl World {
    /// Joins the run, before the first step.
    pub fn enter(&mut self, run: Arc<Run>, item: Option<ItemId>) {
        self.run = Some(run);
        self.item = item;
    }

    /// The run.
    ///
    /// # Errors
    /// A step that runs outside of one.
    pub fn run(&self) -> Result<Arc<Run>, StepError> {
        self.run
            .clone()
            .ok_or_else(|| StepError::harness("begin a step", "a run to belong to", "none"))
    }

    /// The item that the scenario encodes.
    #[must_use]
    pub fn item(&self) -> Option<ItemId> {
        self.item
    }

    /// The scenario's session.
    ///
    /// # Errors
    /// A scenario that made none.
    pub fn session(&mut self) -> Result<&mut Session, StepError> {
        let none = || StepError::harness("use the session", "a session", "the scenario made none");
        self.scene.session.as_mut().ok_or_else(none)
    }

    /// The scenario's part of the gateway's log.
    ///
    /// # Errors
    /// A scenario that opened none.
    pub fn window(&self) -> Result<Window, StepError> {
        let none = || StepError::harness("read the log", "a window", "the scenario opened none");
        self.scene.window.clone().ok_or_else(none)
    }

    /// The last request and its response.
    ///
    /// # Errors
    /// A scenario that sent none.
    pub fn last(&self) -> Result<&Hop, StepError> {
        let none = || StepError::harness("look at the answer", "an answer", "nothing was asked");
        self.scene.last.as_ref().ok_or_else(none)
    }

    /// Keeps something that was seen.
    pub fn saw(&self, kind: EvidenceKind, title: &str, body: &str) {
        self.saw_more(kind, title, body, |_| ());
    }

    /// The same, with more to it than its text.
    pub fn saw_more(
        &self,
        kind: EvidenceKind,
        title: &str,
        body: &str,
        add: impl FnOnce(&mut Evidence),
    ) {
        if let (Some(run), Some(item)) = (&self.run, self.item) {
            run.recorder.saw_more(item, kind, title, body, add);
        }
    }

    /// Keeps something that was seen of a request on its way, known by its nonce; without one it
    /// is kept as any other.
    pub fn saw_of(&self, nonce: &str, stage: Stage, kind: EvidenceKind, title: &str, body: &str) {
        self.saw_more(kind, title, body, |evidence| {
            let nonce = nonce.to_owned();
            evidence.trail = (!nonce.is_empty()).then_some(Trail { nonce, stage });
        });
    }

    /// Keeps a request and its response.
    pub fn saw_hop(&self, hop: &Hop) {
        let title = format!(
            "{} {} -> {}",
            hop.request.method, hop.request.url, hop.response.status
        );
        let body = transcript(&hop.request, &hop.response);
        match nonce_of(&hop.request.url) {
            Some(nonce) => self.saw_of(
                &nonce,
                Stage::Exchange,
                EvidenceKind::Exchange,
                &title,
                &body,
            ),
            None => self.saw(EvidenceKind::Exchange, &title, &body),
        }
    }

    /// Keeps a picture of what the scenario's session shows; the built-in browser shows nothing.
    ///
    /// # Errors
    /// A real browser that cannot be used.
    pub async fn saw_page(&mut self, title: &str) -> StepResult {
        let Some(session) = self.scene.session.as_mut() else {
            return Ok(());
        };
        let (Some(run), Some(item)) = (&self.run, self.item) else {
            return Ok(());
        };
        picture(run, item, &mut session.browser, title).await
    }

    /// Keeps a picture of what the scenario's second tab shows.
    ///
    /// # Errors
    /// As [`World::saw_page`].
    pub async fn saw_second_tab(&mut self, title: &str) -> StepResult {
        match (&self.run, self.item, self.scene.second_tab.as_mut()) {
            (Some(run), Some(item), Some(tab)) => picture(run, item, tab, title).await,
            _ => Ok(()),
        }
    }

    /// Ends a step, whose check has this code and those within it these. Cucumber knows a failed step by its panic: the
    /// payload is the error itself, which the bridge takes apart again.
    pub async fn conclude(&self, result: StepResult, code: &str, finer: &[&str]) {
        let Err(error) = result else { return };
        let mut error = error.code(code);
        if let StepError::Candidate(failure) | StepError::Harness(failure) = &error {
            let found = failure.code.as_str();
            let told = found == code || finer.contains(&found) || codes::is_anywhere(found);
            debug_assert!(told, "a step of the code {code} does not tell of {found}");
        }
        if let Some(run) = &self.run {
            error = run.excused(error).await;
        }
        std::panic::panic_any(error);
    }
}

/// Writes down what a browser shows: a picture, and its text.
async fn picture(run: &Run, item: ItemId, browser: &mut Browser, title: &str) -> StepResult {
    let Some(tab) = browser.tab().await? else {
        return Ok(());
    };
    let shown = tab.shown().await?;
    if shown.text.trim().is_empty() {
        // The page may be so; the browser must not.
        run.pages_show().await?;
    }
    let image = tab.picture(&run.redactor).await?;
    let body = format!("{}\n{}\n\n{}", shown.url, shown.title, shown.text);
    run.recorder.saw_picture(item, title, &body, image);
    Ok(())
}

/// The arguments of a step: what its pattern captured.
#[derive(Debug)]
pub struct Args {
    context: Context,
}

impl Args {
    /// The arguments in cucumber's context of a step.
    #[must_use]
    pub fn new(context: Context) -> Self {
        Self { context }
    }

    /// The text that the pattern's group `name` captured; empty where it took no part.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.context
            .matches
            .iter()
            .find(|(group, _)| group.as_deref() == Some(name))
            .map_or("", |(_, text)| text.as_str())
    }

    /// The number that the pattern's group `name` captured.
    ///
    /// # Errors
    /// A text that is no such number.
    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Result<T, StepError> {
        let text = self.text(name);
        text.parse()
            .map_err(|_| StepError::harness("read a step", format!("a number for {name}"), text))
    }
}
