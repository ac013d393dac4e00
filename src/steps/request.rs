//! Steps that know nothing of this plan: a request, an answer, a line of a log, a key in Redis, an
//! entry of a journal, a count of sockets. Another plan can be written with them.

use secrecy::ExposeSecret as _;

use super::{prelude::*, run::address, script};
use crate::{
    doubles::journal::Entry,
    probe::log::{Level, Record},
    stack::Socket,
};

steps! {
    /// Ends a service of the stack at once: gateway, auth, redis, upstream or idp.
    When "^the service \"(?P<service>[a-z]+)\" is killed$" => kill, "stack.kill";
    /// Restarts a service of the stack; it need not answer yet.
    When "^the service \"(?P<service>[a-z]+)\" is restarted$" => restart, "stack.restart";
    /// Sends a request without a session to the public site or to the internal port.
    When "^(?P<method>GET|HEAD|POST|PUT|DELETE) \"(?P<path>[^\"]+)\" is asked on the (?P<port>public|internal) port$" => request, "answer.any";
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
    Then "^every sense of the run shows what is there$" => self_check, "control.senses";
    /// A key exists in Redis, or does not.
    Then "^the key \"(?P<key>[^\"]+)\" (?P<is>exists|does not exist) in Redis$" => key, "redis.key";
    /// The upstream's journal has so many entries of the last request.
    Then "^the upstream received the request (?P<count>[0-9]+) times$" => received, "upstream.count";
    /// The gateway's processes hold at most so many established connections to a port.
    Then "^the gateway holds at most (?P<count>[0-9]+) connections to port (?P<port>[0-9]+)$" => connections, "sockets.count";
    /// In the window, the access log has exactly one line that holds the request's mark, and that line
    /// matches a regular expression. The log's format must hold $request, $request_uri or $args.
    Then "^the access log has one line for the request, which matches \"(?P<pattern>.+)\"$" => access_line, "access-log.line";
    /// Each time that the upstream received the last request, this header field held a text, once.
    Then "^the upstream received the request with the header \"(?P<name>[^\"]+)\" holding \"(?P<text>[^\"]*)\"$" => received_header, "upstream.header";
}

fn service(args: &Args) -> StepResult<Service> {
    let name = args.text("service");
    let expected = "gateway, auth, redis, upstream or idp";
    Service::named(name).ok_or_else(|| StepError::harness("read a step", expected, name))
}

async fn kill(_: &mut World, run: &Run, args: Args) -> StepResult {
    Ok(run.stack.kill(service(&args)?).await?)
}

async fn restart(_: &mut World, run: &Run, args: Args) -> StepResult {
    Ok(run.stack.restart(service(&args)?).await?)
}

async fn request(world: &mut World, run: &Run, args: Args) -> StepResult {
    world.window = Some(run.log_from_here().await?);
    world.upstream_cursor = run.upstream.cursor().await?;
    let path = args.text("path");
    let mut url = match args.text("port") {
        "internal" => address(&format!("http://{}{path}", run.stack.internal()))?,
        _ => run.plain_page(path)?,
    };
    url.query_pairs_mut().append_pair(NONCE, &nonce());
    let request = Request {
        method: args.text("method").to_owned(),
        ..Request::get(url)
    };
    let response = run.http.send(&request).await?;
    let hop = Hop { request, response };
    world.saw_hop(&hop);
    world.last = Some(hop);
    Ok(())
}

async fn run_script(world: &mut World, run: &Run, args: Args) -> StepResult {
    let script = args.text("script");
    let site = run.plain_page("/")?;
    let cookies = world.browser()?.cookies(&site).unwrap_or_default();
    let did = format!("run {script}");
    let at = run.stack.endpoints().resolve(&run.profile.site.host, 80);
    let at = at.map(|found| found.to_string()).unwrap_or_default();
    let token = run.stack.secrets().control.as_ref();
    let token = token.map_or("", |token| token.expose_secret());
    let sandboxed = matches!(run.plan.run.stack.as_str(), "sandbox" | "fake");
    let log = run.stack.service_log(Service::Gateway);
    let output = script::command(sandboxed, &run.plan.bundle, script, log.as_deref())
        .map_err(|why| StepError::harness(&did, "a script that can be run", why))?
        .env("SITE", at)
        .env("HOST", &run.profile.site.host)
        .env("INTERNAL", run.stack.internal().to_string())
        .env("COOKIE", cookies)
        .env("ADMIN", &run.profile.users.admin)
        .env("CONTROL_TOKEN", token)
        .env("TEST_USER", &run.profile.users.test)
        .output()
        .await
        .map_err(|error| StepError::harness(&did, "bash", error))?;
    let text = [output.stdout, output.stderr].concat();
    let (status, text) = (output.status, String::from_utf8_lossy(&text));
    world.saw(EvidenceKind::Command, format!("{did}: {status}"), &text);
    check(did, format!("{status}: {text}")).must("exit status 0", status.success())
}

/// Holds an expectation against the last answer.
fn answer(world: &World, expected: String, holds: impl Fn(&Response) -> bool) -> StepResult {
    let hop = world.last()?;
    let did = format!("{} {}", hop.request.method, hop.request.url);
    check(did, hop).must(expected, holds(&hop.response))
}

async fn status(world: &mut World, _: &Run, args: Args) -> StepResult {
    let wanted: u16 = args.number("status")?;
    let expected = format!("status {wanted}");
    answer(world, expected, |response| response.status == wanted)
}

async fn header(world: &mut World, _: &Run, args: Args) -> StepResult {
    let (name, text) = (args.text("name").to_ascii_lowercase(), args.text("text"));
    answer(world, format!("{name} holds {text}"), |response| {
        let value = response.header(&name);
        value.is_some_and(|value| value.contains(text))
    })
}

