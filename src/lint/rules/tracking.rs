//! Calls of `track_user`, and the contexts of the profile.

use std::{collections::BTreeSet, path::PathBuf};

use super::{
    super::{
        config::{At, Match},
        lua::{Arg, Call, Reach},
    },
    Finding, Level, Seen, finding, text,
};

const NAME: &str = "track_user";

/// Whether `track_user` takes an address and then a context, so far as can be seen.
fn takes_context_second(seen: &Seen<'_>) -> bool {
    let all = seen.all_lua();
    let mut definitions = all
        .chunks
        .iter()
        .filter_map(|chunk| chunk.globals.get(NAME));
    definitions.all(|params| match params.as_deref() {
        Some([first, second]) => !second.contains("mail") && !first.contains("context"),
        _ => false,
    })
}

/// The contexts that calls give as texts; `None` among them for one that is not known here.
fn contexts(reach: &Reach<'_>) -> Vec<Option<String>> {
    let chunks = reach.chunks.iter();
    chunks
        .flat_map(|chunk| chunk.calls_of_global(NAME))
        .map(|call| match call.args.get(1) {
            Some(Arg::Text(context)) => Some(context.clone()),
            _ => None,
        })
        .collect()
}

/// Whether the configuration says a context anywhere but in its Lua.
fn config_says(seen: &Seen<'_>, context: &str) -> bool {
    let mut said = false;
    seen.model.main().node().walk(&mut |node| {
        let lua = node.lua.is_some();
        said |= !lua && node.args.iter().any(|arg| arg.contains(context));
    });
    said
}

fn known(seen: &Seen<'_>) -> String {
    let names: Vec<&str> = seen
        .inputs
        .profile
        .contexts
        .keys()
        .map(String::as_str)
        .collect();
    names.join(", ")
}

/// Calls without a context, or with one that the profile does not know.
pub fn calls(seen: &Seen<'_>) -> Vec<Finding> {
    if !takes_context_second(seen) {
        return Vec::new();
    }
    let all = seen.all_lua();
    let calls = all
        .chunks
        .iter()
        .flat_map(|chunk| chunk.calls_of_global(NAME));
    calls.filter_map(|call| call_finding(seen, call)).collect()
}

fn call_finding(seen: &Seen<'_>, call: &Call) -> Option<Finding> {
    let known = known(seen);
    match call.args.as_slice() {
        [] | [Arg::Nil] | [Arg::Many] => None,
        [_] | [_, Arg::Nil, ..] => Some(finding(
            "tracking-without-context",
            Level::Error,
            &call.at,
            text(
                "track_user is called without a context",
                "track_user がコンテキストなしで呼び出されています",
            ),
            text(
                "the line has no [context] that the plan could tell it by; the concatenation of a nil \
                 may even end the request with 500",
                "計画が行を識別するための [コンテキスト] がありません。nilの連結により500エラーになる場合もあります",
            ),
            text(
                format!("give it one of the profile's contexts: {known}"),
                format!("プロファイルのコンテキストのいずれかを指定してください：{known}"),
            ),
        )),
        [_, Arg::Text(context), ..] if !seen.inputs.profile.contexts.contains_key(context) => {
            Some(finding(
                "tracking-unknown-context",
                Level::Error,
                &call.at,
                text(
                    format!(
                        "track_user is called with the context \"{context}\", which the profile does not know"
                    ),
                    format!(
                        "track_user に渡されたコンテキスト \"{context}\" はプロファイルにありません"
                    ),
                ),
                text(
                    "item 3.6 asks for exactly the profile's contexts",
                    "項目3.6はプロファイルのコンテキストのみを許可します",
                ),
                text(
                    format!(
                        "use one of them ({known}), or add this one to the profile with its path"
                    ),
                    format!(
                        "いずれか（{known}）を使用するか、パスとともにプロファイルに追加してください"
                    ),
                ),
            ))
        }
        _ => None,
    }
}

