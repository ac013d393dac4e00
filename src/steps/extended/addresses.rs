//! X.4: an address is a name, byte for byte, and no other address is the same user.

use std::collections::BTreeSet;

use futures::future::{join_all, try_join_all};
use serde_json::Value;

use super::{
    banned::operate,
    outside::{control, holds, refused},
    tracker::one_pair,
};
use crate::{
    evidence::EvidenceKind,
    probe::{NONCE, log::Window, nonce},
    profile::WhenBanned,
    stack::{Act, Service},
    steps,
    steps::{
        operations::values,
        phase5::{Told, expected, told},
        run::{Run, Sent, Token},
        session::Session,
        world::{Args, Blame, StepError, StepResult, World, expect},
    },
};

/// The longest address that mail can be sent to (RFC 5321, 4.5.3.1.3, less the brackets).
const LONGEST: usize = 254;

steps! {
    /// Users whose addresses a careless gateway changes: `+`, upper case, Unicode, quotes, `%`, 254 characters.
    /// Each has a token, minted with the run's secret, and so has a neighbour of each: an address
    /// that is the same but for case, or once decoded. Those of the profile's `users.odd` log in, too.
    Given "^users with odd addresses, and their neighbours, have tokens and sessions$" => odd_users;
    /// Each asks the model with the token, or for the profile's last context that is not an admin's
    /// and that a ban reaches, in the session: Redis holds each as active under exactly the address, its metadata and the list of
    /// active users name exactly it, the log has its pair, and the upstream is told exactly it.
    Then "^each is tracked under exactly that address$" => tracked;
    /// Each is banned: the ban's key is exactly the address', the user is refused, the neighbour
    /// is not; lifting a ban of the neighbour leaves this one; lifting this one lets the user in again.
    Then "^each is banned and unbanned under exactly that address, and no neighbour is touched$" => banned;
    /// Whatever was made for them is deleted from Redis.
    Then "^nothing of them stays$" => cleaned;
}

/// A user with an odd address.
#[derive(Clone, Debug)]
pub struct Odd {
    what: &'static str,
    email: String,
    neighbours: Vec<String>,
}

/// Addresses that are the same once somebody changes them on the way.
fn neighbours(email: &str) -> Vec<String> {
    let unplussed = email.replace('+', "%2B");
    let decoded: String = percent(email);
    let mut all: BTreeSet<String> = [
        email.to_lowercase(),
        email.to_uppercase(),
        unplussed,
        decoded,
    ]
    .into();
    all.insert(email.replace(['"', '\''], ""));
    all.remove(email);
    // The empty, and those with a blank, are no addresses.
    all.into_iter()
        .filter(|one| one.contains('@') && !one.contains(' '))
        .collect()
}

