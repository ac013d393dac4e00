//! Steps that know nothing of this plan: a request, an answer, a line of the log, a key in
//! Redis, an entry of a journal, a count of sockets. Another plan can be written with them.

use regex::Regex;

use super::{
    script,
    world::{Args, Blame, StepError, StepResult, World, expect},
};
use secrecy::ExposeSecret as _;

use crate::{
    evidence::EvidenceKind,
    probe::{
        NONCE,
        browser::Hop,
        http::Request,
        log::{Level, Record, Window},
        nonce,
    },
    stack::Service,
    steps,
};

steps! {
    /// Ends a service of the stack at once: gateway, auth, redis, upstream or idp.
    When "^the service \"(?P<service>[a-z]+)\" is killed$" => kill, "stack.kill";
    /// Restarts a service of the stack; it need not answer yet.
    When "^the service \"(?P<service>[a-z]+)\" is restarted$" => restart, "stack.restart";
    /// Sends a request without a session to the public site or to the internal port.
    When "^(?P<method>GET|HEAD|POST|PUT|DELETE) \"(?P<path>[^\"]+)\" is asked on the (?P<port>public|internal) port$" => request, "answer.any";
    /// Asks for a path in the session so many times, and looks at nothing but that answers
    /// come: what requests cost by themselves.
    When "^the session asks for \"(?P<path>[^\"]+)\" (?P<count>[0-9]+) times, unchecked$" => unchecked, "session.unchecked";
    /// Runs a script of the plan bundle beside the stack, with bash: needs --allow-scripts. It sees
    /// the system read-only, no other file of the host and no environment but this. It finds the site's address
    /// in SITE, its host name in HOST, the internal port's address in INTERNAL, the session's
    /// cookie in COOKIE, the gateway's log in LOG, and who the admin and the test user are in
    /// ADMIN and TEST_USER; CONTROL_TOKEN opens the control paths of the doubles. Fails when its exit status is not 0.
    When "^the script \"(?P<script>[^\"]+)\" is run$" => run_script, "script.exit";
    /// The status of the last answer.
    Then "^the answer's status is (?P<status>[0-9]+)$" => status, "answer.status";
    /// A header field of the last answer holds a text.
    Then "^the answer's header \"(?P<name>[^\"]+)\" holds \"(?P<text>[^\"]*)\"$" => header, "answer.header";
    /// The body of the last answer holds a text.
    Then "^the answer's body holds \"(?P<text>[^\"]+)\"$" => body, "answer.body";
    /// A value of the last answer's JSON body, by JSON pointer; compared as text.
    Then "^the answer's JSON has \"(?P<value>[^\"]*)\" at \"(?P<pointer>[^\"]*)\"$" => json, "answer.json";
    /// In the window, the last request caused a line that matches a regular expression.
    Then "^the log has a line for the request that matches \"(?P<pattern>.+)\"$" => line, "log.line";
    /// In the window, the last request caused no record at this level or above, but for messages
    /// that the profile calls harmless.
    Then "^the log has nothing at (?P<level>warn|error|crit) or above for the request$" => quiet, "log.quiet";
    /// A control for what passes because it sees nothing: the log, the doubles' journals, Redis,
    /// the processes and the socket table show something that is known to be there.
    Then "^every sense of the run shows what is there$" => senses, "control.senses";
    /// A key exists in Redis, or does not.
    Then "^the key \"(?P<key>[^\"]+)\" (?P<is>exists|does not exist) in Redis$" => key, "redis.key";
    /// The upstream's journal has so many entries of the last request.
    Then "^the upstream received the request (?P<count>[0-9]+) times$" => received, "upstream.count";
    /// The gateway's processes hold at most so many established connections to a port.
    Then "^the gateway holds at most (?P<count>[0-9]+) connections to port (?P<port>[0-9]+)$" => connections, "sockets.count";
}

fn service(args: &Args) -> Result<Service, StepError> {
    let name = args.text("service");
    Service::named(name).ok_or_else(|| {
        StepError::harness("read a step", "gateway, auth, redis, upstream or idp", name)
    })
}

