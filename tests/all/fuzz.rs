//! Whatever is read may be anybody's: valid samples, mutated, must not make a reader panic, hang
//! or take memory without bound.
//!
//! Each target runs in a process of its own with a limit on its memory, so that an overflow of the
//! stack or an allocation that fails is a failed test and not the end of all. VERIFY_FUZZ_SECONDS is
//! how long each goes on [default: 2].

use std::{
    collections::BTreeMap,
    env, fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use proptest::{
    prelude::*,
    sample::{Index, select},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::Value;
use tempfile::TempDir;
use verify::{
    compare, evidence, gate, history,
    lint::{self, Files, Inputs},
    mutation::Mutant,
    plan::{Bundle, Lang},
    probe::{
        http::{Http, Request},
        journal, jwt, log,
        raw::Raw,
    },
    profile::Profile,
    report::{self, render},
    stack::{Endpoints, LogChunk, docker::compose_file},
    yaml,
};

use super::support::root;

/// The address space of a target's process, in bytes.
const MEMORY: u64 = 2 * 1024 * 1024 * 1024;

/// How long one input may take, on a machine that is busy with other things and without optimisation.
const PATIENCE: Duration = Duration::from_secs(60);

/// The variable that makes a process the one of a target: where it leaves its input.
const CHILD: &str = "FUZZ_INPUT";

/// What readers trip over.
const WORDS: &[&str] = &[
    "",
    "\0",
    "\u{feff}",
    "\u{202e}",
    "\u{1b}[2J",
    "\r\n",
    "\\u0000",
    "\\ud800",
    "\"",
    "'",
    "`",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "<",
    "&",
    "$",
    "${",
    "}}",
    "{{",
    "%",
    "#",
    ";",
    ":",
    ",",
    "-",
    "*",
    "&a [*a, *a]",
    "*a",
    "!!binary",
    "<<: ",
    "? ",
    "--- ",
    "...",
    "|9",
    ">-",
    "@",
    "--[==[",
    "]==]",
    "[[",
    "]]",
    "--",
    "=",
    "~=",
    "::",
    "goto x",
    "0x",
    "1e999",
    "-1",
    "0",
    "NaN",
    "null",
    "true",
    "1e308",
    "-1e308",
    "9223372036854775807",
    "18446744073709551615",
    "99999999999999999999999",
    "9999-12-31T23:59:59Z",
    "include /dev/stdin;",
    "include *;",
    "include nginx.conf;",
    "init_by_lua_block {",
    "map $a $b {",
    "Content-Length: 99999999999999999999",
    "Transfer-Encoding: chunked",
    "\r\n\r\n",
    "ffffffffffffffff\r\n",
    "7fffffff\r\n",
    "日本語",
    "e\u{301}\u{301}\u{301}",
];

/// One change of an input.
#[derive(Clone, Debug)]
enum Change {
    /// A byte becomes another.
    Set(Index, u8),
    /// Bytes are left out.
    Cut(Index, usize),
    /// The input ends here.
    End(Index),
    /// Bytes are there many times.
    Repeat(Index, usize, usize),
    /// Bytes of a sample come in.
    Splice(Index, Index, Index, usize),
    /// A word comes in, so many times.
    Insert(Index, &'static str, usize),
    /// A number becomes another.
    Number(Index, &'static str),
    /// A line moves to another place.
    Line(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    let word = || select(WORDS);
    let number = select(
        &[
            "-1",
            "0",
            "1e308",
            "18446744073709551615",
            "4294967296",
            "null",
            "\"\"",
        ][..],
    );
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(place, byte)| Change::Set(place, byte)),
        (at(), 1_usize..64).prop_map(|(place, length)| Change::Cut(place, length)),
        at().prop_map(Change::End),
        (at(), 1_usize..200, 2_usize..40)
            .prop_map(|(place, length, times)| Change::Repeat(place, length, times)),
        (at(), at(), at(), 1_usize..400)
            .prop_map(|(place, sample, from, length)| Change::Splice(place, sample, from, length)),
        (at(), word()).prop_map(|(place, word)| Change::Insert(place, word, 1)),
        (at(), word(), 100_usize..20_000)
            .prop_map(|(place, word, times)| Change::Insert(place, word, times)),
        (at(), number).prop_map(|(place, number)| Change::Number(place, number)),
        (at(), at()).prop_map(|(from, to)| Change::Line(from, to)),
    ]
}

/// Where `index` points to in `length` bytes, the end included.
fn place(index: &Index, length: usize) -> usize {
    index.index(length + 1)
}

fn apply(input: &mut Vec<u8>, change: &Change, samples: &[Vec<u8>]) {
    let length = input.len();
    match change {
        Change::Set(at, byte) if length > 0 => input[at.index(length)] = *byte,
        Change::Set(..) => {}
        Change::Cut(at, count) => {
            let from = place(at, length);
            input.drain(from..(from + count).min(length));
        }
        Change::End(at) => input.truncate(place(at, length)),
        Change::Repeat(at, count, times) => {
            let from = place(at, length);
            let part = input[from..(from + count).min(length)].repeat(*times);
            input.splice(from..from, part);
        }
        Change::Splice(at, sample, from, count) => {
            let sample = &samples[sample.index(samples.len())];
            let from = place(from, sample.len());
            let part = sample[from..(from + count).min(sample.len())].to_vec();
            let at = place(at, length);
            input.splice(at..at, part);
        }
        Change::Insert(at, word, times) => {
            let at = place(at, length);
            input.splice(at..at, word.repeat(*times).into_bytes());
        }
        Change::Number(at, number) => {
            let digit = |byte: &u8| byte.is_ascii_digit();
            let from = place(at, length);
            if let Some(from) = input[from..].iter().position(digit).map(|more| from + more) {
                let end = input[from..].iter().position(|byte| !digit(byte));
                let end = end.map_or(length, |more| from + more);
                input.splice(from..end, number.bytes());
            }
        }
        Change::Line(from, to) => {
            let mut lines: Vec<Vec<u8>> = input
                .split_inclusive(|byte| *byte == b'\n')
                .map(<[u8]>::to_vec)
                .collect();
            if !lines.is_empty() {
                let line = lines.remove(from.index(lines.len()));
                lines.insert(place(to, lines.len()), line);
                *input = lines.concat();
            }
        }
    }
}

fn seconds() -> u64 {
    let told = env::var("VERIFY_FUZZ_SECONDS");
    told.map_or(2, |told| {
        told.parse().expect("VERIFY_FUZZ_SECONDS is a number")
    })
}

/// Reads mutated samples for as long as the budget lasts, in a process of the test's own.
#[track_caller]
fn fuzz(name: &str, samples: &[Vec<u8>], read: impl Fn(&[u8])) {
    if let Some(kept) = env::var_os(CHILD) {
        return read_for_a_while(samples, read, Path::new(&kept));
    }
    let scratch = tempfile::tempdir().expect("a temporary folder");
    let kept = scratch.path().join("input");
    let output = scratch.path().join("output");
    let both = fs::File::create(&output).expect("a file for the output");
    let mut child = Command::new("prlimit")
        .arg(format!("--as={MEMORY}"))
        .arg("--core=0")
        .arg(env::current_exe().expect("this program"))
        .args(["--exact", &format!("fuzz::{name}"), "--nocapture"])
        .env(CHILD, &kept)
        .stdin(Stdio::null())
        .stdout(both.try_clone().expect("a file for the output"))
        .stderr(both)
        .spawn()
        .expect("prlimit can be run");
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("the target can be waited for") {
            break Some(status);
        }
        if started.elapsed() > Duration::from_secs(seconds()) + PATIENCE {
            child.kill().expect("the target can be ended");
            child.wait().expect("the target can be waited for");
            break None;
        }
        thread::sleep(Duration::from_millis(20));
    };
    if status.is_some_and(|status| status.success()) {
        return;
    }
    let keep = env::temp_dir().join(format!("verify-fuzz-{name}"));
    fs::copy(&kept, &keep).expect("the input is kept");
    let said = fs::read(&output).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let said: String = said.chars().take(6000).collect();
    panic!(
        "{name}: {status:?} (none: it hung), by the input in {}\n{said}",
        keep.display()
    );
}

fn read_for_a_while(samples: &[Vec<u8>], read: impl Fn(&[u8]), kept: &Path) {
    let ends = Instant::now() + Duration::from_secs(seconds());
    let attempt = |input: &[u8]| {
        fs::write(kept, input).expect("the input is kept");
        read(input);
    };
    for sample in samples {
        attempt(sample);
    }
    let strategy = (any::<Index>(), proptest::collection::vec(change(), 1..6));
    let config = Config {
        cases: 1,
        failure_persistence: None,
        // The input that is kept is the one that failed.
        max_shrink_iters: 0,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(
        config.clone(),
        TestRng::from_seed(RngAlgorithm::ChaCha, &seed()),
    );
    let mut count = 0;
    while Instant::now() < ends {
        let result = runner.run(&strategy, |(sample, changes)| {
            let mut input = samples[sample.index(samples.len())].clone();
            for change in &changes {
                apply(&mut input, change, samples);
            }
            attempt(&input);
            Ok(())
        });
        if let Err(error) = result {
            panic!("{error}");
        }
        count += 1;
        // A runner gives up after its cases; the next goes on from where this one was.
        runner = TestRunner::new_with_rng(config.clone(), runner.new_rng());
    }
    println!("{count} inputs");
}

fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    let mut random = fs::File::open("/dev/urandom").expect("/dev/urandom");
    random.read_exact(&mut seed).expect("random bytes");
    seed
}

fn sample(path: &str) -> Vec<u8> {
    fs::read(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A report with a few items of each kind: small, so that many can be read.
fn small_report(path: &str) -> Vec<u8> {
    let mut report: Value = serde_json::from_slice(&sample(path)).expect("a report");
    for list in ["items", "extended"] {
        let items = report[list].as_array_mut().expect("a list");
        let mut seen = Vec::new();
        items.retain(|item| {
            let status = item["status"].clone();
            let first = !seen.contains(&status);
            seen.push(status);
            first
        });
        for item in items {
            for list in ["evidence", "steps"] {
                if let Some(list) = item[list].as_array_mut() {
                    list.truncate(3);
                }
            }
        }
    }
    serde_json::to_vec_pretty(&report).expect("JSON")
}

/// Puts an input into a file of a folder of its own.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    fn with(&self, name: &str, input: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, input).expect("a file");
        path
    }
}

fn read_report(path: &Path) {
    let Ok(report) = report::load(path) else {
        return;
    };
    for allow_conditional in [false, true] {
        // Whether it is refused is not the question here.
        let _ = gate::decide(
            &report,
            gate::Policy {
                allow_conditional,
                ..gate::Policy::default()
            },
        );
    }
    for lang in [Lang::En, Lang::Ja] {
        let style = render::Style {
            lang,
            ..render::Style::default()
        };
        for format in render::Format::ALL {
            let _ = format.render(&report, style);
        }
        let _ = render::github_summary(&report, lang, render::SUMMARY_LIMIT);
    }
    let _ = compare::compare(&[report.clone(), report.clone()]);
    let mut folder = history::read(path.parent().expect("a folder")).expect("a folder");
    folder.add("run".to_owned(), &report);
    let _ = history::history(folder, None, &[]);
}

#[test]
fn saved_reports() {
    let place = Place::new();
    let samples = ["pass", "conditional", "fail"]
        .map(|name| small_report(&format!("tests/reports/{name}.json")));
    fuzz("saved_reports", &samples, |input| {
        read_report(&place.with("report.json", input));
    });
}

#[test]
fn events_of_a_run() {
    let place = Place::new();
    let events = small_events();
    report::load(&place.with("events.ndjson", &events)).expect("the sample is a run's events");
    fuzz("events_of_a_run", &[events], |input| {
        read_report(&place.with("events.ndjson", input));
    });
}

/// The events of a run that was killed early, as its parent writes them.
fn small_events() -> Vec<u8> {
    let report: Value =
        serde_json::from_slice(&small_report("tests/reports/fail.json")).expect("a report");
    let plan = Bundle::load(&root().join("features")).expect("the plan");
    let mut started = serde_json::json!({
        "event": "run_started", "run": report["run"], "phases": plan.phases, "selected": [], "rules": [],
    });
    started["selected"] = report["items"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| item["id"].clone())
        .collect();
    started["run"]["partial"] = true.into();
    let mut lines = vec![started];
    for item in report["items"].as_array().expect("items") {
        let id = &item["id"];
        lines.push(serde_json::json!({"event": "item_started", "item": id, "at_ms": 1.0}));
        for evidence in item["evidence"].as_array().expect("evidence") {
            lines.push(
                serde_json::json!({"event": "evidence_seen", "item": id, "evidence": evidence}),
            );
        }
        for step in item["steps"].as_array().expect("steps") {
            lines.push(serde_json::json!({"event": "step_finished", "item": id, "step": step}));
        }
        lines.push(serde_json::json!({
            "event": "item_finished", "item": id, "duration_ms": 1.0,
            "outcome": {"status": "failed", "did": "a", "expected": "b", "seen": "c"},
        }));
    }
    lines.push(serde_json::json!({"event": "run_finished", "duration_ms": 1.0, "end": {"end": "completed"}}));
    lines
        .iter()
        .map(|line| format!("{line}\n"))
        .collect::<String>()
        .into_bytes()
}

#[test]
fn log_lines() {
    let profile = Profile::load(&root().join("fixtures/profiles/plan.yaml")).expect("the profile");
    let grammar = log::Grammar::new(&profile.log, &profile.contexts).expect("the grammar");
    let redactor = evidence::Redactor::new();
    let text = b"2026/11/25 16:24:16 [warn] 32#32: *642 [lua] init_by_lua(nginx.conf:97):13: track_user(): [info] \
        Tracking user: user+a@example.com [Default] while sending to client, client: 127.0.0.1, server: _, request: \
        \"GET /?verify=9463965dfe45916c HTTP/1.1\", host: \"gateway.example.com\"\n2026/11/25 16:24:16 [error] 1#1: \
        *1 lua entry thread aborted: runtime error: x.lua:1: boom\nstack traceback:\ncoroutine 0:\n\tx.lua: in \
        function\nnginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)\n127.0.0.1 - - \
        [25/Nov/2026:16:24:16 +0000] \"GET / HTTP/1.1\" 200 5 \"-\" \"curl\"\n[info] User tracking success: a@b.c\n";
    fuzz("log_lines", &[text.to_vec()], |input| {
        let records = log::parse(&LogChunk {
            source: "stderr".to_owned(),
            in_service_log: true,
            bytes: input.to_vec(),
        });
        let _ = grammar.lines(&records);
        for record in &records {
            let _ = (grammar.harmless(record), record.caused_by("verify"));
            let _ = redactor.evidence(evidence::EvidenceKind::Log, &record.message, &record.raw);
        }
    });
}

/// A server that answers each connection with the bytes that it gets from `answers`, and closes.
fn server(answers: std::sync::mpsc::Receiver<Vec<u8>>) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            // The client may have seen enough before all of it was sent.
            let _ = stream.write_all(&answer);
            let _ = stream.shutdown(std::net::Shutdown::Write);
        }
    });
    address
}

