//! What a sandbox shows of the machine's file system: its programs and libraries, read-only, and an
//! `/etc` that is made.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs, io,
    os::fd::{AsFd as _, OwnedFd},
    path::{Path, PathBuf},
};

use rustix::fs::{MemfdFlags, SeekFrom, memfd_create, seek};

use super::layout;

/// Where the system's programs and libraries are; the first is a folder everywhere.
const SYSTEM: [&str; 7] = [
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32",
];

/// What of the machine's `/etc` programs need: how libraries are found, which certificates are
/// trusted, what time it is, how letters look.
const FROM_ETC: [&str; 12] = [
    "alternatives",
    "ca-certificates",
    "chromium",
    "chromium.d",
    "fonts",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "pki",
    "ssl/certs",
];

/// The size of `/dev/shm`, in bytes: as in a container.
const SHARED_MEMORY: u64 = 64 * 1024 * 1024;

const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// What standard input, output and error are called in `/dev`.
const STREAMS: [(&str, &str); 4] = [
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
];

/// What nginx's package has there for every configuration to include.
const FROM_ETC_NGINX: [&str; 9] = [
    "fastcgi.conf",
    "fastcgi_params",
    "koi-utf",
    "koi-win",
    "mime.types",
    "proxy_params",
    "scgi_params",
    "uwsgi_params",
    "win-utf",
];

/// The users that a configuration of nginx may name, besides that of the baseline.
const USERS: [(&str, u32); 9] = [
    ("root", 0),
    ("daemon", 1),
    ("bin", 2),
    ("www-data", 33),
    ("http", 80),
    ("nginx", 101),
    ("openresty", 102),
    ("www", 1000),
    ("nobody", 65_534),
];

/// The gateway's names, all on the sandbox's own loopback.
const HOSTS: &str = "127.0.0.1 localhost openresty oauth2-proxy redis litellm auth0";

const NAME_SERVER: &str = "nameserver 127.0.0.11\n";

const NAME_SERVICES: &str = "passwd: files\ngroup: files\nhosts: files dns\nservices: files\n";

/// A file without a name that holds this.
pub fn in_memory(name: &str, content: &[u8]) -> io::Result<OwnedFd> {
    let file = memfd_create(name, MemfdFlags::CLOEXEC)?;
    let mut rest = content;
    while !rest.is_empty() {
        let written = rustix::io::write(file.as_fd(), rest)?;
        rest = rest.get(written..).unwrap_or_default();
    }
    seek(file.as_fd(), SeekFrom::Start(0))?;
    Ok(file)
}

pub struct Arguments {
    args: Vec<OsString>,
    /// Whether bubblewrap can bound a folder in memory.
    bounded: bool,
    /// Files handed over by descriptor.
    files: Vec<OwnedFd>,
}

impl Arguments {
    pub fn new(bounded: bool) -> Self {
        Self {
            args: Vec::new(),
            bounded,
            files: Vec::new(),
        }
    }

    pub fn add<const N: usize>(&mut self, args: [&str; N]) {
        self.args.extend(args.map(OsString::from));
    }

    /// An operation on two paths.
    pub fn mount(&mut self, operation: &str, from: &Path, to: &Path) {
        self.args
            .extend([operation.into(), from.into(), to.as_os_str().to_owned()]);
    }

    /// What is at `from` at the end of all links, read-only.
    pub fn read(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.mount("--ro-bind", &fs::canonicalize(from)?, to);
        Ok(())
    }

    /// A folder that everybody may look into; one that bubblewrap makes on the way to something
    /// is its maker's alone.
    pub fn folder(&mut self, path: &Path) {
        self.add(["--perms", "0755", "--dir"]);
        self.args.push(path.into());
    }

    pub fn way_to(&mut self, path: &Path) {
        let above: Vec<&Path> = path.ancestors().skip(1).collect();
        for folder in above.into_iter().rev().skip(1) {
            self.folder(folder);
        }
    }

    /// A folder in memory, of at most so many bytes where that can be had.
    pub fn memory(&mut self, bytes: u64, path: &str) {
        if self.bounded {
            self.add(["--size", &bytes.to_string()]);
        }
        self.add(["--tmpfs", path]);
    }

    /// The arguments alone: no file was handed over.
    pub fn into_vec(self) -> Vec<OsString> {
        self.args
    }

