//! Who may come in, and whom the upstream is told.

use super::{
    locations,
    said::finding,
    seen::{Seen, grouped, titles},
};
use crate::lint::Finding;
use crate::lint::{
    Level,
    config::{Node, Place},
};

/// Directives that pass a request on.
const PASSES: &[&str] = &[
    "proxy_pass",
    "fastcgi_pass",
    "uwsgi_pass",
    "scgi_pass",
    "grpc_pass",
    "memcached_pass",
];

/// Directives with which nginx itself decides who may come in.
const GUARDS: &[&str] = &[
    "auth_request",
    "auth_basic",
    "auth_jwt",
    "auth_oidc",
    "deny",
    "satisfy",
    "secure_link",
    "ssl_verify_client",
];

/// Headers that say who somebody is.
const IDENTITY: &[&str] = &["X-Forwarded-Email", "X-Auth-Request-Email"];

/// Whether one of these directives stands right in a place.
fn has(place: &Place<'_>, names: &[&str]) -> bool {
    let mut nodes = place.node().children.iter();
    nodes.any(|node| names.contains(&node.name.as_str()))
}

fn serves_files(place: &Place<'_>) -> bool {
    has(place, &["alias", "root"]) && !has(place, &["return"])
}

fn is_guarded(place: &Place<'_>) -> bool {
    let mut guards = GUARDS.iter().flat_map(|name| place.effective(name));
    guards.any(|node| node.arg(0) != "off")
}

/// Whether everybody may come here: the ways of the login, and the health check.
fn is_for_everybody(seen: &Seen<'_>, place: &Place<'_>) -> bool {
    let profile = &seen.inputs.profile;
    let callback = profile.login.callback.trim_start_matches('/');
    let login = format!("/{}/", callback.split('/').next().unwrap_or_default());
    let path = place.node().args.last().map_or("", String::as_str);
    let path = path.trim_start_matches('^');
    path.starts_with(&login)
        || path.starts_with(login.trim_end_matches('/'))
        || path.starts_with(&profile.health.path)
        || path.contains("/.well-known")
}

/// A location that hands out what is protected, and asks nobody who they are.
pub fn unprotected(seen: &Seen<'_>) -> Vec<Finding> {
    let visited: Vec<usize> = (locations::visited(seen).into_iter())
        .filter_map(|(path, _)| Some(seen.public_location(path)?.node().id))
        .collect();
    let mut found = Vec::new();
    for place in seen.public_locations() {
        let is_visited = visited.contains(&place.node().id);
        let target = seen.target(&place);
        if is_for_everybody(seen, &place)
            || is_guarded(&place)
            || !(has(&place, PASSES) || is_visited && serves_files(&place))
            || target.is_some_and(|(_, target)| seen.is_login_service(target))
            || seen.reach(&place).may_refuse(&["track_user"])
        {
            continue;
        }
        let level = match is_visited {
            true => Level::Error,
            false => Level::Warning,
        };
        let title = [("title", place.title().into())];
        found.push(finding("location-unprotected", place.at(), &title).at_level(level));
    }
    found
}

/// Whether a place sets or drops a header; `None` where that may be.
fn overrides(seen: &Seen<'_>, place: &Place<'_>, header: &str) -> Option<bool> {
    let variable = format!("$http_{}", header.to_lowercase().replace('-', "_"));
    let named = |node: &&&Node| node.arg(0).eq_ignore_ascii_case(header);
    let sets = place.effective("proxy_set_header");
    if let Some(set) = sets.iter().find(named) {
        return Some(set.arg(1) != variable);
    }
    if place.value("proxy_pass_request_headers") == Some("off") {
        return Some(true);
    }
    for more in ["more_set_input_headers", "more_clear_input_headers"] {
        if !place.effective(more).is_empty() {
            return None;
        }
    }
    let functions = ["ngx.req.set_header", "ngx.req.clear_header"];
    seen.reach(place).touches_header(header, &functions)
}

/// The identity headers that a place passes on as they came.
fn passed_on<'a>(seen: &'a Seen<'_>, place: &Place<'_>) -> Vec<&'a str> {
    // What goes to oauth2-proxy is a session's: it sets these headers itself.
    let to_login = seen
        .target(place)
        .is_none_or(|(_, target)| seen.is_login_service(target));
    if to_login || is_for_everybody(seen, place) {
        return Vec::new();
    }
    let user_header = seen.inputs.profile.llm.user_header.as_str();
    let headers = IDENTITY.iter().copied().chain([user_header]);
    headers
        .filter(|header| overrides(seen, place, header) == Some(false))
        .collect()
}

/// Locations that pass on what a client says about who it is: one finding for each set of
/// headers, at the first location that has it.
pub fn identity(seen: &Seen<'_>) -> Vec<Finding> {
    let locations = seen.public_locations().into_iter();
    let passing = locations.map(|place| (passed_on(seen, &place), place));
    let passing = grouped(passing.filter(|(headers, _)| !headers.is_empty()));
    let llm = &seen.inputs.profile.llm;
    let api = seen.public_location(&llm.path).map(|place| place.node().id);
    let decides = |headers: &[&str], places: &[Place<'_>]| {
        headers.contains(&llm.user_header.as_str())
            && places.iter().any(|place| Some(place.node().id) == api)
    };
    let found = passing.into_iter().filter_map(|(headers, places)| {
        let level = match decides(&headers, &places) {
            true => Level::Error,
            false => Level::Warning,
        };
        let values = [
            ("titles", titles(&places).into()),
            ("headers", headers.join(", ").into()),
        ];
        let at = places.first()?.at();
        Some(finding("identity-headers-passed", at, &values).at_level(level))
    });
    found.collect()
}

/// auth_request in a location for browsers, without the way to the login.
pub fn login_lost(seen: &Seen<'_>) -> Vec<Finding> {
    let Some(place) = seen.public_location("/") else {
        return Vec::new();
    };
    let asks = place.effective("auth_request");
    let Some(asks) = asks.first().filter(|node| node.arg(0) != "off") else {
        return Vec::new();
    };
    let pages = place.effective("error_page");
    let handled = (pages.iter()).any(|node| node.args.iter().any(|arg| arg == "401"));
    if handled || !place.handlers().is_empty() {
        return Vec::new();
    }
    let title = [("title", place.title().into())];
    vec![finding("login-redirect-lost", &asks.at, &title)]
}