fn percent(text: &str) -> String {
    let query = format!("x={}", text.replace('+', "%2B").replace('&', "%26"));
    let decoded = url::form_urlencoded::parse(query.as_bytes()).next();
    decoded
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

fn odd(what: &'static str, email: String) -> Odd {
    let neighbours = neighbours(&email);
    Odd {
        what,
        email,
        neighbours,
    }
}

/// Every kind once, with a text that nobody used before.
fn kinds(mark: &str) -> Vec<Odd> {
    let domain = ["d".repeat(60), "e".repeat(60), "f".repeat(60)].join(".");
    let mut long = format!("Long{mark}@{domain}.example.com");
    let missing = LONGEST.saturating_sub(long.len());
    long.insert_str(0, &"l".repeat(missing));
    vec![
        odd("a plus", format!("odd+plus-{mark}@example.com")),
        odd("upper case", format!("Odd.Upper-{mark}@Example.COM")),
        odd("Unicode", format!("利用者-ß-{mark}@例え.example")),
        odd("quotes", format!("\"o'dd\"-{mark}@example.com")),
        odd(
            "a percent sign",
            format!("odd%41%2Bpercent-{mark}@example.com"),
        ),
        odd("254 characters", long),
    ]
}

/// Someone with a token and, where a login is possible, a session.
#[derive(Debug)]
pub struct Visitor {
    odd: Odd,
    token: Token,
    neighbours: Vec<Token>,
    session: Option<Session>,
}

async fn visitor(run: &Run, odd: Odd) -> Result<Visitor, StepError> {
    let token = run.mint(&odd.email, 1).await?;
    let neighbours = try_join_all(odd.neighbours.iter().map(|email| run.mint(email, 1))).await?;
    let known = run.stack.secrets().passwords.contains_key(&odd.email);
    let session = match known {
        false => None,
        true => match run.log_in(&odd.email).await? {
            Ok((session, _)) => Some(session),
            Err(failure) => {
                let did = format!("log in as {}", odd.email);
                return Err(StepError::candidate(did, "a session", failure.seen));
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

async fn odd_users(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let mark = nonce();
    world.scene.note.clone_from(&mark);
    world.scene.window = Some(Window::open(&*run.stack, Service::Gateway).await?);
    let users = run
        .profile
        .users
        .odd
        .iter()
        .map(|email| odd("a user who logs in", email.clone()));
    let all: Vec<Odd> = kinds(&mark).into_iter().chain(users).collect();
    for one in &all {
        run.stack.may(Act::Ban(&one.email)).await?;
        for key in run.active_keys(&one.email) {
            run.stack.may(Act::WriteKey(&key)).await?;
        }
    }
    world.scene.visitors = try_join_all(all.into_iter().map(|one| visitor(&run, one))).await?;
    world.scene.upstream_cursor = run.upstream.cursor().await?;
    Ok(())
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
    async fn must_be(&self, run: &Run, wanted: &str, when: &str) -> StepResult {
        let (_, seen) = self.is_let_in(run).await?;
        expect(
            Blame::Candidate,
            seen.starts_with(wanted),
            format!("come as {} ({}) {when}", self.odd.email, self.odd.what),
            wanted,
            seen,
        )
    }

    /// Uses the token and the session, and looks at every trace that only this user may leave.
    async fn is_tracked(&self, world: &World, run: &Run) -> StepResult {
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
            status,
        )?;
        if let Some((status, sent)) = self.visits(run).await? {
            expect(
                Blame::Candidate,
                status < 400,
                &did,
                "the session is let in",
                status,
            )?;
            one_pair(world, run, &sent).await?;
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
        )?;
        for neighbour in &self.odd.neighbours {
            let [key, _] = run.active_keys(neighbour);
            let exists = run.redis.exists(&key).await?;
            expect(
                Blame::Candidate,
                !exists,
                &did,
                format!("{key} does not exist"),
                "it exists",
            )?;
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
        let told: Vec<Told> = own.map(|entry| told(run, entry)).collect();
        expect(
            Blame::Candidate,
            told.len() == 1 && told.iter().all(|told| told.is(run, email)),
            did,
            format!("the upstream is told {}", expected(run, email)),
            format!("{told:?}"),
        )
    }

    /// Bans this user, and lifts the ban, and looks at the neighbours meanwhile.
    async fn is_banned(&self, run: &Run) -> StepResult {
        let email = &self.odd.email;
        let answer = operate(run, "ban user", email).await?;
        expect(
            Blame::Candidate,
            answer.ok(),
            format!("ban {email}"),
            "200, JSON",
            answer.summary(),
        )?;
        let key = run.ban_key(email);
        let exists = run.redis.exists(&key).await?;
        expect(
            Blame::Candidate,
            exists,
            format!("ban {email}"),
            format!("{key} exists"),
            "(nil)",
        )?;
        self.must_be(run, "refused", "after the ban").await?;
        for (token, neighbour) in self.neighbours.iter().zip(&self.odd.neighbours) {
            let (status, _) = self.asks(run, token).await?;
            let did = format!("come as {neighbour} while {email} is banned");
            expect(Blame::Candidate, status == 200, did, "200", status)?;
        }
        if let Some(neighbour) = self.odd.neighbours.first() {
            operate(run, "unban user", neighbour).await?;
            self.must_be(run, "refused", &format!("after {neighbour} was unbanned"))
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
        )?;
        self.must_be(run, "let in", "after the ban was lifted")
            .await
    }
}

/// The first failure of many; where there is one, what was made is deleted at once.
async fn first(world: &World, results: Vec<StepResult>) -> StepResult {
    let failed = results.into_iter().find(Result::is_err);
    match failed {
        None => Ok(()),
        Some(failed) => {
            // What failed first is what the report must say.
            let _ = clean(world).await;
            failed
        }
    }
}

/// The keys that fit a profile's pattern for some address with the scenario's own text in it.
async fn keys_with(run: &Run, pattern: &str, mark: &str) -> Result<Vec<String>, StepError> {
    Ok(run
        .redis
        .keys(&pattern.replace("{email}", &format!("*{mark}*")))
        .await?)
}

async fn tracked(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let visitors = &world.scene.visitors;
    let results = join_all(visitors.iter().map(|one| one.is_tracked(world, &run))).await;
    first(world, results).await?;
    let result = exactly_these(world, &run).await;
    first(world, vec![result]).await
}

/// Redis has no other keys of such addresses than theirs, and the list of active users names them.
async fn exactly_these(world: &World, run: &Run) -> StepResult {
    let mark = &world.scene.note;
    let own = world
        .scene
        .visitors
        .iter()
        .filter(|one| one.odd.email.contains(mark));
    let mut wanted: Vec<String> = own
        .map(|one| {
            run.profile
                .redis
                .active_user
                .replace("{email}", &one.odd.email)
        })
        .collect();
    wanted.sort();
    let found = keys_with(run, &run.profile.redis.active_user, mark).await?;
    world.saw(
        EvidenceKind::Redis,
        "keys of users with odd addresses",
        &found.join("\n"),
    );
    expect(
        Blame::Candidate,
        found == wanted,
        "come as users with odd addresses",
        format!("exactly these keys: {}", wanted.join(", ")),
        found.join(", "),
    )?;
    let mut admin = run.need_session(&run.email("admin")?).await?;
    let answer = run
        .operate(&mut admin, "list active users", &values([]))
        .await?;
    let entries = control(answer.entries().filter(|_| answer.ok()).ok_or_else(|| {
        StepError::candidate(
            "list the active users",
            "200, JSON, a list",
            answer.summary(),
        )
    }))?;
    let listed: BTreeSet<&str> = entries
        .iter()
        .filter_map(|entry| answer.of_entry(entry, "email")?.as_str())
        .collect();
    let missing: Vec<&str> = world
        .scene
        .visitors
        .iter()
        .map(|one| one.odd.email.as_str())
        .filter(|email| !listed.contains(email))
        .collect();
    expect(
        Blame::Candidate,
        missing.is_empty(),
        "list the active users",
        "everybody with an odd address, byte for byte",
        format!("not in the list: {}", missing.join(", ")),
    )
}

async fn banned(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let visitors = &world.scene.visitors;
    let results = join_all(visitors.iter().map(|one| one.is_banned(&run))).await;
    first(world, results).await
}

/// Deletes whatever was made for them.
async fn clean(world: &World) -> StepResult {
    let run = world.run()?;
    let mark = &world.scene.note;
    let mut keys = Vec::new();
    for pattern in [
        &run.profile.redis.active_user,
        &run.profile.redis.active_user_metadata,
        &run.profile.redis.ban,
    ] {
        keys.extend(keys_with(&run, pattern, mark).await?);
        for one in world
            .scene
            .visitors
            .iter()
            .filter(|one| !one.odd.email.contains(mark))
        {
            let addresses = std::iter::once(&one.odd.email).chain(&one.odd.neighbours);
            keys.extend(addresses.map(|email| pattern.replace("{email}", email)));
        }
    }
    Ok(run.redis.delete_all(&keys).await?)
}

async fn cleaned(world: &mut World, _: Args) -> StepResult {
    clean(world).await
}
