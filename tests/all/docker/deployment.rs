//! A deployment by docker-compose.test.yml: attached to, verified, deployed to, rolled back.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;
use testcontainers::compose::DockerCompose;
use tokio::runtime::Runtime;

use super::{docker, engine, said_by, statuses, wait_for};
use crate::support::{Verify, root, verify};

const CONFIG: &str = "/usr/local/openresty/nginx/conf/nginx.conf";
const TEST_USER: &str = "admin+test@example.com";

/// A deployment that runs until it is dropped.
pub struct Deployment {
    pub project: String,
    folder: TempDir,
    port: String,
    /// `None` when it is taken down.
    compose: Option<DockerCompose>,
    runtime: Runtime,
}

impl Deployment {
    /// Starts one with the baseline; `lua` in place of the shipped modules, the configuration
    /// mounted writable or not.
    pub fn start(lua: Option<&Path>, writable: bool) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let config = folder.path().join("nginx.conf");
        fs::copy(root().join("fixtures/gateway/nginx_v10.conf"), &config).expect("a copy");
        let mut files = vec![root().join("docker-compose.test.yml")];
        if writable {
            let over = folder.path().join("writable.yml");
            let volume = format!("{}:{CONFIG}", config.display());
            let text = format!("services: {{openresty: {{volumes: [\"{volume}\"]}}}}\n");
            fs::write(&over, text).expect("a file");
            files.push(over);
        }
        let ports: Vec<TcpListener> = (0..4)
            .map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"))
            .collect();
        let port = |at: usize| {
            let address = ports[at].local_addr().expect("an address");
            address.port().to_string()
        };
        let mut variables = vec![
            ("VERIFY_NGINX_CONF", config.display().to_string()),
            ("VERIFY_SITE", "http://gateway.example.com".to_owned()),
            ("VERIFY_LOGIN_URL", "http://auth0:9000/authorize".to_owned()),
            ("VERIFY_CONTROL_TOKEN", "token-of-the-tests".to_owned()),
            ("VERIFY_PORT", port(0)),
            ("VERIFY_INTERNAL_PORT", port(1)),
            ("VERIFY_IDP_PORT", port(2)),
            ("VERIFY_UPSTREAM_PORT", port(3)),
        ];
        if let Some(lua) = lua {
            variables.push(("VERIFY_LUA", lua.display().to_string()));
        }
        let port = port(0);
        drop(ports);
        let project = format!("verify-test-{}-{number}", std::process::id());
        let mut compose =
            DockerCompose::with_local_client(files).with_project_name(project.as_str());
        for (name, value) in variables {
            compose = compose.with_env(name, value);
        }
        let runtime = Runtime::new().expect("a runtime");
        let up = runtime.block_on(compose.up());
        let deployment = Self {
            project,
            folder,
            port,
            compose: Some(compose),
            runtime,
        };
        up.expect("docker compose up");
        deployment
    }

    pub fn config(&self) -> PathBuf {
        self.folder.path().join("nginx.conf")
    }

    /// Puts the baseline back as a person would.
    pub fn reset(&self) {
        let baseline = fs::read(root().join("fixtures/gateway/nginx_v10.conf")).expect("v10");
        fs::write(self.config(), baseline).expect("a file");
        let gateway = self.compose.as_ref().and_then(|up| up.service("openresty"));
        let gateway = gateway.expect("a gateway");
        let restart = async {
            gateway.stop().await?;
            gateway.start().await
        };
        self.runtime.block_on(restart).expect("a restart");
    }

    /// `verify` on it, with a state directory of the deployment's own.
    pub fn verify(&self, args: &[&str]) -> Verify {
        verify(args)
            .env("VERIFY_PROJECT", &self.project)
            .env("VERIFY_STATE_DIR", self.state())
    }

    /// The same as `--stack compose`, allowed what the test user allows.
    pub fn verify_as_test_user(&self, args: &[&str]) -> Verify {
        self.verify(args)
            .env("VERIFY_STACK", "compose")
            .env("VERIFY_TEST_USER", TEST_USER)
            .env("VERIFY_CREDENTIALS", self.credentials())
    }

    pub fn credentials(&self) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.folder.path().join("credentials.yaml");
        let text = format!("admin@example.com: password\n{TEST_USER}: password\n");
        fs::write(&path, text).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its mode");
        path
    }

    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    pub fn ledger(&self) -> Vec<Value> {
        let path = self.state().join(&self.project).join("ledger.ndjson");
        let text = fs::read_to_string(path).unwrap_or_default();
        text.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    fn container(&self, service: &str) -> String {
        format!("{}-{service}-1", self.project)
    }

    fn exec(&self, service: &str, words: &[&str]) -> String {
        let container = self.container(service);
        let mut args = vec!["exec", container.as_str()];
        args.extend(words);
        docker(&args)
    }

    /// Every key of Redis with its value as Redis writes it down.
    fn redis(&self) -> BTreeMap<String, String> {
        self.exec("redis", &["redis-cli", "--raw", "keys", "*"])
            .lines()
            .filter(|key| !key.is_empty())
            .map(|key| {
                let value = self.exec("redis", &["redis-cli", "--no-raw", "dump", key]);
                (key.to_owned(), value)
            })
            .collect()
    }

    /// The hashes of everything that the gateway is configured by, on both sides of its mounts,
    /// and when it was started.
    fn files(&self) -> String {
        let inside = self.exec(
            "openresty",
            &[
                "sh",
                "-c",
                "find /usr/local/openresty/nginx/conf /usr/local/openresty/lualib/custom /usr/local/openresty/nginx/html -type f | sort | xargs sha256sum",
            ],
        );
        let started = docker(&[
            "inspect",
            "--format",
            "{{.State.StartedAt}} {{.RestartCount}}",
            &self.container("openresty"),
        ]);
        let config = fs::read_to_string(self.config()).expect("the configuration");
        format!("{inside}{started}{config}")
    }

    fn public(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Deployment {
    fn drop(&mut self) {
        if let Some(compose) = self.compose.take() {
            let _ = self.runtime.block_on(compose.down());
        }
    }
}

/// Other people's requests, one after another until it is dropped.
struct Foreign {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU32>,
    thread: Option<JoinHandle<()>>,
}

impl Foreign {
    fn start(address: String) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(AtomicU32::new(0));
        let (ended, counted) = (Arc::clone(&stop), Arc::clone(&answered));
        let thread = thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                for path in ["/", "/ui/", "/v1/messages", "/error?tracking=failed"] {
                    if ask(&address, path).is_ok_and(|answer| answer.starts_with("HTTP/1.1 ")) {
                        counted.fetch_add(1, Ordering::Relaxed);
                    }
                }
                thread::sleep(Duration::from_millis(20));
            }
        });
        Self {
            stop,
            answered,
            thread: Some(thread),
        }
    }

    /// How many were answered: that there was traffic at all.
    fn stop(mut self) -> u32 {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("no panic in the traffic");
        }
        self.answered.load(Ordering::Relaxed)
    }
}

