//! X.17: the gateway's log of the whole run has nothing at error or above that the run did not cause.

use std::collections::BTreeMap;

use crate::{
    probe::{
        http::Answered,
        log::{Level, Record},
    },
    steps::{log::pairs::nonce_in, prelude::*, self_check::log_line},
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
        let mut faults = notes.faults.iter();
        let fault = faults.find(|one| one.excuses(number, record));
        if let Some(fault) = fault.filter(|_| mild) {
            return Some(fault.what.clone());
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
async fn sifted(run: &Run) -> StepResult<(Vec<Record>, Vec<(String, Record)>)> {
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

async fn nothing_unexplained(world: &mut World, run: &Run, _: Args) -> StepResult {
    // Without the mark that the next step writes, an empty log shows nothing.
    run.stack.may(Act::WriteLog).await?;
    let (held, excused) = sifted(run).await?;
    let (count, others) = (held.len(), excused.len());
    let title =
        format!("{count} records at error or above that the run did not cause, {others} others");
    let excused = excused.iter();
    let excused = excused.map(|(why, record)| format!("({why}) {}", record.raw));
    world.saw(EvidenceKind::Log, title, lines(excused));
    let raw = lines(held.iter().take(5).map(|record| &record.raw));
    check(
        "read the gateway's log of the whole run",
        Seen::from(format!("{count}: {raw}")).fact("log", &raw),
    )
    .must(
        "no record at error, crit, alert or emerg that the run itself did not cause",
        held.is_empty(),
    )
}

async fn error_found(_: &mut World, run: &Run, _: Args) -> StepResult {
    let mark = format!("verify-error-{}", nonce());
    let line = log_line(Level::Error, &mark);
    let sources = run.stack.append_log(Service::Gateway, &line).await?;
    let (mut held, _) = sifted(run).await?;
    run.notes().marks.push(mark.clone());
    held.retain(|record| record.message.contains(&mark));
    let mut found: Vec<String> = held.into_iter().map(|record| record.source).collect();
    found.sort();
    let did = "write an error line without a request to every log of the gateway";
    check(did, format!("found in {found:?}")).control(
        format!("the same search finds it in {sources:?}"),
        !sources.is_empty() && found == sources,
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
