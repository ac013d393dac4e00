//! The gateway's surface as data: hosts, paths, bodies, JSON pointers, Redis keys, log
//! patterns, thresholds.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::service::Service;

mod deviations;
mod limits;
mod load;
mod operation;
mod security;
mod time;

pub use deviations::{Ban, Jwt, RevokedToken, StoredToken, WhenBanned};
pub use limits::{Rough, Streamed};
pub use operation::{Operation, Values, fill, fill_value};
pub use security::{Identity, InternalPort, Tracker};
use time::seconds;
pub use time::{TimeForm, moment, moment_like};

/// A gateway's surface.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name, for the report.
    pub name: String,
    /// The profile that it is like, in every section that it leaves out. Without one, every
    /// section must be there.
    #[serde(default, skip_serializing)]
    pub like: Option<Like>,
    /// Whether its contexts are those of the profile that it is like: then nobody said that this
    /// gateway has that surface, and nothing is held against its files before a run.
    #[serde(skip)]
    pub inherits_contexts: bool,
    /// The public site.
    pub site: Site,
    /// Who uses it.
    pub users: Users,
    /// How a person logs in and out.
    pub login: Login,
    /// How the gateway says that it is healthy.
    pub health: Health,
    /// The page of the administration.
    pub admin_page: AdminPage,
    /// The contexts that users are tracked under, and where each is met.
    pub contexts: BTreeMap<String, Context>,
    /// A path that a session may visit and that is not tracked.
    pub untracked: String,
    /// Public locations that are asked once after a restart, so that every upstream is dialled.
    pub warm_up: Vec<String>,
    /// The endpoint that records a user as active, for the gateway alone.
    #[serde(default)]
    pub tracker: Tracker,
    /// The forms that its times have.
    #[serde(default = "seconds")]
    pub times: Vec<TimeForm>,
    /// What a client might say about who it is.
    #[serde(default)]
    pub identity: Identity,
    /// The lines that tell of tracking.
    pub log: LogPatterns,
    /// Keys in Redis; `{email}` and `{id}` are filled in.
    pub redis: RedisKeys,
    /// The operations of the admin API, by name.
    pub operations: BTreeMap<String, Operation>,
    /// The JWTs that the gateway issues.
    pub jwt: Jwt,
    /// The API of the language models.
    pub llm: Llm,
    /// How long a ban lasts.
    #[serde(default)]
    pub ban: Ban,
    /// Figures that decide.
    pub thresholds: Thresholds,
    /// Where its parts are found in a deployment that runs.
    #[serde(default)]
    pub deployment: Deployment,
}

/// The context that a login ends in.
const HOME: &str = "Default";

impl Profile {
    /// The path of the home page, where a login ends: that of the context `Default`.
    #[must_use]
    pub fn home(&self) -> &str {
        self.contexts.get(HOME).map_or("/", |home| &home.path)
    }
}

impl Profile {
    /// A time in one of the forms that this gateway's have, in whole seconds since 1970.
    #[must_use]
    #[allow(clippy::cast_possible_truncation)] // a moment has far fewer digits than an i64
    pub fn moment(&self, value: &serde_json::Value) -> Option<i64> {
        let (at, form) = time::moment(value)?;
        self.times.contains(&form).then(|| at.floor() as i64)
    }
}

/// Profiles that another may be like.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Like {
    /// The shipped profile `plan`.
    Plan,
}

/// Where a gateway's parts are in a deployment by Docker Compose.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Deployment {
    /// Where the configuration is deployed, on the gateway.
    pub config: std::path::PathBuf,
    /// The names that each part may have as a service of the project.
    pub services: BTreeMap<Service, Vec<String>>,
}

impl Default for Deployment {
    fn default() -> Self {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            config: "/usr/local/openresty/nginx/conf/nginx.conf".into(),
            services: BTreeMap::from([
                (Service::Gateway, names(&["openresty", "nginx", "gateway"])),
                (Service::Auth, names(&["oauth2-proxy", "oauth2_proxy"])),
                (Service::Redis, names(&["redis"])),
                (Service::Upstream, names(&["litellm"])),
                (Service::Idp, names(&["auth0"])),
            ]),
        }
    }
}

/// The public site.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// Its host name.
    pub host: String,
    /// Its port.
    #[serde(default = "http")]
    pub port: u16,
}

impl Site {
    /// Whether an address is one of the site's.
    #[must_use]
    pub fn has(&self, url: &url::Url) -> bool {
        url.host_str() == Some(&self.host) && url.port_or_known_default() == Some(self.port)
    }

    /// Host and port as a `Host` header has them.
    #[must_use]
    pub fn authority(&self) -> String {
        match self.port {
            80 => self.host.clone(),
            port => format!("{}:{port}", self.host),
        }
    }
}

fn http() -> u16 {
    80
}

fn yes() -> bool {
    true
}

fn revoked() -> String {
    "revoked:token:{id}".to_owned()
}