fn ask(address: &str, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: gateway.example.com\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn what_only_reads_changes_nothing_and_says_what_it_may_not() {
    let Some(_engine) = engine() else { return };
    let deployment = Deployment::start(None, true);
    deployment.exec("redis", &["redis-cli", "set", "active_user:a@b.c", "1"]);
    let (redis, files) = (deployment.redis(), deployment.files());
    assert_eq!(redis.len(), 1, "what is compared must not be nothing");
    let foreign = Foreign::start(deployment.public());
    let ended = deployment.verify(&["--stack", "compose"]).ends();
    assert!(foreign.stop() > 0, "there was no traffic");
    ended.exits(4);
    assert_eq!(deployment.redis(), redis);
    assert_eq!(deployment.files(), files);
    let report = ended.report();
    for id in ["1.1", "1.3"] {
        assert_eq!(report.item(id)["status"], "passed", "{}", report.item(id));
    }
    for (id, flag) in [
        ("1.2", "--deploy"),
        ("2.2", "--test-user"),
        ("3.1", "--test-user"),
        ("6.2", "--test-user"),
        ("7.2", "--deploy"),
    ] {
        let item = report.item(id);
        assert_eq!(item["status"], "skipped", "{item}");
        let reason = item["reason"].as_str().unwrap_or_default();
        assert!(reason.contains(flag), "{id}: {reason}");
    }
    // By its file, in place of its name.
    let by_file = verify(["--stack", "compose", "--item", "1.3", "--compose-file"])
        .arg(deployment.folder.path().join("writable.yml"))
        .env("VERIFY_STATE_DIR", deployment.state())
        .ends();
    by_file.exits(0);
}

#[test]
fn a_session_that_was_given_allows_what_needs_no_login() {
    let Some(_engine) = engine() else { return };
    let deployment = Deployment::start(None, true);
    let wrong = deployment
        .verify(&["--stack", "compose", "--test-user", TEST_USER])
        .env("VERIFY_SESSION_COOKIE", "nonsense")
        .ends();
    wrong
        .exits(2)
        .complains(["the session that was given is not accepted"]);
    let admin = deployment
        .verify(&["--stack", "compose", "--test-user", "admin@example.com"])
        .env("VERIFY_CREDENTIALS", deployment.credentials())
        .ends();
    admin.exits(2).complains(["is the admin"]);
    let public = deployment
        .verify(&["--stack", "compose", "--credentials"])
        .arg(root().join("Cargo.toml"))
        .ends();
    public
        .exits(2)
        .complains(["others can read it", "chmod 600"]);
}

#[test]
fn a_candidate_that_breaks_tracking_is_deployed_caught_and_rolled_back() {
    let Some(_engine) = engine() else { return };
    let deployment = Deployment::start(None, true);
    deployment.exec("redis", &["redis-cli", "set", "kept", "1"]);
    deployment.exec(
        "redis",
        &[
            "redis-cli",
            "set",
            "active_user:admin@example.com",
            "1",
            "EX",
            "5000",
        ],
    );
    let redis = deployment.redis();
    let shipped =
        fs::read_to_string(root().join("fixtures/gateway/nginx_v11.1.conf")).expect("v11.1");
    let label = "track_user(email, \"MCP/Internal\")";
    assert_eq!(shipped.matches(label).count(), 1);
    let candidate = deployment.folder.path().join("broken.conf");
    fs::write(
        &candidate,
        shipped.replace(label, "track_user(email, \"UI/Admin\")"),
    )
    .expect("a file");
    let foreign = Foreign::start(deployment.public());
    let run = deployment
        .verify_as_test_user(&[
            "--deploy",
            "--quick",
            "--rollback",
            "on-fail",
            "--candidate",
        ])
        .arg(&candidate);
    let ended = run.ends();
    assert!(foreign.stop() > 0, "there was no traffic");
    ended.exits(1);
    let report = ended.report();
    let found = statuses(&ended);
    let failed: Vec<&String> = found
        .iter()
        .filter(|(_, status)| *status != "passed")
        .map(|(id, _)| id)
        .collect();
    assert_eq!(failed, ["3.1", "3.6"], "{found:?}");
    let rollback = &report.0["rollback"];
    assert_eq!(
        (&rollback["required"], &rollback["executed"]),
        (&true.into(), &true.into())
    );
    let steps = rollback["steps"].as_array().expect("steps");
    assert_eq!(steps.len(), 6);
    assert!(steps.iter().all(|step| step["ok"] == true), "{rollback:#}");
    let top = fs::read_to_string(ended.dir().join("report.md")).expect("report.md");
    let outcome = top.find("ROLLED BACK").expect("the outcome");
    assert!(
        outcome < top.find("## ").expect("a section"),
        "not at the top"
    );
    let baseline = fs::read(root().join("fixtures/gateway/nginx_v10.conf")).expect("v10");
    assert_eq!(
        fs::read(deployment.config()).expect("the configuration"),
        baseline
    );
    // What was made there is gone; only the denylist keeps the run's tokens from holding.
    let mut left = deployment.redis();
    left.retain(|key, _| !key.starts_with("revoked:token:") && key != "token:index");
    let keys = |redis: &BTreeMap<String, String>| redis.keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&left), keys(&redis));
    assert_eq!(left["kept"], redis["kept"]);
    let conf = deployment.exec("openresty", &["ls", "/usr/local/openresty/nginx/conf"]);
    assert!(!conf.contains("nginx.conf.c"), "{conf}");
    assert!(conf.contains("nginx.conf.backup_v10_"), "{conf}");
    let again = deployment.verify(&["rollback"]).ends();
    again
        .exits(2)
        .complains(["knows no deployment that is not rolled back"]);
}

