//! What gateways of the same plan do otherwise. Each default is what the plan asks for; each other
//! value makes a check a smaller one, and the report says so.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How long a ban lasts.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Ban {
    /// The only length that there is, in days, whatever is asked for. None where the length is
    /// what was asked for.
    pub fixed_days: Option<i64>,
}

/// What a location answers a banned user who has a session.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WhenBanned {
    /// It refuses.
    #[default]
    Refused,
    /// It serves: a ban does not reach it.
    Served,
}

/// What becomes of a token that was revoked.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RevokedToken {
    /// The list or its information says that it is revoked.
    #[default]
    Marked,
    /// It leaves the list at once, and there is no information of it.
    Gone,
}

/// Where the JSON of a token that was issued has what, JSON pointers.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StoredToken {
    /// The name that it was asked for by.
    pub name: String,
    /// Whose it is.
    pub email: String,
    /// When it was made, in seconds since 1970.
    pub created_at: String,
}

impl Default for StoredToken {
    fn default() -> Self {
        Self {
            name: "/token_name".to_owned(),
            email: "/email".to_owned(),
            created_at: "/created_at".to_owned(),
        }
    }
}

/// The JWTs that the gateway issues.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Jwt {
    /// The claim that holds the e-mail address.
    pub email_claim: String,
    /// The claim that holds the token's id.
    pub id_claim: String,
    /// Further claims that a token has; `{email}`, `{id}`, `{name}`, `{host}`, `{iat}` and `{exp}`
    /// are filled in. Looked for in those that are issued, and written into those that are minted.
    #[serde(default)]
    pub claims: BTreeMap<String, Value>,
    /// What becomes of one that was revoked.
    #[serde(default)]
    pub revoked: RevokedToken,
    /// What the place `revoked` of an entry holds while the token holds.
    #[serde(default = "no")]
    pub live_as: Value,
    /// What it holds then; null: anything but `live_as`, as where it is a time.
    #[serde(default = "yes")]
    pub revoked_as: Value,
}

fn no() -> Value {
    Value::Bool(false)
}

fn yes() -> Value {
    Value::Bool(true)
}

impl Jwt {
    /// Whether the place `revoked` says that the token is revoked.
    #[must_use]
    pub fn says_revoked(&self, told: &Value) -> bool {
        match &self.revoked_as {
            Value::Null => *told != self.live_as && !told.is_null(),
            revoked => told == revoked,
        }
    }

    /// The further claims of a token, filled in.
    #[must_use]
    pub fn claims_of(&self, values: &super::Values) -> BTreeMap<String, Value> {
        let fill = |value| super::fill_value(value, values);
        let claims = self.claims.iter();
        claims
            .map(|(name, value)| (name.clone(), fill(value)))
            .collect()
    }
}
