//! Phase 1: the candidate is accepted, deployed, started, healthy and quiet.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use super::{
    run::{Deployment, Run},
    world::{Args, Blame, Coded as _, Seen, StepError, StepResult, World, expect},
};
use crate::{
    digest::sha256,
    evidence::EvidenceKind,
    probe::{
        browser::Hop,
        http::{Connection, Request},
        log::{Level, Record},
    },
    stack::{Act, Output, Service, Socket, StackError, Version},
    steps,
};

steps! {
    /// The baseline runs and answers on its internal port; it is what every run starts with.
    /// A baseline that does not come up is a fault of the environment.
    Given "^the baseline is deployed and answers$" => baseline_answers, "deploy.baseline";
    /// Tests the candidate with the gateway's own binary (`-t -c`), staged beside the deployed
    /// configuration, and the same file with one brace too many.
    When "^the candidate is tested with the gateway's own binary$" => test_syntax, "syntax.run";
    /// The exit status is 0 and the program says both sentences.
    Then "^the test succeeds and says \"(?P<first>[^\"]+)\" and \"(?P<second>[^\"]+)\"$" => syntax_accepted, "syntax.accepted";
    /// Control: the same command refuses the same file with one brace too many.
    Then "^the same file with one brace too many is refused by the same command$" => brace_refused, "syntax.control";
    /// Copies the deployed configuration to the plan's backup name, on the gateway.
    Given "^the deployed configuration is backed up under the plan's name$" => back_up, "deploy.backup";
    /// Puts the candidate in place of the deployed configuration and restarts the gateway.
    When "^the candidate is deployed and the gateway is restarted$" => restart, "deploy.restart";
    /// Reads both files back from the gateway and compares their SHA-256.
    Then "^the backup is the baseline and the deployed configuration is the candidate, by their hashes$" => hashes_equal, "deploy.files";
    /// The gateway answers HTTP from a living master that is not the one before; none of the
    /// processes from before is left; every listening socket is held by the new master.
    Then "^a new master answers, every old process is gone, and the new master holds every listening socket$" => new_master, "deploy.new-master", &["deploy.not-up", "deploy.sockets"];
    /// Asks for the health check so many times; each must be answered.
    Then "^it answers its health check (?P<count>[0-9]+) times$" => answers_health, "health.answers";
    /// The master is the same process as before, alive, and was not restarted.
    Then "^the same master still runs and was not restarted again$" => still_runs, "deploy.same-master";
    /// The candidate is deployed and answers; deployed now, if no item did so before.
    Given "^the candidate runs$" => candidate_runs, "deploy.candidate";
    /// Asks for the health check over connections whose accepting process is looked up.
    When "^the health check is asked (?P<count>[0-9]+) times$" => ask_health, "health.asked";
    /// Status 200, JSON, and the value that the profile names.
    Then "^each answer is 200, JSON and healthy$" => all_healthy, "health.healthy";
    /// The process that accepted each connection is a worker of the master that runs.
    Then "^each answer came from a worker of the running master$" => from_its_workers, "health.workers";
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

async fn baseline_answers(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let state = run.need_baseline().await?;
    world.saw(
        EvidenceKind::Process,
        "the baseline's processes",
        &state.to_string(),
    );
    world.scene.before = Some(state);
    Ok(())
}

async fn test_syntax(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    if run.stack.runs_candidate() {
        return test_deployed(world).await;
    }
    let candidate = run.config(Version::Candidate)?;
    // Beside the deployed file, so that relative includes resolve.
    let staged = run
        .stack
        .config_path()
        .with_file_name("nginx.conf.candidate");
    let broken = run.stack.config_path().with_file_name("nginx.conf.control");
    run.stack
        .write_file(Service::Gateway, &staged, &candidate)
        .await?;
    let one_too_many = [candidate.as_slice(), b"\n}\n"].concat();
    run.stack
        .write_file(Service::Gateway, &broken, &one_too_many)
        .await?;
    let (staged, broken) = (staged.display().to_string(), broken.display().to_string());
    let (candidate_args, control_args) =
        (["-t", "-c", staged.as_str()], ["-t", "-c", broken.as_str()]);
    let (accepted, refused) = tokio::join!(
        run.stack.gateway_exec(&candidate_args),
        run.stack.gateway_exec(&control_args)
    );
    keep_outputs(world, accepted, refused)
}

/// Where the candidate is what runs, it is tested where it is: nothing is written. The brace
/// too many comes by the command line.
async fn test_deployed(world: &mut World) -> StepResult {
    let run = world.run()?;
    let (accepted, refused) = (
        run.stack.gateway_exec(&["-t"]).await,
        run.stack.gateway_exec(&["-t", "-g", "}"]).await,
    );
    keep_outputs(world, accepted, refused)
}

fn keep_outputs(
    world: &mut World,
    accepted: Result<Output, StackError>,
    refused: Result<Output, StackError>,
) -> StepResult {
    for (name, output) in [
        ("the candidate", &accepted),
        ("one brace too many", &refused),
    ] {
        if let Ok(output) = output {
            let title = format!(
                "nginx -t: {name}, exit {}",
                output
                    .code
                    .map_or_else(|| "by a signal".to_owned(), |code| code.to_string())
            );
            world.saw(EvidenceKind::Command, &title, &output.text);
        }
    }
    world.scene.outputs = vec![accepted?, refused?];
    Ok(())
}

async fn syntax_accepted(world: &mut World, args: Args) -> StepResult {
    let [tested, control] = world.scene.outputs.as_slice() else {
        return Err(StepError::harness("test the syntax", "two outputs", "none"));
    };
    let says = [args.text("first"), args.text("second")]
        .iter()
        .all(|text| tested.text.contains(text));
    let holds = tested.code == Some(0) && says;
    if !holds {
        // A program that refuses without naming a line, like the control without its brace,
        // says nothing about the candidate: it could not even be started.
        let names_a_line =
            tested.text.contains("nginx.conf.candidate") || tested.text.contains("[emerg]");
        let able = control.code.is_some() && names_a_line;
        world.run()?.notes().syntax = Some(tested.text.trim().to_owned());
        return Err(if able {
            StepError::candidate(
                "nginx -t -c CANDIDATE",
                "exit 0, syntax is ok, test is successful",
                &tested.text,
            )
        } else {
            StepError::harness(
                "nginx -t -c CANDIDATE",
                "a judgement on the file",
                &tested.text,
            )
        });
    }
    Ok(())
}

async fn brace_refused(world: &mut World, _: Args) -> StepResult {
    let control = world.scene.outputs.get(1);
    expect(
        Blame::Control,
        control.is_some_and(|output| output.code.is_some_and(|code| code != 0)),
        "nginx -t on the candidate with one brace too many",
        "a refusal",
        format!("{control:?}"),
    )
}

async fn back_up(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    run.refuse_bad_syntax()?;
    world.scene.note = run.back_up().await?.display().to_string();
    Ok(())
}

async fn restart(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let since = run.replace_and_restart().await?;
    world.scene.window = Some(since.clone());
    let answered = run.answers(&since).await?;
    run.deployed(&mut *run.made.lock().await, since, answered);
    Ok(())
}

async fn hashes_equal(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let backup = std::path::PathBuf::from(&world.scene.note);
    for (name, version, path) in [
        ("the backup", Version::Baseline, backup.as_path()),
        (
            "the deployed configuration",
            Version::Candidate,
            run.stack.config_path(),
        ),
    ] {
        let given = sha256(&run.config(version)?);
        let found = sha256(&run.stack.read_file(Service::Gateway, path).await?);
        world.saw(
            EvidenceKind::File,
            name,
            &format!("{} sha256 {found}", path.display()),
        );
        // Files that do not hold what was written to them are a fault of the place, not of the candidate.
        expect(
            Blame::Control,
            given == found,
            format!("read {name} back"),
            given,
            found,
        )?;
    }
    Ok(())
}

async fn new_master(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let state = match &run.made.lock().await.deployment {
        Deployment::Candidate { state, .. } => state.clone(),
        Deployment::Broken(why) => {
            return Err(StepError::candidate(
                "restart the gateway with the candidate",
                "it comes up and answers",
                Seen::from(why).fact("log", why),
            )
            .code("deploy.not-up"));
        }
        Deployment::Baseline => {
            return Err(StepError::harness(
                "restart",
                "the candidate deployed",
                "the baseline",
            ));
        }
    };
    world.saw(
        EvidenceKind::Process,
        "the candidate's processes",
        &state.to_string(),
    );
    let before = world.scene.before.clone();
    let before =
        before.ok_or_else(|| StepError::harness("restart", "the processes from before", "none"))?;
    let did = "look at the gateway's processes after the restart";
    expect(
        Blame::Control,
        state.main != before.main,
        did,
        "a new master",
        &state,
    )?;
    let old = std::iter::once(&before.main).chain(&before.workers);
    let left: Vec<_> = old
        .filter(|old| state.workers.contains(old) || state.main == **old)
        .collect();
    expect(
        Blame::Control,
        left.is_empty(),
        did,
        "no process from before",
        format!("{left:?}"),
    )?;
    let sockets = run.stack.sockets(Service::Gateway).await?;
    let own: Vec<u32> = std::iter::once(&state.main)
        .chain(&state.workers)
        .map(|process| process.pid)
        .collect();
    let internal = run.stack.internal().port();
    let listening: Vec<_> = sockets
        .iter()
        .filter(|socket| socket.state == "LISTEN" && [80, internal].contains(&socket.local.port()))
        .collect();
    let all_own = listening
        .iter()
        .all(|socket| socket.pid.is_some_and(|pid| own.contains(&pid)));
    world.saw(
        EvidenceKind::Sockets,
        "listening sockets of the gateway",
        &lines(&listening),
    );
    expect(
        Blame::Candidate,
        !listening.is_empty() && all_own,
        "look up who holds the listening sockets",
        format!("every one held by the new master {}", state.main.pid),
        lines(&listening),
    )
    .code("deploy.sockets")
}

/// Sockets, one a line.
fn lines(sockets: &[&Socket]) -> String {
    sockets
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

async fn answers_health(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    for _ in 0..args.number::<u32>("count")? {
        let answer = run.health().await;
        expect(
            Blame::Candidate,
            answer.is_ok(),
            "ask for the health check",
            "an answer",
            answer
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default(),
        )?;
    }
    Ok(())
}

async fn still_runs(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let (_, started) = run.need_candidate().await?;
    let now = run.stack.state(Service::Gateway).await?;
    expect(
        Blame::Candidate,
        now.running && now.main == started.main && now.restarts == 0,
        "look at the master after the health checks",
        format!("{:?}, running, 0 restarts", started.main),
        &now,
    )
}

async fn candidate_runs(world: &mut World, _: Args) -> StepResult {
    world.run()?.need_candidate().await.map(drop)
}

async fn ask_health(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    let (pids, answers) = health_by(&run, args.number("count")?).await?;
    answers.iter().for_each(|hop| world.saw_hop(hop));
    world.scene.pids = pids;
    world.scene.answers = answers;
    Ok(())
}

/// Asks for the health check over so many connections: which process accepted each, where that
/// is found in time, and the answers.
///
/// # Errors
/// The candidate's fault where one is not answered.
pub(super) async fn health_by(
    run: &Run,
    count: usize,
) -> Result<(Vec<Option<u32>>, Vec<Hop>), StepError> {
    let address = run.stack.internal();
    let failed = |error: std::io::Error| {
        StepError::candidate("ask for the health check", "an answer", error)
    };
    let mut connections = Vec::new();
    for _ in 0..count {
        connections.push(Connection::open(address).await.map_err(failed)?);
    }
    let ports = connections
        .iter()
        .map(Connection::local)
        .collect::<std::io::Result<Vec<_>>>()
        .map_err(failed)?;
    // The gateway's ends of these very connections, once workers have accepted them.
    let started = Instant::now();
    let pids = loop {
        let sockets = run.stack.sockets(Service::Gateway).await?;
        let holder = |port: &SocketAddr| {
            let own = |socket: &&Socket| {
                socket.local.port() == address.port() && socket.remote.port() == port.port()
            };
            sockets.iter().find(own).and_then(|socket| socket.pid)
        };
        let holders: Vec<Option<u32>> = ports.iter().map(holder).collect();
        if holders.iter().all(Option::is_some) || started.elapsed() > run.deadline() {
            break holders;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    let path = &run.profile.health.path;
    let url = format!("http://localhost:{}{path}", address.port()).parse::<url::Url>();
    let url = url.map_err(|error| StepError::harness("make an address", path, error))?;
    let mut answers = Vec::new();
    for connection in connections {
        let response = connection.get("localhost", path).await.map_err(failed)?;
        let request = Request::get(url.clone());
        answers.push(Hop { request, response });
    }
    Ok((pids, answers))
}

async fn all_healthy(world: &mut World, _: Args) -> StepResult {
    let health = world.run()?.profile.health.clone();
    expect(
        Blame::Control,
        !world.scene.answers.is_empty(),
        "ask for the health check",
        "answers",
        "none",
    )?;
    for hop in &world.scene.answers {
        let response = &hop.response;
        let value = response
            .json()
            .and_then(|json| json.pointer(&health.pointer).cloned());
        let holds = response.status == 200
            && response.is_json()
            && value == Some(health.value.as_str().into());
        expect(
            Blame::Candidate,
            holds,
            format!("GET :8080{}", health.path),
            format!("200, JSON, {} = {}", health.pointer, health.value),
            response,
        )?;
    }
    Ok(())
}

async fn from_its_workers(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let state = run.stack.state(Service::Gateway).await?;
    let workers: Vec<u32> = state.workers.iter().map(|worker| worker.pid).collect();
    expect(
        Blame::Candidate,
        world
            .scene
            .pids
            .iter()
            .all(|pid| pid.is_some_and(|pid| workers.contains(&pid))),
        "look up which process accepted the connections",
        format!("workers of master {}: {workers:?}", state.main.pid),
        format!("{:?}", world.scene.pids),
    )
}

async fn warm_up(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    // The log is looked at from before a restart on: without one there is nothing to look at.
    run.stack.may(Act::Restart).await?;
    let admin = run.email("admin")?;
    let mut browser = match run.need_session(&admin).await {
        Ok(session) => session.browser,
        Err(StepError::Skip(why)) => {
            world.saw(
                EvidenceKind::Remark,
                "first requests are made without a session",
                &why,
            );
            run.browser()
        }
        Err(other) => return Err(other),
    };
    for path in run.profile.warm_up.clone() {
        let (url, nonce) = run.page(&path)?;
        let hop = browser.send(Request::get(url)).await?;
        if matches!(hop.response.status, 400 | 401 | 403 | 405) {
            world.scene.untracked.push(nonce);
        }
        world.saw_hop(&hop);
    }
    Ok(())
}

impl World {
    /// Says how often the profile's harmless messages stand among records.
    fn note_harmless(&self, run: &Run, records: &[&Record]) {
        for (number, pattern) in run.profile.log.harmless.iter().enumerate() {
            let is_it = |record: &&&Record| run.grammar.harmless(record) == Some(number);
            let count = records.iter().filter(is_it).count();
            self.saw(
                EvidenceKind::Remark,
                &format!("{count} records at error or above are harmless, as the profile says"),
                pattern,
            );
        }
    }
}

/// Whether a request with this first line is the run's own.
fn is_own(run: &Run, line: &str) -> bool {
    let health = format!(" {} ", run.profile.health.path);
    line.contains(&health) || run.http.has_sent(line)
}

async fn log_is_clean(world: &mut World, _: Args) -> StepResult {
    let run = world.run()?;
    let (since, _) = run.need_candidate().await?;
    let records = since.records(&*run.stack).await?;
    let refused = |record: &Record| {
        world
            .scene
            .untracked
            .iter()
            .any(|nonce| record.caused_by(nonce))
    };
    // Where other people use the gateway, what a request of theirs causes is not held against
    // it. A line without a request is the gateway's own.
    let foreign = |record: &Record| {
        let line = record.request.as_deref();
        run.stack.is_shared() && line.is_some_and(|line| !is_own(&run, line))
    };
    let at_error = |record: &&Record| record.level.is_some_and(|level| level >= Level::Error);
    let harmless = |record: &Record| run.grammar.harmless(record).is_some();
    let noise = |record: &Record| run.stack.is_own_noise(&record.message);
    let (excused, errors): (Vec<&Record>, Vec<&Record>) =
        records.iter().filter(at_error).partition(|record| {
            harmless(record) || refused(record) || noise(record) || foreign(record)
        });
    world.note_harmless(&run, &excused);
    let warnings = records
        .iter()
        .filter(|record| record.level == Some(Level::Warn))
        .count();
    let mut sources: Vec<&str> = records
        .iter()
        .map(|record| record.source.as_str())
        .collect();
    sources.sort_unstable();
    sources.dedup();
    let title = format!(
        "{} records since the restart: {} at error or above, {} more that are harmless, of refused requests, of other people's or of the sandbox itself, {warnings} warnings",
        records.len(),
        errors.len(),
        excused.len()
    );
    let hidden = records.iter().any(|record| !record.in_service_log);
    let shown: Vec<&str> = records.iter().map(|record| record.raw.as_str()).collect();
    world.saw(EvidenceKind::Log, &title, &shown.join("\n"));
    if hidden {
        world.saw(
            EvidenceKind::Remark,
            "docker compose logs would not show all of it",
            &sources.join(", "),
        );
    }
    let raw: Vec<&str> = errors.iter().map(|record| record.raw.as_str()).collect();
    expect(
        Blame::Candidate,
        errors.is_empty(),
        "read the log since just before the restart, first requests included",
        "no record at error, crit, alert or emerg",
        Seen::from(raw.join("\n")).fact("log", raw.join("\n")),
    )
}

async fn sentinel_found(world: &mut World, _: Args) -> StepResult {
    let sentinel = world.run()?.sentinel(Level::Error).await?;
    expect(
        Blame::Control,
        sentinel.is_found(),
        "write an error line to every log of the gateway and read it back",
        format!("found in {:?}", sentinel.written),
        format!("found in {:?}", sentinel.found),
    )
}
