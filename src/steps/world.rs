//! What a step works with: the run that it belongs to, what its scenario has seen so far, and
//! where evidence goes.

use std::{
    any::{Any, TypeId, type_name},
    collections::HashMap,
    fmt::Display,
    sync::Arc,
};

use cucumber::{World as CucumberWorld, step::Context};

pub use super::error::StepError;
use super::{
    check::{Status, check},
    error::{ANYWHERE, Coded as _, StepResult},
    run::Run,
    state::{Sent, Session, Token},
};
use crate::{
    evidence::{Evidence, EvidenceKind, Stage, Trail},
    plan::ItemId,
    probe::{
        browser::{Browser, Hop},
        http::transcript,
        log::{Record, Window},
        nonce_of,
    },
};

/// The scenario's world. What only the steps of one file share is kept by its type.
#[derive(Debug, Default)]
pub struct World {
    run: Option<Arc<Run>>,
    item: Option<ItemId>,
    kept: HashMap<TypeId, Box<dyn Any>>,
    /// The part of the gateway's log that the scenario looks at.
    pub window: Option<Window>,
    /// The last request and its response.
    pub last: Option<Hop>,
    /// The way that the browser went.
    pub hops: Vec<Hop>,
    /// The session that the scenario uses.
    pub session: Option<Session>,
    /// Requests whose traces are looked for.
    pub sent: Vec<Sent>,
    pub tokens: Vec<Token>,
    /// Where the journals ended before.
    pub idp_cursor: u64,
    pub upstream_cursor: u64,
    /// When the scenario's request was sent, in milliseconds since 1970.
    pub since_ms: i64,
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

    pub fn run(&self) -> StepResult<Arc<Run>> {
        let none = || StepError::harness("begin a step", "a run to belong to", "none");
        self.run.clone().ok_or_else(none)
    }

    /// The item that the scenario encodes.
    pub fn item(&self) -> Option<ItemId> {
        self.item
    }

    /// Keeps a value for a later step, in the place of the one of its type that was kept before.
    pub fn keep<T: Any>(&mut self, value: T) {
        self.kept.insert(TypeId::of::<T>(), Box::new(value));
    }

    /// The value of its type that an earlier step kept.
    pub fn kept<T: Any>(&self) -> StepResult<&T> {
        let found = self.kept.get(&TypeId::of::<T>());
        found
            .and_then(|found| found.downcast_ref())
            .ok_or_else(|| StepError::missing(type_name::<T>()))
    }

    /// The same, to be changed, and made where no step has kept one yet.
    pub fn kept_mut<T: Any + Default>(&mut self) -> StepResult<&mut T> {
        let found = self.kept.entry(TypeId::of::<T>());
        let found = found.or_insert_with(|| Box::new(T::default()));
        found
            .downcast_mut()
            .ok_or_else(|| StepError::missing(type_name::<T>()))
    }

    /// The scenario's session.
    pub fn session(&mut self) -> StepResult<&mut Session> {
        let none = || StepError::missing("a session");
        self.session.as_mut().ok_or_else(none)
    }

    /// The browser of the scenario's session.
    pub fn browser(&mut self) -> StepResult<&mut Browser> {
        Ok(&mut self.session()?.browser)
    }

    /// Who the scenario's session is of; empty without one.
    pub fn email(&self) -> String {
        let email = self.session.as_ref().map(|session| session.email.clone());
        email.unwrap_or_default()
    }

    /// The scenario's token of that name.
    pub fn token(&self, name: &str) -> StepResult<Token> {
        let known = self.tokens.iter().find(|token| token.name == name);
        known
            .cloned()
            .ok_or_else(|| StepError::missing(format!("the token {name}")))
    }

    /// The scenario's newest token.
    pub fn newest_token(&self) -> StepResult<Token> {
        let newest = self.tokens.last().cloned();
        newest.ok_or_else(|| StepError::missing("a token"))
    }

    /// The scenario's part of the gateway's log.
    pub fn window(&self) -> StepResult<&Window> {
        let none = || StepError::missing("a window of the log");
        self.window.as_ref().ok_or_else(none)
    }

    /// The records in that window up to now.
    pub async fn records(&self, run: &Run) -> StepResult<Vec<Record>> {
        run.records(self.window()?).await
    }

    /// The last request and its response.
    pub fn last(&self) -> StepResult<&Hop> {
        let none = || StepError::missing("an answer");
        self.last.as_ref().ok_or_else(none)
    }

    /// The nonce of the last request; empty where it has none.
    pub fn last_nonce(&self) -> String {
        let last = self.last.as_ref();
        last.and_then(|hop| nonce_of(&hop.request.url))
            .unwrap_or_default()
    }

