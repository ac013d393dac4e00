//! How requests are passed on.

use super::{
    super::config::{Match, Node, Place},
    Finding, Level, Seen, finding, text, titles,
};

/// Whether the Connection header that a place sends lets the connection live; `None` where
/// that cannot be known.
fn keeps_open(seen: &Seen<'_>, place: &Place<'_>) -> Option<bool> {
    let headers = place.effective("proxy_set_header");
    let connection = headers
        .iter()
        .rfind(|node| node.arg(0).eq_ignore_ascii_case("connection"));
    let Some(connection) = connection else {
        return Some(false);
    };
    match connection.arg(1) {
        "" | "keep-alive" => Some(true),
        "close" => Some(false),
        value => {
            let map = seen.model.map(value.strip_prefix('$')?)?;
            let values: Vec<&Node> = (map.children.iter())
                .filter(|node| !["hostnames", "volatile", "include"].contains(&node.name.as_str()))
                .collect();
            // A request that upgrades nothing must come out empty, whichever entry it takes.
            let empty = |node: &&Node| node.arg(0).is_empty() || node.arg(0) == "keep-alive";
            if values.iter().any(empty) {
                return Some(true);
            }
            let computed = values.iter().any(|node| node.arg(0).starts_with('$'));
            let included = map.named("include").next().is_some();
            (!computed && !included).then_some(false)
        }
    }
}

/// What a place lacks for its upstream's connections to be kept.
fn lacks(seen: &Seen<'_>, place: &Place<'_>) -> Option<(&'static str, &'static str)> {
    let old = !matches!(place.value("proxy_http_version"), Some("1.1" | "2"));
    let closes = keeps_open(seen, place) == Some(false);
    let header = "proxy_set_header Connection \"\"";
    match (old, closes) {
        (false, false) => None,
        (true, false) => Some(("proxy_http_version 1.1", "proxy_http_version 1.1")),
        (false, true) => Some((header, header)),
        (true, true) => Some((
            "proxy_http_version 1.1 and proxy_set_header Connection \"\"",
            "proxy_http_version 1.1 と proxy_set_header Connection \"\"",
        )),
    }
}

/// `keepalive` in an upstream whose connections cannot be kept: one finding for each upstream
/// and cause, at the first location that has it.
pub fn keepalive(seen: &Seen<'_>) -> Vec<Finding> {
    if !seen.inputs.config.complete {
        return Vec::new();
    }
    type Cause<'a> = (&'a str, (&'static str, &'static str));
    let mut causes: Vec<(Cause<'_>, Vec<Place<'_>>)> = Vec::new();
    for place in seen.model.locations() {
        let Some((_, target)) = seen.target(&place) else {
            continue;
        };
        let upstream = seen.model.upstream(target);
        let kept = upstream.and_then(|node| node.named("keepalive").next());
        let (Some(lacks), true) = (
            lacks(seen, &place),
            kept.is_some_and(|node| node.arg(0) != "0"),
        ) else {
            continue;
        };
        let cause = (target, lacks);
        match causes.iter_mut().find(|(known, _)| *known == cause) {
            Some((_, places)) => places.push(place),
            None => causes.push((cause, vec![place])),
        }
    }
    let said = causes.iter();
    said.filter_map(|((target, lacks), places)| not_kept(seen, target, *lacks, places))
        .collect()
}

fn not_kept(
    seen: &Seen<'_>,
    target: &str,
    (missing_en, missing_ja): (&str, &str),
    places: &[Place<'_>],
) -> Option<Finding> {
    let (pass, _) = seen.target(places.first()?)?;
    let titles = titles(places);
    Some(finding(
        "keepalive-lost",
        Level::Warning,
        &pass.at,
        text(
            format!(
                "{titles}: upstream {target} keeps connections, and here {missing_en} is missing"
            ),
            format!(
                "{titles}：アップストリーム {target} は接続を保持しますが、{missing_ja} がありません"
            ),
        ),
        text(
            "every request opens a connection of its own and closes it: the pool stays empty (7.1)",
            "リクエストごとに接続が開閉され、接続プールが使用されません（7.1）",
        ),
        text(
            format!(
                "add {missing_en}; a proxy_set_header of its own in a location takes the place of all those around it"
            ),
            format!(
                "{missing_ja} を追加してください。location 内の proxy_set_header は外側の設定をすべて上書きします"
            ),
        ),
    ))
}

/// The location of the LLM API, where it passes requests on.
fn llm<'a>(seen: &Seen<'a>) -> Option<(Place<'a>, &'a Node)> {
    match seen.public_location(&seen.inputs.profile.llm.path) {
        Match::Found(place) => {
            let (pass, _) = seen.target(&place)?;
            Some((place, pass))
        }
        _ => None,
    }
}

/// Answers that come piece by piece, and are held back until they are whole.
pub fn streaming(seen: &Seen<'_>) -> Vec<Finding> {
    let Some((place, pass)) = llm(seen) else {
        return Vec::new();
    };
    if !seen.inputs.config.complete || place.value("proxy_buffering") == Some("off") {
        return Vec::new();
    }
    vec![finding(
        "stream-buffered",
        Level::Warning,
        &pass.at,
        text(
            format!(
                "`{}` is the LLM API, and proxy_buffering is on there",
                place.title()
            ),
            format!(
                "LLM APIの `{}` で proxy_buffering が有効です",
                place.title()
            ),
        ),
        text(
            "a streamed answer reaches the client in lumps, unless the upstream says X-Accel-Buffering: no",
            "上流が X-Accel-Buffering: no を返さない限り、ストリーミング応答がまとめて届きます",
        ),
        text(
            "set `proxy_buffering off;` here",
            "ここに `proxy_buffering off;` を設定してください",
        ),
    )]
}

/// A limit below which prompts do not fit.
pub fn body_limit(seen: &Seen<'_>) -> Vec<Finding> {
    let Some((place, _)) = llm(seen) else {
        return Vec::new();
    };
    let limits = place.effective("client_max_body_size");
    let Some(limit) = limits.last() else {
        return Vec::new();
    };
    let small = bytes(limit.arg(0)).is_some_and(|bytes| bytes > 0 && bytes < 1 << 20);
    if !small {
        return Vec::new();
    }
    let size = limit.arg(0);
    vec![finding(
        "body-limit-small",
        Level::Warning,
        &limit.at,
        text(
            format!(
                "client_max_body_size {size} holds for the LLM API (`{}`)",
                place.title()
            ),
            format!(
                "LLM API（`{}`）に client_max_body_size {size} が適用されます",
                place.title()
            ),
        ),
        text(
            "a conversation of some length, or one with an image, is refused with 413",
            "長い会話や画像を含むリクエストは413エラーになります",
        ),
        text(
            "allow some megabytes there: `client_max_body_size 32m;`",
            "数メガバイトを許可してください：`client_max_body_size 32m;`",
        ),
    )]
}

/// A size as nginx writes it.
fn bytes(size: &str) -> Option<u64> {
    let (number, factor) = match size.to_lowercase().strip_suffix(['k', 'm', 'g']) {
        Some(number) => {
            let shift = match size.to_lowercase().chars().last() {
                Some('k') => 10,
                Some('m') => 20,
                _ => 30,
            };
            (number.to_owned(), 1_u64 << shift)
        }
        None => (size.to_owned(), 1),
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}
