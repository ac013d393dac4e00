//! Whatever befalls a service while a run goes on: the verdict is right or there is none, the
//! candidate is never blamed for it, and the run ends.

use std::{
    fmt::Write as _,
    sync::Mutex,
    thread,
    time::{Duration, Instant},
};

use super::support::{needs_sandbox, verify};

const SERVICES: [&str; 5] = ["gateway", "auth", "redis", "upstream", "idp"];

const FAULTS: [&str; 6] = ["kill", "behead", "pause", "slow", "disk-full", "garbage"];

/// How long a run may go on past its deadline, to end what it started and to write its report.
const GRACE: Duration = Duration::from_secs(10);

/// One misfortune.
#[derive(Clone, Copy)]
struct Case {
    service: &'static str,
    fault: &'static str,
    phase: u8,
    /// How long after the phase has begun, in milliseconds.
    after: u32,
}

impl Case {
    fn name(self) -> String {
        let Self {
            service,
            fault,
            phase,
            after,
        } = self;
        format!("{service}:{fault}@{phase}+{after}")
    }

    /// Only nginx has workers that outlive their master.
    fn exists(self) -> bool {
        self.fault != "behead" || self.service == "gateway"
    }

    /// Whether it must be noticed: something that is still to come needs the service. One that
    /// is slow may be fast enough; only the gateway and oauth2-proxy write to a disk, their
    /// logs; nobody logs in after phase 6.
    fn matters(self) -> bool {
        match (self.fault, self.service) {
            ("slow", _) => false,
            ("disk-full", service) => matches!(service, "gateway" | "auth"),
            (_, "idp") => self.phase < 7,
            _ => true,
        }
    }
}

/// What one run came to: a row of the table, and what is wrong with it.
struct Row {
    text: String,
    wrong: Vec<String>,
}

fn ran(case: Case, deadline: u32) -> Row {
    let name = case.name();
    let limit = deadline.to_string();
    let began = Instant::now();
    let run = verify(["--quick", "--trouble", &name, "--deadline", &limit]).ends();
    let took = began.elapsed();
    let report = run.report();
    let mut wrong = Vec::new();
    let mut text = format!("{name:24} exit {:?} ", run.code.unwrap_or(-1));
    let mut came = false;
    let mut phase = serde_json::Value::Null;
    for item in report.items() {
        let (id, status) = (item["id"].as_str(), item["status"].as_str());
        let (id, status) = (id.unwrap_or_default(), status.unwrap_or_default());
        if item["phase"] != phase {
            text.push(' ');
            phase = item["phase"].clone();
        }
        text.push(status.chars().next().unwrap_or('?'));
        let evidence = item["evidence"].as_array().into_iter().flatten();
        let mut titles = evidence.filter_map(|evidence| evidence["title"].as_str());
        came |= titles.any(|title| title == "a service came to grief");
        if !matches!(status, "passed" | "inconclusive") && id != "7.2" {
            wrong.push(format!(
                "{name}: {id} is {status}: {} {}",
                item["reason"], item["failure"]
            ));
        }
    }
    // Past the last item that begins, nothing tells of it any more.
    if !came && case.after == 0 {
        wrong.push(format!("{name}: it did not come about"));
    }
    if !matches!(run.code, Some(3 | 4)) {
        wrong.push(format!("{name}: exit {:?}\n{}", run.code, run.stderr));
    }
    if case.matters() && came && report.with_status("inconclusive").is_empty() {
        wrong.push(format!("{name}: nothing was noticed"));
    }
    if took > Duration::from_secs(deadline.into()) + GRACE {
        wrong.push(format!("{name}: it took {took:?}"));
    }
    let _ = write!(text, "  {:.1} s", took.as_secs_f64());
    Row { text, wrong }
}

/// Goes through cases, two at a time.
fn go_through(cases: &[Case], deadline: u32) -> Vec<Row> {
    let left = Mutex::new(cases.iter());
    let rows = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let next = left.lock().expect("no panic while it is held").next();
                    let Some(case) = next else { break };
                    let row = ran(*case, deadline);
                    rows.lock().expect("no panic while it is held").push(row);
                }
            });
        }
    });
    rows.into_inner().expect("no panic while it was held")
}

fn pairs() -> impl Iterator<Item = Case> {
    let all = SERVICES.into_iter().flat_map(|service| {
        FAULTS.into_iter().map(move |fault| Case {
            service,
            fault,
            phase: 1,
            after: 0,
        })
    });
    all.filter(|case| case.exists())
}

#[track_caller]
fn nothing_wrong(rows: &[Row]) {
    let wrong: Vec<&str> = rows
        .iter()
        .flat_map(|row| &row.wrong)
        .map(String::as_str)
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Each pair of service and fault once, the phase in turn.
#[test]
fn what_befalls_a_service_in_mid_run_is_never_the_candidates_fault() {
    needs_sandbox();
    let cases: Vec<Case> = pairs()
        .zip((1..=7).cycle())
        .map(|(case, phase)| Case { phase, ..case })
        .collect();
    nothing_wrong(&go_through(&cases, 20));
}

/// Each pair at each phase, just as it begins and in the middle of it. Minutes.
#[test]
#[ignore = "some minutes: every service, fault and phase"]
fn the_whole_matrix_of_services_faults_and_phases() {
    needs_sandbox();
    let cases: Vec<Case> = pairs()
        .flat_map(|case| (1..=7).map(move |phase| Case { phase, ..case }))
        .flat_map(|case| [0, 30].map(|after| Case { after, ..case }))
        .collect();
    let rows = go_through(&cases, 15);
    let mut lines: Vec<&str> = rows.iter().map(|row| row.text.as_str()).collect();
    lines.sort_unstable();
    eprintln!("{}", lines.join("\n"));
    nothing_wrong(&rows);
}
