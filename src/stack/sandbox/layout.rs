//! Where things are inside a sandbox, and how the gateway's tree is laid.

use std::{
    fs,
    io::{self, Read as _, Seek as _},
    net::{Ipv4Addr, SocketAddr},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use crate::{
    model::input::GatewayFiles,
    stack::{Service, Version, programs},
};

pub const REDIS_PORT: u16 = 6379;
pub const AUTH_PORT: u16 = 4180;
pub const UPSTREAM_PORT: u16 = 4000;
pub const IDP_PORT: u16 = 9000;

/// The ports of the services round the gateway.
pub const PORTS: [u16; 4] = [REDIS_PORT, AUTH_PORT, UPSTREAM_PORT, IDP_PORT];

/// How much of an output its last words are looked for in, in bytes.
const LAST_WORDS: u64 = 16 * 1024;

/// OpenResty's prefix: where the configuration expects itself.
pub const PREFIX: &str = "/usr/local/openresty";
pub const CONFIG: &str = "/usr/local/openresty/nginx/conf/nginx.conf";
/// The folder of the configuration, and OpenResty's Lua modules.
pub const CONF: &str = "/usr/local/openresty/nginx/conf";
pub const LUALIB: &str = "/usr/local/openresty/lualib";
/// What the gateway has at `/run`.
pub const GATEWAY_RUN: &str = "/var/run";
/// Where the gateway's Lua modules are deployed.
const LUA: &str = "/usr/local/openresty/lualib/custom";
const HTML: &str = "/usr/local/openresty/nginx/html";

pub fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// A read-only place of `verify`'s own inside the sandbox: programs and what is judged.
pub fn shipped(name: &str) -> PathBuf {
    Path::new("/verify").join(name)
}

/// A writable place of `verify`'s own inside the sandbox.
pub fn inside(name: &str) -> PathBuf {
    Path::new("/run/verify").join(name)
}

/// Where Redis listens for `verify` alone.
pub fn redis_socket() -> PathBuf {
    inside("redis/redis.sock")
}

/// The file that a service's standard output or error goes to.
pub fn log_file(service: &str, stream: &str) -> PathBuf {
    inside("log").join(format!("{service}.{stream}"))
}

/// The last lines that a service wrote to its output.
pub fn last_words(service: Service) -> String {
    let written = |stream| {
        let tail = || -> io::Result<Vec<u8>> {
            let mut file = fs::File::open(log_file(service.name(), stream))?;
            let from = file.metadata()?.len().saturating_sub(LAST_WORDS);
            file.seek(io::SeekFrom::Start(from))?;
            let mut bytes = Vec::new();
            file.take(LAST_WORDS).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        String::from_utf8_lossy(&tail().unwrap_or_default()).into_owned()
    };
    let all = written("stderr") + &written("stdout");
    let lines: Vec<&str> = all.lines().rev().take(5).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
}

/// Makes every directory that the services write to, and OpenResty's prefix with the Lua
/// modules that OpenResty would bring along.
pub fn lay(files: &GatewayFiles, openresty: bool) -> io::Result<()> {
    for dir in [
        "/var/log/nginx",
        "/var/cache/nginx",
        "/var/lib/nginx",
        "/var/tmp",
        GATEWAY_RUN,
        "/run/verify/log",
        "/run/verify/redis",
        "/run/verify/tmp",
        "/usr/local/openresty/nginx/conf",
        "/usr/local/openresty/nginx/logs",
        "/usr/local/openresty/lualib/resty",
    ] {
        fs::create_dir_all(dir)?;
    }
    // As in OpenResty's image: what goes to its own log files is the service's log.
    symlink("/dev/stderr", "/usr/local/openresty/nginx/logs/error.log")?;
    symlink("/dev/stdout", "/usr/local/openresty/nginx/logs/access.log")?;
    if openresty {
        link_missing(&shipped("openresty"), Path::new(PREFIX))?;
    } else {
        for (name, file, _) in programs::lua_modules() {
            symlink(file, Path::new(PREFIX).join("lualib").join(name))?;
        }
        link_missing(
            Path::new("/etc/nginx"),
            Path::new("/usr/local/openresty/nginx/conf"),
        )?;
    }
    if let Some(lualib) = &files.lualib {
        link_missing(lualib, &Path::new(PREFIX).join("lualib/resty"))?;
    }
    Ok(())
}

/// Links everything below `from` that `to` does not have; directories that both have are merged.
fn link_missing(from: &Path, to: &Path) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if entry.file_name() == "nginx.conf" {
            continue;
        }
        let target = to.join(entry.file_name());
        if target.is_dir() && entry.path().is_dir() {
            link_missing(&entry.path(), &target)?;
        } else if target.symlink_metadata().is_err() {
            symlink(entry.path(), target)?;
        }
    }
    Ok(())
}

/// Puts a version's Lua modules and pages in place.
pub fn deploy_assets(files: &GatewayFiles, version: Version) -> io::Result<()> {
    let (lua, html) = match version {
        Version::Candidate => (&files.lua, &files.html),
        Version::Baseline => (
            files.baseline_lua.as_ref().unwrap_or(&files.lua),
            files.baseline_html.as_ref().unwrap_or(&files.html),
        ),
    };
    replace_link(lua, Path::new(LUA))?;
    replace_link(html, Path::new(HTML))
}

fn replace_link(target: &Path, link: &Path) -> io::Result<()> {
    if link.symlink_metadata().is_ok() {
        fs::remove_file(link)?;
    }
    symlink(target, link)
}
