//! What can go wrong between a person and a page.

use std::{path::PathBuf, time::Duration};

use serde_json::Value;

use crate::probe::http::NoAnswer;

/// The real browser cannot be used. Never the candidate's fault.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ChromiumError {
    #[error("{} does not start: {why}", program.display())]
    Start { program: PathBuf, why: String },
    #[error("the browser has ended")]
    Ended,
    #[error("the browser refuses {method}: {why}")]
    Refused {
        /// The command of the DevTools protocol.
        method: String,
        why: String,
    },
    #[error("{what}: nothing within {} s", after.as_secs())]
    Silent { what: String, after: Duration },
    #[error("the browser's answer cannot be read: {0}")]
    Unreadable(String),
}

/// A browser did not come to a page.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BrowseError {
    /// The site, or who it sent the browser to, did not answer.
    #[error(transparent)]
    NoAnswer(#[from] NoAnswer),
    #[error(transparent)]
    Browser(#[from] ChromiumError),
}

/// A text in an answer.
pub(super) fn text(answer: &Value, name: &str) -> Result<String, ChromiumError> {
    answer[name]
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| ChromiumError::Unreadable(format!("no {name} in {answer}")))
}
