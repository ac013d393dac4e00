//! X.4: an address is a name, byte for byte, and no other address is the same user.

use std::collections::BTreeSet;

use futures::future::{join_all, try_join_all};

use super::{
    odd::{Odd, kinds, odd},
    outside::control,
    visitor::visitor,
};
use crate::{
    evidence::EvidenceKind,
    probe::{log::Window, nonce},
    stack::{Act, Service},
    steps,
    steps::{
        operations::values,
        run::Run,
        world::{Args, Blame, Coded as _, StepError, StepResult, World, expect},
    },
};

/// The codes of a user with an odd address who is tracked.
const TRACKED_CODES: &[&str] = &[
    "address.keys",
    "address.list",
    "address.neighbour",
    "address.redis",
    "address.token",
    "address.told",
    "tracking.failed",
    "tracking.wrong-user",
    "tracking.wrong-context",
    "tracking.form",
    "tracking.first-line-missing",
    "tracking.second-line-missing",
    "tracking.doubled",
    "tracking.level",
    "tracking.missing",
];

/// The codes of such a user who is banned.
const BAN_CODES: &[&str] = &[
    "address.ban",
    "address.neighbour",
    "address.refused",
    "address.unban",
    "address.unbanned",
];

steps! {
    /// Users whose addresses a careless gateway changes: `+`, upper case, Unicode, quotes, `%`, 254 characters.
    /// Each has a token, minted with the run's secret, and so has a neighbour of each: an address
    /// that is the same but for case, or once decoded. Those of the profile's `users.odd` log in, too.
    Given "^users with odd addresses, and their neighbours, have tokens and sessions$" => odd_users, "address.users", &["login.failed"];
    /// Each asks the model with the token, or for the profile's last context that is not an admin's
    /// and that a ban reaches, in the session: Redis holds each as active under exactly the address, its metadata and the list of
    /// active users name exactly it, the log has its pair, and the upstream is told exactly it.
    Then "^each is tracked under exactly that address$" => tracked, "address.tracked", TRACKED_CODES;
    /// Each is banned: the ban's key is exactly the address', the user is refused, the neighbour
    /// is not; lifting a ban of the neighbour leaves this one; lifting this one lets the user in again.
    Then "^each is banned and unbanned under exactly that address, and no neighbour is touched$" => banned, "address.banned", BAN_CODES;
    /// Whatever was made for them is deleted from Redis.
    Then "^nothing of them stays$" => cleaned, "address.cleaned";
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
    )
    .code("address.keys")?;
    let mut admin = run.need_session(&run.email("admin")?).await?;
    let answer = run
        .operate(&mut admin, "list active users", &values([]))
        .await?;
    let entries = control(answer.entries().filter(|_| answer.ok()).ok_or_else(|| {
        StepError::candidate(
            "list the active users",
            "200, JSON, a list",
            &answer.hop.response,
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
    .code("address.list")
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
