//! Where things are inside a sandbox, and how the gateway's tree is laid.

use std::{
    fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use crate::{
    engine::GatewayFiles,
    stack::{Version, programs},
};

/// OpenResty's prefix: where the configuration expects itself.
pub const PREFIX: &str = "/usr/local/openresty";
/// Where the configuration is deployed.
pub const CONFIG: &str = "/usr/local/openresty/nginx/conf/nginx.conf";
/// Where the gateway's Lua modules are deployed.
const LUA: &str = "/usr/local/openresty/lualib/custom";
/// Where the pages are deployed.
const HTML: &str = "/usr/local/openresty/nginx/html";

/// A place of `verify`'s own inside the sandbox.
pub fn inside(name: &str) -> PathBuf {
    Path::new("/run/verify").join(name)
}

/// The file that a service's standard output or error goes to.
pub fn log_file(service: &str, stream: &str) -> PathBuf {
    inside("log").join(format!("{service}.{stream}"))
}

/// Makes every directory that the services write to, and OpenResty's prefix with the Lua
/// modules that OpenResty would bring along.
pub fn lay(files: &GatewayFiles, openresty: bool) -> io::Result<()> {
    for dir in [
        "/var/log/nginx",
        "/var/cache/nginx",
        "/var/lib/nginx",
        "/var/lib/redis",
        "/var/tmp",
        "/run/verify/log",
        "/usr/local/openresty/nginx/conf",
        "/usr/local/openresty/nginx/logs",
        "/usr/local/openresty/lualib/resty",
    ] {
        fs::create_dir_all(dir)?;
    }
    symlink("/run", "/var/run")?;
    // As in OpenResty's image: what goes to its own log files is the service's log.
    symlink("/dev/stderr", "/usr/local/openresty/nginx/logs/error.log")?;
    symlink("/dev/stdout", "/usr/local/openresty/nginx/logs/access.log")?;
    if openresty {
        link_missing(&inside("openresty"), Path::new(PREFIX))?;
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
