//! Locations that the plan visits and the configuration does not have.

use super::{
    super::config::{At, Match, find_location},
    Finding, INTERNAL, Level, Seen, finding, text,
};

/// Every public path that the plan visits, with what the profile calls it.
pub fn visited<'a>(seen: &Seen<'a>) -> Vec<(&'a str, String)> {
    let profile = &seen.inputs.profile;
    let mut paths: Vec<(&str, String)> = Vec::new();
    for (name, context) in &profile.contexts {
        paths.push((&context.path, format!("contexts: {name}")));
    }
    paths.push((&profile.admin_page.path, "admin_page".to_owned()));
    paths.push((&profile.llm.path, "llm".to_owned()));
    paths.push((&profile.login.callback, "login: callback".to_owned()));
    paths.push((&profile.login.sign_out, "login: sign_out".to_owned()));
    paths.push((&profile.untracked, "untracked".to_owned()));
    for (name, operation) in &profile.operations {
        paths.push((&operation.path, format!("operations: {name}")));
    }
    for path in &profile.warm_up {
        paths.push((path, "warm_up".to_owned()));
    }
    let mut seen_paths = std::collections::BTreeSet::new();
    paths.retain(|(path, _)| seen_paths.insert(*path));
    paths
}

/// Paths of the profile that no location answers for.
pub fn missing(seen: &Seen<'_>) -> Vec<Finding> {
    if !seen.inputs.config.complete {
        return Vec::new();
    }
    let mut found = Vec::new();
    if let Some(server) = &seen.public {
        for (path, called) in visited(seen) {
            if let Match::Nothing = find_location(server, path) {
                found.push(no_location(path, &called, server.at()));
            }
        }
    }
    let health = &seen.inputs.profile.health.path;
    match &seen.internal {
        Some(server) => {
            if let Match::Nothing = find_location(server, health) {
                found.push(no_location(health, "health", server.at()));
            }
        }
        None if seen.model.http.is_some() && !seen.model.listens(INTERNAL) => {
            found.push(no_internal(seen));
        }
        None => {}
    }
    found
}

fn no_location(path: &str, called: &str, server: &At) -> Finding {
    finding(
        "location-missing",
        Level::Error,
        server,
        text(
            format!("no location of this server answers for {path} ({called})"),
            format!("このサーバーには {path}（{called}）に対応する location がありません"),
        ),
        text(
            "the plan visits it: nginx looks for a file of this name, and says 404",
            "計画はこのパスにアクセスします。nginxは同名のファイルを探し、404を返します",
        ),
        text(
            format!("add a location for {path}, or correct the path in the profile"),
            format!("{path} の location を追加するか、プロファイルのパスを修正してください"),
        ),
    )
}

fn no_internal(seen: &Seen<'_>) -> Finding {
    let main = seen.model.main();
    let at = seen.model.http.as_ref().map_or(main.at(), |http| http.at());
    finding(
        "internal-server-missing",
        Level::Error,
        at,
        text(
            format!("no server listens on {INTERNAL}"),
            format!("ポート {INTERNAL} で待ち受けるサーバーがありません"),
        ),
        text(
            "the health check (1.3) and the upstream connections (7.1) are looked for there",
            "ヘルスチェック（1.3）とアップストリーム接続（7.1）はこのポートで確認されます",
        ),
        text(
            format!("add a server with `listen {INTERNAL};`"),
            format!("`listen {INTERNAL};` のサーバーを追加してください"),
        ),
    )
}
