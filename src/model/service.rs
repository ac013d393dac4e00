//! The services of a stack: their names, where they answer, what they log, what goes wrong with them.

use std::{collections::BTreeMap, fmt, net::SocketAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A part of the stack.
#[derive(
    Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// nginx with the configuration under test.
    Gateway,
    /// oauth2-proxy.
    Auth,
    /// Redis.
    Redis,
    /// LiteLLM or its double.
    Upstream,
    /// Auth0 or its double.
    Idp,
}

impl Service {
    pub const ALL: [Self; 5] = [
        Self::Gateway,
        Self::Auth,
        Self::Redis,
        Self::Upstream,
        Self::Idp,
    ];

    /// Its name in reports, features and on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Auth => "auth",
            Self::Redis => "redis",
            Self::Upstream => "upstream",
            Self::Idp => "idp",
        }
    }

    /// The part that is called `name`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|service| service.name() == name)
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a stack was asked for and could not do. Never the candidate's fault.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// A file or process of a service could not be reached.
    #[error("{what} on {service} failed: {source}")]
    Io {
        /// What was tried, on which file.
        what: String,
        service: Service,
        source: std::io::Error,
    },
    /// A service did not do what it must for the stack to be of use.
    #[error("{service}: {what}")]
    Service {
        service: Service,
        /// What was waited for, and what was seen.
        what: String,
    },
    /// The run was not allowed to do that to a deployment.
    #[error("{what}: needs {flag}")]
    NotAllowed { what: String, flag: &'static str },
    /// This kind of stack does not do that.
    #[error("a {kind} stack cannot {what}")]
    Unsupported {
        kind: &'static str,
        what: &'static str,
    },
}

/// Where the services answer, as seen by whoever drives the run.
#[derive(Clone, Debug)]
pub struct Endpoints {
    /// Host name and port as the gateway's world has them, and where they really listen.
    pub addresses: BTreeMap<(String, u16), SocketAddr>,
    /// The control port of the double of LiteLLM, where it is one.
    pub upstream: Option<SocketAddr>,
    /// The control port of the double of Auth0, where it is one.
    pub idp: Option<SocketAddr>,
    pub auth: SocketAddr,
}

impl Endpoints {
    /// Where `host:port` of a URL is reached.
    #[must_use]
    pub fn resolve(&self, host: &str, port: u16) -> Option<SocketAddr> {
        self.addresses.get(&(host.to_owned(), port)).copied()
    }
}

/// One process, told apart from a later one with the same number by its start.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    pub pid: u32,
    /// Its start, in clock ticks since boot.
    pub started: u64,
}

/// A place in the logs of a service: what comes later is read from here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogCursor(pub BTreeMap<String, u64>);

/// What one log got since a cursor.
#[derive(Clone, Debug)]
pub struct LogChunk {
    /// The log: `stderr`, `stdout` or the path of a file.
    pub source: String,
    /// Whether `docker compose logs` would show it.
    pub in_service_log: bool,
    /// The bytes, as written.
    pub bytes: Vec<u8>,
}