/// `track_user` is called, and nothing that could be seen defines it.
pub fn undefined(seen: &Seen<'_>) -> Vec<Finding> {
    let all = seen.all_lua();
    let defined = all.unsure
        || all.chunks.iter().any(|chunk| {
            chunk.globals.contains_key(NAME) || chunk.texts.iter().any(|text| text == NAME)
        });
    if defined {
        return Vec::new();
    }
    let calls = all
        .chunks
        .iter()
        .flat_map(|chunk| chunk.calls_of_global(NAME));
    let places: BTreeSet<(PathBuf, u64)> = calls
        .map(|call| (call.at.file.to_path_buf(), call.at.line))
        .collect();
    let count = places.len();
    let first = places.into_iter().next();
    first
        .map(|(file, line)| {
            let at = At {
                file: file.into(),
                line,
            };
            finding(
                "tracking-undefined",
                Level::Error,
                &at,
                text(
                    format!("track_user is called, here first of {count} places, and nothing defines it"),
                    format!("track_user が呼び出されていますが（ここを含む{count}か所）、定義されていません"),
                ),
                text(
                    "\"attempt to call global 'track_user' (a nil value)\": the request ends with 500",
                    "\"attempt to call global 'track_user' (a nil value)\" となり、リクエストは500エラーになります",
                ),
                text(
                    "define _G.track_user in init_by_lua_block, which every worker inherits",
                    "すべてのワーカーに継承される init_by_lua_block で _G.track_user を定義してください",
                ),
            )
        })
        .into_iter()
        .collect()
}

/// Contexts of the profile that nothing tracks under.
pub fn unused_contexts(seen: &Seen<'_>) -> Vec<Finding> {
    let all = seen.all_lua();
    if all.unsure || contexts(&all).contains(&None) {
        return Vec::new();
    }
    let (file, lines) = &seen.inputs.contexts;
    let names = seen.inputs.profile.contexts.keys();
    names
        .filter(|name| !all.texts().any(|text| text.contains(name.as_str())))
        .filter(|name| !config_says(seen, name))
        .map(|name| {
            let path = &seen.inputs.profile.contexts[name].path;
            let at = match seen.public_location(path) {
                Match::Found(place) => place.at().clone(),
                _ => At {
                    file: file.clone(),
                    line: lines.get(name).copied().unwrap_or(1),
                },
            };
            finding(
                "context-unused",
                Level::Error,
                &at,
                text(
                    format!("no location tracks under the context \"{name}\", also not that of its path {path}"),
                    format!("コンテキスト \"{name}\" で追跡する location がありません（パス {path} の location も同様）"),
                ),
                text(
                    "the plan visits it and looks for its lines: they can never come",
                    "計画はこのコンテキストの行を確認しますが、出力されることはありません",
                ),
                text(
                    format!("call track_user(email, \"{name}\") in its location, or take it out of the profile"),
                    format!("該当する location で track_user(email, \"{name}\") を呼び出すか、プロファイルから削除してください"),
                ),
            )
        })
        .collect()
}

/// Contexts whose path leads to a location that tracks under another one, or not at all.
pub fn elsewhere(seen: &Seen<'_>) -> Vec<Finding> {
    if !seen.inputs.config.complete {
        return Vec::new();
    }
    let all = seen.all_lua();
    let mut found = Vec::new();
    for (name, context) in &seen.inputs.profile.contexts {
        let said_somewhere = all.texts().any(|text| text.contains(name.as_str()));
        let Match::Found(place) = seen.public_location(&context.path) else {
            continue;
        };
        let reach = seen.reach(&place);
        let here = contexts(&reach);
        let may_say = reach.unsure
            || here.contains(&None)
            || config_says(seen, name)
            || reach.texts().any(|text| text.contains(name.as_str()));
        // What no location has is `context-unused`; without a call of track_user anywhere,
        // tracking is done some other way.
        if may_say || !said_somewhere || contexts(&all).is_empty() {
            continue;
        }
        let others: Vec<String> = here.into_iter().flatten().collect();
        let (path, title) = (&context.path, place.title());
        let (does_en, does_ja) = match others.as_slice() {
            [] => ("does not track".to_owned(), "追跡を行いません".to_owned()),
            others => (
                format!("tracks as \"{}\"", others.join("\", \"")),
                format!("\"{}\" として追跡します", others.join("\", \"")),
            ),
        };
        found.push(finding(
            "context-elsewhere",
            Level::Error,
            place.at(),
            text(
                format!("{path} is the profile's path of \"{name}\"; its `{title}` {does_en}"),
                format!("{path} は \"{name}\" のパスですが、`{title}` は{does_ja}"),
            ),
            text(
                "the plan asks for this path and looks for a line with this context",
                "計画はこのパスにアクセスし、このコンテキストの行を確認します",
            ),
            text(
                format!("call track_user(email, \"{name}\") here, or give the path a location of its own"),
                format!("ここで track_user(email, \"{name}\") を呼び出すか、このパス専用の location を追加してください"),
            ),
        ));
    }
    found
}