#[test]
fn http_answers() {
    let samples: Vec<Vec<u8>> = [
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 20\r\nSet-Cookie: _oauth2_proxy=a; Path=/; HttpOnly\r\n\r\n{\"status\":\"healthy\"}",
        "HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        "HTTP/1.1 302 Found\r\nLocation: http://auth0:9000/authorize?client_id=a&state=b\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\ndata: {\"type\":\"message_start\"}\n\ndata: [DONE]\n\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let (answer, answers) = std::sync::mpsc::channel();
    let address = server(answers);
    let http = runtime.block_on(async {
        let addresses = BTreeMap::from([(("gateway".to_owned(), 80), address)]);
        Http::new(Endpoints {
            addresses,
            upstream: None,
            idp: None,
            auth: address,
        })
        .expect("a client")
    });
    let request = Request::get("http://gateway/health".parse().expect("an address"));
    fuzz("http_answers", &samples, |input| {
        let times = if env::var_os(CHILD).is_some() { 2 } else { 0 };
        for _ in 0..times {
            answer.send(input.to_vec()).expect("the server lives");
        }
        runtime.block_on(async {
            if let Ok(response) = Raw::get("gateway", "/health").send(address).await {
                let _ = (
                    response.summary(),
                    response.json(),
                    response.location().is_some(),
                );
            }
            if let Ok(response) = http.send(&request).await {
                let _ = (
                    response.summary(),
                    response.json(),
                    response.location().is_some(),
                );
            }
        });
    });
}

#[test]
fn tokens_and_journals() {
    let samples = [
        b"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJlbWFpbCI6ImFAYi5jIiwiZXhwIjo5OTk5OTk5OTk5fQ.c2lnbmF0dXJl".to_vec(),
        br#"{"next":1,"lost":0,"entries":[{"seq":0,"at_ms":1,"method":"GET","path":"/","query":"a=b","headers":[["a","b"]],"body":"","status":200,"note":null}]}"#.to_vec(),
    ];
    fuzz("tokens_and_journals", &samples, |input| {
        let text = String::from_utf8_lossy(input);
        let _ = jwt::decode(&text);
        let _ = journal_page(&text);
        let _ = evidence::Redactor::new().redact(&text);
    });
}

fn journal_page(text: &str) -> Result<verify::doubles::journal::Page, serde_json::Error> {
    let _ = journal::Journal::clone;
    serde_json::from_str(text)
}

/// On a thread with the stack that `verify lint` gives its own.
fn lint_files(candidate: &Path, lua: &Path) {
    thread::scope(|scope| {
        let linter = thread::Builder::new().stack_size(64 * 1024 * 1024);
        let linter = linter.spawn_scoped(scope, || lint_here(candidate, lua));
        let linter = linter.expect("a thread can be started");
        linter.join().expect("the linter comes to an end");
    });
}

fn lint_here(candidate: &Path, lua: &Path) {
    let profile = root().join("fixtures/profiles/plan.yaml");
    let inputs = Inputs::read(
        &Files {
            candidate,
            lua: Some(lua),
            html: None,
            lualib: None,
            profile: &profile,
        },
        &Profile::load(&profile).expect("the profile"),
        Vec::new(),
    );
    let findings = lint::lint(&inputs);
    let _ = render::findings(&findings, render::Style::default());
    let _ = (
        render::text::json(&findings),
        render::sarif(&findings, Lang::Ja),
    );
}

#[test]
fn nginx_configurations() {
    let place = Place::new();
    let lua = root().join("fixtures/gateway-rest/lua");
    let samples = [
        sample("examples/five-items/nginx.conf"),
        sample("fixtures/gateway-rest/nginx.conf"),
        sample("fixtures/gateway/nginx_v11.1.conf"),
    ];
    fuzz("nginx_configurations", &samples, |input| {
        lint_files(&place.with("nginx.conf", input), &lua);
    });
}

#[test]
fn lua_modules() {
    let place = Place::new();
    let lua = place.folder.path().join("lua");
    fs::create_dir(&lua).expect("a folder");
    let config = place.with("nginx.conf", &sample("fixtures/gateway-rest/nginx.conf"));
    let samples = ["json", "jwt_validator", "authz", "bans", "email"]
        .map(|name| sample(&format!("fixtures/gateway/lua/{name}.lua")));
    fuzz("lua_modules", &samples, |input| {
        fs::write(lua.join("gate.lua"), input).expect("a module");
        lint_files(&config, &lua);
    });
}

#[test]
fn yaml_of_mutants_and_profiles() {
    let place = Place::new();
    let samples = [
        sample("fixtures/gateway-rest/mutants.yaml"),
        sample("fixtures/profiles/rest.yaml"),
        sample("fixtures/profiles/plan.yaml"),
    ];
    fuzz("yaml_of_mutants_and_profiles", &samples, |input| {
        let path = place.with("file.yaml", input);
        let _ = yaml::load::<Vec<Mutant>>(&path);
        let _ = yaml::load::<BTreeMap<String, Value>>(&path);
        let _ = Profile::load(&path)
            .map(|profile| log::Grammar::new(&profile.log, &profile.contexts).is_ok());
    });
}

#[test]
fn plan_bundles() {
    let place = Place::new();
    let folder = root().join("examples/five-items");
    let files = ["plan.yaml", "pages.feature", "behind.feature"];
    let samples = files.map(|name| sample(&format!("examples/five-items/{name}")));
    fuzz("plan_bundles", &samples, |input| {
        for changed in files {
            for name in files {
                let from = folder.join(name);
                fs::copy(from, place.folder.path().join(name)).expect("a file of the bundle");
            }
            place.with(changed, input);
            let _ = Bundle::load(place.folder.path());
        }
    });
}

#[test]
fn compose_files() {
    let place = Place::new();
    let samples = [
        sample("docker-compose.test.yml"),
        b"services:\n  a: &a {image: \"${NAME:-x}\", volumes: [\"./a:/b:ro\"]}\n  b: *a\n".to_vec(),
        b"NAME=\"value\" # comment\nOTHER='x'\n".to_vec(),
    ];
    fuzz("compose_files", &samples, |input| {
        let text = String::from_utf8_lossy(input);
        let values = compose_file::variables(&text);
        let path = place.with("compose.yml", input);
        if let Ok(file) = compose_file::ComposeFile::load(&path, &values) {
            for service in file.services.values() {
                let _ = service.mounts(place.folder.path());
            }
        }
    });
}

#[test]
fn a_reader_that_fails_is_noticed() {
    let found = std::panic::catch_unwind(|| {
        fuzz(
            "a_reader_that_fails_is_noticed",
            &[b"{}".to_vec()],
            |input| {
                assert!(input == b"{}", "boom");
            },
        );
    });
    match found {
        // The target's process is the one that fails.
        Err(panic) if env::var_os(CHILD).is_some() => std::panic::resume_unwind(panic),
        Err(panic) => {
            let said = panic.downcast_ref::<String>().expect("a message");
            assert!(said.contains("boom"), "{said}");
        }
        Ok(()) => panic!("nothing was noticed"),
    }
}

#[test]
fn a_reader_without_bounds_is_noticed() {
    let found = std::panic::catch_unwind(|| {
        fuzz(
            "a_reader_without_bounds_is_noticed",
            &[b"{}".to_vec()],
            |_| {
                let _ = std::hint::black_box(vec![1_u8; 4 * 1024 * 1024 * 1024]);
            },
        );
    });
    assert!(found.is_err(), "4 GiB were taken");
}
