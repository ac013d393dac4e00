//! What the tenant remembers: logins under way, sessions, codes and tokens.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::tokens::opaque;

/// How long a login may be under way.
const LOGIN_LIFE: Duration = Duration::from_secs(3600);

/// How long a code may wait for its exchange.
const CODE_LIFE: Duration = Duration::from_secs(60);

/// How long an access token is good for, in seconds: Auth0's default for `/userinfo`.
pub(super) const ACCESS_SECONDS: u64 = 86_400;

/// How a code is bound to the client that asked for it (RFC 7636).
#[derive(Clone)]
pub(super) enum Challenge {
    /// The SHA-256 of the verifier, base64url.
    S256(String),
    /// The verifier itself.
    Plain(String),
}

/// A good request for authorization.
#[derive(Clone)]
pub(super) struct AuthRequest {
    pub(super) redirect_uri: String,
    pub(super) state: Option<String>,
    pub(super) scope: String,
    pub(super) nonce: Option<String>,
    pub(super) challenge: Option<Challenge>,
    pub(super) login_hint: Option<String>,
}

/// A user's single sign-on session.
#[derive(Clone)]
pub(super) struct Session {
    /// Its name in id tokens; the cookie's value is another, which no token shows.
    pub(super) sid: String,
    pub(super) email: String,
    /// When the password was given.
    pub(super) since: jiff::Timestamp,
}

/// What a code or a token stands for.
#[derive(Clone)]
pub(super) struct Grant {
    pub(super) session: Session,
    pub(super) scope: String,
    pub(super) nonce: Option<String>,
}

impl Grant {
    pub(super) fn has_scope(&self, scope: &str) -> bool {
        self.scope.split(' ').any(|word| word == scope)
    }
}

/// What a code is exchanged for, if the client keeps to what it asked for.
#[derive(Clone)]
pub(super) struct CodeGrant {
    pub(super) grant: Grant,
    pub(super) redirect_uri: String,
    pub(super) challenge: Option<Challenge>,
}

/// A value that ends.
struct Dated<T> {
    ends: Instant,
    value: T,
}

struct Login {
    request: AuthRequest,
    /// The cookie of the session that the password opened.
    opened: Option<String>,
}

#[derive(Default)]
struct Tables {
    logins: HashMap<String, Dated<Login>>,
    sessions: HashMap<String, Session>,
    codes: HashMap<String, Dated<CodeGrant>>,
    access: HashMap<String, Dated<Grant>>,
    refresh: HashMap<String, Grant>,
}

/// Everything that lives longer than a request.
#[derive(Default)]
pub(super) struct Store(Mutex<Tables>);

/// Says nothing of what is stored: cookies, codes and tokens are as good as passwords.
impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Store")
    }
}

fn put<T>(table: &mut HashMap<String, Dated<T>>, value: T, life: Duration) -> String {
    let now = Instant::now();
    // What has ended leaves here, so that a double that runs for days does not grow.
    table.retain(|_, dated| dated.ends > now);
    let key = opaque();
    let ends = now + life;
    table.insert(key.clone(), Dated { ends, value });
    key
}

fn live<'a, T>(table: &'a mut HashMap<String, Dated<T>>, key: &str) -> Option<&'a mut T> {
    table
        .get_mut(key)
        .filter(|dated| dated.ends > Instant::now())
        .map(|dated| &mut dated.value)
}

impl Store {
    /// Opens a login; the answer is the `state` of the login pages.
    pub(super) fn begin_login(&self, request: AuthRequest) -> String {
        let opened = None;
        put(
            &mut self.lock().logins,
            Login { request, opened },
            LOGIN_LIFE,
        )
    }

    /// The request that a login under way is for.
    pub(super) fn login(&self, state: &str) -> Option<AuthRequest> {
        live(&mut self.lock().logins, state).map(|login| login.request.clone())
    }

    /// The password was right: opens a session in place of the browser's old one and returns its
    /// cookie.
    pub(super) fn open_session(&self, state: &str, email: &str, old: Option<&str>) -> String {
        let mut tables = self.lock();
        if let Some(old) = old {
            tables.sessions.remove(old);
        }
        let cookie = opaque();
        let session = Session {
            sid: opaque(),
            email: email.to_owned(),
            since: jiff::Timestamp::now(),
        };
        tables.sessions.insert(cookie.clone(), session);
        if let Some(login) = live(&mut tables.logins, state) {
            login.opened = Some(cookie.clone());
        }
        cookie
    }

