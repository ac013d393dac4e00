//! The parent's half: the bubblewrap command that puts a worker into namespaces of its own.

use std::{
    ffi::OsString,
    fs, io,
    io::Write as _,
    os::fd::{AsRawFd as _, OwnedFd},
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::process::Command;

use super::{layout, upstream};
use crate::{
    engine::{GatewayFiles, RunPlan},
    stack::programs::Programs,
};

/// The gateway's names, all on the sandbox's own loopback.
const HOSTS: &str = "127.0.0.1 localhost openresty oauth2-proxy redis litellm auth0";

/// What a sandbox holds is asked for by this name besides the profile's.
const NAME_SERVER: &str = "nameserver 127.0.0.11\n";

/// A command that starts a worker in a sandbox, through a guard in a session of its own, and the
/// descriptors that it inherits: they must live until it is spawned.
#[derive(Debug)]
pub struct Launch {
    /// `bwrap … verify worker`.
    pub command: Command,
    _inherited: Vec<OwnedFd>,
}

/// Builds the command for `plan`, and the plan as the worker sees it: its paths inside.
///
/// # Errors
/// A path that cannot be resolved, or a pipe that cannot be made.
pub fn launch(programs: &Programs, plan: &RunPlan) -> io::Result<(Launch, RunPlan)> {
    let mut args = Arguments::default();
    let mut inherited = Vec::new();
    args.base()?;
    args.own_usr_local()?;
    args.own_file(
        "/etc/hosts",
        &format!("{HOSTS} {}\n", plan.profile.site.host),
        &mut inherited,
    )?;
    if Path::new("/etc/resolv.conf").exists() {
        args.own_file("/etc/resolv.conf", NAME_SERVER, &mut inherited)?;
    }
    args.bind(&std::env::current_exe()?, &layout::inside("verify"))?;
    args.bind(&programs.oauth2_proxy, &layout::inside("bin/oauth2-proxy"))?;
    if let Some(litellm) = &programs.litellm {
        let inside = upstream::inside(litellm);
        args.bind(&litellm.home, &inside.home)?;
        args.bind(&litellm.files, &inside.files)?;
    }
    let mut inner = plan.clone();
    inner.files = args.gateway_files(&plan.files)?;
    inner.bundle = layout::inside("features");
    args.bind(&plan.bundle, &inner.bundle)?;

    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg("worker")
        .arg("--guard")
        .arg(&programs.bwrap)
        .args(args.0)
        .arg(layout::inside("verify"))
        .arg("worker")
        .env_clear()
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        .env("TZ", std::env::var("TZ").unwrap_or_default())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    Ok((
        Launch {
            command,
            _inherited: inherited,
        },
        inner,
    ))
}

/// Where what is written goes: empty, and the run's alone.
const FRESH: [&str; 3] = ["/var", "/run", "/tmp"];

/// What a name space has of its own.
const OWN: [&str; 2] = ["/dev", "/proc"];

#[derive(Default)]
struct Arguments(Vec<OsString>);

impl Arguments {
    fn add<const N: usize>(&mut self, args: [&str; N]) {
        self.0.extend(args.map(OsString::from));
    }

    /// The host read-only, everything that is written to fresh, no network but loopback, and
    /// a PID namespace: when its first process goes, the kernel ends all others.
    fn base(&mut self) -> io::Result<()> {
        // Each by itself and not the root with all that is mounted below it: what comes and goes
        // there meanwhile, as a container engine's file systems do in /var, would fail the whole.
        for entry in fs::read_dir("/")? {
            let path = entry?.path();
            if FRESH.iter().chain(&OWN).any(|own| path == Path::new(own)) {
                continue;
            }
            if path.is_symlink() {
                self.0.push("--symlink".into());
                self.0.push(fs::read_link(&path)?.into());
                self.0.push(path.into());
            } else {
                self.bind(&path, &path)?;
            }
        }
        self.add(["--dev", "/dev", "--proc", "/proc"]);
        for path in FRESH {
            self.add(["--tmpfs", path]);
        }
        self.add(["--remount-ro", "/"]);
        self.add([
            "--unshare-net",
            "--unshare-pid",
            "--unshare-ipc",
            "--unshare-uts",
        ]);
        // Not in a session of its own: it is in the guard's, which is one, so that it stays in
        // the guard's group and ends with it at any moment.
        self.add(["--die-with-parent"]);
        if !rustix::process::geteuid().is_root() {
            // Without being root on the host, root in a user namespace of its own: it binds
            // :80 and :53 on its own loopback, and nginx changes to a user that exists.
            self.add([
                "--unshare-user",
                "--uid",
                "0",
                "--gid",
                "0",
                "--cap-add",
                "ALL",
            ]);
        }
        Ok(())
    }

    /// `/usr/local` anew, with all that it has bound back in, so that the gateway's prefix
    /// exists inside and is never made on the host.
    fn own_usr_local(&mut self) -> io::Result<()> {
        self.add(["--tmpfs", "/usr/local"]);
        for entry in fs::read_dir("/usr/local")? {
            let path = entry?.path();
            if path != Path::new(layout::PREFIX) {
                self.bind(&path, &path)?;
            }
        }
        if Path::new(layout::PREFIX).exists() {
            self.bind(Path::new(layout::PREFIX), &layout::inside("openresty"))?;
        }
        self.add(["--tmpfs", layout::PREFIX]);
        Ok(())
    }

    fn bind(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let from = if from.is_symlink() && from.starts_with("/usr/local") {
            from.to_owned()
        } else {
            fs::canonicalize(from)?
        };
        self.0
            .extend(["--ro-bind".into(), from.into(), to.as_os_str().to_owned()]);
        Ok(())
    }

    /// A file with the given content, handed over through a pipe: no file on the host.
    fn own_file(
        &mut self,
        path: &str,
        content: &str,
        inherited: &mut Vec<OwnedFd>,
    ) -> io::Result<()> {
        let (read, write) = rustix::pipe::pipe()?;
        fs::File::from(write).write_all(content.as_bytes())?;
        self.add(["--ro-bind-data", &read.as_raw_fd().to_string(), path]);
        inherited.push(read);
        Ok(())
    }

    fn gateway_files(&mut self, files: &GatewayFiles) -> io::Result<GatewayFiles> {
        let mut one = |from: &Path, name: &str| -> io::Result<PathBuf> {
            let to = layout::inside(name);
            self.bind(from, &to)?;
            Ok(to)
        };
        let mut maybe = |from: &Option<PathBuf>, name: &str| -> io::Result<Option<PathBuf>> {
            from.as_deref().map(|from| one(from, name)).transpose()
        };
        Ok(GatewayFiles {
            lualib: maybe(&files.lualib, "in/lualib")?,
            baseline_lua: maybe(&files.baseline_lua, "in/baseline_lua")?,
            baseline_html: maybe(&files.baseline_html, "in/baseline_html")?,
            candidate: one(&files.candidate, "in/candidate.conf")?,
            baseline: one(&files.baseline, "in/baseline.conf")?,
            lua: one(&files.lua, "in/lua")?,
            html: one(&files.html, "in/html")?,
            auth_proxy: one(&files.auth_proxy, "in/oauth2-proxy.cfg")?,
        })
    }
}
