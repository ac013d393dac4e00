//! What was seen, redacted before it leaves.

mod redact;

pub use redact::Redactor;

use serde::{Deserialize, Serialize};

/// The longest body that one piece of evidence keeps, in bytes.
pub const BODY_LIMIT: usize = 16 * 1024;

/// What kind of thing was seen.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EvidenceKind {
    /// A request and its response.
    Exchange,
    /// Lines of a log.
    Log,
    /// A key of Redis with its value and TTL.
    Redis,
    /// What a double received.
    Journal,
    /// Lines of the gateway's socket table.
    Sockets,
    /// Processes of a service.
    Process,
    /// A file with its hash.
    File,
    /// A command with its exit code and output.
    Command,
    /// Measured figures.
    Measurement,
    /// A remark: something to know that is no failure.
    Remark,
}

/// One thing that was seen. It holds no secret: a [`Redactor`] made it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// What kind of thing.
    pub kind: EvidenceKind,
    /// One line that says what it is.
    pub title: String,
    /// As it was seen, redacted, at most [`BODY_LIMIT`] bytes.
    pub body: String,
}
