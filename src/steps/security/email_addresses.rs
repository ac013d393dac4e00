//! X.4: an address is a name, byte for byte, and no other address is the same user.

use std::collections::BTreeSet;

use futures::future::{join_all, try_join_all};

use super::{
    attack::control,
    email_cases::{EmailCase, case, cases},
    email_user::EmailUser,
};
use crate::{
    profile::Case,
    steps::{operations::values, prelude::*},
};

/// The codes of a user with an unusual address who is tracked.
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

/// The scenario's users; what is not the profile's own has a mark in its address.
#[derive(Default)]
struct Users {
    mark: String,
    all: Vec<EmailUser>,
}

async fn odd_users(world: &mut World, run: &Run, _: Args) -> StepResult {
    let mark = nonce();
    world.window = Some(run.log_from_here().await?);
    let own = run.profile.users.odd.iter();
    let own = own.map(|email| case("a user who logs in", email.clone()));
    let all = cases(&mark).into_iter().chain(own);
    let all: Vec<EmailCase> = match run.profile.users.case {
        Case::Kept => all.collect(),
        Case::Lower => {
            let why = "The profile says that the gateway keeps addresses in lower case.";
            world.remark("no address with upper case is gone through", why);
            all.filter_map(EmailCase::in_lower_case).collect()
        }
    };
    world.keep(Users {
        mark,
        ..Users::default()
    });
    for one in &all {
        run.stack.may(Act::Ban(&one.email)).await?;
        for key in run.active_keys(&one.email) {
            run.stack.may(Act::WriteKey(&key)).await?;
        }
    }
    let all = try_join_all(all.into_iter().map(|one| EmailUser::new(run, one))).await?;
    world.kept_mut::<Users>()?.all = all;
    world.upstream_cursor = run.upstream.cursor().await?;
    Ok(())
}

/// The first failure of many; where there is one, what was made is deleted at once.
async fn first(world: &World, run: &Run, results: Vec<StepResult>) -> StepResult {
    match results.into_iter().find(Result::is_err) {
        None => Ok(()),
        Some(failed) => {
            // What failed first is what the report must say.
            let _ = clean(world, run).await;
            failed
        }
    }
}

/// The keys that fit a profile's pattern for some address with the scenario's own mark in it.
async fn keys_with(run: &Run, pattern: &str, mark: &str) -> StepResult<Vec<String>> {
    let pattern = pattern.replace("{email}", &format!("*{mark}*"));
    Ok(run.redis.keys(&pattern).await?)
}

async fn tracked(world: &mut World, run: &Run, _: Args) -> StepResult {
    let users = &world.kept::<Users>()?.all;
    let results = join_all(users.iter().map(|one| one.is_tracked(world, run))).await;
    first(world, run, results).await?;
    let result = exactly_these(world, run).await;
    first(world, run, vec![result]).await
}

/// Redis has no other keys of such addresses than theirs, and the list of active users names them.
async fn exactly_these(world: &World, run: &Run) -> StepResult {
    let Users { mark, all } = world.kept()?;
    let own = all.iter().filter(|one| one.case.email.contains(mark));
    let mut wanted: Vec<String> = own.map(|one| run.active_key(&one.case.email)).collect();
    wanted.sort();
    let found = keys_with(run, &run.profile.redis.active_user, mark).await?;
    let title = "keys of users with odd addresses";
    world.saw(EvidenceKind::Redis, title, lines(&found));
    check("come as users with odd addresses", found.join(", "))
        .must(
            format!("exactly these keys: {}", wanted.join(", ")),
            found == wanted,
        )
        .code("address.keys")?;
    let answer = run
        .operate_as_admin("list active users", &values([]))
        .await?;
    let did = "list the active users";
    let entries = control(answer.listed(did))?;
    let listed = entries.iter();
    let listed = listed.filter_map(|entry| answer.of_entry(entry, "email")?.as_str());
    let listed: BTreeSet<&str> = listed.collect();
    let mut missing: Vec<&str> = all.iter().map(|one| one.case.email.as_str()).collect();
    missing.retain(|email| !listed.contains(email));
    let expected = "everybody with an odd address, byte for byte";
    check(did, format!("not in the list: {}", missing.join(", ")))
        .must(expected, missing.is_empty())
        .code("address.list")
}

async fn banned(world: &mut World, run: &Run, _: Args) -> StepResult {
    let users = &world.kept::<Users>()?.all;
    let results = join_all(users.iter().map(|one| one.is_banned(run))).await;
    first(world, run, results).await
}

/// Deletes whatever was made for them.
async fn clean(world: &World, run: &Run) -> StepResult {
    let Users { mark, all } = world.kept()?;
    let names = &run.profile.redis;
    let mut keys = Vec::new();
    for pattern in [&names.active_user, &names.active_user_metadata, &names.ban] {
        keys.extend(keys_with(run, pattern, mark).await?);
        for EmailUser { case, .. } in all.iter().filter(|one| !one.case.email.contains(mark)) {
            let addresses = std::iter::once(&case.email).chain(&case.neighbours);
            keys.extend(addresses.map(|email| pattern.replace("{email}", email)));
        }
    }
    Ok(run.redis.delete_all(&keys).await?)
}

async fn cleaned(world: &mut World, run: &Run, _: Args) -> StepResult {
    clean(world, run).await
}
