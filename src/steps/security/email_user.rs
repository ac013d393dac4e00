//! X.4: one user with an unusual address, and every trace that only this user may leave.

use futures::future::try_join_all;
use serde_json::Value;

use super::{
    attack::{holds, refused, with_nonce},
    email_cases::EmailCase,
};
use crate::{
    profile::WhenBanned,
    steps::{
        llm::{NamedUser, expected},
        log::pairs::pair_of_request,
        prelude::*,
    },
};

/// Someone with a token and, where a login is possible, a session.
#[derive(Debug)]
pub struct EmailUser {
    pub case: EmailCase,
    token: Token,
    neighbours: Vec<Token>,
    session: Option<Session>,
}

/// How the token and the session are answered.
struct Access {
    token: u16,
    session: Option<u16>,
}

impl Access {
    fn is_let_in(&self) -> bool {
        self.token == 200 && self.session.is_none_or(|status| status < 400)
    }

    fn is_refused(&self) -> bool {
        refused(self.token) && self.session.is_none_or(refused)
    }

    fn text(&self) -> String {
        let how = match (self.is_let_in(), self.is_refused()) {
            (true, _) => "let in",
            (_, true) => "refused",
            _ => "neither let in nor refused",
        };
        let token = self.token;
        match self.session {
            Some(session) => format!("{how}: the token {token}, the session {session}"),
            None => format!("{how}: the token {token}"),
        }
    }
}

fn of_status(status: u16) -> Seen {
    Seen::from(status).fact("status", status)
}

/// Whether a key of Redis is there.
fn found(exists: bool) -> &'static str {
    if exists { "exists" } else { "(nil)" }
}

impl EmailUser {
    /// Skips where no token can be minted; a login that fails is the candidate's fault.
    pub async fn new(run: &Run, case: EmailCase) -> StepResult<Self> {
        let email = &case.email;
        let token = run.mint(email, 1).await?;
        let neighbours = case.neighbours.iter().map(|email| run.mint(email, 1));
        let neighbours = try_join_all(neighbours).await?;
        let session = match run.stack.secrets().passwords.contains_key(email) {
            false => None,
            true => match run.log_in(email).await? {
                Ok((session, _)) => Some(session),
                Err(failure) => {
                    let login = check(format!("log in as {email}"), failure.seen());
                    login.must("a session", false).code("login.failed")?;
                    None
                }
            },
        };
        Ok(Self {
            case,
            token,
            neighbours,
            session,
        })
    }

    /// The status of the model's API with a token, and the request's mark.
    async fn asks(&self, run: &Run, token: &Token) -> StepResult<(u16, String)> {
        let mark = nonce();
        let answer = run.send_raw(&run.message_with(&token.jwt, &mark)).await?;
        Ok((answer.status, mark))
    }

    /// The status of a context in the session, where there is one.
    async fn visits(&self, run: &Run) -> StepResult<Option<(u16, Sent)>> {
        let mut contexts = run.profile.contexts.iter().rev();
        let open = contexts.find(|(_, one)| !one.admin && one.banned == WhenBanned::Refused);
        let (Some(session), Some((context, found))) = (&self.session, open) else {
            return Ok(None);
        };
        let nonce = nonce();
        let target = with_nonce(&found.path, &nonce);
        let response = run.send_raw(&run.raw_in(session, &target)?).await?;
        let sent = Sent::new(nonce, &self.case.email, context);
        Ok(Some((response.status, sent)))
    }

    async fn access(&self, run: &Run) -> StepResult<Access> {
        let (token, _) = self.asks(run, &self.token).await?;
        let session = self.visits(run).await?.map(|(status, _)| status);
        Ok(Access { token, session })
    }

    fn did(&self) -> String {
        format!("come as {} ({})", self.case.email, self.case.what)
    }

    async fn must_be_refused(&self, run: &Run, when: &str) -> StepResult {
        let access = self.access(run).await?;
        check(format!("{} {when}", self.did()), access.text())
            .must("refused", access.is_refused())
            .code("address.refused")
    }

