//! The lines that tell of tracking: whether they are written, at which level, and where to.

use regex::Regex;

use super::{said::finding, seen::Seen};
use crate::lint::Finding;
use crate::{
    lint::{
        Level,
        config::{Node, Place},
        lua::{Arg, Call, Chunk},
    },
    plan::Text,
    probe::log::phrase,
};

/// nginx's levels, the gravest first.
const LEVELS: &[&str] = &[
    "stderr", "emerg", "alert", "crit", "error", "warn", "notice", "info", "debug",
];

/// Where what is logged comes out of the container: OpenResty's image links its own log file.
const SHOWN: &[&str] = &[
    "/dev/stderr",
    "/dev/stdout",
    "stderr",
    "logs/error.log",
    "/usr/local/openresty/nginx/logs/error.log",
];

fn rank(level: &str) -> Option<usize> {
    // `debug_http` and its like are debug for a part.
    let level = match level.starts_with("debug_") {
        true => "debug",
        false => level,
    };
    LEVELS.iter().position(|known| *known == level)
}

/// A line that tells of tracking: the call that writes it, at which level, and its text so
/// far as it is known.
struct Line<'a> {
    call: &'a Call,
    level: usize,
    /// The phrase of the profile's pattern.
    phrase: String,
    /// What stands before the phrase; `None` where that is not known.
    before: Option<String>,
}

/// Every line of the profile's patterns `tracking` and `success` that the Lua writes.
fn lines<'a>(seen: &Seen<'a>) -> Vec<Line<'a>> {
    let log = &seen.inputs.profile.log;
    let patterns = std::iter::once(&log.tracking).chain(&log.success);
    let phrases: Vec<String> = patterns.filter_map(|pattern| phrase(pattern)).collect();
    let pattern = |text: &String| Regex::new(text).ok();
    let failed = log.failed.as_ref().and_then(pattern);
    let tracking = pattern(&log.tracking);
    let all = seen.all_lua();
    let calls = all.calls().filter_map(|call| {
        let (level, said) = match call.name.as_str() {
            "ngx.log" => (level_of(call.args.first()?)?, call.args.get(1..)?),
            "print" => (rank("notice")?, call.args.as_slice()),
            _ => return None,
        };
        let parts: Vec<Option<&str>> = (said.iter().flat_map(Arg::parts))
            .map(|part| match part {
                Arg::Text(text) => Some(text.as_str()),
                _ => None,
            })
            .collect();
        // A line that tells of a failure may begin as the others do.
        let said: String = (parts.iter()).map(|part| part.unwrap_or("x@y")).collect();
        let fits = |pattern: &Option<Regex>| pattern.as_ref().is_some_and(|it| it.is_match(&said));
        if fits(&failed) && !fits(&tracking) {
            return None;
        }
        let (phrase, at) = phrases.iter().find_map(|phrase| {
            let holds = |part: &Option<&str>| part.is_some_and(|text| text.contains(phrase));
            Some((phrase.clone(), parts.iter().position(holds)?))
        })?;
        Some(Line {
            call,
            level,
            before: parts.into_iter().take(at + 1).collect(),
            phrase,
        })
    });
    calls.collect()
}

/// The level that an argument of `ngx.log` names.
fn level_of(arg: &Arg) -> Option<usize> {
    match arg {
        Arg::Name(name) if name == "ngx.ERR" => rank("error"),
        Arg::Name(name) => rank(&name.strip_prefix("ngx.")?.to_lowercase()),
        Arg::Number(number) => number.parse().ok().filter(|rank| *rank < LEVELS.len()),
        _ => None,
    }
}

/// Where a call runs: the places whose handler it stands in; else every location that calls
/// `track_user`; else `http`.
fn places<'a>(seen: &Seen<'a>, call: &Call) -> Vec<Place<'a>> {
    let with = |wanted: &dyn Fn(&Chunk) -> bool| -> Vec<Place<'a>> {
        let has = |place: &Place<'a>| {
            let mut handlers = place.handlers().into_iter();
            handlers.any(|node| seen.inputs.chunk(node).is_some_and(wanted))
        };
        seen.model.locations().into_iter().filter(has).collect()
    };
    let own = with(&|chunk| chunk.calls.iter().any(|one| one.at == call.at));
    let calling = with(&|chunk| chunk.calls_of_global("track_user").next().is_some());
    let http: Vec<Place<'a>> = seen.model.http.iter().cloned().collect();
    let mut found = [own, calling, http].into_iter();
    found.find(|places| !places.is_empty()).unwrap_or_default()
}

