//! What a run needs beside the configuration itself: a plan, files and variables.

use super::{said::finding, seen::Seen};
use crate::lint::Finding;
use crate::lint::{Inputs, config::At, lua::Arg};

/// Items without a scenario, steps without a definition: what keeps a run from starting.
pub fn plan(inputs: &Inputs) -> Vec<Finding> {
    let problems = inputs.plan.iter().map(|problem| {
        let at = At {
            file: problem.path.as_path().into(),
            line: problem.line,
        };
        finding(
            "plan-problem",
            &at,
            &[("problem", problem.text.as_str().into())],
        )
    });
    problems.collect()
}

/// What the linter itself could not read: a note, for the fault may be its own.
pub fn unread(inputs: &Inputs) -> Vec<Finding> {
    let unread = inputs.config.unread.iter();
    unread
        .map(|(at, says)| finding("config-unread", at, &[("says", says.into())]))
        .collect()
}

/// Files that are included and do not lie beside the configuration.
pub fn includes(inputs: &Inputs) -> Vec<Finding> {
    let missing = inputs.config.missing.iter();
    missing
        .map(|(at, name)| finding("include-missing", at, &[("name", name.into())]))
        .collect()
}

/// The page of the administration is not among the pages.
pub fn page(inputs: &Inputs) -> Vec<Finding> {
    let (file, _) = &inputs.contexts;
    let at = At {
        file: file.clone(),
        line: 1,
    };
    let missing = inputs.page.iter().map(|page| page.display().to_string());
    missing
        .map(|page| finding("page-missing", &at, &[("page", page.into())]))
        .collect()
}

/// Variables that Lua asks for while it handles a request, and that no `env` hands on. What
/// is asked while the configuration is read sees the whole environment.
pub fn variables(seen: &Seen<'_>) -> Vec<Finding> {
    if !seen.inputs.config.complete {
        return Vec::new();
    }
    let main = seen.model.main();
    let handed_on: Vec<&str> = (main.node().named("env"))
        .map(|node| node.arg(0))
        .map(|arg| arg.split('=').next().unwrap_or(arg))
        .collect();
    let of_blocks = |init: bool| {
        let blocks = seen.model.lua().into_iter();
        blocks
            .filter(move |(node, _)| node.name.starts_with("init_by_lua") == init)
            .filter_map(|(node, _)| seen.inputs.chunk(node))
            .flat_map(|chunk| chunk.calls_of("os.getenv"))
    };
    let at_start: Vec<&At> = of_blocks(true).map(|call| &call.at).collect();
    let all = seen.all_lua();
    let in_functions = (all.calls()).filter(|call| call.name == "os.getenv" && call.depth > 0);
    let found = in_functions
        .chain(of_blocks(false))
        .filter(|call| !at_start.contains(&&call.at))
        .filter_map(|call| match call.args.first() {
            Some(Arg::Text(name)) => Some((call, name)),
            _ => None,
        })
        // nginx always keeps TZ.
        .filter(|(_, name)| *name != "TZ" && !handed_on.contains(&name.as_str()));
    found
        .map(|(call, name)| finding("env-not-handed-on", &call.at, &[("name", name.into())]))
        .collect()
}