    async fn must_be_let_in(&self, run: &Run, when: &str) -> StepResult {
        let access = self.access(run).await?;
        check(format!("{} {when}", self.did()), access.text())
            .must("let in", access.is_let_in())
            .code("address.unbanned")
    }

    /// Uses the token and the session, and looks at every trace that only this user may leave.
    pub async fn is_tracked(&self, world: &World, run: &Run) -> StepResult {
        let (email, did) = (&self.case.email, self.did());
        let (status, mark) = self.asks(run, &self.token).await?;
        check(&did, of_status(status))
            .must("the token is answered with 200", status == 200)
            .code("address.token")?;
        if let Some((status, sent)) = self.visits(run).await? {
            check(&did, of_status(status))
                .must("the session is let in", status < 400)
                .code("address.token")?;
            pair_of_request(world, run, &sent).await?;
        }
        let [key, metadata] = run.active_keys(email);
        let exists = run.redis.exists(&key).await?;
        let stored = run.redis.get(&metadata).await?;
        let value = stored.as_deref().unwrap_or("(nil)");
        let json: Value = serde_json::from_str(value).unwrap_or_default();
        let mut values = json
            .as_object()
            .into_iter()
            .flat_map(|object| object.values());
        let others = values.any(|value| {
            let text = value.as_str().unwrap_or_default();
            text.contains('@') && text != email
        });
        check(
            &did,
            format!("{key} {}, {metadata} = {value}", found(exists)),
        )
        .must(
            format!("{key} and {metadata} exist, and name no other address"),
            exists && stored.is_some() && !others,
        )
        .code("address.redis")?;
        for neighbour in &self.case.neighbours {
            let key = run.key(run.active_key(neighbour)).await?;
            key.must_not_exist(&did).code("address.neighbour")?;
        }
        self.is_named(world, run, &did, &mark).await
    }

    /// The upstream was told exactly this address, where it is told one at all.
    async fn is_named(&self, world: &World, run: &Run, did: &str, mark: &str) -> StepResult {
        if !run.upstream.is_kept() {
            return Ok(());
        }
        let email = &self.case.email;
        let entries = run.upstream.since(world.upstream_cursor).await?;
        let own = entries.iter().filter(|entry| holds(entry, mark));
        // A second request that names nobody is another item's.
        let named: Vec<NamedUser> = own
            .map(|entry| NamedUser::of(run, entry))
            .filter(NamedUser::is_somebody)
            .collect();
        let exactly = named.len() == 1 && named.iter().all(|named| named.is(run, email));
        check(did, format!("{named:?}"))
            .must(
                format!("the upstream is told {}", expected(run, email)),
                exactly,
            )
            .code("address.told")
    }

    /// Bans this user, and lifts the ban, and looks at the neighbours meanwhile.
    pub async fn is_banned(&self, run: &Run) -> StepResult {
        let email = &self.case.email;
        let answer = run.ban(email, 1).await?;
        check(format!("ban {email}"), &answer.hop)
            .must(answer.success(), answer.ok())
            .code("address.ban")?;
        let key = run.key(run.ban_key(email)).await?;
        key.must_exist(format!("ban {email}")).code("address.ban")?;
        self.must_be_refused(run, "after the ban").await?;
        for (token, neighbour) in self.neighbours.iter().zip(&self.case.neighbours) {
            let (status, _) = self.asks(run, token).await?;
            check(
                format!("come as {neighbour} while {email} is banned"),
                of_status(status),
            )
            .must(OK, status == 200)
            .code("address.neighbour")?;
        }
        if let Some(neighbour) = self.case.neighbours.first() {
            run.unban(neighbour).await?;
            let when = format!("after {neighbour} was unbanned");
            self.must_be_refused(run, &when).await?;
        }
        let answer = run.unban(email).await?;
        let key = run.key(run.ban_key(email)).await?;
        check(
            format!("unban {email}"),
            format!("{}, {key}", answer.summary()),
        )
        .must(
            format!("200, and {} (nil)", key.key),
            answer.ok() && !key.exists,
        )
        .code("address.unban")?;
        self.must_be_let_in(run, "after the ban was lifted").await
    }
}