    /// The arguments and the files, which are the descriptors from `first` on.
    pub fn into_parts(self) -> (Vec<OsString>, Vec<OwnedFd>) {
        (self.args, self.files)
    }

    /// Programs and libraries.
    pub fn system(&mut self) -> io::Result<()> {
        for path in SYSTEM.map(Path::new) {
            if path.is_symlink() {
                self.mount("--symlink", &fs::read_link(path)?, path);
            } else if path.is_dir() {
                self.mount("--ro-bind", path, path);
            }
        }
        Ok(())
    }

    /// A `/dev` with the devices that give and take nothing but bytes.
    pub fn devices(&mut self) {
        self.add(["--tmpfs", "/dev"]);
        for name in DEVICES.map(|name| format!("/dev/{name}")) {
            self.add(["--dev-bind-try", &name, &name]);
        }
        for (target, name) in STREAMS {
            self.add(["--symlink", target, name]);
        }
        self.memory(SHARED_MEMORY, "/dev/shm");
        self.add(["--remount-ro", "/dev"]);
    }

    /// The `/dev` of around, which [`Self::devices`] made, with a shared memory of its own: one
    /// mount in place of one for each device.
    pub fn devices_of_around(&mut self) {
        self.add(["--dev-bind", "/dev", "/dev"]);
        self.memory(SHARED_MEMORY, "/dev/shm");
    }

    /// `/usr/local` anew, with all that it has bound back in, so that the gateway's prefix
    /// exists inside and is never made on the host.
    pub fn own_usr_local(&mut self) -> io::Result<()> {
        self.add(["--perms", "0755", "--tmpfs", "/usr/local"]);
        for entry in fs::read_dir("/usr/local")? {
            let path = entry?.path();
            if path == Path::new(layout::PREFIX) {
                self.read(&path, &layout::shipped("openresty"))?;
            } else if path.is_symlink() {
                self.mount("--symlink", &fs::read_link(&path)?, &path);
            } else if fs::read_dir(&path).is_ok_and(|mut inside| inside.next().is_none()) {
                self.folder(&path);
            } else {
                self.read(&path, &path)?;
            }
        }
        self.folder(Path::new(layout::PREFIX));
        Ok(())
    }

    /// An `/etc` with only what programs need. `users`: further names that a configuration may give.
    pub fn own_etc(&mut self, host: &str, users: &BTreeSet<String>, first: i32) -> io::Result<()> {
        for folder in ["/etc", "/etc/nginx", "/etc/ssl"] {
            self.folder(Path::new(folder));
        }
        for name in FROM_ETC.iter().map(PathBuf::from).chain(
            FROM_ETC_NGINX
                .iter()
                .map(|name| Path::new("nginx").join(name)),
        ) {
            let path = Path::new("/etc").join(name);
            if path.is_file() {
                // A copy: each mount makes every start of a program slower.
                self.file(&path, &fs::read(&path)?, first)?;
            } else if path.exists() {
                self.read(&path, &path)?;
            }
        }
        let more = users.iter().map(String::as_str).zip(2000..);
        let all: Vec<(&str, u32)> = USERS.into_iter().chain(more).collect();
        let passwd = all
            .iter()
            .map(|(name, id)| format!("{name}:x:{id}:{id}::/:/usr/sbin/nologin\n"));
        let groups = all
            .iter()
            .chain(&[("nogroup", 65_534)])
            .map(|(name, id)| format!("{name}:x:{id}:\n"));
        for (path, content) in [
            ("/etc/passwd", passwd.collect()),
            ("/etc/group", groups.collect()),
            ("/etc/hosts", format!("{HOSTS} {host}\n")),
            ("/etc/resolv.conf", NAME_SERVER.to_owned()),
            ("/etc/nsswitch.conf", NAME_SERVICES.to_owned()),
        ] {
            self.file(Path::new(path), content.as_bytes(), first)?;
        }
        Ok(())
    }

    /// A file with this content, which is on no disk.
    fn file(&mut self, path: &Path, content: &[u8], first: i32) -> io::Result<()> {
        let at = i32::try_from(self.files.len()).map_err(io::Error::other)?;
        self.files.push(in_memory("file", content)?);
        let descriptor = (first + at).to_string();
        self.add(["--perms", "0444", "--file", &descriptor]);
        self.args.push(path.into());
        Ok(())
    }
}