/// E-mail addresses of those who use the gateway.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Users {
    /// Has admin rights.
    pub admin: String,
    /// Is banned and unbanned.
    pub test: String,
    /// Has no rights beyond a session.
    pub plain: String,
    /// Whether the gateway keeps an address as it is, or in lower case.
    #[serde(default)]
    pub case: Case,
    /// Addresses that a careless gateway changes on the way, of users without rights. A stack
    /// of the run's own lets them log in. No blank and no colon: they go through an environment.
    #[serde(default)]
    pub odd: Vec<String>,
    /// Who else there is, where a stack is to have other people on it.
    #[cfg(feature = "fault-injection")]
    #[serde(skip)]
    pub guests: Option<Guests>,
}

/// How a gateway keeps addresses.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Case {
    /// As they are.
    #[default]
    Kept,
    /// In lower case: no address with another letter is gone through.
    Lower,
}

/// People who are not the run's.
#[cfg(feature = "fault-injection")]
#[derive(Clone, Debug)]
pub struct Guests {
    /// Has admin rights, too.
    pub admin: String,
    /// The others.
    pub users: Vec<String>,
}

impl Users {
    /// All of them.
    pub fn emails(&self) -> impl Iterator<Item = &str> {
        let own = [&self.admin, &self.test, &self.plain];
        let all = own.into_iter().chain(&self.odd);
        #[cfg(feature = "fault-injection")]
        let all = all.chain(
            (self.guests.iter()).flat_map(|guests| guests.users.iter().chain([&guests.admin])),
        );
        all.map(String::as_str)
    }

    /// Those with admin rights.
    pub fn admins(&self) -> Vec<&str> {
        let all = std::iter::once(&self.admin);
        #[cfg(feature = "fault-injection")]
        let all = all.chain(self.guests.iter().map(|guests| &guests.admin));
        all.map(String::as_str).collect()
    }
}

/// How a person logs in and out.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The session's cookie.
    pub cookie: String,
    /// The path that the identity provider sends a person back to.
    pub callback: String,
    /// The path that ends a session.
    pub sign_out: String,
    /// Where the gateway's own way to the login begins, besides the folder of `callback`: beginnings
    /// of paths. Who is sent there is not let in.
    #[serde(default)]
    pub paths: Vec<String>,
    /// What the request to the identity provider must ask for.
    pub scopes: Vec<String>,
    /// The names of the form's fields.
    pub form: Form,
    /// A tracked path that a session which was handed to the run visits first, where the admin API
    /// believes only those who were seen. A login ends at such a page by itself.
    #[serde(default)]
    pub visit: Option<String>,
}

impl Login {
    /// Whether a path of the site is one on the way to the login.
    #[must_use]
    pub fn leads_through(&self, path: &str) -> bool {
        // Of a callback at the root only itself.
        let folder = match self.callback.rsplit_once('/') {
            Some((folder, _)) if !folder.is_empty() => format!("{folder}/"),
            _ => self.callback.clone(),
        };
        path.starts_with(&folder) || self.paths.iter().any(|start| path.starts_with(start))
    }
}

/// The login form of the identity provider.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Form {
    /// The field for the e-mail address.
    pub username: String,
    /// The field for the password.
    pub password: String,
}

/// The health check on the internal port.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// Its path.
    pub path: String,
    /// Where the answer says it, a JSON pointer (RFC 6901).
    pub pointer: String,
    /// What it says, any JSON.
    pub value: serde_json::Value,
}

/// The page of the administration.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdminPage {
    /// Its path.
    pub path: String,
    /// A text that only this page has; by default the `<title>` of `file`.
    #[serde(default)]
    pub marker: Option<String>,
    /// The page's file among the gateway's pages.
    pub file: String,
    /// The form in which a token is made, for a real browser; without it that is not looked at.
    #[serde(default)]
    pub form: Option<TokenForm>,
}

/// The form in which a token is made, and where the token is shown: CSS selectors.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenForm {
    /// The field for the token's name.
    pub name: String,
    /// The field for its days.
    pub days: String,
    /// The field for the models, separated by commas, where there is one.
    #[serde(default)]
    pub models: Option<String>,
    /// What is clicked on then.
    pub submit: String,
    /// Where the token is shown.
    pub token: String,
    /// Where its id is shown.
    pub id: String,
}

/// Where a context is met.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Context {
    /// A path of it.
    pub path: String,
    /// Further paths of it.
    #[serde(default)]
    pub also: Vec<String>,
    /// What the lines of tracking call it; by default its name.
    #[serde(default)]
    pub label: Option<String>,
    /// Whether a request for it reaches LiteLLM.
    pub upstream: bool,
    /// A path of it that LiteLLM answers without a database, where `path` asks for what is in
    /// one: it is asked in its place where the real LiteLLM runs without.
    #[serde(default)]
    pub without_database: Option<String>,
    /// Whether only an admin may visit it.
    #[serde(default)]
    pub admin: bool,
    /// What it answers a banned user.
    #[serde(default)]
    pub banned: WhenBanned,
    /// What its paths begin with at the upstream, where the gateway puts that in the place of
    /// `path`.
    #[serde(default)]
    pub upstream_path: Option<String>,
}

