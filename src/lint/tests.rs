//! Each rule on a gateway that has it, and the shipped gateway, which has none of them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use super::*;
use crate::profile::Profile;

fn shipped(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A copy of the shipped gateway, for edits.
struct Gateway {
    folder: TempDir,
}

impl Gateway {
    fn shipped() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let from = shipped("fixtures/gateway");
        for part in ["lua", "html"] {
            fs::create_dir(folder.path().join(part)).unwrap();
            for entry in fs::read_dir(from.join(part)).unwrap() {
                let entry = entry.unwrap();
                let to = folder.path().join(part).join(entry.file_name());
                fs::copy(entry.path(), to).unwrap();
            }
        }
        let config = folder.path().join("nginx.conf");
        fs::copy(from.join("nginx_v11.1.conf"), config).unwrap();
        Self { folder }
    }

    /// With a text that stands in a file once in place of another.
    fn edit(self, file: &str, find: &str, replace: &str) -> Self {
        let path = self.folder.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.matches(find).count(), 1, "{file}: {find}");
        fs::write(path, text.replace(find, replace)).unwrap();
        self
    }

    fn conf(self, find: &str, replace: &str) -> Self {
        self.edit("nginx.conf", find, replace)
    }

    fn every(self, find: &str, replace: &str) -> Self {
        let path = self.folder.path().join("nginx.conf");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(find), "{find}");
        fs::write(path, text.replace(find, replace)).unwrap();
        self
    }

    fn add(self, file: &str, text: &str) -> Self {
        fs::write(self.folder.path().join(file), text).unwrap();
        self
    }

    fn findings(&self) -> Vec<Finding> {
        self.with_profile(|_| {})
    }

    fn with_profile(&self, change: impl FnOnce(&mut Profile)) -> Vec<Finding> {
        let path = shipped("fixtures/profiles/plan.yaml");
        let mut profile = Profile::load(&path).unwrap();
        change(&mut profile);
        let files = Files {
            candidate: &self.folder.path().join("nginx.conf"),
            lua: Some(&self.folder.path().join("lua")),
            html: Some(&self.folder.path().join("html")),
            lualib: None,
            profile: &path,
        };
        lint(&Inputs::read(&files, &profile, Vec::new()))
    }

    /// The line on which a text stands.
    fn line(&self, file: &str, text: &str) -> u64 {
        let whole = fs::read_to_string(self.folder.path().join(file)).unwrap();
        let at = whole.find(text).unwrap_or_else(|| panic!("{file}: {text}"));
        whole[..at].matches('\n').count() as u64 + 1
    }

    /// Exactly these are found: rule, file, and a text that stands on the line.
    #[track_caller]
    fn finds(&self, expected: &[(&str, &str, &str)]) {
        let mut expected: Vec<String> = expected
            .iter()
            .map(|(rule, file, text)| format!("{rule} {file}:{}", self.line(file, text)))
            .collect();
        let found = self.findings();
        let mut seen: Vec<String> = found
            .iter()
            .map(|finding| {
                let file = finding.file.strip_prefix(self.folder.path());
                let file = file.unwrap_or(&finding.file);
                format!("{} {}:{}", finding.rule, file.display(), finding.line)
            })
            .collect();
        seen.sort();
        expected.sort();
        assert_eq!(seen, expected, "{found:#?}");
    }
}

/// The Lua of the tracking lines at another level.
fn tracking_at(gateway: Gateway, level: &str, text: &str) -> Gateway {
    ["Tracking user: ", "User tracking success: "]
        .into_iter()
        .fold(gateway, |gateway, line| {
            gateway.conf(
                &format!("ngx.log(ngx.WARN, \"[info] {line}"),
                &format!("ngx.log(ngx.{level}, \"{text}{line}"),
            )
        })
}

#[test]
fn the_shipped_gateway_has_nothing() {
    Gateway::shipped().finds(&[]);
}

#[test]
fn a_tracking_line_that_the_level_drops() {
    let first = "ngx.log(ngx.INFO, \"Tracking";
    let second = "ngx.log(ngx.INFO, \"User tracking success";
    let both = [
        ("tracking-line-dropped", "nginx.conf", first),
        ("tracking-line-dropped", "nginx.conf", second),
    ];
    tracking_at(Gateway::shipped(), "INFO", "").finds(&both);
    // The default level is error, and a location's own level takes the place of those around.
    tracking_at(Gateway::shipped(), "INFO", "")
        .conf("error_log /dev/stderr warn;", "error_log /dev/stderr;")
        .finds(&both);
    tracking_at(Gateway::shipped(), "INFO", "")
        .conf("error_log /dev/stderr warn;", "error_log /dev/stderr info;")
        .conf(
            "location /api/token/ {",
            "location /api/token/ { error_log /dev/stderr warn;",
        )
        .finds(&both);
    tracking_at(Gateway::shipped(), "INFO", "")
        .conf("error_log /dev/stderr warn;", "error_log /dev/stderr info;")
        .finds(&[]);
    // Under another name it is the same call.
    tracking_at(Gateway::shipped(), "INFO", "")
        .every("ngx.log(ngx.INFO", "log(INFO")
        .conf(
            "_G.track_user = function",
            "local log, INFO = ngx.log, ngx.INFO\n_G.track_user = function",
        )
        .finds(&[
            ("tracking-line-dropped", "nginx.conf", "log(INFO, \"Tr"),
            ("tracking-line-dropped", "nginx.conf", "log(INFO, \"User"),
        ]);
}

