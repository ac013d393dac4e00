//! What was seen, as a report keeps it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Figures;

/// The longest body that one piece of evidence keeps, in bytes.
pub const BODY_LIMIT: usize = 16 * 1024;

/// The longest title of one, in bytes.
pub const TITLE_LIMIT: usize = 2 * 1024;

/// How many pieces of evidence an item keeps, and how many bytes of text together. A run of the shipped
/// gateway needs 26 and 23 KB.
pub const ITEM_LIMIT: (usize, usize) = (256, 1024 * 1024);

/// What kind of thing was seen.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// What a browser showed, as a picture.
    Screenshot,
    /// A remark: something to know that is no failure.
    Remark,
}

impl EvidenceKind {
    /// Whether the candidate can write it as it likes, so that it is never the only evidence.
    #[must_use]
    pub fn by_the_candidate(self) -> bool {
        matches!(self, Self::Log | Self::Redis | Self::Remark)
    }
}

/// One thing that was seen. It holds no secret: they are taken out where it is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// What kind of thing.
    pub kind: EvidenceKind,
    /// One line that says what it is, at most [`TITLE_LIMIT`] bytes.
    pub title: String,
    /// As it was seen, redacted, at most [`BODY_LIMIT`] bytes.
    pub body: String,
    /// A picture of it, where there is one; `body` says in words what it shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Image>,
    /// The request whose way it shows a stage of, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trail: Option<Trail>,
    /// The figures of a comparison; `body` says in words what they come to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub figures: Option<Figures>,
}

/// A place on the way of one request.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Trail {
    /// The text that the request carries in its query, and nothing else does.
    pub nonce: String,
    /// What of its way is shown.
    pub stage: Stage,
}

/// A stage of a request's way, in the order that it is gone.
#[derive(
    Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The client's request, and the answer that it got.
    Exchange,
    /// The gateway's access log.
    AccessLog,
    /// What the gateway's Lua wrote to the error log.
    Lua,
    /// Redis as it was before.
    RedisBefore,
    /// Redis as it was afterwards.
    RedisAfter,
    /// What the upstream received.
    Upstream,
}

/// A picture. Whoever makes it sees to it that it shows no secret.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Image {
    /// Its media type: `image/png` or `image/jpeg`.
    pub media_type: String,
    /// Its bytes in base64 (RFC 4648, section 4).
    pub data: String,
}
