//! No secret of a run is in anything that it leaves behind: its folder, what it printed, the
//! arguments of its processes. The gateway of these tests gives away what it knows, encoded.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Child,
    thread,
    time::Duration,
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use regex::bytes::Regex;

use super::support::{Ended, candidate, needs_sandbox, verify};

/// A secret of whoever starts `verify`.
const CANARY: &str = "canary/of+the=environment?7391";

/// Names in the environment of the run's services whose values are secrets.
const SECRET_NAMES: [&str; 5] = [
    "JWT_SECRET",
    "LITELLM_MASTER_KEY",
    "LITELLM_SHARED_KEY",
    "OAUTH2_PROXY_CLIENT_SECRET",
    "OAUTH2_PROXY_COOKIE_SECRET",
];

/// Sends cookies, tokens and the key of the tokens back to the client, in every encoding.
const LEAK: &str = r#"listen 80;
        header_filter_by_lua_block {
            local key = os.getenv("JWT_SECRET") or "none"
            local hex = key:gsub(".", function(c) return string.format("%02X", c:byte()) end)
            local every = key:gsub(".", function(c) return string.format("%%%02x", c:byte()) end)
            ngx.header["X-Leak"] = table.concat({
                key, ngx.encode_base64(key), ngx.encode_base64("a" .. key .. "b"),
                ngx.encode_base64("ab" .. key), hex, hex:lower(), every,
                ngx.var.http_cookie or "", ngx.var.http_authorization or "" }, " ")
        }"#;

/// What was seen of the processes while the run went.
#[derive(Default)]
struct Seen {
    arguments: BTreeSet<Vec<u8>>,
    secrets: BTreeMap<String, Vec<u8>>,
}

impl Seen {
    /// Looks at every process of the run until it ends.
    fn watch(&mut self, child: &mut Child) {
        while child.try_wait().expect("it is a child").is_none() {
            for pid in family(child.id()) {
                let read = |what: &str| fs::read(format!("/proc/{pid}/{what}")).unwrap_or_default();
                self.arguments.insert(read("cmdline"));
                for pair in read("environ").split(|byte| *byte == 0) {
                    let pair = String::from_utf8_lossy(pair);
                    let Some((name, value)) = pair.split_once('=') else {
                        continue;
                    };
                    if SECRET_NAMES.contains(&name) {
                        let secrets = &mut self.secrets;
                        secrets.insert(name.to_owned(), value.as_bytes().to_vec());
                    }
                }
            }
            thread::sleep(Duration::from_millis(2));
        }
    }
}

/// A process with all that descend from it.
fn family(root: u32) -> Vec<u32> {
    let mut all = vec![root];
    let mut next = 0;
    while let Some(pid) = all.get(next).copied() {
        let tasks = fs::read_dir(format!("/proc/{pid}/task"))
            .into_iter()
            .flatten();
        for task in tasks.flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            all.extend(
                children
                    .split_whitespace()
                    .filter_map(|pid| pid.parse::<u32>().ok()),
            );
        }
        next += 1;
    }
    all
}

/// A secret in the encodings that are searched for.
fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let url = |upper: bool| {
        let byte = |byte: &u8| match (byte.is_ascii_alphanumeric(), upper) {
            (true, _) => char::from(*byte).to_string(),
            (_, true) => format!("%{byte:02X}"),
            (_, false) => format!("%{byte:02x}"),
        };
        secret.iter().map(byte).collect::<String>()
    };
    let every: String = secret.iter().map(|byte| format!("%{byte:02x}")).collect();
    let mut forms = vec![hex.to_uppercase(), hex, url(true), url(false), every];
    for before in 0..3_usize {
        let shifted = [vec![b'a'; before], secret.to_vec()].concat();
        // The characters that the secret alone determines.
        let own = (before * 8).div_ceil(6)..shifted.len() * 8 / 6;
        forms.push(STANDARD_NO_PAD.encode(&shifted)[own.clone()].to_owned());
        forms.push(URL_SAFE_NO_PAD.encode(&shifted)[own].to_owned());
    }
    let mut forms: Vec<Vec<u8>> = forms.into_iter().map(String::into_bytes).collect();
    forms.push(secret.to_vec());
    forms
}

