//! The gateway's log of the whole run: nothing at error or above that the run did not cause.

use std::collections::BTreeMap;

use crate::{
    evidence::EvidenceKind,
    probe::{
        http::Answered,
        log::{Level, Record},
        nonce,
    },
    stack::{Act, Service},
    steps,
    steps::{
        run::Run,
        tracking::nonce_in,
        world::{Args, Blame, Seen, StepError, StepResult, World, expect},
    },
};

steps! {
    /// Every record at error or above since the candidate's start is of a request of the run that
    /// was refused with 4xx, of a time in which the run itself kept a service from answering, of
    /// somebody else's request, or of the stack's own.
    Then "^the gateway's log has nothing at error or above that the run itself did not cause$" => nothing_unexplained, "log.unexplained";
    /// An error line without a request, written to every log of the gateway, is found in each.
    Then "^an error that is written to it is found by the same search$" => error_found, "log.unexplained-control";
}

/// What excuses a record at error or above.
struct Excuses<'a> {
    run: &'a Run,
    answered: Answered,
}

impl Excuses<'_> {
    fn of(&self, number: usize, record: &Record) -> Option<String> {
        let notes = self.run.notes();
        if notes.marks.iter().any(|mark| record.message.contains(mark)) {
            return Some("a mark of the run".to_owned());
        }
        if self.run.grammar.harmless(record).is_some() {
            return Some("harmless, as the profile says".to_owned());
        }
        if self.run.stack.is_own_noise(&record.message) {
            return Some("the stack's own".to_owned());
        }
        // A service that is down is no reason for a worker to die.
        let mild = record.level.is_some_and(|level| level < Level::Alert);
        let trouble = { notes.troubles.iter() }.find(|one| one.excuses(number, record));
        if let Some(trouble) = trouble
            && mild
        {
            return Some(trouble.what.clone());
        }
        let others = self.run.stack.is_shared();
        let Some(request) = &record.request else {
            // A timer names the client whose request began it, and is the gateway's own.
            let timer = record.raw.contains("context: ngx.timer");
            let foreign = others && record.raw.contains(", client: ") && !timer;
            return foreign.then(|| "somebody else's connection".to_owned());
        };
        let line = request
            .rsplit_once(" HTTP/")
            .map_or(request.as_str(), |(line, _)| line);
        let statuses = self.answered.get(line).map(Vec::as_slice);
        excuse_of_request(request, statuses.unwrap_or_default(), others)
    }
}

/// What excuses a record that is of a request: `statuses` is what the run was answered to requests
/// with the same line.
fn excuse_of_request(request: &str, statuses: &[u16], others: bool) -> Option<String> {
    let refused = statuses.iter().find(|status| (400..500).contains(*status));
    let marked = nonce_in(request).is_some();
    match (statuses, refused) {
        (_, Some(status)) => Some(format!("a request of the run, answered {status}")),
        ([], None) if marked => Some("sent by the run by hand".to_owned()),
        ([], None) => others.then(|| "somebody else's request".to_owned()),
        // The run has sent such a request, and so may others have: only its mark tells whose one is.
        (_, None) => (others && !marked).then(|| "perhaps somebody else's request".to_owned()),
    }
}

/// The records at error or above since the candidate's start that nothing excuses, and the
/// others, each with its excuse.
async fn sifted(run: &Run) -> Result<(Vec<Record>, Vec<(String, Record)>), StepError> {
    let (since, _) = run.need_candidate().await?;
    let records = since.records(&*run.stack).await?;
    let excuses = Excuses {
        run,
        answered: run.http.answered(),
    };
    let mut numbers: BTreeMap<String, usize> = BTreeMap::new();
    let (mut held, mut excused) = (Vec::new(), Vec::new());
    for record in records {
        let number = numbers.entry(record.source.clone()).or_default();
        let own = *number;
        *number += 1;
        if record.level.is_some_and(|level| level >= Level::Error) {
            match excuses.of(own, &record) {
                Some(why) => excused.push((why, record)),
                None => held.push(record),
            }
        }
    }
    Ok((held, excused))
}

async fn nothing_unexplained(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    // Without the mark that the next step writes, an empty log shows nothing.
    run.stack.may(Act::WriteLog).await?;
    let (held, excused) = sifted(&run).await?;
    let shown: Vec<String> = excused
        .iter()
        .map(|(why, record)| format!("({why}) {}", record.raw))
        .collect();
    world.saw(
        EvidenceKind::Log,
        &format!(
            "{} records at error or above that the run did not cause, {} others",
            held.len(),
            excused.len()
        ),
        &shown.join("\n"),
    );
    let raw: Vec<&str> = held
        .iter()
        .take(5)
        .map(|record| record.raw.as_str())
        .collect();
    expect(
        Blame::Candidate,
        held.is_empty(),
        "read the gateway's log of the whole run",
        "no record at error, crit, alert or emerg that the run itself did not cause",
        Seen::from(format!("{}: {}", held.len(), raw.join("\n"))).fact("log", raw.join("\n")),
    )
}

async fn error_found(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let mark = format!("verify-error-{}", nonce());
    let now = jiff::ZonedDateTime::now().strftime("%Y/%m/%d %H:%M:%S");
    let line = format!("{now} [error] 0#0: {mark}\n");
    let sources = run.stack.append_log(Service::Gateway, &line).await?;
    let (held, _) = sifted(&run).await?;
    run.notes().marks.push(mark.clone());
    let mut found: Vec<String> = held
        .into_iter()
        .filter(|record| record.message.contains(&mark))
        .map(|record| record.source)
        .collect();
    found.sort();
    expect(
        Blame::Control,
        !sources.is_empty() && found == sources,
        "write an error line without a request to every log of the gateway",
        format!("the same search finds it in {sources:?}"),
        format!("found in {found:?}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_held_against_the_candidate_where_it_is_surely_the_runs_and_was_not_refused() {
        let marked = format!("GET /?verify={} HTTP/1.1", nonce());
        let plain = "GET / HTTP/1.1";
        for (request, statuses, others, held) in [
            (marked.as_str(), &[200][..], false, true),
            (&marked, &[200], true, true),
            (&marked, &[200, 403], true, false),
            (&marked, &[], true, false),
            (plain, &[200], false, true),
            (plain, &[404], false, false),
            (plain, &[], false, true),
            // Other people ask for that, too.
            (plain, &[200], true, false),
            (plain, &[], true, false),
        ] {
            let excuse = excuse_of_request(request, statuses, others);
            assert_eq!(
                excuse.is_none(),
                held,
                "{request} {statuses:?} {others}: {excuse:?}"
            );
        }
    }
}
