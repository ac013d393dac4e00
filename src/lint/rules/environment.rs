//! What the configuration needs from outside of it: files and variables.

use super::{
    super::{config::At, lua::Arg},
    Finding, Inputs, Level, Seen, finding, text,
};

/// What the linter itself could not read: a note, for the fault may be its own.
pub fn unread(inputs: &Inputs) -> Vec<Finding> {
    let unread = inputs.config.unread.iter();
    unread
        .map(|(at, says)| {
            finding(
                "config-unread",
                Level::Note,
                at,
                text(
                    format!("the configuration cannot be read from here: {says}"),
                    format!("設定をここから読み取れません：{says}"),
                ),
                text(
                    "the other rules for the configuration are left out; whether nginx takes it is item 1.1",
                    "設定に関する他の規則は省略されます。nginxが受け付けるかは項目1.1で確認します",
                ),
                text(
                    "look for a missing `;` or brace before this line",
                    "この行より前に `;` や括弧の抜けがないか確認してください",
                ),
            )
        })
        .collect()
}

/// Files that are included and do not lie beside the configuration.
pub fn includes(inputs: &Inputs) -> Vec<Finding> {
    let missing = inputs.config.missing.iter();
    missing
        .map(|(at, name)| {
            finding(
                "include-missing",
                Level::Warning,
                at,
                text(
                    format!("`include {name}`: there is no such file beside the configuration"),
                    format!("`include {name}`：設定ファイルと同じ場所にこのファイルがありません"),
                ),
                text(
                    "nginx does not start without it, unless it is where the configuration is deployed",
                    "配置先にこのファイルがない限り、nginxは起動しません",
                ),
                text(
                    "put its content into the configuration, or make sure that it is deployed, too",
                    "内容を設定ファイルに含めるか、このファイルも配置されることを確認してください",
                ),
            )
        })
        .collect()
}

/// The page of the administration is not among the pages.
pub fn page(inputs: &Inputs) -> Vec<Finding> {
    let (file, _) = &inputs.contexts;
    let at = At {
        file: file.clone(),
        line: 1,
    };
    let missing = inputs.page.iter();
    missing
        .map(|page| {
            let page = page.display();
            finding(
                "page-missing",
                Level::Warning,
                &at,
                text(
                    format!("admin_page: {page} is not there, and no marker is given"),
                    format!("admin_page：{page} がなく、marker も指定されていません"),
                ),
                text(
                    "item 2.2 tells the page by the title of this file",
                    "項目2.2はこのファイルのタイトルでページを識別します",
                ),
                text(
                    "name the folder of the pages with --html, or give admin_page a marker",
                    "--html でページのフォルダを指定するか、admin_page に marker を指定してください",
                ),
            )
        })
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
    let all = seen.all_lua();
    let in_requests = all
        .calls()
        .filter(|call| call.name == "os.getenv" && call.depth > 0);
    let of_handlers = (seen.model.lua().into_iter())
        .filter(|(node, _)| !node.name.starts_with("init_by_lua"))
        .filter_map(|(node, _)| seen.inputs.chunk(node))
        .flat_map(|chunk| chunk.calls_of("os.getenv"));
    let init = (seen.model.lua().into_iter())
        .filter(|(node, _)| node.name.starts_with("init_by_lua"))
        .filter_map(|(node, _)| seen.inputs.chunk(node))
        .flat_map(|chunk| chunk.calls_of("os.getenv"))
        .map(|call| call.at.clone());
    let init: Vec<_> = init.collect();
    in_requests
        .chain(of_handlers)
        .filter(|call| !init.contains(&call.at))
        .filter_map(|call| match call.args.first() {
            Some(Arg::Text(name)) => Some((call, name)),
            _ => None,
        })
        // nginx always keeps TZ.
        .filter(|(_, name)| *name != "TZ" && !handed_on.contains(&name.as_str()))
        .map(|(call, name)| {
            finding(
                "env-not-handed-on",
                Level::Warning,
                &call.at,
                text(
                    format!("os.getenv(\"{name}\") is asked for here, and no `env {name};` hands it on"),
                    format!("os.getenv(\"{name}\") を使用していますが、`env {name};` がありません"),
                ),
                text(
                    "nginx empties the environment of its workers but for what `env` names: this is nil",
                    "nginxは `env` で指定されたもの以外の環境変数をワーカーに渡さないため、値はnilになります",
                ),
                text(
                    format!("add `env {name};` to the top of the configuration"),
                    format!("設定の先頭に `env {name};` を追加してください"),
                ),
            )
        })
        .collect()
}
