//! The log since the restart holds no error.

use crate::{
    probe::log::{Level, Record},
    steps::prelude::*,
};

steps! {
    /// Asks once for every public location of the profile, in a session: Lua modules are
    /// loaded and upstreams dialled only then.
    When "^every public location is asked for the first time$" => warm_up, "log.first-requests";
    /// Since just before the restart: no record at error, crit, alert or emerg, other than of
    /// requests that the gateway refused, or that other people sent. Warnings are counted and shown.
    Then "^the log since the restart has no record at error or above$" => log_is_clean, "log.clean";
    /// Control: an error line written to every log that the gateway writes is found in each
    /// of them by the same reader.
    Then "^an error line written to the same logs is found by the same reader$" => sentinel_found, "log.control";
}

/// The nonces of requests that the gateway refused.
#[derive(Default)]
struct Refused(Vec<String>);

async fn warm_up(world: &mut World, run: &Run, _: Args) -> StepResult {
    // The log is looked at from before a restart on: without one there is nothing to look at.
    run.stack.may(Act::Restart).await?;
    let mut browser = match run.need_session(&run.profile.users.admin).await {
        Ok(session) => session.browser,
        Err(error) if error.is_not_reached() => {
            world.remark("first requests are made without a session", error.seen());
            run.browser()
        }
        Err(other) => return Err(other),
    };
    for path in &run.profile.warm_up {
        let (url, nonce) = run.page(path)?;
        let hop = browser.send(Request::get(url)).await?;
        world.saw_hop(&hop);
        if matches!(hop.response.status, 400 | 401 | 403 | 405) {
            world.kept_mut::<Refused>()?.0.push(nonce);
        }
    }
    Ok(())
}

/// Whether a request with this first line is the run's own.
fn is_own(run: &Run, line: &str) -> bool {
    let health = format!(" {} ", run.profile.health.path);
    line.contains(&health) || run.http.has_sent(line)
}

async fn log_is_clean(world: &mut World, run: &Run, _: Args) -> StepResult {
    let (since, _) = run.need_candidate().await?;
    let records = run.records(&since).await?;
    let nonces = &world.kept_mut::<Refused>()?.0;
    let refused = |record: &Record| nonces.iter().any(|nonce| record.caused_by(nonce));
    // Where other people use the gateway, what a request of theirs causes is not held against
    // it. A line without a request is the gateway's own.
    let foreign = |record: &Record| {
        let line = record.request.as_deref();
        run.stack.is_shared() && line.is_some_and(|line| !is_own(run, line))
    };
    let harmless = |record: &Record| run.grammar.harmless(record).is_some();
    let noise = |record: &Record| run.stack.is_own_noise(&record.message);
    let at_error = |record: &&Record| record.level.is_some_and(|level| level >= Level::Error);
    let (excused, errors): (Vec<&Record>, Vec<&Record>) =
        records.iter().filter(at_error).partition(|record| {
            harmless(record) || refused(record) || noise(record) || foreign(record)
        });
    for (number, pattern) in run.profile.log.harmless.iter().enumerate() {
        let is_it = |record: &&&Record| run.grammar.harmless(record) == Some(number);
        let count = excused.iter().filter(is_it).count();
        let title = format!("{count} records at error or above are harmless, as the profile says");
        world.remark(title, pattern);
    }
    let is_warning = |record: &&Record| record.level == Some(Level::Warn);
    let title = format!(
        "{} records since the restart: {} at error or above, {} more that are harmless, of refused requests, of other people's or of the sandbox itself, {} warnings",
        records.len(),
        errors.len(),
        excused.len(),
        records.iter().filter(is_warning).count()
    );
    let raw = lines(records.iter().map(|record| &record.raw));
    world.saw(EvidenceKind::Log, title, raw);
    if records.iter().any(|record| !record.in_service_log) {
        let mut sources: Vec<&str> = records.iter().map(|one| one.source.as_str()).collect();
        sources.sort_unstable();
        sources.dedup();
        let title = "docker compose logs would not show all of it";
        world.remark(title, sources.join(", "));
    }
    let raw = lines(errors.iter().map(|record| &record.raw));
    check(
        "read the log since just before the restart, first requests included",
        Seen::from(&raw).fact("log", &raw),
    )
    .must(
        "no record at error, crit, alert or emerg",
        errors.is_empty(),
    )
}

async fn sentinel_found(_: &mut World, run: &Run, _: Args) -> StepResult {
    let sentinel = run.sentinel(Level::Error).await?;
    let did = "write an error line to every log of the gateway and read it back";
    check(did, format!("found in {:?}", sentinel.found)).control(
        format!("found in {:?}", sentinel.written),
        sentinel.is_found(),
    )
}