async fn body(world: &mut World, _: &Run, args: Args) -> StepResult {
    let text = args.text("text");
    let expected = format!("a body with {text}");
    answer(world, expected, |response| response.body.contains(text))
}

async fn json(world: &mut World, _: &Run, args: Args) -> StepResult {
    let (pointer, wanted) = (args.text("pointer"), args.text("value"));
    answer(
        world,
        format!("JSON with {pointer} = {wanted}"),
        |response| {
            let json = response.json().unwrap_or_default();
            let value = json.pointer(pointer);
            let text = value.map(|value| match value.as_str() {
                Some(text) => text.to_owned(),
                None => value.to_string(),
            });
            text.as_deref() == Some(wanted)
        },
    )
}

async fn line(world: &mut World, run: &Run, args: Args) -> StepResult {
    let pattern = args.regex("pattern")?;
    let nonce = world.last_nonce();
    let fits = |record: &Record| record.caused_by(&nonce) && pattern.is_match(&record.raw);
    let found = |records: &[Record]| records.iter().any(fits);
    let window = world.window()?;
    let records = window.wait(&*run.stack, run.deadline(), found).await?;
    let own = records.iter().filter(|record| record.caused_by(&nonce));
    let raw = lines(own.map(|record| &record.raw));
    world.saw(EvidenceKind::Log, "lines of the request", &raw);
    check("read the log of the request", raw)
        .must(format!("a line that matches {pattern}"), found(&records))
}

async fn quiet(world: &mut World, run: &Run, args: Args) -> StepResult {
    let level = args.text("level");
    let unknown = || StepError::harness("read a step", "a level", level);
    let level = Level::named(level).ok_or_else(unknown)?;
    let nonce = world.last_nonce();
    let mut loud = world.records(run).await?;
    loud.retain(|record| {
        record.caused_by(&nonce)
            && record.level.is_some_and(|found| found >= level)
            && run.grammar.harmless(record).is_none()
    });
    let raw: Vec<&str> = loud.iter().map(|record| record.raw.as_str()).collect();
    none("read the log of the request", "nothing at that level", &raw)
}

async fn access_line(world: &mut World, run: &Run, args: Args) -> StepResult {
    let pattern = args.regex("pattern")?;
    let (window, mark) = (world.window()?, world.last_nonce());
    let read = async || window.access_lines(&*run.stack, &mark).await;
    let found = poll(run.deadline(), read, |lines| !lines.is_empty()).await?;
    let shown = match found.is_empty() {
        true => "no line".to_owned(),
        false => lines(&found),
    };
    world.saw(EvidenceKind::Log, "access log of the request", &shown);
    check("read the access log of the request", shown).must(
        format!("one line, which matches {pattern}"),
        found.len() == 1 && found.iter().all(|line| pattern.is_match(line)),
    )
}

async fn self_check(_: &mut World, run: &Run, _: Args) -> StepResult {
    run.all_show().await
}

async fn key(world: &mut World, run: &Run, args: Args) -> StepResult {
    let key = run.key(args.text("key").to_owned()).await?.seen_by(world);
    let did = format!("look {} up in Redis", key.key);
    match args.text("is") {
        "exists" => key.must_exist(did),
        _ => key.must_not_exist(did),
    }
}

/// What the upstream's journal has of the last request.
async fn entries(world: &World, run: &Run) -> StepResult<Vec<Entry>> {
    let mut entries = run.upstream.since(world.upstream_cursor).await?;
    let nonce = world.last_nonce();
    entries.retain(|entry| entry.query.contains(&nonce));
    Ok(entries)
}

async fn received(world: &mut World, run: &Run, args: Args) -> StepResult {
    let wanted: usize = args.number("count")?;
    let count = entries(world, run).await?.len();
    check("read the upstream's journal", count)
        .must(format!("{wanted} entries of the request"), count == wanted)
}

async fn received_header(world: &mut World, run: &Run, args: Args) -> StepResult {
    let (name, text) = (args.text("name").to_ascii_lowercase(), args.text("text"));
    let entries = entries(world, run).await?;
    let values = |entry: &Entry| entry.header_values(&name).map(str::to_owned).collect();
    let received: Vec<Vec<String>> = entries.iter().map(values).collect();
    let seen = format!("{} requests, {name}: {received:?}", received.len());
    world.saw(EvidenceKind::Journal, "what the upstream received", &seen);
    let fits = |values: &Vec<String>| matches!(&values[..], [value] if value.contains(text));
    check("read the upstream's journal", seen).must(
        format!("the request with {name} holding {text}, once"),
        !received.is_empty() && received.iter().all(fits),
    )
}

async fn connections(world: &mut World, run: &Run, args: Args) -> StepResult {
    let (limit, port): (usize, u16) = (args.number("count")?, args.number("port")?);
    let state = run.stack.state(Service::Gateway).await?;
    let own =
        |pid: u32| pid == state.main.pid || state.workers.iter().any(|worker| worker.pid == pid);
    let is_held = |socket: &&Socket| {
        socket.state == "ESTABLISHED" && socket.remote.port() == port && socket.pid.is_some_and(own)
    };
    let sockets = run.stack.sockets(Service::Gateway).await?;
    let held = sockets.iter().filter(is_held);
    let held: Vec<String> = held
        .map(|one| format!("{} -> {}", one.local, one.remote))
        .collect();
    let title = format!("the gateway's connections to port {port}");
    world.saw(EvidenceKind::Sockets, title, lines(&held));
    check("count the gateway's connections", held.len())
        .must(format!("at most {limit}"), held.len() <= limit)
}
