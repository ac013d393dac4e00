//! The candidate is accepted, takes the baseline's place and starts.

use std::path::PathBuf;

use super::{deployment::Started, prelude::*, state::Deployment};
use crate::{
    digest::sha256,
    stack::{Output, ServiceState, Socket, StackError, Version},
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
    /// The master is the same process as before, alive, and was not restarted.
    Then "^the same master still runs and was not restarted again$" => still_runs, "deploy.same-master";
    /// The candidate is deployed and answers; deployed now, if no item did so before.
    Given "^the candidate runs$" => candidate_runs, "deploy.candidate";
}

/// The baseline's processes.
struct Before(ServiceState);

/// What the gateway's own test said of the candidate, and of the control.
struct Tested {
    candidate: Output,
    control: Output,
}

/// Where the replaced configuration is.
struct Backup(PathBuf);

async fn baseline_answers(world: &mut World, run: &Run, _: Args) -> StepResult {
    let state = run.need_baseline().await?;
    world.saw(EvidenceKind::Process, "the baseline's processes", &state);
    world.keep(Before(state));
    Ok(())
}

async fn test_syntax(world: &mut World, run: &Run, _: Args) -> StepResult {
    if run.stack.runs_candidate() {
        return test_deployed(world, run).await;
    }
    let candidate = run.config(Version::Candidate)?;
    // Beside the deployed file, so that relative includes resolve.
    let beside = |name: &str| run.stack.config_path().with_file_name(name);
    let (staged, broken) = (beside("nginx.conf.candidate"), beside("nginx.conf.control"));
    let one_too_many = [candidate.as_slice(), b"\n}\n"].concat();
    for (path, content) in [(&staged, &candidate), (&broken, &one_too_many)] {
        run.stack
            .write_file(Service::Gateway, path, content)
            .await?;
    }
    let (staged, broken) = (staged.display().to_string(), broken.display().to_string());
    let (test_staged, test_broken) = (["-t", "-c", &staged], ["-t", "-c", &broken]);
    let (accepted, refused) = tokio::join!(
        run.stack.gateway_exec(&test_staged),
        run.stack.gateway_exec(&test_broken)
    );
    keep_outputs(world, accepted, refused)
}

/// Where the candidate is what runs, it is tested where it is: nothing is written. The brace
/// too many comes by the command line.
async fn test_deployed(world: &mut World, run: &Run) -> StepResult {
    let accepted = run.stack.gateway_exec(&["-t"]).await;
    let refused = run.stack.gateway_exec(&["-t", "-g", "}"]).await;
    keep_outputs(world, accepted, refused)
}

fn keep_outputs(
    world: &mut World,
    accepted: Result<Output, StackError>,
    refused: Result<Output, StackError>,
) -> StepResult {
    let both = [
        ("the candidate", &accepted),
        ("one brace too many", &refused),
    ];
    for (name, output) in both {
        if let Ok(Output { code, text }) = output {
            let code = code.map_or_else(|| "by a signal".to_owned(), |code| code.to_string());
            let title = format!("nginx -t: {name}, exit {code}");
            world.saw(EvidenceKind::Command, title, text);
        }
    }
    world.keep(Tested {
        candidate: accepted?,
        control: refused?,
    });
    Ok(())
}

async fn syntax_accepted(world: &mut World, run: &Run, args: Args) -> StepResult {
    let Tested { candidate, control } = world.kept()?;
    let text = &candidate.text;
    if candidate.code == Some(0)
        && text.contains(args.text("first"))
        && text.contains(args.text("second"))
    {
        return Ok(());
    }
    run.notes().syntax = Some(text.trim().to_owned());
    // A program that refuses without naming a line, like the control without its brace, says
    // nothing about the candidate: it could not even be started.
    let names_a_line = text.contains("nginx.conf.candidate") || text.contains("[emerg]");
    let tested = || check("nginx -t -c CANDIDATE", text);
    tested().control(
        "a judgement on the file",
        control.code.is_some() && names_a_line,
    )?;
    tested().must("exit 0, syntax is ok, test is successful", false)
}

