//! Calls of `track_user`, and the contexts of the profile.

use super::{said::finding, seen::Seen};
use crate::lint::Finding;
use crate::{
    lint::lua::{Arg, Call, Reach},
    plan::Text,
};

const NAME: &str = "track_user";

fn calls_of_it<'a>(reach: &Reach<'a>) -> impl Iterator<Item = &'a Call> {
    let chunks = reach.chunks.iter();
    chunks.flat_map(|chunk| chunk.calls_of_global(NAME))
}

/// Whether `track_user` takes an address and then a context, so far as can be seen.
fn takes_context_second(seen: &Seen<'_>) -> bool {
    let all = seen.all_lua();
    let chunks = all.chunks.iter();
    let mut definitions = chunks.filter_map(|chunk| chunk.globals.get(NAME));
    definitions.all(|params| match params.as_deref() {
        Some([first, second]) => !second.contains("mail") && !first.contains("context"),
        _ => false,
    })
}

/// The contexts that calls give as texts; `None` among them for one that is not known here.
fn contexts(reach: &Reach<'_>) -> Vec<Option<String>> {
    let context = |call: &Call| match call.args.get(1) {
        Some(Arg::Text(context)) => Some(context.clone()),
        _ => None,
    };
    calls_of_it(reach).map(context).collect()
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

/// Calls without a context, or with one that the profile does not know.
pub fn calls(seen: &Seen<'_>) -> Vec<Finding> {
    if !takes_context_second(seen) {
        return Vec::new();
    }
    let profile = &seen.inputs.profile.contexts;
    let known: Vec<&str> = profile.keys().map(String::as_str).collect();
    let known = || ("known", known.join(", ").into());
    let all = seen.all_lua();
    let found = calls_of_it(&all).filter_map(|call| match call.args.as_slice() {
        [] | [Arg::Nil] | [Arg::Many] => None,
        [_] | [_, Arg::Nil, ..] => Some(finding("tracking-without-context", &call.at, &[known()])),
        [_, Arg::Text(context), ..] if !profile.contains_key(context) => {
            let values = [known(), ("context", context.into())];
            Some(finding("tracking-unknown-context", &call.at, &values))
        }
        _ => None,
    });
    found.collect()
}

/// `track_user` is called, and nothing that could be seen defines it.
pub fn undefined(seen: &Seen<'_>) -> Vec<Finding> {
    let all = seen.all_lua();
    let mut chunks = all.chunks.iter();
    let defined = all.unsure
        || chunks.any(|chunk| {
            chunk.globals.contains_key(NAME) || chunk.texts.iter().any(|text| text == NAME)
        });
    if defined {
        return Vec::new();
    }
    let mut places: Vec<_> = calls_of_it(&all).map(|call| &call.at).collect();
    places.sort_by_key(|at| (&at.file, at.line));
    places.dedup();
    let count = places.len().to_string();
    let first = places.first();
    let found = first.map(|at| finding("tracking-undefined", at, &[("count", count.into())]));
    found.into_iter().collect()
}

/// Contexts of the profile that nothing tracks under.
pub fn unused_contexts(seen: &Seen<'_>) -> Vec<Finding> {
    let all = seen.all_lua();
    if all.unsure || contexts(&all).contains(&None) {
        return Vec::new();
    }
    let contexts = seen.inputs.profile.contexts.iter();
    let unused = contexts
        .filter(|(name, _)| !all.texts().any(|text| text.contains(name.as_str())))
        .filter(|(name, _)| !config_says(seen, name));
    let found = unused.map(|(name, context)| {
        let place = seen.public_location(&context.path);
        let at = place.map_or_else(|| seen.in_profile(name), |place| place.at().clone());
        let values = [
            ("name", name.into()),
            ("path", context.path.as_str().into()),
        ];
        finding("context-unused", &at, &values)
    });
    found.collect()
}

/// Contexts whose path leads to a location that tracks under another one, or not at all.
pub fn elsewhere(seen: &Seen<'_>) -> Vec<Finding> {
    let all = seen.all_lua();
    // Without a call of track_user anywhere, tracking is done some other way.
    if !seen.inputs.config.complete || contexts(&all).is_empty() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (name, context) in &seen.inputs.profile.contexts {
        let Some(place) = seen.public_location(&context.path) else {
            continue;
        };
        let reach = seen.reach(&place);
        let here = contexts(&reach);
        let says = |reach: &Reach<'_>| reach.texts().any(|text| text.contains(name.as_str()));
        let may_say =
            reach.unsure || here.contains(&None) || config_says(seen, name) || says(&reach);
        // What no location has is `context-unused`.
        if may_say || !says(&all) {
            continue;
        }
        let others: Vec<String> = here.into_iter().flatten().collect();
        let others = others.join("\", \"");
        let does = match others.is_empty() {
            true => Text {
                en: "does not track".to_owned(),
                ja: "追跡を行いません".to_owned(),
            },
            false => Text {
                en: format!("tracks as \"{others}\""),
                ja: format!("\"{others}\" として追跡します"),
            },
        };
        let values = [
            ("path", context.path.as_str().into()),
            ("name", name.into()),
            ("title", place.title().into()),
            ("does", does),
        ];
        found.push(finding("context-elsewhere", place.at(), &values));
    }
    found
}