fn holds(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// Every file below a folder.
fn files(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let (path, kind) = (entry.path(), entry.file_type().expect("a kind"));
        if kind.is_dir() {
            files(&path, found);
        } else if kind.is_file() {
            let bytes = fs::read(&path).expect("a file of the run");
            found.push((path.display().to_string(), bytes));
        }
    }
}

#[test]
fn no_secret_is_in_what_a_run_leaves_behind() {
    needs_sandbox();
    let leaky = candidate("listen 80;", LEAK);
    let command = verify(["--phase", "1,2,3,4", "--candidate", leaky.str()])
        .env("AWS_SECRET_ACCESS_KEY", CANARY)
        .env("VERIFY_TEST_PASSWORD", CANARY);
    let mut seen = Seen::default();
    let mut command = command;
    let mut child = command.command.spawn().expect("verify can be run");
    // Read while it runs: a full pipe would hold it.
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let read = |pipe: Option<Box<dyn std::io::Read + Send>>| {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            pipe.expect("a pipe")
                .read_to_end(&mut bytes)
                .expect("it can be read");
            bytes
        })
    };
    let stdout = read(stdout.map(|pipe| Box::new(pipe) as _));
    let stderr = read(stderr.map(|pipe| Box::new(pipe) as _));
    seen.watch(&mut child);
    let output = std::process::Output {
        status: child.wait().expect("it has ended"),
        stdout: stdout.join().expect("a reader"),
        stderr: stderr.join().expect("a reader"),
    };
    let scratch = command.into_scratch();
    let mut left = vec![
        ("standard output".to_owned(), output.stdout.clone()),
        ("standard error".to_owned(), output.stderr.clone()),
        (
            "arguments".to_owned(),
            seen.arguments.into_iter().collect::<Vec<_>>().concat(),
        ),
    ];
    files(scratch.path(), &mut left);
    let ended = Ended::new(output, scratch);
    // The search can find: the gateway did give its secrets away, and they are known here.
    let report = fs::read_to_string(ended.dir().join("report.json")).expect("a report");
    assert!(report.contains("x-leak: [redacted]"), "{}", ended.stderr);
    assert!(
        seen.secrets.contains_key("JWT_SECRET"),
        "no service was seen"
    );
    seen.secrets.insert("environment".to_owned(), CANARY.into());
    for (place, text) in &left {
        for (name, secret) in &seen.secrets {
            for form in forms(secret) {
                let shown = String::from_utf8_lossy(&form);
                assert!(!holds(text, &form), "{name} is in {place}, as {shown}");
            }
        }
    }
    // Session cookies and tokens are made in the run: known by their shape.
    let shapes = [
        r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}",
        r"_oauth2_proxy=[A-Za-z0-9_|-]{16,}",
    ];
    for shape in shapes.map(|shape| Regex::new(shape).expect("a pattern")) {
        for (place, text) in &left {
            let found = shape
                .find(text)
                .map(|found| String::from_utf8_lossy(found.as_bytes()));
            assert_eq!(found, None, "in {place}");
        }
    }
}

#[test]
fn no_process_of_a_run_leaves_a_core_dump() {
    needs_sandbox();
    let mut command = verify(["--item", "1.1"]);
    let mut child = command.command.spawn().expect("verify can be run");
    let mut limits = BTreeSet::new();
    while child.try_wait().expect("it is a child").is_none() {
        for pid in family(child.id()) {
            let read = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap_or_default();
            let core = read
                .lines()
                .find(|line| line.starts_with("Max core file size"));
            limits.extend(core.map(|line| {
                line.split_whitespace()
                    .skip(4)
                    .take(2)
                    .collect::<Vec<_>>()
                    .join(" ")
            }));
        }
    }
    // Before its first instruction it has the limit of whoever started it.
    let other: Vec<_> = limits.iter().filter(|limit| *limit != "0 0").collect();
    assert!(limits.contains("0 0") && other.len() <= 1, "{limits:?}");
}