#[test]
fn a_tracking_line_that_carries_another_level() {
    tracking_at(Gateway::shipped(), "WARN", "").finds(&[
        ("tracking-line-level", "nginx.conf", "\"Tracking user: "),
        (
            "tracking-line-level",
            "nginx.conf",
            "\"User tracking success: ",
        ),
    ]);
    // What stands before the text is not known: nothing is said.
    tracking_at(Gateway::shipped(), "WARN", "\", tag, \"").finds(&[]);
}

#[test]
fn a_log_that_nobody_sees() {
    let log = "error_log /var/log/nginx/error.log";
    let gateway = Gateway::shipped().conf("error_log /dev/stderr", log);
    gateway.finds(&[("log-hidden", "nginx.conf", log)]);
    assert_eq!(gateway.findings()[0].level, Level::Warning);
    let gateway = Gateway::shipped().conf("error_log /dev/stderr", "error_log /dev/null");
    gateway.finds(&[("log-hidden", "nginx.conf", "error_log /dev/null")]);
    assert_eq!(gateway.findings()[0].level, Level::Error);
    Gateway::shipped()
        .conf(
            "error_log /dev/stderr",
            &format!("{log} warn;\nerror_log /dev/stderr"),
        )
        .finds(&[]);
}

#[test]
fn a_location_that_the_plan_visits_and_that_is_not_there() {
    Gateway::shipped()
        .conf(
            "        location / {\n            access_by",
            "        location /home/ {\n            access_by",
        )
        .finds(&[
            ("location-missing", "nginx.conf", "    server {"),
            ("location-missing", "nginx.conf", "    server {"),
        ]);
    Gateway::shipped()
        .conf("listen 8080;", "listen 8081;")
        .finds(&[("internal-server-missing", "nginx.conf", "http {")]);
    Gateway::shipped()
        .conf(
            "        location / {\n            rewrite_by",
            "        location /x {\n            rewrite_by",
        )
        .conf("location = /health {", "location = /healthz {")
        .finds(&[(
            "location-missing",
            "nginx.conf",
            "    server {\n        listen 8080;",
        )]);
}

#[test]
fn a_location_that_asks_nobody_who_they_are() {
    let guard = "access_by_lua_block {\n                local email = require(\"jwt_validator\").require_token()\n                require(\"litellm\").as_api_user(email)\n            }";
    let open = "access_by_lua_block {\n                require(\"litellm\").as_api_user(ngx.var.http_x_litellm_user_email)\n            }";
    let at = ("location-unprotected", "nginx.conf", "location /v1/ {");
    Gateway::shipped().conf(guard, open).finds(&[at]);
    Gateway::shipped()
        .conf(guard, "auth_request /session_check;")
        .finds(&[]);
    // Whoever is called here may ask; what is in a file that was not given, too.
    Gateway::shipped()
        .conf(guard, "access_by_lua_block { check_token() }")
        .finds(&[]);
    Gateway::shipped()
        .conf(guard, "access_by_lua_file /opt/check.lua;")
        .finds(&[]);
    let page = "location = /token-session-manager { alias /usr/local/openresty/nginx/html/token-session-manager.html; }\n        # ---- everything else\n";
    Gateway::shipped()
        .conf("        # ---- everything else\n", page)
        .finds(&[(
            "location-unprotected",
            "nginx.conf",
            "location = /token-session-manager {",
        )]);
}

#[test]
fn identity_that_a_client_may_claim() {
    let drop = "        rewrite_by_lua_block {\n            require(\"client_claims\").drop()\n        }\n\n        # ---- subrequests";
    let gateway = Gateway::shipped().conf(drop, "");
    gateway.finds(&[
        ("identity-headers-passed", "nginx.conf", "location ~ ^/v1/"),
        ("identity-headers-passed", "nginx.conf", "location /v1/ {"),
    ]);
    let set =
        "proxy_set_header X-Forwarded-Email \"\"; proxy_set_header X-Auth-Request-Email \"\";";
    Gateway::shipped().conf(drop, set).finds(&[]);
    let copied = set.replace(
        "Forwarded-Email \"\"",
        "Forwarded-Email $http_x_forwarded_email",
    );
    let found = Gateway::shipped().conf(drop, &copied).findings();
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].what.en.contains("X-Forwarded-Email are passed on"));
    // The upstream's own name for the user decides.
    let gateway = gateway.edit(
        "lua/litellm.lua",
        "    ngx.req.set_header(\"X-LiteLLM-User-Email\", email)\n",
        "",
    );
    let found = gateway.findings();
    let errors = found.iter().filter(|finding| finding.level == Level::Error);
    assert_eq!(errors.count(), 1, "{found:#?}");
}

