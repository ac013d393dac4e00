//! The programs and Lua modules that the sandbox stack is made of: where they are, or how to get them.

use std::{env, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::{executable::beside, litellm::Litellm, redis_acl::Dialect};

pub use super::executable::{Found, Refused, on_path};

/// The command that installs whatever is missing.
pub const PROVISION: &str = "scripts/provision";

/// The command that installs the real browser.
pub const PROVISION_BROWSER: &str = "scripts/provision --with-browser";

/// What Chromium is called, by who packages it.
pub const CHROMIUM: [&str; 4] = [
    "chromium",
    "chromium-browser",
    "google-chrome-stable",
    "google-chrome",
];

/// Chromium's program, where it is installed.
#[must_use]
pub fn chromium() -> Option<Found> {
    CHROMIUM.iter().find_map(|name| on_path(name))
}

/// One program or module that the sandbox needs.
#[derive(Clone, Debug)]
pub struct Need {
    pub name: &'static str,
    /// Where it was found, or why it is refused.
    pub found: Option<Found>,
    /// The Debian package, or how else to get it.
    pub from: &'static str,
    /// The flag by which a program tells its version.
    pub version_flag: Option<&'static str>,
}

/// The programs that a sandbox run starts, all found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Programs {
    /// OpenResty's own binary, or Debian's nginx.
    pub nginx: PathBuf,
    /// Whether it is OpenResty: it brings its own Lua modules.
    pub openresty: bool,
    pub redis: PathBuf,
    pub oauth2_proxy: PathBuf,
    pub bwrap: PathBuf,
    /// `prlimit` of util-linux.
    pub prlimit: PathBuf,
    pub redis_dialect: Dialect,
    /// Whether bubblewrap can bound a folder in memory.
    pub bounded_memory: bool,
    /// The real LiteLLM, where it stands in place of its double.
    pub litellm: Option<Litellm>,
}

/// Something that a sandbox run needs is not there.
#[derive(Clone, Debug, thiserror::Error)]
#[error("missing: {}; run {PROVISION} to install what is missing", .0.join(", "))]
pub struct Missing(pub Vec<String>);

/// The nginx modules that Debian ships as files to load; OpenResty has them built in.
pub const NGINX_MODULES: [&str; 2] = [
    "/usr/lib/nginx/modules/ndk_http_module.so",
    "/usr/lib/nginx/modules/ngx_http_lua_module.so",
];

/// Debian's files that stand for the Lua modules which OpenResty brings along:
/// the name under `lualib`, and the file or directory.
const LUA_MODULES: [(&str, &str, &str); 18] = [
    (
        "resty/core.lua",
        "/usr/share/lua/5.1/resty/core.lua",
        "lua-resty-core",
    ),
    (
        "resty/core",
        "/usr/share/lua/5.1/resty/core",
        "lua-resty-core",
    ),
    ("ngx", "/usr/share/lua/5.1/ngx", "lua-resty-core"),
    (
        "resty/lrucache.lua",
        "/usr/share/lua/5.1/resty/lrucache.lua",
        "lua-resty-lrucache",
    ),
    (
        "resty/lrucache",
        "/usr/share/lua/5.1/resty/lrucache",
        "lua-resty-lrucache",
    ),
    ("nginx", "/usr/share/lua/5.1/nginx", "lua-nginx-string"),
    (
        "resty/redis.lua",
        "/usr/share/lua/5.1/nginx/redis.lua",
        "lua-nginx-redis",
    ),
    (
        "resty/string.lua",
        "/usr/share/lua/5.1/nginx/string.lua",
        "lua-nginx-string",
    ),
    (
        "resty/random.lua",
        "/usr/share/lua/5.1/nginx/random.lua",
        "lua-nginx-string",
    ),
    (
        "resty/sha.lua",
        "/usr/share/lua/5.1/nginx/sha.lua",
        "lua-nginx-string",
    ),
    (
        "resty/sha1.lua",
        "/usr/share/lua/5.1/nginx/sha1.lua",
        "lua-nginx-string",
    ),
    (
        "resty/sha224.lua",
        "/usr/share/lua/5.1/nginx/sha224.lua",
        "lua-nginx-string",
    ),
    (
        "resty/sha256.lua",
        "/usr/share/lua/5.1/nginx/sha256.lua",
        "lua-nginx-string",
    ),
    (
        "resty/sha384.lua",
        "/usr/share/lua/5.1/nginx/sha384.lua",
        "lua-nginx-string",
    ),
    (
        "resty/sha512.lua",
        "/usr/share/lua/5.1/nginx/sha512.lua",
        "lua-nginx-string",
    ),
    (
        "resty/md5.lua",
        "/usr/share/lua/5.1/nginx/md5.lua",
        "lua-nginx-string",
    ),
    (
        "resty/aes.lua",
        "/usr/share/lua/5.1/nginx/aes.lua",
        "lua-nginx-string",
    ),
    ("cjson", "/usr/share/lua/5.1/cjson", "lua-cjson"),
];

