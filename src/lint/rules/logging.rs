//! The lines that tell of tracking: whether they are written, at which level, and where to.

use super::{
    super::{
        config::{Node, Place},
        lua::{Arg, Call, Chunk},
    },
    Finding, Level, Seen, finding, text,
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
    let level = if level.starts_with("debug_") {
        "debug"
    } else {
        level
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
    let phrases: Vec<String> = [&log.tracking, &log.success]
        .into_iter()
        .filter_map(|pattern| phrase(pattern))
        .collect();
    let all = seen.all_lua();
    let calls = all.calls().filter_map(|call| {
        let (level, said) = match call.name.as_str() {
            "ngx.log" => (level_of(call.args.first()?)?, call.args.get(1..)?),
            "print" => (rank("notice")?, call.args.as_slice()),
            _ => return None,
        };
        let parts: Vec<&Arg> = said.iter().flat_map(Arg::parts).collect();
        let (phrase, at) = phrases.iter().find_map(|phrase| {
            let at = parts.iter().position(|part| match part {
                Arg::Text(text) => text.contains(phrase.as_str()),
                _ => false,
            })?;
            Some((phrase.clone(), at))
        })?;
        let before = parts.iter().take(at + 1).map(|part| match part {
            Arg::Text(text) => Some(text.as_str()),
            _ => None,
        });
        let before: Option<String> = before.collect();
        Some(Line {
            call,
            level,
            before,
            phrase,
        })
    });
    calls.collect()
}

/// The level that an argument of `ngx.log` names.
fn level_of(arg: &Arg) -> Option<usize> {
    match arg {
        Arg::Name(name) => rank(&name.strip_prefix("ngx.")?.to_lowercase())
            .or_else(|| (name == "ngx.ERR").then(|| rank("error")).flatten()),
        Arg::Number(number) => number.parse().ok().filter(|rank| *rank < LEVELS.len()),
        _ => None,
    }
}

/// The fixed words that a pattern begins with; none where they are too few to go by.
fn phrase(pattern: &str) -> Option<String> {
    let end = pattern.find(['\\', '(', '[', '.', '*', '+', '?', '{', '|', '^', '$']);
    let words = pattern.get(..end.unwrap_or(pattern.len()))?.trim();
    (words.len() >= 8).then(|| words.to_owned())
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
    let logs = place.effective("error_log");
    let level = |node: &Node| match node.arg(1) {
        "" => default,
        named => rank(named).unwrap_or(LEVELS.len()),
    };
    let widest = logs.into_iter().max_by_key(|node| level(node));
    (widest.map_or(default, level), widest)
}

/// A line at a level that the log in force drops.
pub fn dropped(seen: &Seen<'_>) -> Vec<Finding> {
    if !seen.inputs.config.complete {
        return Vec::new();
    }
    let mut found = Vec::new();
    for line in lines(seen) {
        let places = places(seen, line.call);
        let Some((threshold, log)) = places
            .iter()
            .map(threshold)
            .find(|(threshold, _)| line.level > *threshold)
        else {
            continue;
        };
        let (level, kept) = (
            LEVELS[line.level],
            LEVELS.get(threshold).copied().unwrap_or("error"),
        );
        let (by_en, by_ja) = match log {
            Some(node) => {
                let at = node.at.short();
                (
                    format!("`error_log … {kept}` ({at})"),
                    format!("`error_log … {kept}`（{at}）"),
                )
            }
            None => (
                "error_log, which is not set, and then keeps `error` and graver,".to_owned(),
                "error_log（未設定、既定は `error`）".to_owned(),
            ),
        };
        let phrase = &line.phrase;
        found.push(finding(
            "tracking-line-dropped",
            Level::Error,
            &line.call.at,
            text(
                format!("\"{phrase}\" is logged at {level}, and {by_en} drops it"),
                format!("\"{phrase}\" は {level} で出力されますが、{by_ja}によって破棄されます"),
            ),
            text(
                "the line is never written: nobody sees that users are tracked, and items 3.1 to 3.6 fail",
                "この行は出力されず、ユーザー追跡を確認できません（項目3.1〜3.6が失敗します）",
            ),
            text(
                format!("log it at {kept} with \"[info] \" before the text, or lower the level of error_log to {level}"),
                format!("\"[info] \" を付けて {kept} で出力するか、error_log のレベルを {level} に変更してください"),
            ),
        ));
    }
    found
}

/// A line that carries another level than the profile asks for.
pub fn mislabelled(seen: &Seen<'_>) -> Vec<Finding> {
    let wanted = &seen.inputs.profile.log.level;
    let tag = format!("[{wanted}]");
    let lines = lines(seen).into_iter();
    lines
        .filter(|line| Some(line.level) != rank(wanted))
        .filter(|line| line.before.as_ref().is_some_and(|before| !before.contains(&tag)))
        .map(|line| {
            let (phrase, level) = (&line.phrase, LEVELS[line.level]);
            finding(
                "tracking-line-level",
                Level::Error,
                &line.call.at,
                text(
                    format!("\"{phrase}\" is logged at {level}, and does not say {tag}"),
                    format!("\"{phrase}\" は {level} で出力され、{tag} が付いていません"),
                ),
                text(
                    format!("the plan looks for this line with {tag}: it is taken for another one"),
                    format!("計画では {tag} の付いた行を確認するため、この行は該当しません"),
                ),
                text(
                    format!("write \"{tag} {phrase}\", or log it at {wanted} where error_log keeps that"),
                    format!("\"{tag} {phrase}\" と出力するか、error_log が許す場合は {wanted} で出力してください"),
                ),
            )
        })
        .collect()
}

/// Log files that `docker compose logs` does not show.
pub fn hidden(seen: &Seen<'_>) -> Vec<Finding> {
    let shown = |node: &&Node| {
        let target = node.arg(0);
        SHOWN.contains(&target)
            || ["/proc/", "/dev/fd/", "syslog:", "memory:"]
                .iter()
                .any(|s| target.starts_with(s))
    };
    let mut levels: Vec<&Node> = Vec::new();
    seen.model.main().node().walk(&mut |node| levels.push(node));
    let mut found = Vec::new();
    for level in levels {
        let logs: Vec<&Node> = level.named("error_log").collect();
        let (Some(log), false) = (logs.first(), logs.iter().any(shown)) else {
            continue;
        };
        let target = log.arg(0);
        let nowhere = target == "/dev/null";
        found.push(finding(
            "log-hidden",
            if nowhere { Level::Error } else { Level::Warning },
            &log.at,
            text(
                format!("error_log goes to {target}, which `docker compose logs` does not show"),
                format!("error_log の出力先 {target} は `docker compose logs` に表示されません"),
            ),
            text(
                if nowhere {
                    "nothing that is logged here can be seen by anybody"
                } else {
                    "the plan's commands look at `docker compose logs`; unless the file is a link to \
                     /dev/stderr, they find nothing"
                },
                if nowhere {
                    "ここで出力されるログは誰にも確認できません"
                } else {
                    "計画のコマンドは `docker compose logs` を確認します。/dev/stderr へのリンクでない限り、何も見つかりません"
                },
            ),
            text(
                "write to /dev/stderr",
                "出力先を /dev/stderr にしてください",
            ),
        ));
    }
    found
}
