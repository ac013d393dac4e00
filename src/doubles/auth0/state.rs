//! What the double remembers: logins under way, codes, sessions, access tokens.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde::Deserialize;

/// How long a code may be exchanged; Auth0's own limit is of this order.
pub const CODE_LIFE: Duration = Duration::from_secs(60);

/// A request to /authorize.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct AuthorizeRequest {
    #[serde(default)]
    pub client_id: String,
    #[serde(default)]
    pub redirect_uri: String,
    #[serde(default)]
    pub response_type: String,
    #[serde(default)]
    pub scope: String,
    pub state: Option<String>,
    pub nonce: Option<String>,
    pub code_challenge: Option<String>,
    pub code_challenge_method: Option<String>,
    pub prompt: Option<String>,
}

/// A code that waits to be exchanged.
#[derive(Clone, Debug)]
pub struct Code {
    pub request: AuthorizeRequest,
    pub email: String,
    pub sid: String,
    pub issued: Instant,
}

/// What a token grants.
#[derive(Clone, Debug)]
pub struct Grant {
    pub email: String,
    pub sid: String,
    pub scope: String,
    pub nonce: Option<String>,
}

/// Everything remembered.
#[derive(Debug, Default)]
pub struct Tables {
    /// Logins under way, by their transaction.
    pub transactions: HashMap<String, AuthorizeRequest>,
    /// Codes.
    pub codes: HashMap<String, Code>,
    /// Sessions of browsers, by the cookie: whose, by e-mail.
    pub sessions: HashMap<String, String>,
    /// Access tokens.
    pub access: HashMap<String, Grant>,
    /// Refresh tokens.
    pub refresh: HashMap<String, Grant>,
}

/// The tables behind a lock that is never held across an await.
#[derive(Debug, Default)]
pub struct Sessions(Mutex<Tables>);

impl Sessions {
    pub fn lock(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
