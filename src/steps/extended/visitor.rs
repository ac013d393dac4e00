//! X.4: one user with an odd address, and every trace that only this user may leave.

use futures::future::try_join_all;
use serde_json::Value;

use super::{
    banned::operate,
    odd::Odd,
    outside::{holds, refused},
};
use crate::{
    probe::{NONCE, nonce},
    profile::WhenBanned,
    steps::{
        phase5::{Told, expected, told},
        run::{Run, Sent, Token},
        session::Session,
        tracking::pair_of_request,
        world::{Blame, Coded as _, Seen, StepError, StepResult, World, expect},
    },
};

/// Someone with a token and, where a login is possible, a session.
#[derive(Debug)]
pub struct Visitor {
    /// Who.
    pub odd: Odd,
    token: Token,
    neighbours: Vec<Token>,
    session: Option<Session>,
}

/// A visitor with an odd address.
///
/// # Errors
/// Skips where no token can be minted; a login that fails is the candidate's fault.
pub async fn visitor(run: &Run, odd: Odd) -> Result<Visitor, StepError> {
    let token = run.mint(&odd.email, 1).await?;
    let neighbours = try_join_all(odd.neighbours.iter().map(|email| run.mint(email, 1))).await?;
    let known = run.stack.secrets().passwords.contains_key(&odd.email);
    let session = match known {
        false => None,
        true => match run.log_in(&odd.email).await? {
            Ok((session, _)) => Some(session),
            Err(failure) => {
                let did = format!("log in as {}", odd.email);
                return Err(
                    StepError::candidate(did, "a session", failure.seen()).code("login.failed")
                );
            }
        },
    };
    Ok(Visitor {
        odd,
        token,
        neighbours,
        session,
    })
}

impl Visitor {
    /// The status of the model's API with a token.
    async fn asks(&self, run: &Run, token: &Token) -> Result<(u16, String), StepError> {
        let mark = nonce();
        let raw = run
            .message(&mark)
            .header("Authorization", &format!("Bearer {}", token.jwt));
        Ok((run.send_raw(&raw).await?.status, mark))
    }

    /// The status of a context in the session, where there is one.
    async fn visits(&self, run: &Run) -> Result<Option<(u16, Sent)>, StepError> {
        let open = run
            .profile
            .contexts
            .iter()
            .rev()
            .find(|(_, found)| !found.admin && found.banned == WhenBanned::Refused);
        let (Some(session), Some((context, found))) = (&self.session, open) else {
            return Ok(None);
        };
        let nonce = nonce();
        let target = format!("{}?{NONCE}={nonce}", found.path);
        let response = run.send_raw(&run.raw_in(session, &target)?).await?;
        let (email, context) = (self.odd.email.clone(), context.clone());
        Ok(Some((
            response.status,
            Sent {
                nonce,
                email,
                context,
            },
        )))
    }

    /// Whether the user is let in, by the token and in the session.
    async fn is_let_in(&self, run: &Run) -> Result<(bool, String), StepError> {
        let (token, _) = self.asks(run, &self.token).await?;
        let session = self.visits(run).await?.map(|(status, _)| status);
        let seen = match session {
            Some(session) => format!("the token {token}, the session {session}"),
            None => format!("the token {token}"),
        };
        let all_in = token == 200 && session.is_none_or(|status| status < 400);
        let all_out = refused(token) && session.is_none_or(refused);
        let word = match (all_in, all_out) {
            (true, _) => "let in",
            (_, true) => "refused",
            _ => "neither let in nor refused",
        };
        Ok((all_in, format!("{word}: {seen}")))
    }

    /// The user is let in, or refused, now.
    async fn must_be(&self, run: &Run, wanted: &str, when: &str, code: &str) -> StepResult {
        let (_, seen) = self.is_let_in(run).await?;
        expect(
            Blame::Candidate,
            seen.starts_with(wanted),
            format!("come as {} ({}) {when}", self.odd.email, self.odd.what),
            wanted,
            seen,
        )
        .code(code)
    }

