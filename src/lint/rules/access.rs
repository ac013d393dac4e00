//! Who may come in, and whom the upstream is told.

use super::{
    super::config::{Match, Node, Place},
    Finding, Level, Seen, finding, locations, text, titles,
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

fn passes_on(place: &Place<'_>) -> bool {
    let mut nodes = place.node().children.iter();
    nodes.any(|node| PASSES.contains(&node.name.as_str()))
}

fn serves_files(place: &Place<'_>) -> bool {
    let mut nodes = place.node().children.iter();
    nodes.any(|node| ["alias", "root"].contains(&node.name.as_str()))
        && place.node().named("return").next().is_none()
}

fn is_guarded(place: &Place<'_>) -> bool {
    GUARDS.iter().any(|name| {
        let guards = place.effective(name);
        guards.iter().any(|node| node.arg(0) != "off")
    })
}

/// Whether everybody may come here: the ways of the login, and the health check.
fn is_for_everybody(seen: &Seen<'_>, place: &Place<'_>) -> bool {
    let profile = &seen.inputs.profile;
    let callback = profile.login.callback.trim_start_matches('/');
    let login = format!("/{}/", callback.split('/').next().unwrap_or_default());
    let args = &place.node().args;
    let path = args
        .last()
        .map_or("", String::as_str)
        .trim_start_matches('^');
    path.starts_with(&login)
        || path.starts_with(login.trim_end_matches('/'))
        || path.starts_with(&profile.health.path)
        || path.contains("/.well-known")
}

/// A location that hands out what is protected, and asks nobody who they are.
pub fn unprotected(seen: &Seen<'_>) -> Vec<Finding> {
    let visited: Vec<Place<'_>> = locations::visited(seen)
        .into_iter()
        .filter_map(|(path, _)| match seen.public_location(path) {
            Match::Found(place) => Some(place),
            _ => None,
        })
        .collect();
    let mut found = Vec::new();
    for place in seen.public_locations() {
        let is_visited = visited.iter().any(|one| one.node().id == place.node().id);
        if is_for_everybody(seen, &place)
            || is_guarded(&place)
            || !(passes_on(&place) || is_visited && serves_files(&place))
            || seen
                .target(&place)
                .is_some_and(|(_, target)| seen.is_login_service(target))
            || seen.reach(&place).may_refuse(&["track_user"])
        {
            continue;
        }
        let title = place.title();
        found.push(finding(
            "location-unprotected",
            if is_visited { Level::Error } else { Level::Warning },
            place.at(),
            text(
                format!("`{title}` answers everybody: it has no auth_request, and its Lua turns nobody away"),
                format!("`{title}` は誰でもアクセスできます：auth_request がなく、Luaでも拒否していません"),
            ),
            text(
                "whoever reaches the gateway gets what is behind it, without a login and also when banned",
                "ログインなしで、またBANされたユーザーでも、背後のサービスにアクセスできます",
            ),
            text(
                "ask for a session or a token before it is passed on: access_by_lua_block or auth_request",
                "access_by_lua_block または auth_request で、セッションまたはトークンを確認してください",
            ),
        ));
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
    let mut passing: Vec<(Vec<&str>, Vec<Place<'_>>)> = Vec::new();
    for place in seen.public_locations() {
        let headers = passed_on(seen, &place);
        match passing.iter_mut().find(|(known, _)| *known == headers) {
            _ if headers.is_empty() => {}
            Some((_, places)) => places.push(place),
            None => passing.push((headers, vec![place])),
        }
    }
    let said = passing.iter();
    said.filter_map(|(headers, places)| passes(seen, headers, places))
        .collect()
}

fn passes(seen: &Seen<'_>, headers: &[&str], places: &[Place<'_>]) -> Option<Finding> {
    let user_header = seen.inputs.profile.llm.user_header.as_str();
    let llm = match seen.public_location(&seen.inputs.profile.llm.path) {
        Match::Found(place) => Some(place.node().id),
        _ => None,
    };
    let decides =
        headers.contains(&user_header) && places.iter().any(|place| Some(place.node().id) == llm);
    let (titles, headers) = (titles(places), headers.join(", "));
    Some(finding(
        "identity-headers-passed",
        if decides {
            Level::Error
        } else {
            Level::Warning
        },
        places.first()?.at(),
        text(
            format!("{titles}: {headers} are passed on as the client sent them"),
            format!("{titles}：クライアントが送信した {headers} がそのまま転送されます"),
        ),
        text(
            "a client can say that it is somebody else, and an upstream that trusts the gateway believes it",
            "クライアントが他人を名乗ることができ、ゲートウェイを信頼する上流はそれを信じます",
        ),
        text(
            "set or clear each of them there: proxy_set_header NAME \"\", or ngx.req.clear_header",
            "proxy_set_header NAME \"\" または ngx.req.clear_header で、それぞれ設定または削除してください",
        ),
    ))
}

/// auth_request in a location for browsers, without the way to the login.
pub fn login_lost(seen: &Seen<'_>) -> Vec<Finding> {
    let Match::Found(place) = seen.public_location("/") else {
        return Vec::new();
    };
    let asks = place.effective("auth_request");
    let Some(asks) = asks.first().filter(|node| node.arg(0) != "off") else {
        return Vec::new();
    };
    let pages = place.effective("error_page");
    let handled = pages
        .iter()
        .any(|node| node.args.iter().any(|arg| arg == "401"));
    if handled || !place.handlers().is_empty() {
        return Vec::new();
    }
    vec![finding(
        "login-redirect-lost",
        Level::Error,
        &asks.at,
        text(
            format!(
                "auth_request in `{}`, and no error_page 401 holds there",
                place.title()
            ),
            format!(
                "`{}` に auth_request がありますが、error_page 401 が有効ではありません",
                place.title()
            ),
        ),
        text(
            "a browser without a session gets a bare 401 in place of the way to the login (2.1)",
            "セッションのないブラウザはログインへ誘導されず、401エラーになります（2.1）",
        ),
        text(
            "add `error_page 401 = /oauth2/start?rd=$escaped_request_uri;` or its like; an error_page of \
             its own in a location takes the place of all those around it",
            "`error_page 401 = /oauth2/start?rd=…;` などを追加してください。location 内の error_page は外側の設定をすべて上書きします",
        ),
    )]
}