#[test]
fn a_candidate_that_does_not_start_is_a_fail_and_rolled_back() {
    let Some(_engine) = engine() else { return };
    let deployment = Deployment::start(None, true);
    let shipped = root().join("fixtures/gateway/nginx_v11.1.conf");
    let shipped = fs::read_to_string(shipped).expect("v11.1");
    let line = "require \"token_api\"";
    assert_eq!(shipped.matches(line).count(), 1);
    let candidate = deployment.folder.path().join("broken.conf");
    fs::write(&candidate, shipped.replace(line, "error(\"boom\")")).expect("a file");
    let run = deployment
        .verify_as_test_user(&["--deploy", "--quick", "--candidate"])
        .arg(&candidate);
    let ended = run.ends();
    ended.exits(1);
    let report = ended.report();
    assert_eq!(report.with_status("failed"), ["1.2"]);
    // Nobody is served until it is rolled back: no item waits for what cannot come.
    assert!(report.with_status("inconclusive").is_empty());
    let steps = report.0["rollback"]["steps"].as_array().expect("steps");
    assert_eq!(steps.len(), 6);
    assert!(steps.iter().all(|step| step["ok"] == true), "{steps:#?}");
    let baseline = fs::read(root().join("fixtures/gateway/nginx_v10.conf")).expect("v10");
    assert_eq!(fs::read(deployment.config()).expect("the file"), baseline);
    let conf = deployment.exec("openresty", &["ls", "/usr/local/openresty/nginx/conf"]);
    assert!(!conf.contains("nginx.conf.c"), "{conf}");
    assert!(
        !ended.stderr.contains("could be undone"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_configuration_that_is_mounted_read_only_is_told_before_anything_is_touched() {
    let Some(_engine) = engine() else { return };
    let deployment = Deployment::start(None, false);
    let files = deployment.files();
    let candidate = root().join("fixtures/gateway/nginx_v11.1.conf");
    let deploy = |args: &[&str]| {
        let mut all = vec!["--deploy", "--item", "1.2", "--rollback", "never"];
        all.extend(args);
        deployment
            .verify_as_test_user(&all)
            .arg("--candidate")
            .arg(&candidate)
            .ends()
    };
    deploy(&[])
        .exits(2)
        .complains(["is mounted read-only", "--allow-host-edit"]);
    assert_eq!(deployment.files(), files);
    assert!(deployment.ledger().is_empty());
    let none = deployment
        .verify(&["--stack", "compose", "--deploy"])
        .ends();
    none.exits(2).complains(["--deploy needs --candidate FILE"]);
    deploy(&["--allow-host-edit"]).exits(0);
    let shipped = fs::read(&candidate).expect("v11.1");
    assert_eq!(fs::read(deployment.config()).expect("the file"), shipped);
    deploy(&["--allow-host-edit"])
        .exits(2)
        .complains(["the candidate is deployed already"]);
    let rolled = deployment.verify_as_test_user(&["rollback"]).ends();
    rolled.exits(0);
    let baseline = fs::read(root().join("fixtures/gateway/nginx_v10.conf")).expect("v10");
    assert_eq!(fs::read(deployment.config()).expect("the file"), baseline);
}

#[test]
fn a_rollback_that_was_killed_between_any_two_steps_is_finished_by_the_next() {
    let Some(_engine) = engine() else { return };
    let deployment = Deployment::start(None, true);
    let baseline = fs::read(root().join("fixtures/gateway/nginx_v10.conf")).expect("v10");
    let candidate = root().join("fixtures/gateway/nginx_v11.1.conf");
    for gap in 1..=6 {
        let deployed = deployment
            .verify_as_test_user(&["--deploy", "--item", "1.2", "--rollback", "never"])
            .arg("--candidate")
            .arg(&candidate)
            .ends();
        deployed.exits(0);
        assert_ne!(fs::read(deployment.config()).expect("the file"), baseline);
        let before = deployment.ledger().len();
        let mut run = deployment.verify(&["rollback"]);
        let mut child = run.command.spawn().expect("verify can be run");
        // Before step 1 to 5, and in the proof after them.
        let reached = wait_for(Duration::from_secs(60), || {
            deployment
                .ledger()
                .iter()
                .skip(before)
                .any(|entry| entry["step"] == gap || (gap == 6 && entry["act"] == "deploy"))
        });
        assert!(
            reached,
            "gap {gap} was not reached: {:?}",
            deployment.ledger()
        );
        child.kill().expect("it runs");
        child.wait().expect("it ends");
        let left = deployment.ledger();
        assert!(
            left.iter()
                .skip(before)
                .all(|entry| entry["act"] != "rolled_back"),
            "gap {gap}: it was over before it was killed"
        );
        let next = deployment.verify(&["rollback"]).ends();
        next.exits(0);
        assert_eq!(
            fs::read(deployment.config()).expect("the file"),
            baseline,
            "gap {gap}"
        );
    }
}

#[test]
fn a_rollback_that_fails_cannot_be_overlooked() {
    let Some(_engine) = engine() else { return };
    let deployment = Deployment::start(None, true);
    let deployed = deployment
        .verify_as_test_user(&["--deploy", "--item", "1.2", "--rollback", "never"])
        .arg("--candidate")
        .arg(root().join("fixtures/gateway/nginx_v11.1.conf"))
        .ends();
    deployed.exits(0);
    // Neither the backup nor the copy is what it was.
    deployment.exec(
        "openresty",
        &[
            "sh",
            "-c",
            "for f in /usr/local/openresty/nginx/conf/nginx.conf.backup_v10_*; do echo >> $f; done",
        ],
    );
    let folder = deployment.state().join(&deployment.project);
    for entry in fs::read_dir(folder).expect("the state").flatten() {
        if entry
            .path()
            .extension()
            .is_some_and(|ending| ending == "conf")
        {
            fs::write(entry.path(), "not it").expect("a file");
        }
    }
    let failed = deployment.verify(&["rollback"]).ends();
    failed.exits(1).complains([
        "THE ROLLBACK OF",
        "FAILED",
        "is nowhere",
        "deployed is the candidate",
        "Go on by hand",
        "docker compose -p",
        "restart openresty",
    ]);
}

#[test]
fn a_killed_run_is_undone_by_cleanup_which_may_be_run_twice() {
    let Some(_engine) = engine() else { return };
    let deployment = Deployment::start(None, true);
    let mut run = deployment.verify_as_test_user(&["--phase", "2,3,4,6"]);
    let mut child = run.command.spawn().expect("verify can be run");
    let reached = wait_for(Duration::from_secs(60), || {
        let banned = deployment
            .ledger()
            .iter()
            .any(|entry| entry["key"] == format!("active_user_deleted:{TEST_USER}"));
        banned || matches!(child.try_wait(), Ok(Some(_)))
    });
    assert!(reached, "no ban: {:?}", deployment.ledger());
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    let left = deployment.redis();
    assert!(
        left.keys().any(|key| key.starts_with("token:info:")),
        "{left:?}"
    );
    assert!(
        left.keys().any(|key| key.starts_with("_oauth2_proxy-")),
        "{left:?}"
    );
    let shown = deployment.verify(&["cleanup", "--dry-run"]).ends();
    shown.exits(0);
    assert!(shown.stdout.contains("to undo"), "{}", shown.stdout);
    assert_eq!(
        deployment.redis().len(),
        left.len(),
        "--dry-run changed something"
    );
    deployment.verify(&["cleanup"]).ends().exits(0);
    let mut kept = deployment.redis();
    kept.retain(|key, _| !key.starts_with("revoked:token:") && key != "token:index");
    assert!(kept.is_empty(), "{kept:?}");
    let again = deployment.verify(&["cleanup"]).ends();
    again.exits(0);
    assert!(
        again.stdout.contains("nothing was left behind"),
        "{}",
        again.stdout
    );
}

#[test]
fn ctrl_c_in_a_deployment_undoes_and_rolls_back() {
    let Some(_engine) = engine() else { return };
    let deployment = Deployment::start(None, true);
    let mut run = deployment
        .verify_as_test_user(&["--deploy", "--quick", "--candidate"])
        .arg(root().join("fixtures/gateway/nginx_v11.1.conf"));
    let child = run.command.spawn().expect("verify can be run");
    let reached = wait_for(Duration::from_secs(60), || {
        deployment
            .ledger()
            .iter()
            .any(|entry| entry["act"] == "token")
    });
    assert!(reached, "no token: {:?}", deployment.ledger());
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it runs");
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130), "{}", said_by(&output));
    let baseline = fs::read(root().join("fixtures/gateway/nginx_v10.conf")).expect("v10");
    assert_eq!(fs::read(deployment.config()).expect("the file"), baseline);
    let mut left = deployment.redis();
    left.retain(|key, _| !key.starts_with("revoked:token:") && key != "token:index");
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_deployment_is_worked_on_by_one_at_a_time() {
    let Some(_engine) = engine() else { return };
    let deployment = Deployment::start(None, true);
    let folder = deployment.state().join(&deployment.project);
    fs::create_dir_all(&folder).expect("a folder");
    let lock = fs::File::create(folder.join("lock")).expect("a file");
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).expect("the lock");
    for args in [&["--stack", "compose"][..], &["rollback"]] {
        let refused = deployment.verify(args).ends();
        refused
            .exits(4)
            .complains(["another `verify` works on the deployment"]);
    }
    drop(lock);
    let free = deployment
        .verify(&["--stack", "compose", "--item", "1.3"])
        .ends();
    free.exits(0);
}
