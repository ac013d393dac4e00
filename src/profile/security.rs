//! What an attacker of a gateway would look for: the endpoint that makes a user active, and
//! the headers by which somebody may say who he is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The endpoint that records a user as active.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tracker {
    /// Its path on the public port, where nobody from outside may reach it.
    pub path: String,
    /// Its query; `{email}` and `{context}` are filled in.
    pub query: String,
}

impl Default for Tracker {
    fn default() -> Self {
        Self {
            path: "/track_user_internal".to_owned(),
            query: "email={email}&context={context}".to_owned(),
        }
    }
}

/// Who is believed when he says who he is.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Identity {
    /// The headers that name a user to some part of the gateway, or to what is behind it.
    pub headers: Vec<String>,
    /// Whether the internal port may believe them.
    pub internal_port: InternalPort,
    /// The status by which a session without admin rights is refused, where it is not 401 or 403.
    pub not_admin: u16,
}

/// What the internal port does with identity headers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum InternalPort {
    /// It may believe them: only the gateway's own parts can reach it.
    #[default]
    Trusts,
    /// It must not.
    Refuses,
}

impl Default for Identity {
    /// What oauth2-proxy sets (docs, "Header options"), what gateways in front of LiteLLM set,
    /// and what LiteLLM reads.
    fn default() -> Self {
        let headers = [
            "X-Forwarded-Email",
            "X-Forwarded-User",
            "X-Forwarded-Preferred-Username",
            "X-Forwarded-Groups",
            "X-Auth-Request-Email",
            "X-Auth-Request-User",
            "X-Auth-Request-Preferred-Username",
            "X-Auth-Request-Groups",
            "X-Authenticated-Email",
            "X-Authenticated-User",
            "X-LiteLLM-User-Email",
            "X-LiteLLM-User-ID",
        ];
        Self {
            headers: headers.map(str::to_owned).to_vec(),
            internal_port: InternalPort::default(),
            not_admin: 403,
        }
    }
}