impl Context {
    /// A path of it as the upstream gets it.
    #[must_use]
    pub fn at_upstream(&self, path: &str) -> String {
        let (Some(there), Some(rest)) = (&self.upstream_path, path.strip_prefix(&self.path)) else {
            return path.to_owned();
        };
        format!("{there}{rest}")
    }

    /// Every path of it.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.path)
            .chain(&self.also)
            .map(String::as_str)
    }

    /// Whether it is asked for by another path, since LiteLLM has no database.
    #[must_use]
    pub fn lacks_database(&self) -> bool {
        self.without_database.as_ref() == Some(&self.path)
    }
}

/// Patterns of the lines that tell of tracking, as regular expressions over a line's message.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogPatterns {
    /// A user is about to be tracked: groups `email` and `context`. Without a group `context` the
    /// line names none, and all that can be looked for is exactly one pair a request.
    pub tracking: String,
    /// It worked: group `email`. Without it a request leaves one line, that of `tracking`.
    #[serde(default)]
    pub success: Option<String>,
    /// It did not: group `email`.
    #[serde(default)]
    pub failed: Option<String>,
    /// The level that both lines carry.
    pub level: String,
    /// Messages at error and above that are no fault, whole. They are counted, and not held against
    /// the candidate; a record of several lines is never one.
    #[serde(default)]
    pub harmless: Vec<String>,
    /// What the gateway writes before the text of each, besides where it was logged and words in
    /// brackets. A text behind anything else may be a client's, and counts for nothing.
    #[serde(default)]
    pub before: Option<String>,
}

/// Keys in Redis.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RedisKeys {
    /// A user is active.
    pub active_user: String,
    /// When a user was first and last seen, JSON.
    pub active_user_metadata: String,
    /// Where the metadata say when a user was last seen, a JSON pointer.
    pub last_access: String,
    /// A user is banned.
    pub ban: String,
    /// A token that was issued.
    pub token: String,
    /// A token that holds no more.
    #[serde(default = "revoked")]
    pub revoked: String,
    /// Where the JSON of a token that was issued has what, to find again what a run asked for and
    /// did not live to hear of.
    #[serde(default)]
    pub stored: StoredToken,
    /// A set of the ids of a user's tokens, where there is one.
    #[serde(default)]
    pub tokens_of: Option<String>,
    /// Whether the gateway may read oauth2-proxy's session keys.
    #[serde(default)]
    pub sessions: SessionKeys,
}

/// What the gateway may do with oauth2-proxy's session keys.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SessionKeys {
    /// Delete them.
    #[default]
    Hidden,
    /// Read them, too.
    Readable,
}

/// The API of the language models.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Llm {
    /// The models that the upstream serves.
    pub models: Vec<String>,
    /// The path of the messages API.
    pub path: String,
    /// The request's body; `{model}` and `{prompt}` are filled in.
    pub body: serde_json::Value,
    /// Further locations of the API that a token opens.
    #[serde(default)]
    pub others: Vec<Location>,
    /// Where the answer's text is, a JSON pointer.
    pub text: String,
    /// Values of the answer that must be, by JSON pointer.
    pub expect: BTreeMap<String, serde_json::Value>,
    /// The header by which the upstream learns the user, and a client may claim to be another.
    pub user_header: String,
    /// Whether the upstream gets that header. Where not, it must never come, a client's neither.
    #[serde(default = "yes")]
    pub user_header_sent: bool,
    /// Where the JSON body that the upstream gets names the user, JSON pointers.
    #[serde(default)]
    pub user_body: Vec<String>,
    /// How an answer is asked for and given piece by piece.
    #[serde(default)]
    pub stream: Streamed,
}

/// A location of the API of the language models.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Location {
    /// The HTTP method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The request's body, as that of the messages API.
    #[serde(default)]
    pub body: Option<serde_json::Value>,
}

/// Figures that decide.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// The most idle connections that one worker may keep to the internal port. 0: what is tracked
    /// makes none, and 7.1 is left out.
    pub keepalive_per_worker: usize,
    /// How much slower than the baseline the candidate may be, as a share of the baseline.
    pub slower_ratio: f64,
    /// How much slower it may be at least, in milliseconds.
    pub slower_ms: f64,
    /// How long a condition is waited for, in milliseconds.
    pub deadline_ms: u64,
    /// How long a restarted gateway has to answer, in milliseconds.
    pub restart_deadline_ms: u64,
    /// Those of rough weather.
    #[serde(default)]
    pub rough: Rough,
}

impl Profile {
    /// Asks for what LiteLLM answers without a database, in every context.
    pub fn without_database(&mut self) {
        for context in self.contexts.values_mut() {
            if let Some(path) = &context.without_database {
                context.path.clone_from(path);
            }
        }
    }
}