    /// Ends a login whose password was given in the browser that sent `cookie`; once.
    pub(super) fn finish_login(&self, state: &str, cookie: &str) -> Option<(AuthRequest, Session)> {
        let mut tables = self.lock();
        let opened = live(&mut tables.logins, state)?.opened.as_deref() == Some(cookie);
        let session = tables.sessions.get(cookie).filter(|_| opened)?.clone();
        let login = tables.logins.remove(state)?;
        Some((login.value.request, session))
    }

    pub(super) fn session(&self, cookie: &str) -> Option<Session> {
        self.lock().sessions.get(cookie).cloned()
    }

    pub(super) fn end_by_cookie(&self, cookie: &str) -> Option<Session> {
        self.lock().sessions.remove(cookie)
    }

    /// Ends the session that a token names, wherever its browser is.
    pub(super) fn end_by_sid(&self, sid: &str) -> Option<Session> {
        let mut tables = self.lock();
        let mut named = tables.sessions.extract_if(|_, session| session.sid == sid);
        named.next().map(|(_, session)| session)
    }

    /// A code for a session, good once and for a minute.
    pub(super) fn issue_code(&self, request: AuthRequest, session: Session) -> String {
        let grant = Grant {
            session,
            scope: request.scope,
            nonce: request.nonce,
        };
        let code = CodeGrant {
            grant,
            redirect_uri: request.redirect_uri,
            challenge: request.challenge,
        };
        put(&mut self.lock().codes, code, CODE_LIFE)
    }

    /// Takes a code: whatever comes of it, it is used up.
    pub(super) fn take_code(&self, code: &str) -> Option<CodeGrant> {
        self.take_code_at(code, Instant::now())
    }

    fn take_code_at(&self, code: &str, now: Instant) -> Option<CodeGrant> {
        let dated = self.lock().codes.remove(code)?;
        (dated.ends > now).then_some(dated.value)
    }

    pub(super) fn issue_access(&self, grant: Grant) -> String {
        let life = Duration::from_secs(ACCESS_SECONDS);
        put(&mut self.lock().access, grant, life)
    }

    pub(super) fn access(&self, token: &str) -> Option<Grant> {
        live(&mut self.lock().access, token).map(|grant| grant.clone())
    }

    /// A refresh token; like Auth0's default it neither rotates nor ends.
    pub(super) fn issue_refresh(&self, grant: Grant) -> String {
        let token = opaque();
        self.lock().refresh.insert(token.clone(), grant);
        token
    }

    pub(super) fn refresh(&self, token: &str) -> Option<Grant> {
        self.lock().refresh.get(token).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        // Every change is one insert or remove: a panic cannot leave a table half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> AuthRequest {
        AuthRequest {
            redirect_uri: "http://a/cb".into(),
            state: None,
            scope: "openid".into(),
            nonce: None,
            challenge: None,
            login_hint: None,
        }
    }

    fn session() -> Session {
        Session {
            sid: "s".into(),
            email: "a@b".into(),
            since: jiff::Timestamp::now(),
        }
    }

    #[test]
    fn a_code_is_good_once_and_for_a_minute() {
        let store = Store::default();
        let code = store.issue_code(request(), session());
        assert!(store.take_code(&code).is_some());
        assert!(store.take_code(&code).is_none());
        let late = store.issue_code(request(), session());
        assert!(
            store
                .take_code_at(&late, Instant::now() + CODE_LIFE)
                .is_none()
        );
    }

    #[test]
    fn a_login_ends_once_and_only_in_its_own_browser() {
        let store = Store::default();
        let state = store.begin_login(request());
        assert!(
            store.finish_login(&state, "").is_none(),
            "no password was given"
        );
        let cookie = store.open_session(&state, "a@b", None);
        assert!(store.finish_login(&state, "another").is_none());
        assert_eq!(store.finish_login(&state, &cookie).unwrap().1.email, "a@b");
        assert!(store.finish_login(&state, &cookie).is_none());
    }

    #[test]
    fn a_session_ends_by_its_sid() {
        let store = Store::default();
        let cookie = store.open_session("none", "a@b", None);
        let sid = store.session(&cookie).unwrap().sid;
        assert_ne!(sid, cookie);
        assert!(store.end_by_sid("other").is_none());
        assert_eq!(store.end_by_sid(&sid).unwrap().email, "a@b");
        assert!(store.session(&cookie).is_none());
    }
}
