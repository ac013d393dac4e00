//! The health check answers, says healthy, and comes from the workers of the master that runs.

use std::net::SocketAddr;

use super::{prelude::*, run::address};
use crate::{probe::http::Connection, stack::Socket};

steps! {
    /// Asks for the health check so many times; each must be answered.
    Then "^it answers its health check (?P<count>[0-9]+) times$" => answers_health, "health.answers";
    /// Asks for the health check over connections whose accepting process is looked up.
    When "^the health check is asked (?P<count>[0-9]+) times$" => ask_health, "health.asked";
    /// Status 200, JSON, and the value that the profile names.
    Then "^each answer is 200, JSON and healthy$" => all_healthy, "health.healthy";
    /// The process that accepted each connection is a worker of the master that runs.
    Then "^each answer came from a worker of the running master$" => from_its_workers, "health.workers";
}

/// Health checks: which process accepted each connection, where that is found in time, and the
/// answers.
pub(super) struct Health {
    pub pids: Vec<Option<u32>>,
    answers: Vec<Hop>,
}

const DID: &str = "ask for the health check";

async fn answers_health(_: &mut World, run: &Run, args: Args) -> StepResult {
    for _ in 0..args.number::<u32>("count")? {
        let answer = run.health().await;
        let error = answer.as_ref().err().map(ToString::to_string);
        check(DID, error.unwrap_or_default()).must("an answer", answer.is_ok())?;
    }
    Ok(())
}

async fn ask_health(world: &mut World, run: &Run, args: Args) -> StepResult {
    let health = Health::ask(run, args.number("count")?).await?;
    world.saw_hops(&health.answers);
    world.keep(health);
    Ok(())
}

impl Health {
    /// Asks over so many connections at the same time.
    pub(super) async fn ask(run: &Run, count: usize) -> StepResult<Self> {
        let internal = run.stack.internal();
        let failed = |error: std::io::Error| StepError::candidate(DID, "an answer", error);
        let mut connections = Vec::new();
        for _ in 0..count {
            connections.push(Connection::open(internal).await.map_err(failed)?);
        }
        let ports = connections.iter().map(Connection::local);
        let ports: std::io::Result<Vec<SocketAddr>> = ports.collect();
        let ports = ports.map_err(failed)?;
        // The gateway's ends of these very connections, once workers have accepted them.
        let holders = async || {
            let sockets = run.stack.sockets(Service::Gateway).await?;
            let holder = |port: &SocketAddr| {
                let own = |socket: &&Socket| {
                    socket.local.port() == internal.port() && socket.remote.port() == port.port()
                };
                sockets.iter().find(own).and_then(|socket| socket.pid)
            };
            Ok::<Vec<Option<u32>>, StepError>(ports.iter().map(holder).collect())
        };
        let pids = poll(run.deadline(), holders, |pids| {
            pids.iter().all(Option::is_some)
        })
        .await?;
        let path = &run.profile.health.path;
        let url = address(&format!("http://localhost:{}{path}", internal.port()))?;
        let mut answers = Vec::new();
        for connection in connections {
            let response = connection.get("localhost", path).await.map_err(failed)?;
            let request = Request::get(url.clone());
            answers.push(Hop { request, response });
        }
        Ok(Self { pids, answers })
    }
}

async fn all_healthy(world: &mut World, run: &Run, _: Args) -> StepResult {
    let Health { answers, .. } = world.kept()?;
    let health = &run.profile.health;
    check(DID, "none").control("answers", !answers.is_empty())?;
    for Hop { response, .. } in answers {
        let json = response.json().unwrap_or_default();
        let healthy = response.status == 200
            && response.is_json()
            && json.pointer(&health.pointer) == Some(&health.value);
        let expected = format!("200, JSON, {} = {}", health.pointer, health.value);
        check(format!("GET :8080{}", health.path), response).must(expected, healthy)?;
    }
    Ok(())
}

async fn from_its_workers(world: &mut World, run: &Run, _: Args) -> StepResult {
    let Health { pids, .. } = world.kept()?;
    let state = run.stack.state(Service::Gateway).await?;
    let workers: Vec<u32> = state.workers.iter().map(|worker| worker.pid).collect();
    let is_worker = |pid: &Option<u32>| pid.is_some_and(|pid| workers.contains(&pid));
    let expected = format!("workers of master {}: {workers:?}", state.main.pid);
    check(
        "look up which process accepted the connections",
        format!("{pids:?}"),
    )
    .must(expected, pids.iter().all(is_worker))
}
