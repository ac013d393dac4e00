//! How a step ends that did not come out: whose fault that is, and what was seen.

use std::{collections::BTreeMap, fmt::Display};

use crate::{
    model::event::Failure,
    probe::{
        browser::Hop,
        chromium::{BrowseError, ChromiumError},
        http::{NoAnswer, Response},
        journal::JournalError,
        redis::RedisError,
    },
    stack::{Service, StackError},
};

/// How much of an error's body is a fact, in characters.
const BODY: usize = 200;

/// Why a step ends its scenario.
#[derive(Clone, Debug)]
pub enum StepError {
    /// The candidate did not do what it must.
    Candidate(Failure),
    /// The harness cannot tell.
    Harness(Failure),
    /// The candidate fails what the item depends on: the item fails with it.
    Consequence(String),
    /// Something that the item depends on is missing, by choice or in this place.
    Skip(String),
}

pub type StepResult<T = ()> = Result<T, StepError>;

impl StepError {
    pub fn candidate(did: impl Display, expected: impl Display, seen: impl Into<Seen>) -> Self {
        Self::Candidate(failure(did, expected, seen))
    }

    pub fn harness(did: impl Display, expected: impl Display, seen: impl Into<Seen>) -> Self {
        Self::Harness(failure(did, expected, seen))
    }

    /// What was seen, or why nothing was.
    pub fn seen(&self) -> &str {
        match self {
            Self::Candidate(failure) | Self::Harness(failure) => &failure.seen,
            Self::Consequence(reason) | Self::Skip(reason) => reason,
        }
    }

    /// Whether the item could not come to what it looks at, by no fault of the harness.
    pub fn is_not_reached(&self) -> bool {
        matches!(self, Self::Consequence(_) | Self::Skip(_))
    }

    /// A step needs what no earlier step of its scenario made.
    pub fn missing(what: impl Display) -> Self {
        Self::harness(
            "use what an earlier step made",
            what,
            "the scenario made none",
        )
    }
}

/// Ends a scenario that cannot be gone through.
pub fn skip<T>(why: impl Display) -> StepResult<T> {
    Err(StepError::Skip(why.to_string()))
}

/// Ends a scenario that cannot be gone through by the candidate's fault.
pub fn lacks<T>(why: impl Display) -> StepResult<T> {
    Err(StepError::Consequence(why.to_string()))
}

pub(super) fn failure(did: impl Display, expected: impl Display, seen: impl Into<Seen>) -> Failure {
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

impl From<&Hop> for Seen {
    fn from(hop: &Hop) -> Self {
        Self::from(&hop.response)
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

/// A failure whose check is named. The first name stays: who is nearer to it knows better.
pub trait Coded {
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

impl<T> Coded for StepResult<T> {
    fn code(self, code: &str) -> Self {
        self.map_err(|error| error.code(code))
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

/// What can happen in any step, by its code.
pub(super) const ANYWHERE: &[(&str, &str)] = &[
    (
        "gateway.no-answer",
        "The gateway answers no request, or breaks off.",
    ),
    (
        "gateway.over-limit",
        "The gateway needs more than its place allows, and was stopped.",
    ),
    (
        "harness.blind",
        "What verify looks with does not show what is known to be there.",
    ),
    ("harness.browser", "The real browser cannot be used."),
    ("harness.defect", "A defect of verify."),
    ("harness.journal", "The journal of a double cannot be read."),
    (
        "harness.no-answer",
        "A service round the gateway does not answer verify.",
    ),
    ("harness.redis", "Redis does not answer verify."),
    ("harness.scenario", "Not every step of a scenario ran."),
    (
        "harness.service",
        "A service round the gateway stood still or ended.",
    ),
    (
        "harness.stack",
        "The stack cannot be asked, or did not come up.",
    ),
    (
        "harness.step",
        "A step that no definition matches, or more than one.",
    ),
];