async fn brace_refused(world: &mut World, _: &Run, _: Args) -> StepResult {
    let Tested { control, .. } = world.kept()?;
    let refused = control.code.is_some_and(|code| code != 0);
    let did = "nginx -t on the candidate with one brace too many";
    check(did, format!("{control:?}")).control("a refusal", refused)
}

async fn back_up(world: &mut World, run: &Run, _: Args) -> StepResult {
    run.refuse_bad_syntax()?;
    world.keep(Backup(run.back_up().await?));
    Ok(())
}

async fn restart(world: &mut World, run: &Run, _: Args) -> StepResult {
    let since = run.replace_and_restart().await?;
    world.window = Some(since.clone());
    let started: Started = run.answers(&since).await?;
    run.deployed(&mut *run.made.lock().await, since, started);
    Ok(())
}

async fn hashes_equal(world: &mut World, run: &Run, _: Args) -> StepResult {
    let Backup(backup) = world.kept()?;
    let config = run.stack.config_path();
    for (name, version, path) in [
        ("the backup", Version::Baseline, backup.as_path()),
        ("the deployed configuration", Version::Candidate, config),
    ] {
        let given = sha256(&run.config(version)?);
        let found = sha256(&run.stack.read_file(Service::Gateway, path).await?);
        let seen = format!("{} sha256 {found}", path.display());
        world.saw(EvidenceKind::File, name, seen);
        // Files that do not hold what was written to them are a fault of the place.
        check(format!("read {name} back"), &found).control(&given, given == found)?;
    }
    Ok(())
}

async fn new_master(world: &mut World, run: &Run, _: Args) -> StepResult {
    let state = match &run.made.lock().await.deployment {
        Deployment::Candidate { state, .. } => state.clone(),
        Deployment::Broken(why) => {
            let seen = Seen::from(why).fact("log", why);
            return check("restart the gateway with the candidate", seen)
                .must("it comes up and answers", false)
                .code("deploy.not-up");
        }
        Deployment::Baseline => return Err(StepError::missing("the candidate deployed")),
    };
    world.saw(EvidenceKind::Process, "the candidate's processes", &state);
    let Before(before) = world.kept()?;
    let did = "look at the gateway's processes after the restart";
    check(did, &state).control("a new master", state.main != before.main)?;
    let old = std::iter::once(&before.main).chain(&before.workers);
    let runs = |old: &&_| state.workers.contains(old) || state.main == **old;
    let left: Vec<_> = old.filter(runs).collect();
    check(did, format!("{left:?}")).control("no process from before", left.is_empty())?;

    let sockets = run.stack.sockets(Service::Gateway).await?;
    let ports = [80, run.stack.internal().port()];
    let listens =
        |socket: &&Socket| socket.state == "LISTEN" && ports.contains(&socket.local.port());
    let listening: Vec<&Socket> = sockets.iter().filter(listens).collect();
    let own = |pid: u32| state.main.pid == pid || state.workers.iter().any(|one| one.pid == pid);
    let all_own = listening.iter().all(|socket| socket.pid.is_some_and(own));
    let seen = lines(&listening);
    world.saw(
        EvidenceKind::Sockets,
        "listening sockets of the gateway",
        &seen,
    );
    let expected = format!("every one held by the new master {}", state.main.pid);
    check("look up who holds the listening sockets", seen)
        .must(expected, !listening.is_empty() && all_own)
        .code("deploy.sockets")
}

async fn still_runs(_: &mut World, run: &Run, _: Args) -> StepResult {
    let (_, started) = run.need_candidate().await?;
    let now = run.stack.state(Service::Gateway).await?;
    let same = now.running && now.main == started.main && now.restarts == 0;
    let expected = format!("{:?}, running, 0 restarts", started.main);
    check("look at the master after the health checks", &now).must(expected, same)
}

async fn candidate_runs(_: &mut World, run: &Run, _: Args) -> StepResult {
    run.need_candidate().await.map(drop)
}
