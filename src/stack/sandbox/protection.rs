//! The protections of the sandbox that a system may not grant.

use std::{path::Path, process::Command};

use super::{filesystem::Arguments, launch};
use crate::stack::programs::Programs;

/// A protection that is missing here.
#[derive(Clone, Debug)]
pub struct Missing {
    /// What is not protected.
    pub what: &'static str,
    /// Why, and what to do.
    pub why: String,
    /// Whether the sandbox can go without it.
    pub optional: bool,
}

/// The protections that this system does not grant, tried as a run uses them: a sandbox in a sandbox.
#[must_use]
pub fn missing(programs: &Programs) -> Vec<Missing> {
    let mut missing = Vec::new();
    if !bounded_memory(&programs.bwrap) {
        missing.push(Missing {
            what: "bounded file systems in memory",
            why: "this bubblewrap knows no --size; install 0.7 or newer".to_owned(),
            optional: true,
        });
    }
    if let Err(why) = nested(programs) {
        missing.push(Missing {
            what: "namespaces of an unprivileged user, one in another",
            why: format!(
                "{why}. Ubuntu: `sysctl kernel.apparmor_restrict_unprivileged_userns=0`; in a \
                 container: run it with `--security-opt seccomp=unconfined --security-opt \
                 systempaths=unconfined --cap-add SYS_ADMIN`; or take `--stack containers`"
            ),
            optional: false,
        });
    }
    missing
}

/// Whether a folder in memory can be bounded.
pub fn bounded_memory(bwrap: &Path) -> bool {
    let help = Command::new(bwrap).arg("--help").output();
    help.is_ok_and(|help| String::from_utf8_lossy(&help.stdout).contains("--size"))
}

fn nested(programs: &Programs) -> Result<(), String> {
    let said = |error: std::io::Error| error.to_string();
    let mut command = Command::new(&programs.bwrap);
    let mut inner = Arguments::new(programs.bounded_memory);
    inner.system().map_err(said)?;
    command
        .args(["--ro-bind", "/", "/", "--proc", "/proc", "--unshare-user"])
        .args(["--uid", "1000", "--gid", "1000", "--unshare-net"])
        .args(["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--"])
        .arg(&programs.bwrap)
        .args(inner.into_vec())
        .args(["--unshare-user", "--unshare-pid", "--proc", "/proc", "--"])
        .arg(&programs.prlimit)
        .arg("--version");
    launch::without_root(&mut command);
    let output = command.output().map_err(said)?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(text
        .lines()
        .next()
        .unwrap_or("bubblewrap failed")
        .to_owned())
}