    /// Uses the token and the session, and looks at every trace that only this user may leave.
    ///
    /// # Errors
    /// A trace that is missing, or is another's.
    pub async fn is_tracked(&self, world: &World, run: &Run) -> StepResult {
        let (email, did) = (
            &self.odd.email,
            format!("come as {} ({})", self.odd.email, self.odd.what),
        );
        let (status, mark) = self.asks(run, &self.token).await?;
        expect(
            Blame::Candidate,
            status == 200,
            &did,
            "the token is answered with 200",
            Seen::from(status).fact("status", status),
        )
        .code("address.token")?;
        if let Some((status, sent)) = self.visits(run).await? {
            expect(
                Blame::Candidate,
                status < 400,
                &did,
                "the session is let in",
                Seen::from(status).fact("status", status),
            )
            .code("address.token")?;
            pair_of_request(world, run, &sent).await?;
        }
        let [key, metadata] = run.active_keys(email);
        let (exists, stored) = (
            run.redis.exists(&key).await?,
            run.redis.get(&metadata).await?,
        );
        let json: Value = stored
            .as_deref()
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default();
        let others: Vec<&str> = json
            .as_object()
            .into_iter()
            .flat_map(|object| object.values())
            .filter_map(Value::as_str)
            .filter(|text| text.contains('@') && text != email)
            .collect();
        expect(
            Blame::Candidate,
            exists && stored.is_some() && others.is_empty(),
            &did,
            format!("{key} and {metadata} exist, and name no other address"),
            format!(
                "{key} {}, {metadata} = {}",
                if exists { "exists" } else { "(nil)" },
                stored.as_deref().unwrap_or("(nil)")
            ),
        )
        .code("address.redis")?;
        for neighbour in &self.odd.neighbours {
            let [key, _] = run.active_keys(neighbour);
            let exists = run.redis.exists(&key).await?;
            expect(
                Blame::Candidate,
                !exists,
                &did,
                format!("{key} does not exist"),
                "it exists",
            )
            .code("address.neighbour")?;
        }
        self.is_told(world, run, &did, &mark).await
    }

    /// The upstream was told exactly this address, where it is told one at all.
    async fn is_told(&self, world: &World, run: &Run, did: &str, mark: &str) -> StepResult {
        if !run.upstream.is_kept() {
            return Ok(());
        }
        let email = &self.odd.email;
        let entries = run.upstream.since(world.scene.upstream_cursor).await?;
        let own = entries.iter().filter(|entry| holds(entry, mark));
        let told = own.map(|entry| told(run, entry));
        // A second request that names nobody is another item's.
        let told: Vec<Told> = told.filter(Told::names_somebody).collect();
        expect(
            Blame::Candidate,
            told.len() == 1 && told.iter().all(|told| told.is(run, email)),
            did,
            format!("the upstream is told {}", expected(run, email)),
            format!("{told:?}"),
        )
        .code("address.told")
    }

    /// Bans this user, and lifts the ban, and looks at the neighbours meanwhile.
    ///
    /// # Errors
    /// A ban that does not reach this user, or reaches another.
    pub async fn is_banned(&self, run: &Run) -> StepResult {
        let email = &self.odd.email;
        let answer = operate(run, "ban user", email).await?;
        expect(
            Blame::Candidate,
            answer.ok(),
            format!("ban {email}"),
            "200, JSON",
            &answer.hop.response,
        )
        .code("address.ban")?;
        let key = run.ban_key(email);
        let exists = run.redis.exists(&key).await?;
        expect(
            Blame::Candidate,
            exists,
            format!("ban {email}"),
            format!("{key} exists"),
            "(nil)",
        )
        .code("address.ban")?;
        self.must_be(run, "refused", "after the ban", "address.refused")
            .await?;
        for (token, neighbour) in self.neighbours.iter().zip(&self.odd.neighbours) {
            let (status, _) = self.asks(run, token).await?;
            let did = format!("come as {neighbour} while {email} is banned");
            let seen = Seen::from(status).fact("status", status);
            expect(Blame::Candidate, status == 200, did, "200", seen).code("address.neighbour")?;
        }
        if let Some(neighbour) = self.odd.neighbours.first() {
            operate(run, "unban user", neighbour).await?;
            let when = format!("after {neighbour} was unbanned");
            self.must_be(run, "refused", &when, "address.refused")
                .await?;
        }
        let answer = operate(run, "unban user", email).await?;
        let exists = run.redis.exists(&key).await?;
        expect(
            Blame::Candidate,
            answer.ok() && !exists,
            format!("unban {email}"),
            format!("200, and {key} (nil)"),
            format!(
                "{}, {key} {}",
                answer.summary(),
                if exists { "exists" } else { "(nil)" }
            ),
        )
        .code("address.unban")?;
        let when = "after the ban was lifted";
        self.must_be(run, "let in", when, "address.unbanned").await
    }
}