/// Up to which level a place's log goes, and the directive that says so.
fn threshold<'a>(place: &Place<'a>) -> (usize, Option<&'a Node>) {
    let default = rank("error").unwrap_or_default();
    let level = |node: &Node| match node.arg(1) {
        "" => default,
        named => rank(named).unwrap_or(LEVELS.len()),
    };
    let logs = place.effective("error_log").into_iter();
    let widest = logs.max_by_key(|node| level(node));
    (widest.map_or(default, level), widest)
}

/// A line at a level that the log in force drops.
pub fn dropped(seen: &Seen<'_>) -> Vec<Finding> {
    if !seen.inputs.config.complete {
        return Vec::new();
    }
    let found = lines(seen).into_iter().filter_map(|line| {
        let places = places(seen, line.call);
        let mut thresholds = places.iter().map(threshold);
        let (threshold, log) = thresholds.find(|(threshold, _)| line.level > *threshold)?;
        let kept = LEVELS.get(threshold).copied().unwrap_or("error");
        let by = match log.map(|node| node.at.short()) {
            Some(at) => Text {
                en: format!("`error_log … {kept}` ({at})"),
                ja: format!("`error_log … {kept}`（{at}）"),
            },
            None => Text {
                en: "error_log, which is not set, and then keeps `error` and graver,".to_owned(),
                ja: "error_log（未設定、既定は `error`）".to_owned(),
            },
        };
        let values = [
            ("phrase", line.phrase.into()),
            ("level", LEVELS[line.level].into()),
            ("by", by),
            ("kept", kept.into()),
        ];
        Some(finding("tracking-line-dropped", &line.call.at, &values))
    });
    found.collect()
}

/// A line that carries another level than the profile asks for.
pub fn mislabelled(seen: &Seen<'_>) -> Vec<Finding> {
    let wanted = &seen.inputs.profile.log.level;
    let tag = format!("[{wanted}]");
    let untagged = |before: &String| !before.contains(&tag);
    let wrong = (lines(seen).into_iter())
        .filter(|line| Some(line.level) != rank(wanted))
        .filter(|line| line.before.as_ref().is_some_and(untagged));
    let found = wrong.map(|line| {
        let values = [
            ("phrase", line.phrase.into()),
            ("level", LEVELS[line.level].into()),
            ("tag", tag.as_str().into()),
            ("wanted", wanted.into()),
        ];
        finding("tracking-line-level", &line.call.at, &values)
    });
    found.collect()
}

/// Log files that `docker compose logs` does not show.
pub fn hidden(seen: &Seen<'_>) -> Vec<Finding> {
    let elsewhere = ["/proc/", "/dev/fd/", "syslog:", "memory:"];
    let shown = |node: &&Node| {
        let target = node.arg(0);
        SHOWN.contains(&target) || elsewhere.iter().any(|start| target.starts_with(start))
    };
    let mut found = Vec::new();
    seen.model.main().node().walk(&mut |block| {
        let logs: Vec<&Node> = block.named("error_log").collect();
        let (Some(log), false) = (logs.first(), logs.iter().any(shown)) else {
            return;
        };
        let (level, unseen) = match log.arg(0) {
            "/dev/null" => (Level::Error, Text {
                en: "nothing that is logged here can be seen by anybody".to_owned(),
                ja: "ここで出力されるログは誰にも確認できません".to_owned(),
            }),
            _ => (Level::Warning, Text {
                en: "the plan's commands look at `docker compose logs`; unless the file is a link to \
                     /dev/stderr, they find nothing".to_owned(),
                ja: "計画のコマンドは `docker compose logs` を確認します。/dev/stderr へのリンクでない限り、何も見つかりません".to_owned(),
            }),
        };
        let values = [("target", log.arg(0).into()), ("unseen", unseen)];
        found.push(finding("log-hidden", &log.at, &values).at_level(level));
    });
    found
}
