//! The parent's half: the bubblewrap command that puts a worker into namespaces of its own.

use std::{
    ffi::OsString,
    io,
    os::{fd::OwnedFd, unix::process::CommandExt as _},
    path::{Path, PathBuf},
    process::Stdio,
};

use command_fds::{CommandFdExt as _, FdMapping};
use tokio::process::Command;

use super::{cgroup::Group, filesystem::Arguments, layout, nginx, upstream};
use crate::stack::programs::Programs;

const MIB: u64 = 1024 * 1024;

/// Where what is written goes: empty, the run's alone, and bounded.
const FRESH: [(&str, u64); 4] = [
    ("/var", 512 * MIB),
    ("/tmp", 512 * MIB),
    ("/run", 1024 * MIB),
    (layout::PREFIX, 128 * MIB),
];

/// The first of the descriptors by which files are handed over.
const FIRST_FILE: i32 = 3;

/// The users that a run as root becomes: a range that no distribution gives to people or to services
/// that are installed (systemd takes its dynamic users from it).
const USERS: std::ops::Range<u32> = 61_184..65_520;

/// The worker's user inside.
const WORKER: &str = "1000";

/// A command that starts a worker in a sandbox, through a guard in a session of its own. It holds
/// the descriptors that it hands over: they must live until it is spawned.
#[derive(Debug)]
pub struct Launch {
    /// `verify worker --guard COUNT GROUP bwrap … verify worker`.
    pub command: Command,
    /// To be kept for as long as the run lasts.
    pub group: Option<Group>,
}

/// Builds the command for a gateway of this host name. The users that `baseline`, the text of its
/// configuration, names exist inside as they do where it runs.
///
/// # Errors
/// A path that cannot be resolved, or a file that cannot be made.
pub fn launch(programs: &Programs, host: &str, baseline: &str) -> io::Result<Launch> {
    let mut shown = Arguments::new(programs.bounded_memory);
    shown.system()?;
    shown.own_usr_local()?;
    for folder in ["", "bin", "in"] {
        shown.folder(&layout::shipped(folder));
    }
    shown.own_etc(host, &nginx::users(baseline), FIRST_FILE)?;
    shown.read(&std::env::current_exe()?, &layout::shipped("verify"))?;
    shown.read(&programs.oauth2_proxy, &layout::shipped("bin/oauth2-proxy"))?;
    if let Some(litellm) = &programs.litellm {
        let inside = upstream::inside(litellm);
        shown.read(&litellm.home, &inside.home)?;
        shown.read(&litellm.files, &inside.files)?;
        if !inside.base.starts_with("/usr") {
            shown.way_to(&inside.base);
            shown.read(&litellm.base, &inside.base)?;
        }
    }
    let mut command = std::process::Command::new(std::env::current_exe()?);
    let (args, handed_over) = shown.into_parts();
    let group = Group::make();
    command
        .args(["worker", "--guard", &handed_over.len().to_string()])
        .arg(group.as_ref().map_or(Path::new(""), Group::path))
        .arg(&programs.bwrap)
        .args(args);
    if rustix::process::geteuid().is_root() {
        // Only root may see all of these files. It shows them to an unprivileged user, who makes the
        // namespaces: nothing in them is ever root outside of them.
        command
            .args(["--bind", "/proc", "/proc", "--dev-bind", "/dev", "/dev"])
            .args(FRESH.iter().flat_map(|(path, _)| ["--dir", path]))
            .args(["--remount-ro", "/", "--die-with-parent", "--"])
            .arg(layout::shipped("verify"))
            .args(["worker", "--become"])
            .arg(unprivileged().to_string())
            .arg(&programs.bwrap)
            .args(["--ro-bind", "/", "/"])
            .args(namespaces(programs.bounded_memory));
    } else {
        command.args(namespaces(programs.bounded_memory));
    }
    command
        .arg("--")
        .arg(layout::shipped("verify"))
        .args(["worker", "--inside"])
        .env_clear()
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        .env("TMPDIR", layout::inside("tmp"))
        .env("HOME", layout::inside("tmp"))
        .env("TZ", std::env::var("TZ").unwrap_or_default())
        .fd_mappings(mapped(handed_over))
        .map_err(io::Error::other)?;
    let mut command = Command::from(command);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    Ok(Launch { command, group })
}

fn mapped(files: Vec<OwnedFd>) -> Vec<FdMapping> {
    files
        .into_iter()
        .zip(FIRST_FILE..)
        .map(|(parent_fd, child_fd)| FdMapping {
            parent_fd,
            child_fd,
        })
        .collect()
}

/// Closes every descriptor but the standard three and the `count` that were handed over: the caller
/// of `verify` may have left others open. To be called before this process opens any itself.
///
/// # Errors
/// Where the system does not list them.
pub fn close_inherited(count: &str) -> io::Result<()> {
    let count: i32 = count.parse().map_err(io::Error::other)?;
    let listed = std::fs::read_dir("/proc/self/fd")?;
    let open: Vec<i32> = listed
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    for descriptor in open.into_iter().filter(|fd| *fd >= FIRST_FILE + count) {
        // The one that they were listed by is closed already.
        let _ = nix::unistd::close(descriptor);
    }
    Ok(())
}

/// Becomes an unprivileged user and then another program.
///
/// # Errors
/// Always: where it succeeds, this program is no more.
pub fn become_user(user: &str, command: &[OsString]) -> io::Error {
    let Ok(id) = user.parse() else {
        return io::ErrorKind::InvalidInput.into();
    };
    let Some((program, args)) = command.split_first() else {
        return io::ErrorKind::InvalidInput.into();
    };
    // The groups of root go, too: std clears them where root becomes somebody else.
    std::process::Command::new(program)
        .args(args)
        .uid(id)
        .gid(id)
        .exec()
}

/// Has a command that root starts run as an unprivileged user.
pub fn without_root(command: &mut std::process::Command) {
    if rustix::process::geteuid().is_root() {
        command.uid(unprivileged()).gid(unprivileged());
    }
}

/// One for this run: runs side by side differ, mostly.
fn unprivileged() -> u32 {
    USERS.start + std::process::id() % (USERS.end - USERS.start)
}

/// The namespaces of a run, and everything that is writable in them. The worker may make the
/// network's settings, and gives that up when it starts. It is not their root: of root, a user
/// namespace for a program could not be made without a privilege.
pub fn namespaces(bounded: bool) -> Vec<OsString> {
    let mut args = Arguments::new(bounded);
    args.add(["--proc", "/proc"]);
    // Not bubblewrap's own, whose terminals take a second user namespace, which the network
    // namespace would not belong to.
    args.devices();
    for (path, bytes) in FRESH {
        args.memory(bytes, path);
    }
    args.add(["--remount-ro", "/"]);
    args.add([
        "--unshare-user",
        "--uid",
        WORKER,
        "--gid",
        WORKER,
        "--unshare-net",
        "--unshare-pid",
        "--unshare-ipc",
        "--unshare-uts",
        "--unshare-cgroup-try",
        "--cap-drop",
        "ALL",
        "--cap-add",
        "CAP_NET_ADMIN",
    ]);
    // Not in a session of its own: it is in the guard's, which is one, so that it stays in
    // the guard's group and ends with it at any moment.
    args.add(["--die-with-parent", "--chdir", "/"]);
    args.into_vec()
}

/// Where the worker lays the inputs.
pub fn inputs() -> PathBuf {
    layout::inside("in")
}
