//! A script of a plan bundle: which step names one, and what it is run in.

use std::{fs, io, path::Path};

use tokio::process::Command;

use crate::{input, stack::programs};

/// Where a script finds its bundle, in a sandbox of its own.
const BUNDLE: &str = "/plan";

/// The programs that a script can call.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The links and folders of a system beside `/usr`.
const BESIDE_USR: [&str; 5] = ["/bin", "/sbin", "/lib", "/lib32", "/lib64"];

/// What programs read in `/etc` to find hosts, certificates and each other.
const ETC: [&str; 7] = [
    "/etc/alternatives",
    "/etc/hosts",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/etc/resolv.conf",
    "/etc/ssl",
];

/// The script that a step of this text runs, if it runs one.
#[must_use]
pub fn named(step: &str) -> Option<&str> {
    step.strip_prefix("the script \"")?
        .strip_suffix("\" is run")
}

/// The command that runs a script of the bundle, with an empty environment but for PATH, HOME and LOG.
/// It is bash in a sandbox of its own: the system and the gateway's log read-only, no other file and no
/// other process, no capability, and the network of the run. `sandboxed`: the run has a sandbox, whose programs were
/// looked at when it was made.
///
/// # Errors
/// A script outside of the bundle, a program that is missing or refused.
pub fn command(
    sandboxed: bool,
    bundle: &Path,
    script: &str,
    log: Option<&Path>,
) -> Result<Command, String> {
    input::inside(bundle, Path::new(script)).map_err(|why| format!("{script}: {why}"))?;

    let bwrap = match (sandboxed, programs::on_path("bwrap")) {
        (true, _) => "bwrap".into(),
        (false, Some(found)) => found.map_err(|refused| refused.to_string())?,
        (false, None) => return Err("bwrap is missing, and no script runs without it".to_owned()),
    };
    let mut command = Command::new(bwrap);
    // The run's own `/etc` is made, and has nothing of the host's in it.
    let etc: &[&str] = if sandboxed { &["/etc"] } else { &ETC };
    own_sandbox(&mut command, bundle, etc).map_err(|error| error.to_string())?;
    if let Some(log) = log {
        command.arg("--ro-bind").args([log, log]);
    }
    command.args(["--remount-ro", "/", "bash"]);
    command.arg(Path::new(BUNDLE).join(script));
    command
        .env_clear()
        .env("PATH", PATH)
        .env("HOME", "/tmp")
        .env("LOG", log.unwrap_or(Path::new("")))
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true);
    Ok(command)
}

fn own_sandbox(command: &mut Command, bundle: &Path, etc: &[&str]) -> io::Result<()> {
    command.args([
        "--unshare-all",
        "--share-net",
        "--die-with-parent",
        "--new-session",
    ]);
    command.args(["--cap-drop", "ALL", "--ro-bind", "/usr", "/usr"]);
    for path in BESIDE_USR {
        match fs::read_link(path) {
            Ok(to) => command.arg("--symlink").arg(to).arg(path),
            Err(_) => command.args(["--ro-bind-try", path, path]),
        };
    }
    for path in etc {
        command.args(["--ro-bind-try", path, path]);
    }
    // Root's plain writes to /proc/sys reach the kernel without any capability.
    command.args(["--proc", "/proc", "--remount-ro", "/proc"]);
    command.args(["--dev", "/dev", "--tmpfs", "/tmp", "--ro-bind"]);
    command.arg(fs::canonicalize(bundle)?).arg(BUNDLE);
    command.args(["--chdir", "/tmp"]);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::registry::{Keyword, matching};

    #[test]
    fn a_step_names_a_script_where_its_definition_runs_one() {
        for (text, script) in [
            ("the script \"a b.sh\" is run", Some("a b.sh")),
            ("the script \"a.sh\" is run twice", None),
            ("the service \"auth\" is killed", None),
        ] {
            assert_eq!(named(text), script);
        }
        let defined = matching(Keyword::When, "the script \"a b.sh\" is run");
        assert_eq!(defined.len(), 1);
    }

    async fn run(script: &str) -> (bool, String) {
        let bundle = tempfile::tempdir().unwrap();
        fs::write(bundle.path().join("own.sh"), script).unwrap();
        let output = command(false, bundle.path(), "own.sh", None)
            .unwrap()
            .env("SITE", "127.0.0.1:80")
            .output()
            .await
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.success(),
            String::from_utf8_lossy(&said).into_owned(),
        )
    }

    #[tokio::test]
    async fn a_script_on_the_host_sees_neither_its_files_nor_its_environment() {
        let (_, environment) = run("env").await;
        let mut names: Vec<&str> = environment
            .lines()
            .filter_map(|line| Some(line.split_once('=')?.0))
            .filter(|name| !["_", "PWD", "OLDPWD", "SHLVL"].contains(name))
            .collect();
        names.sort_unstable();
        assert_eq!(names, ["HOME", "LOG", "PATH", "SITE"], "{environment}");

        let (fine, said) =
            run("set -e; echo here >/tmp/x; cat /tmp/x; ls /proc/self/fd >/dev/null").await;
        assert!(fine, "{said}");
        let home = std::env::var("HOME").unwrap();
        for attack in [
            "cat /etc/shadow",
            "cat /etc/passwd",
            "ls /root",
            "ls /home",
            "ls /sys",
            &format!("ls {home}"),
            &format!("ls {}", env!("CARGO_MANIFEST_DIR")),
            "echo x >/plan/own.sh",
            "echo x >/usr/verify-was-here",
            // The value that it has: nothing changes should it be written.
            "cat /proc/sys/kernel/pid_max >/proc/sys/kernel/pid_max",
            "mount -t tmpfs tmpfs /tmp",
        ] {
            let (done, said) = run(attack).await;
            assert!(!done, "{attack}: {said}");
        }
    }

    #[test]
    fn a_script_is_inside_its_bundle() {
        let bundle = tempfile::tempdir().unwrap();
        for sandboxed in [true, false] {
            let why = command(sandboxed, bundle.path(), "../by-hand/own.sh", None).unwrap_err();
            assert!(why.contains("not inside"), "{why}");
        }
    }
}
