//! How requests are passed on.

use super::{
    said::finding,
    seen::{Seen, grouped, titles},
};
use crate::lint::Finding;
use crate::lint::config::{Node, Place};

/// Whether the Connection header that a place sends lets the connection live; `None` where
/// that cannot be known.
fn keeps_open(seen: &Seen<'_>, place: &Place<'_>) -> Option<bool> {
    let headers = place.effective("proxy_set_header");
    let mut connection = headers.iter().rev();
    let connection = connection.find(|node| node.arg(0).eq_ignore_ascii_case("connection"));
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
fn lacks(seen: &Seen<'_>, place: &Place<'_>) -> Vec<&'static str> {
    let old = !matches!(place.value("proxy_http_version"), Some("1.1" | "2"));
    let closes = keeps_open(seen, place) == Some(false);
    let version = old.then_some("proxy_http_version 1.1");
    let header = closes.then_some("proxy_set_header Connection \"\"");
    version.into_iter().chain(header).collect()
}

/// `keepalive` in an upstream whose connections cannot be kept: one finding for each upstream
/// and cause, at the first location that has it.
pub fn keepalive(seen: &Seen<'_>) -> Vec<Finding> {
    if !seen.inputs.config.complete {
        return Vec::new();
    }
    let locations = seen.model.locations().into_iter();
    let lacking = locations.filter_map(|place| {
        let (pass, target) = seen.target(&place)?;
        let kept = seen.model.upstream(target)?.named("keepalive").next()?;
        let lacks = lacks(seen, &place);
        (kept.arg(0) != "0" && !lacks.is_empty()).then_some(((target, lacks), (pass, place)))
    });
    let found = grouped(lacking)
        .into_iter()
        .filter_map(|((target, lacks), at)| {
            let (passes, places): (Vec<&Node>, Vec<Place<'_>>) = at.into_iter().unzip();
            let values = [
                ("titles", titles(&places).into()),
                ("target", target.into()),
                ("missing", lacks.join(", ").into()),
            ];
            Some(finding("keepalive-lost", &passes.first()?.at, &values))
        });
    found.collect()
}

/// The location of the LLM API, where it passes requests on.
fn llm<'a>(seen: &Seen<'a>) -> Option<(Place<'a>, &'a Node)> {
    let place = seen.public_location(&seen.inputs.profile.llm.path)?;
    let (pass, _) = seen.target(&place)?;
    Some((place, pass))
}

/// Answers that come piece by piece, and are held back until they are whole.
pub fn streaming(seen: &Seen<'_>) -> Vec<Finding> {
    let held_back = llm(seen).filter(|(place, _)| {
        seen.inputs.config.complete && place.value("proxy_buffering") != Some("off")
    });
    let found = held_back.map(|(place, pass)| {
        finding(
            "stream-buffered",
            &pass.at,
            &[("title", place.title().into())],
        )
    });
    found.into_iter().collect()
}

/// A limit below which prompts do not fit.
pub fn body_limit(seen: &Seen<'_>) -> Vec<Finding> {
    let limit = llm(seen).and_then(|(place, _)| {
        let limit = *place.effective("client_max_body_size").last()?;
        let small = bytes(limit.arg(0)).is_some_and(|bytes| bytes > 0 && bytes < 1 << 20);
        small.then_some((place, limit))
    });
    let found = limit.map(|(place, limit)| {
        let values = [
            ("size", limit.arg(0).into()),
            ("title", place.title().into()),
        ];
        finding("body-limit-small", &limit.at, &values)
    });
    found.into_iter().collect()
}

/// A size as nginx writes it.
fn bytes(size: &str) -> Option<u64> {
    let size = size.to_lowercase();
    let units = [("k", 10), ("m", 20), ("g", 30)];
    let mut known = units
        .iter()
        .filter_map(|(unit, shift)| Some((size.strip_suffix(unit)?, shift)));
    let (number, shift) = known.next().unwrap_or((&size, &0));
    number.parse::<u64>().ok()?.checked_mul(1 << shift)
}
