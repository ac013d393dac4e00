//! Lua that does not compile, and modules that nothing provides.

use std::collections::BTreeSet;

use super::{Finding, Level, Seen, finding, text};

/// Lua that does not compile. In a module that nothing requires it does no harm yet.
pub fn syntax(seen: &Seen<'_>) -> Vec<Finding> {
    let all = seen.all_lua();
    let used = |name: &str| all.modules.contains(name);
    let blocks = seen
        .inputs
        .chunks
        .values()
        .map(|chunk| (chunk, Level::Error));
    let modules = (seen.inputs.modules.own.iter()).map(|(name, chunk)| {
        let level = if used(name) {
            Level::Error
        } else {
            Level::Warning
        };
        (chunk, level)
    });
    blocks
        .chain(modules)
        .filter_map(|(chunk, level)| Some((chunk.faults.first()?, level)))
        .map(|(fault, level)| {
            finding(
                "lua-syntax",
                level,
                &fault.at,
                text(
                    format!("this Lua does not compile: {}", fault.says),
                    format!("このLuaはコンパイルできません：{}", fault.says),
                ),
                text(
                    "`nginx -t` does not compile Lua: the gateway starts, and answers 500 where this runs",
                    "`nginx -t` はLuaをコンパイルしないため起動は成功し、実行時に500エラーになります",
                ),
                text("correct the syntax", "構文を修正してください"),
            )
        })
        .collect()
}

/// Modules that are required and that neither OpenResty nor anything given provides.
pub fn modules(seen: &Seen<'_>) -> Vec<Finding> {
    if !standard_path(seen) {
        return Vec::new();
    }
    let mut named = BTreeSet::new();
    let mut found = Vec::new();
    for chunk in seen.all_lua().chunks {
        for (call, name) in chunk.requires() {
            let Some(name) = name else { continue };
            if seen.inputs.modules.provides(name) || chunk.locals.contains("require") {
                continue;
            }
            if named.insert((call.at.file.clone(), call.at.line, name)) {
                found.push(finding(
                    "lua-module-missing",
                    Level::Error,
                    &call.at,
                    text(
                        format!("require \"{name}\": nothing provides this module"),
                        format!("require \"{name}\"：このモジュールが見つかりません"),
                    ),
                    text(
                        "the first request that comes here ends with 500; in init_by_lua the gateway does not start",
                        "ここに到達した最初のリクエストが500エラーになります（init_by_luaでは起動に失敗します）",
                    ),
                    text(
                        "add it to the folder of --lua, or name its folder with --lualib",
                        "--lua のフォルダに追加するか、--lualib でフォルダを指定してください",
                    ),
                ));
            }
        }
    }
    found
}

/// Whether modules are looked for only where those that were given are deployed.
fn standard_path(seen: &Seen<'_>) -> bool {
    let Some(http) = &seen.model.http else {
        return false;
    };
    let path = http.value("lua_package_path").unwrap_or_default();
    path.split(';').all(|place| {
        let place = place.trim();
        place.is_empty() || place.starts_with("/usr/local/openresty/lualib/")
    })
}

/// `*_by_lua_file` that names a module's file that is not there.
pub fn files(seen: &Seen<'_>) -> Vec<Finding> {
    let unknown = seen.inputs.unknown_lua.iter();
    unknown
        .filter_map(|(at, path)| Some((at, path.as_ref()?)))
        .map(|(at, path)| {
            finding(
                "lua-file-missing",
                Level::Error,
                at,
                text(
                    format!("the Lua file {path} is not there"),
                    format!("Luaファイル {path} がありません"),
                ),
                text(
                    "every request that comes here is answered with 404 or 500",
                    "ここに到達したリクエストは404または500になります",
                ),
                text(
                    "add it to the folder of --lua",
                    "--lua のフォルダに追加してください",
                ),
            )
        })
        .collect()
}