async fn kill(world: &mut World, args: Args) -> StepResult {
    Ok(world.run()?.stack.kill(service(&args)?).await?)
}

async fn restart(world: &mut World, args: Args) -> StepResult {
    Ok(world.run()?.stack.restart(service(&args)?).await?)
}

async fn request(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    world.scene.window = Some(Window::open(&*run.stack, Service::Gateway).await?);
    world.scene.upstream_cursor = run.upstream.cursor().await?;
    let path = args.text("path");
    let mut url = match args.text("port") {
        "internal" => format!("http://{}{path}", run.stack.internal())
            .parse()
            .map_err(|error| StepError::harness("make an address", path, error))?,
        _ => run.plain_page(path)?,
    };
    world.scene.note = nonce();
    url.query_pairs_mut().append_pair(NONCE, &world.scene.note);
    let request = Request {
        method: args.text("method").to_owned(),
        ..Request::get(url)
    };
    let response = run.http.send(&request).await?;
    let hop = Hop { request, response };
    world.saw_hop(&hop);
    world.scene.last = Some(hop);
    Ok(())
}

async fn unchecked(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    let (url, _) = run.page(args.text("path"))?;
    for _ in 0..args.number::<u32>("count")? {
        world
            .session()?
            .browser
            .send(Request::get(url.clone()))
            .await?;
    }
    Ok(())
}

async fn run_script(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    let site = run.plain_page("/")?;
    let cookies = world.session()?.browser.cookies(&site).unwrap_or_default();
    let did = format!("run {}", args.text("script"));
    let address = |host: &str, port: u16| {
        run.stack
            .endpoints()
            .resolve(host, port)
            .map(|found| found.to_string())
    };
    let token = (run.stack.secrets().control.as_ref())
        .map_or(String::new(), |token| token.expose_secret().to_owned());
    let sandboxed = matches!(run.plan.run.stack.as_str(), "sandbox" | "fake");
    let log = run.stack.service_log(Service::Gateway);
    let output = script::command(
        sandboxed,
        &run.plan.bundle,
        args.text("script"),
        log.as_deref(),
    )
    .map_err(|why| StepError::harness(&did, "a script that can be run", why))?
    .env(
        "SITE",
        address(&run.profile.site.host, 80).unwrap_or_default(),
    )
    .env("HOST", &run.profile.site.host)
    .env("INTERNAL", run.stack.internal().to_string())
    .env("COOKIE", cookies)
    .env("ADMIN", &run.profile.users.admin)
    .env("CONTROL_TOKEN", token)
    .env("TEST_USER", &run.profile.users.test)
    .output()
    .await
    .map_err(|error| StepError::harness(&did, "bash", error))?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    world.saw(
        EvidenceKind::Command,
        &format!("{did}: {}", output.status),
        &said,
    );
    expect(
        Blame::Candidate,
        output.status.success(),
        did,
        "exit status 0",
        format!("{}: {said}", output.status),
    )
}

/// Holds an expectation against the last answer.
fn answer(world: &World, holds: impl Fn(&Hop) -> bool, expected: String) -> StepResult {
    let hop = world.last()?;
    let did = format!("{} {}", hop.request.method, hop.request.url);
    expect(Blame::Candidate, holds(hop), did, expected, &hop.response)
}

async fn status(world: &mut World, args: Args) -> StepResult {
    let wanted: u16 = args.number("status")?;
    answer(
        world,
        |hop| hop.response.status == wanted,
        format!("status {wanted}"),
    )
}

async fn header(world: &mut World, args: Args) -> StepResult {
    let (name, text) = (args.text("name").to_ascii_lowercase(), args.text("text"));
    let holds = |hop: &Hop| {
        hop.response
            .header(&name)
            .is_some_and(|value| value.contains(text))
    };
    answer(world, holds, format!("{name} holds {text}"))
}

async fn body(world: &mut World, args: Args) -> StepResult {
    let text = args.text("text");
    answer(
        world,
        |hop| hop.response.body.contains(text),
        format!("a body with {text}"),
    )
}

