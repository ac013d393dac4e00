//! Locations that the plan visits and the configuration does not have.

use std::collections::BTreeSet;

use super::{
    said::finding,
    seen::{INTERNAL, Seen},
};
use crate::lint::Finding;
use crate::lint::config::{At, Match, find_location};

/// Every public path that the plan visits, with what the profile calls it.
pub fn visited<'a>(seen: &Seen<'a>) -> Vec<(&'a str, String)> {
    let profile = &seen.inputs.profile;
    let contexts = (profile.contexts.iter())
        .map(|(name, context)| (context.path.as_str(), format!("contexts: {name}")));
    let fixed = [
        (&profile.admin_page.path, "admin_page"),
        (&profile.llm.path, "llm"),
        (&profile.login.callback, "login: callback"),
        (&profile.login.sign_out, "login: sign_out"),
        (&profile.untracked, "untracked"),
    ];
    let fixed = fixed.map(|(path, called)| (path.as_str(), called.to_owned()));
    let operations = (profile.operations.iter())
        .map(|(name, operation)| (operation.path.as_str(), format!("operations: {name}")));
    let warm_up = (profile.warm_up.iter()).map(|path| (path.as_str(), "warm_up".to_owned()));
    let mut known = BTreeSet::new();
    (contexts.chain(fixed).chain(operations).chain(warm_up))
        .filter(|(path, _)| known.insert(*path))
        .collect()
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
            let main = seen.model.main();
            let at = seen.model.http.as_ref().map_or(main.at(), |http| http.at());
            let port = [("port", INTERNAL.to_string().into())];
            found.push(finding("internal-server-missing", at, &port));
        }
        None => {}
    }
    found
}

fn no_location(path: &str, called: &str, server: &At) -> Finding {
    let values = [("path", path.into()), ("called", called.into())];
    finding("location-missing", server, &values)
}