#[test]
fn a_pool_of_connections_that_are_not_kept() {
    let pass = "proxy_pass http://openresty_internal/track_user_internal;";
    let at = ("keepalive-lost", "nginx.conf", pass);
    let here = |from: &str, to: &str| {
        let at = "proxy_set_header Content-Length \"\";\n            proxy_set_header Connection \"\";\n            proxy_read_timeout 5s;";
        Gateway::shipped().conf(at, &at.replace(from, to))
    };
    here("proxy_set_header Connection \"\";", "").finds(&[at]);
    here("Connection \"\"", "Connection close").finds(&[at]);
    here("Connection \"\"", "Connection $connection_header").finds(&[]);
    here("Connection \"\"", "Connection $something").finds(&[]);
    here("proxy_read_timeout 5s;", "proxy_http_version 1.0;").finds(&[at]);
    let map = "default   \"\";\n        websocket upgrade;";
    let found = Gateway::shipped().conf(map, "default close;").findings();
    assert!(found.iter().all(|finding| finding.rule == "keepalive-lost"));
    let upstreams: Vec<_> = (found.iter())
        .filter_map(|finding| finding.what.en.split("upstream ").nth(1)?.split(' ').next())
        .collect();
    assert_eq!(upstreams, ["oauth2_proxy", "litellm"], "{found:#?}");
    assert!(
        found[1]
            .what
            .en
            .starts_with("`location ~ ^/v1/(mcp|internal)`, `location ~ ^/(ui|admin)`")
    );
}

#[test]
fn calls_of_track_user() {
    let call = "track_user(email, \"UI/Admin\")";
    let of = |to: &str| Gateway::shipped().conf(call, to);
    of("track_user(email)").finds(&[(
        "tracking-without-context",
        "nginx.conf",
        "track_user(email)\n",
    )]);
    of("track_user(email, nil)").finds(&[(
        "tracking-without-context",
        "nginx.conf",
        "track_user(email, nil)",
    )]);
    of("track_user(who())").finds(&[]);
    of("track_user(email, ngx.var.context)").finds(&[]);
}

#[test]
fn contexts_that_no_location_uses_or_that_another_uses() {
    let call = "track_user(email, \"UI/Admin\")";
    let found = Gateway::shipped()
        .conf(call, "track_user(email, \"Admin\")")
        .findings();
    let rules: Vec<&str> = found.iter().map(|finding| finding.rule.as_str()).collect();
    assert_eq!(
        rules,
        ["context-unused", "tracking-unknown-context"],
        "{found:#?}"
    );
    assert!(found[0].file.ends_with("nginx.conf") && found[0].line + 3 == found[1].line);
    let other = "track_user(email, \"Key Management\")";
    Gateway::shipped()
        .conf(call, "swapped()")
        .conf(other, call)
        .conf("swapped()", other)
        .finds(&[
            ("context-elsewhere", "nginx.conf", "location ~ ^/(ui|admin)"),
            ("context-elsewhere", "nginx.conf", "location ~ ^/(key|user"),
        ]);
}

#[test]
fn track_user_that_nobody_defines() {
    let gateway = Gateway::shipped().conf("_G.track_user = function", "_G.track = function");
    let found = gateway.findings();
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].rule, "tracking-undefined");
    assert_eq!(
        found[0].line,
        gateway.line("nginx.conf", "track_user(email, \"MCP")
    );
    // Who defines it in a way of their own is believed.
    Gateway::shipped()
        .conf(
            "_G.track_user = function",
            "rawset(_G, \"track_user\", nil)\n_G.track = function",
        )
        .finds(&[]);
}

#[test]
fn lua_that_does_not_compile() {
    let gateway = Gateway::shipped().conf(
        "require(\"respond\").error(404, \"no such resource\")",
        "require(\"respond\".error(404, 1)",
    );
    let found = gateway.findings();
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].rule, "lua-syntax");
    assert_eq!(
        found[0].line,
        gateway.line("nginx.conf", "require(\"respond\".")
    );
    Gateway::shipped()
        .edit("lua/bans.lua", "local _M = {}", "local _M = {")
        .finds(&[("lua-syntax", "lua/bans.lua", "function _M.key")]);
}

