//! What the harness sees with, and what each sense shows when it is blind.

use redis::Value;
use serde::{Deserialize, Serialize};

/// A way in which the harness sees what a gateway does.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sense {
    /// The gateway's log brings no bytes.
    LogCut,
    /// The gateway's log brings the bytes of another program's.
    LogOther,
    /// The upstream's journal is always empty.
    UpstreamJournal,
    /// The identity provider's journal is always empty.
    IdpJournal,
    /// Redis answers nil whatever is looked up.
    Redis,
    Sockets,
    /// No process is found.
    StatesGone,
    /// The process table cannot be read.
    StatesUnreadable,
    /// Files are read back empty.
    Files,
    /// The real browser's pages are empty whenever they are looked at.
    Browser,
}

impl Sense {
    pub const ALL: [Self; 10] = [
        Self::LogCut,
        Self::LogOther,
        Self::UpstreamJournal,
        Self::IdpJournal,
        Self::Redis,
        Self::Sockets,
        Self::StatesGone,
        Self::StatesUnreadable,
        Self::Files,
        Self::Browser,
    ];

    /// Its name on the command line and in evidence.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::LogCut => "log-cut",
            Self::LogOther => "log-other",
            Self::UpstreamJournal => "upstream-journal",
            Self::IdpJournal => "idp-journal",
            Self::Redis => "redis",
            Self::Sockets => "sockets",
            Self::StatesGone => "states-gone",
            Self::StatesUnreadable => "states-unreadable",
            Self::Files => "files",
            Self::Browser => "browser",
        }
    }
}

impl std::str::FromStr for Sense {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|sense| sense.name() == name)
            .ok_or_else(|| format!("there is no sense `{name}`; there are {known}"))
    }
}

/// What Redis answers to a command that looks something up, where nothing is there; `None` for
/// every other command.
pub(super) fn nothing_for(command: &str) -> Option<Value> {
    Some(match command {
        "GET" | "DUMP" => Value::Nil,
        "EXISTS" => Value::Int(0),
        "TTL" | "PTTL" => Value::Int(-2),
        "TYPE" => Value::SimpleString("none".to_owned()),
        "SMEMBERS" => Value::Array(Vec::new()),
        "SCAN" => Value::Array(vec![
            Value::BulkString(b"0".to_vec()),
            Value::Array(Vec::new()),
        ]),
        _ => return None,
    })
}