    /// Keeps a request and its response as evidence, and holds its status against what it must be.
    pub fn must(&self, did: impl Display, hop: &Hop, status: Status) -> StepResult {
        self.saw_hop(hop);
        check(did, hop).must(status, status.fits(hop.response.status))
    }

    /// Keeps something that was seen as evidence.
    pub fn saw(&self, kind: EvidenceKind, title: impl Display, body: impl Display) {
        self.saw_more(kind, title, body, |_| ());
    }

    /// Something to know that is no failure.
    pub fn remark(&self, title: impl Display, body: impl Display) {
        self.saw(EvidenceKind::Remark, title, body);
    }

    /// The same, with more to it than its text.
    pub fn saw_more(
        &self,
        kind: EvidenceKind,
        title: impl Display,
        body: impl Display,
        add: impl FnOnce(&mut Evidence),
    ) {
        if let (Some(run), Some(item)) = (&self.run, self.item) {
            let (title, body) = (title.to_string(), body.to_string());
            run.recorder.saw_more(item, kind, &title, &body, add);
        }
    }

    /// Keeps something that was seen of a request on its way, known by its nonce; without one it
    /// is kept as any other.
    pub fn saw_of(
        &self,
        nonce: &str,
        stage: Stage,
        kind: EvidenceKind,
        title: impl Display,
        body: impl Display,
    ) {
        self.saw_more(kind, title, body, |evidence| {
            let nonce = nonce.to_owned();
            evidence.trail = (!nonce.is_empty()).then_some(Trail { nonce, stage });
        });
    }

    /// Keeps a request and its response.
    pub fn saw_hop(&self, hop: &Hop) {
        let (request, status) = (&hop.request, hop.response.status);
        let title = format!("{} {} -> {status}", request.method, request.url);
        let body = transcript(request, &hop.response);
        let (kind, stage) = (EvidenceKind::Exchange, Stage::Exchange);
        let nonce = nonce_of(&request.url).unwrap_or_default();
        self.saw_of(&nonce, stage, kind, title, body);
    }

    pub fn saw_hops(&self, hops: &[Hop]) {
        hops.iter().for_each(|hop| self.saw_hop(hop));
    }

    /// Keeps a picture of what the scenario's session shows; the built-in browser shows nothing.
    pub async fn saw_page(&mut self, title: &str) -> StepResult {
        match (&self.run, self.item, self.session.as_mut()) {
            (Some(run), Some(item), Some(session)) => {
                picture(run, item, &mut session.browser, title).await
            }
            _ => Ok(()),
        }
    }

    /// Ends a step, whose check has this code and those within it these. Cucumber knows a failed
    /// step by its panic: the payload is the error itself, which the bridge takes apart again.
    pub async fn conclude(&self, result: StepResult, code: &str, finer: &[&str]) {
        let Err(error) = result else { return };
        let mut error = error.code(code);
        if let StepError::Candidate(failure) | StepError::Harness(failure) = &error {
            let found = failure.code.as_str();
            let anywhere = ANYWHERE.iter().any(|(anywhere, _)| *anywhere == found);
            let listed = found == code || finer.contains(&found) || anywhere;
            debug_assert!(listed, "a step of the code {code} does not list {found}");
        }
        if let Some(run) = &self.run {
            error = run.excused(error).await;
        }
        std::panic::panic_any(error);
    }
}

/// Keeps what a browser shows: a picture, and its text.
pub(super) async fn picture(
    run: &Run,
    item: ItemId,
    browser: &mut Browser,
    title: &str,
) -> StepResult {
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
    pub fn new(context: Context) -> Self {
        Self { context }
    }

    /// The text that the pattern's group `name` captured; empty where it took no part.
    pub fn text(&self, name: &str) -> &str {
        self.context
            .matches
            .iter()
            .find(|(group, _)| group.as_deref() == Some(name))
            .map_or("", |(_, text)| text.as_str())
    }

    /// The number that the pattern's group `name` captured.
    pub fn number<T: std::str::FromStr>(&self, name: &str) -> StepResult<T> {
        let text = self.text(name);
        let expected = format!("a number for {name}");
        text.parse()
            .map_err(|_| StepError::harness("read a step", expected, text))
    }

    /// The regular expression that the pattern's group `name` captured.
    pub fn regex(&self, name: &str) -> StepResult<regex::Regex> {
        regex::Regex::new(self.text(name))
            .map_err(|error| StepError::harness("read a step", "a regular expression", error))
    }
}
