//! Lua that does not compile, and modules that nothing provides.

use std::collections::BTreeSet;

use super::{said::finding, seen::Seen};
use crate::lint::Finding;
use crate::lint::Level;

/// Lua that does not compile. In a module that nothing requires it does no harm yet.
pub fn syntax(seen: &Seen<'_>) -> Vec<Finding> {
    let all = seen.all_lua();
    let blocks = seen.inputs.chunks.values();
    let blocks = blocks.map(|chunk| (chunk, Level::Error));
    let modules = (seen.inputs.modules.own.iter()).map(|(name, chunk)| {
        let level = match all.modules.contains(name) {
            true => Level::Error,
            false => Level::Warning,
        };
        (chunk, level)
    });
    let all = blocks.chain(modules);
    let faults = all.filter_map(|(chunk, level)| Some((chunk.faults.first()?, level)));
    faults
        .map(|(fault, level)| {
            let says = [("says", fault.says.as_str().into())];
            finding("lua-syntax", &fault.at, &says).at_level(level)
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
                    &call.at,
                    &[("name", name.into())],
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
    let missing = unknown.filter_map(|(at, path)| Some((at, path.as_ref()?)));
    missing
        .map(|(at, path)| finding("lua-file-missing", at, &[("path", path.into())]))
        .collect()
}