async fn json(world: &mut World, args: Args) -> StepResult {
    let (pointer, wanted) = (args.text("pointer"), args.text("value"));
    let holds = |hop: &Hop| {
        let json = hop.response.json().unwrap_or_default();
        let value = json.pointer(pointer);
        value.is_some_and(|value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
                == wanted
        })
    };
    answer(world, holds, format!("JSON with {pointer} = {wanted}"))
}

/// The records of the window that the last request caused.
fn own(world: &World, records: Vec<Record>) -> Vec<Record> {
    records
        .into_iter()
        .filter(|record| record.caused_by(&world.scene.note))
        .collect()
}

async fn line(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    let pattern = Regex::new(args.text("pattern"))
        .map_err(|error| StepError::harness("read a step", "a regular expression", error))?;
    let nonce = world.scene.note.clone();
    let found = |records: &[Record]| {
        records
            .iter()
            .any(|record| record.caused_by(&nonce) && pattern.is_match(&record.raw))
    };
    let records = world
        .window()?
        .wait(&*run.stack, run.deadline(), found)
        .await?;
    let holds = found(&records);
    let raw: Vec<String> = own(world, records)
        .into_iter()
        .map(|record| record.raw)
        .collect();
    world.saw(EvidenceKind::Log, "lines of the request", &raw.join("\n"));
    expect(
        Blame::Candidate,
        holds,
        "read the log of the request",
        format!("a line that matches {pattern}"),
        raw.join("\n"),
    )
}

async fn quiet(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    let level = Level::named(args.text("level"))
        .ok_or_else(|| StepError::harness("read a step", "a level", args.text("level")))?;
    let records = world.window()?.records(&*run.stack).await?;
    let loud: Vec<String> = own(world, records)
        .into_iter()
        .filter(|record| record.level.is_some_and(|found| found >= level))
        .filter(|record| run.grammar.harmless(record).is_none())
        .map(|record| record.raw)
        .collect();
    expect(
        Blame::Candidate,
        loud.is_empty(),
        "read the log of the request",
        "nothing at that level",
        loud.join("\n"),
    )
}

async fn senses(world: &mut World, _: Args) -> StepResult {
    match world.run()?.blind().await {
        None => Ok(()),
        Some(blind) => expect(Blame::Control, false, blind.did, blind.expected, blind.seen),
    }
}

async fn key(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    let (key, wanted) = (args.text("key"), args.text("is") == "exists");
    let found = run.redis.exists(key).await?;
    let seen = if found { "it exists" } else { "(nil)" };
    world.saw(EvidenceKind::Redis, key, seen);
    expect(
        Blame::Candidate,
        found == wanted,
        format!("look {key} up in Redis"),
        format!("it {}", args.text("is")),
        seen,
    )
}

async fn received(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    let wanted: usize = args.number("count")?;
    let entries = run.upstream.since(world.scene.upstream_cursor).await?;
    let count = entries
        .iter()
        .filter(|entry| entry.query.contains(&world.scene.note))
        .count();
    expect(
        Blame::Candidate,
        count == wanted,
        "read the upstream's journal",
        format!("{wanted} entries of the request"),
        count,
    )
}

async fn connections(world: &mut World, args: Args) -> StepResult {
    let run = world.run()?;
    let (limit, port): (usize, u16) = (args.number("count")?, args.number("port")?);
    let state = run.stack.state(Service::Gateway).await?;
    let own =
        |pid: u32| pid == state.main.pid || state.workers.iter().any(|worker| worker.pid == pid);
    let sockets = run.stack.sockets(Service::Gateway).await?;
    let held: Vec<String> = sockets
        .iter()
        .filter(|socket| {
            socket.state == "ESTABLISHED"
                && socket.remote.port() == port
                && socket.pid.is_some_and(own)
        })
        .map(|socket| format!("{} -> {}", socket.local, socket.remote))
        .collect();
    world.saw(
        EvidenceKind::Sockets,
        &format!("the gateway's connections to port {port}"),
        &held.join("\n"),
    );
    expect(
        Blame::Candidate,
        held.len() <= limit,
        "count the gateway's connections",
        format!("at most {limit}"),
        held.len(),
    )
}