#[test]
fn modules_that_nothing_provides() {
    let metrics = "local _M = {}\nlocal metrics = require \"metrics\"\n";
    let gateway =
        |text: &str| Gateway::shipped().edit("lua/client_claims.lua", "local _M = {}\n", text);
    gateway(metrics).finds(&[(
        "lua-module-missing",
        "lua/client_claims.lua",
        "require \"metrics\"",
    )]);
    gateway(metrics)
        .add("lua/metrics.lua", "return {}")
        .finds(&[]);
    gateway(&metrics.replace("metrics\"", "resty.openidc\"")).finds(&[]);
    gateway("local _M = {}\nlocal ok, m = pcall(require, \"metrics\")\n").finds(&[]);
    // A module that nobody requires harms nobody.
    Gateway::shipped()
        .add("lua/old.lua", "require \"gone\"")
        .finds(&[]);
    Gateway::shipped()
        .conf("content_by_lua_block {\n                require(\"token_api\").handle_admin()\n            }", "content_by_lua_file /usr/local/openresty/lualib/custom/gone.lua;")
        .finds(&[("lua-file-missing", "nginx.conf", "content_by_lua_file")]);
}

#[test]
fn variables_that_nginx_does_not_hand_on() {
    let asks = "function _M.drop()\n    local asked = os.getenv(\"ASKED\")";
    let gateway = || Gateway::shipped().edit("lua/client_claims.lua", "function _M.drop()", asks);
    gateway().finds(&[("env-not-handed-on", "lua/client_claims.lua", "os.getenv")]);
    gateway()
        .conf("env JWT_SECRET;", "env JWT_SECRET;\nenv ASKED=1;")
        .finds(&[]);
}

#[test]
fn what_is_included() {
    Gateway::shipped()
        .conf(
            "sendfile on;",
            "include mime.types;\ninclude sites/*.conf;\ninclude own.conf;",
        )
        .finds(&[("include-missing", "nginx.conf", "include own.conf")]);
}

#[test]
fn the_llm_api_streams_and_takes_long_prompts() {
    Gateway::shipped()
        .conf("            proxy_buffering off;\n            proxy_read_timeout 600s;\n            proxy_send", "            proxy_send")
        .finds(&[("stream-buffered", "nginx.conf", "proxy_pass http://litellm;\n        }\n\n        # ---- the gateway's")]);
    Gateway::shipped()
        .conf(
            "            client_max_body_size 32m;\n",
            "            client_max_body_size 64k;\n",
        )
        .finds(&[("body-limit-small", "nginx.conf", "client_max_body_size 64k")]);
}

#[test]
fn the_way_to_the_login_is_lost() {
    let guard = "access_by_lua_block {\n                local email = require(\"authz\").require_session()\n                track_user(email, \"Default\")\n            }\n            proxy_pass";
    let gateway = |guarded: &str| {
        Gateway::shipped()
            .conf(guard, guarded)
            .conf("        rewrite_by_lua_block {\n            require(\"client_claims\").drop()\n        }\n\n        # ---- subrequests", "        proxy_set_header X-Forwarded-Email \"\"; proxy_set_header X-Auth-Request-Email \"\";")
            .findings()
            .into_iter()
            .filter(|finding| finding.rule == "login-redirect-lost")
            .count()
    };
    assert_eq!(gateway("auth_request /session_check; proxy_pass"), 1);
    assert_eq!(
        gateway("auth_request /session_check; error_page 401 = /oauth2/start; proxy_pass"),
        0
    );
}

#[test]
fn what_cannot_be_read_is_a_note() {
    let found = Gateway::shipped()
        .conf("    server_tokens off;", "    server_tokens off; }")
        .findings();
    assert!(!found.is_empty());
    assert!(
        found.iter().all(|finding| finding.level == Level::Note),
        "{found:#?}"
    );
    let nothing = Gateway::shipped();
    fs::remove_file(nothing.folder.path().join("nginx.conf")).unwrap();
    let found = nothing.findings();
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].rule.as_str(), found[0].level),
        ("config-unread", Level::Note)
    );
}

#[test]
fn a_page_and_a_plan_that_are_not_whole() {
    let gateway = Gateway::shipped();
    let found = gateway.with_profile(|profile| profile.admin_page.file = "gone.html".to_owned());
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].rule, "page-missing");
    let path = shipped("fixtures/profiles/plan.yaml");
    let problem = crate::plan::Problem {
        path: "features/plan.yaml".into(),
        line: 7,
        text: "item 3.4 has no scenario".to_owned(),
    };
    let files = Files {
        candidate: &gateway.folder.path().join("nginx.conf"),
        lua: None,
        html: None,
        lualib: None,
        profile: &path,
    };
    let found = lint(&Inputs::read(
        &files,
        &Profile::load(&path).unwrap(),
        vec![problem],
    ));
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].at(), "features/plan.yaml:7");
}