/// Where each Lua module stands for OpenResty's: its name under `lualib`, Debian's file or
/// directory, Debian's package. cjson is a shared object, in the machine's own directory.
#[must_use]
pub fn lua_modules() -> Vec<(&'static str, PathBuf, &'static str)> {
    let cjson = format!("/usr/lib/{}-linux-gnu/lua/5.1/cjson.so", env::consts::ARCH);
    LUA_MODULES
        .iter()
        .map(|(name, file, package)| (*name, PathBuf::from(file), *package))
        .chain([("cjson.so", PathBuf::from(cjson), "lua-cjson")])
        .collect()
}

/// Everything that the sandbox needs, found or not.
#[must_use]
pub fn survey() -> Vec<Need> {
    let openresty = on_path("openresty");
    let mut needs = vec![
        Need {
            name: "nginx with Lua (or openresty)",
            found: openresty.clone().or_else(|| on_path("nginx")),
            from: "Debian: nginx",
            version_flag: Some("-v"),
        },
        Need {
            name: "redis-server",
            found: on_path("redis-server"),
            from: "Debian: redis-server",
            version_flag: Some("--version"),
        },
        Need {
            name: "oauth2-proxy",
            found: on_path("oauth2-proxy").or_else(|| beside("oauth2-proxy")),
            from: "built from fixtures/auth-proxy",
            version_flag: Some("--version"),
        },
        Need {
            name: "bwrap",
            found: on_path("bwrap"),
            from: "Debian: bubblewrap",
            version_flag: Some("--version"),
        },
        Need {
            name: "prlimit",
            found: on_path("prlimit"),
            from: "Debian: util-linux",
            version_flag: Some("--version"),
        },
    ];
    if openresty.is_none() {
        needs.push(Need {
            name: "ngx_http_lua_module",
            found: Some(PathBuf::from(NGINX_MODULES[1]))
                .filter(|file| file.exists())
                .map(Ok),
            from: "Debian: libnginx-mod-http-lua",
            version_flag: None,
        });
        for (name, file, from) in lua_modules() {
            needs.push(Need {
                name,
                found: Some(file).filter(|file| file.exists()).map(Ok),
                from,
                version_flag: None,
            });
        }
    }
    needs
}

/// The programs, all of them, or the names of those that are missing.
pub fn find() -> Result<Programs, Missing> {
    let needs = survey();
    let missing: Vec<String> = needs
        .iter()
        .filter_map(|need| match &need.found {
            None => Some(format!("{} ({})", need.name, need.from)),
            Some(Err(refused)) => Some(format!("{} ({refused})", need.name)),
            Some(Ok(_)) => None,
        })
        .collect();
    let place = |index: usize| needs.get(index)?.found.clone()?.ok();
    match (place(0), place(1), place(2), place(3), place(4)) {
        (Some(nginx), Some(redis), Some(oauth2_proxy), Some(bwrap), Some(prlimit))
            if missing.is_empty() =>
        {
            let openresty = nginx.file_name().is_some_and(|name| name == "openresty");
            Ok(Programs {
                nginx,
                openresty,
                redis,
                oauth2_proxy,
                bwrap,
                prlimit,
                redis_dialect: Dialect::Seven,
                bounded_memory: true,
                litellm: None,
            })
        }
        _ => Err(Missing(missing)),
    }
}
