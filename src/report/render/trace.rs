//! The way of an item's requests at a terminal.

use super::{
    Style,
    table::BOLD,
    text::{line, lines},
    words::{self, say},
};
use crate::{
    plan::Lang,
    report::{
        ItemReport,
        trace::{Place, Seen, Stop, Trace, traces},
    },
};

/// Every request of an item that was followed, place by place; `None` where there is none.
#[must_use]
pub fn trace(item: &ItemReport, style: Style) -> Option<String> {
    let found = traces(item);
    if found.is_empty() {
        return None;
    }
    let what = words::standing_word(item, style.lang);
    let title = format!("{} {}: {what}", item.id, item.title.get(style.lang));
    let mut parts = vec![style.paint(BOLD, &style.paragraph(2, &line(&title)))];
    parts.extend(found.iter().map(|trace| one(trace, style)));
    Some(parts.join("\n\n") + "\n")
}

fn one(trace: &Trace<'_>, style: Style) -> String {
    let mut text = match style.lang {
        Lang::En => format!("The request with verify={}", line(trace.nonce)),
        Lang::Ja => format!("verify={} のリクエスト", line(trace.nonce)),
    };
    for (stop, no) in trace.stops.iter().zip(1..) {
        let name = style.paint(BOLD, place(stop.place, style.lang));
        text.push_str(&format!("\n\n  {no}. {name}"));
        for (label, body) in fields(stop, style.lang) {
            if !label.is_empty() {
                text.push_str(&format!("\n     {label}"));
            }
            for line in lines(&body).lines() {
                text.push_str(format!("\n     {line}").trim_end());
            }
        }
    }
    text
}

/// What was seen at a place, each with its label where it needs one.
fn fields(stop: &Stop, lang: Lang) -> Vec<(&'static str, String)> {
    match &stop.seen {
        None => vec![("", unseen(stop.place, lang).to_owned())],
        Some(Seen::Text(text)) => vec![("", text.clone())],
        Some(Seen::Change { before, after }) => {
            let sides = [
                (say(lang, "before:", "前："), before),
                (say(lang, "after:", "後："), after),
            ];
            let known = |(label, side): (&'static str, &Option<String>)| {
                Some((label, format!("  {}", side.as_deref()?)))
            };
            sides.into_iter().filter_map(known).collect()
        }
    }
}

/// A place by its name.
pub(super) fn place(place: Place, lang: Lang) -> &'static str {
    match place {
        Place::Request => say(lang, "The client asks", "クライアントの要求"),
        Place::AccessLog => say(
            lang,
            "The gateway's access log",
            "ゲートウェイのアクセスログ",
        ),
        Place::Lua => say(lang, "The gateway's Lua, in the error log", "Luaの追跡ログ"),
        Place::Redis => say(lang, "Redis", "Redisの変化"),
        Place::Upstream => say(lang, "The upstream receives", "上流が受信した内容"),
        Place::Answer => say(lang, "The client is answered", "クライアントへの応答"),
    }
}

/// What is said of a place where nothing was seen.
pub(super) fn unseen(place: Place, lang: Lang) -> &'static str {
    match place {
        Place::Upstream => say(
            lang,
            "nothing was seen: the request does not go there, or was not looked for there",
            "記録なし（上流へ送られない要求か、確認の対象外）",
        ),
        _ => say(
            lang,
            "nothing was seen, or it was not looked for",
            "記録なし（確認の対象外、または未検出）",
        ),
    }
}
