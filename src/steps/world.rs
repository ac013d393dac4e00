//! What a step works with: the run that it belongs to, and how it ends.

use cucumber::{World as CucumberWorld, step::Context};

use crate::engine::event::Failure;

/// How a step that did not come out ends its scenario.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StepError {
    /// The candidate did not do what it must.
    #[error("{}", .0.seen)]
    Candidate(Failure),
    /// The harness cannot tell.
    #[error("{}", .0.seen)]
    Harness(Failure),
    /// Something that the item depends on is not there.
    #[error("{0}")]
    Skip(String),
}

/// What a step definition returns.
pub type StepResult = Result<(), StepError>;

/// The scenario's world.
#[derive(Debug, Default)]
pub struct World {}

impl CucumberWorld for World {
    type Error = std::convert::Infallible;

    async fn new() -> Result<Self, Self::Error> {
        Ok(Self::default())
    }
}

/// The arguments of a step: what its pattern captured, its table and its text.
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
}

/// Ends a step. Cucumber knows a failed step by its panic: the payload is the error itself,
/// which the bridge takes apart again.
pub fn finish(result: StepResult) {
    if let Err(error) = result {
        std::panic::panic_any(error);
    }
}
