//! The list of active users has who came, and nobody else.

use std::time::Duration;

use serde_json::Value;

use super::{operations::values, prelude::*};
use crate::{
    probe::now_ms,
    profile::{moment, moment_like},
};

steps! {
    /// Asks for the list of active users.
    When "^the session lists the active users$" => lists_users, "users.list";
    /// The list has the user, last seen since the run began and not in the future.
    Then "^the list has the (?P<role>admin), last seen within the run$" => has_user, "users.listed", &["users.list"];
    /// Makes the user's last access older in Redis, so that a later one is told from it; where
    /// the list does not come from there, waits for the next second.
    When "^the (?P<role>admin) was last seen a while ago$" => seen_a_while_ago, "users.aged", &["users.list"];
    /// The list has the user, last seen not before the last request.
    Then "^the list has the (?P<role>admin), last seen not before that request$" => seen_again, "users.seen-again", &["users.list"];
    /// The list does not have someone who never came.
    Then "^the list does not have someone who never came$" => not_stranger, "users.stranger", &["users.list"];
}

/// When a user was last seen by the list, in seconds since 1970, and the answer.
struct LastSeen {
    at: Option<i64>,
    hop: Hop,
}

impl LastSeen {
    async fn of(world: &World, run: &Run, email: &str) -> StepResult<Self> {
        let answer = run
            .operate_as_admin("list active users", &values([]))
            .await?;
        world.saw_hop(&answer.hop);
        let entries = answer.listed("list the active users").code("users.list")?;
        let own = answer.entry_with(&entries, "email", email);
        let at = own.and_then(|entry| run.profile.moment(answer.of_entry(entry, "last_access")?));
        let hop = answer.hop;
        Ok(Self { at, hop })
    }

    fn must_be_since(self, did: &str, expected: String, since: i64) -> StepResult {
        let until = now_ms() / 1000 + 1;
        let within = self.at.is_some_and(|at| at >= since && at <= until);
        check(did, &self.hop).must(expected, within)
    }
}

async fn lists_users(world: &mut World, run: &Run, _: Args) -> StepResult {
    LastSeen::of(world, run, "").await.map(drop)
}

async fn has_user(world: &mut World, run: &Run, args: Args) -> StepResult {
    let email = run.email(args.text("role"))?;
    let began: jiff::Timestamp = (run.plan.run.started_at.parse())
        .map_err(|error| StepError::harness("read the run's start", "a time", error))?;
    let began = began.as_second();
    let expected = format!("{email}, last seen between {began} and now");
    let seen = LastSeen::of(world, run, email).await?;
    seen.must_be_since("list the active users", expected, began)
}

async fn seen_a_while_ago(world: &mut World, run: &Run, args: Args) -> StepResult {
    let email = run.email(args.text("role"))?;
    let earlier = run.age_last_access(email).await?;
    let seen = LastSeen::of(world, run, email).await?;
    // Rounded by whoever rounds.
    if seen.at.is_some_and(|at| at > earlier + 1) {
        let into_second = u64::try_from(now_ms() % 1000).unwrap_or_default();
        tokio::time::sleep(Duration::from_millis(1000 - into_second)).await;
    }
    world.since_ms = now_ms();
    Ok(())
}

/// By how much a time is made older, in seconds.
const AGED: i64 = 100;

impl Run {
    /// Makes a user's last access older in Redis, where that is allowed and there is one, with every
    /// other time of the last day that stands there: it could be written in its place. When the last
    /// access is then, in seconds since 1970.
    pub async fn age_last_access(&self, email: &str) -> StepResult<i64> {
        let key = self.metadata_key(email);
        let now = now_ms() / 1000;
        let metadata = match self.stack.may(Act::WriteKey(&key)).await {
            Ok(()) => self.redis.get(&key).await?,
            Err(_) => None,
        };
        let metadata = metadata.and_then(|text| serde_json::from_str::<Value>(&text).ok());
        let Some(mut metadata) = metadata else {
            return Ok(now - AGED);
        };
        age(&mut metadata, now);
        self.redis.replace(&key, &metadata).await?;
        let last = metadata.pointer(&self.profile.redis.last_access);
        Ok(last
            .and_then(|last| self.profile.moment(last))
            .unwrap_or(now - AGED))
    }
}

/// Makes every time of the last day older.
fn age(value: &mut Value, now: i64) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(|field| age(field, now)),
        Value::Array(entries) => entries.iter_mut().for_each(|entry| age(entry, now)),
        other => {
            #[allow(clippy::cast_possible_truncation)] // a moment has far fewer digits than an i64
            let found = moment(other).map(|(at, form)| (at.floor() as i64, form));
            if let Some((at, form)) = found
                && (now - 86_400..=now).contains(&at)
            {
                *other = moment_like(form, at - AGED);
            }
        }
    }
}

async fn seen_again(world: &mut World, run: &Run, args: Args) -> StepResult {
    let email = run.email(args.text("role"))?;
    let since = world.since_ms / 1000;
    let expected = format!("{email}, last seen at {since} or later");
    let seen = LastSeen::of(world, run, email).await?;
    seen.must_be_since(
        "make a request and list the active users again",
        expected,
        since,
    )
}

async fn not_stranger(world: &mut World, run: &Run, _: Args) -> StepResult {
    let stranger = format!("never-{}@example.com", nonce());
    let seen = LastSeen::of(world, run, &stranger).await?;
    // The list is read by the same reader that found the admin in it; Redis is put to the test.
    run.redis_shows().await?;
    let active = run.redis.exists(&run.active_key(&stranger)).await?;
    check("look for someone who never came", &seen.hop)
        .must("not in the list", seen.at.is_none() && !active)
}
