//! The command line, from clap.

use std::collections::BTreeMap;

use clap::{Arg, Command, CommandFactory as _};
use verify::cli::Cli;

use super::table;

fn cli() -> Command {
    let mut cli = Cli::command().term_width(100);
    cli.build();
    cli
}

fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    let inner = command.get_subcommands();
    inner.filter(|it| !it.is_hide_set() && it.get_name() != "help")
}

/// Every command with its flags. `verify` alone is `verify run`.
pub fn commands() -> String {
    shown(&cli()).map(command).collect()
}

fn command(command: &Command) -> String {
    let about = command.get_long_about().or(command.get_about());
    let usage = command.clone().render_usage().to_string();
    let usage: Vec<&str> = usage
        .trim_start_matches("Usage: ")
        .lines()
        .map(str::trim)
        .collect();
    let name = command.get_bin_name().unwrap_or(command.get_name());
    let mut text = format!(
        "## {name}\n\n{}\n\n```text\n{}\n```\n",
        about.map(ToString::to_string).unwrap_or_default().trim(),
        usage.join("\n")
    );
    let mut headings: Vec<(&str, Vec<&Arg>)> = Vec::new();
    let args = command.get_arguments();
    for arg in args.filter(|arg| !arg.is_hide_set() && arg.get_id() != "help") {
        let heading = arg.get_help_heading().unwrap_or(if arg.is_positional() {
            "Arguments"
        } else {
            "Options"
        });
        match headings.iter_mut().find(|(name, _)| *name == heading) {
            Some((_, args)) => args.push(arg),
            None => headings.push((heading, vec![arg])),
        }
    }
    for (heading, args) in headings {
        let rows = args.into_iter().map(|arg| [spelled(arg), meaning(arg)]);
        text.push_str(&format!(
            "\n**{heading}**\n\n{}",
            table(["as typed", "meaning"], rows)
        ));
    }
    if let Some(after) = command.get_after_long_help() {
        text.push_str(&format!("\n```text\n{}\n```\n", after.to_string().trim()));
    }
    text + "\n"
}

/// How it is typed.
fn spelled(arg: &Arg) -> String {
    let values: Vec<String> = match arg.get_num_args() {
        Some(count) if count.takes_values() => match arg.get_value_names() {
            Some(names) => names.iter().map(ToString::to_string).collect(),
            None => vec![arg.get_id().to_string().to_uppercase()],
        },
        _ => Vec::new(),
    };
    let flags = [
        arg.get_short().map(|short| format!("-{short}")),
        arg.get_long().map(|long| format!("--{long}")),
    ];
    let flags: Vec<String> = flags.into_iter().flatten().collect();
    format!(
        "`{}`",
        [flags.join(", "), values.join(" ")].join(" ").trim()
    )
}

fn meaning(arg: &Arg) -> String {
    let help = arg.get_long_help().or(arg.get_help());
    let mut text = help.map(ToString::to_string).unwrap_or_default();
    let values: Vec<String> = arg
        .get_possible_values()
        .iter()
        .filter(|value| !value.is_hide_set())
        .map(|value| match value.get_help() {
            Some(help) => format!("`{}`: {help}", value.get_name()),
            None => format!("`{}`", value.get_name()),
        })
        .collect();
    let flag = arg
        .get_num_args()
        .is_some_and(|count| !count.takes_values());
    if !values.is_empty() && !flag {
        text.push_str(&format!(" ({})", values.join("; ")));
    }
    let defaults: Vec<_> = arg
        .get_default_values()
        .iter()
        .map(|value| value.to_string_lossy())
        .collect();
    if !defaults.is_empty() && !flag {
        text.push_str(&format!(" [default: {}]", defaults.join(" ")));
    }
    text
}

/// The variables that stand for flags.
pub fn environment() -> String {
    let mut variables: BTreeMap<String, String> = BTreeMap::new();
    for command in shown(&cli()) {
        for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
            if let (Some(name), Some(long)) = (arg.get_env(), arg.get_long()) {
                variables.insert(name.to_string_lossy().into_owned(), format!("`--{long}`"));
            }
        }
    }
    let rows = variables.into_iter();
    let rows = rows.map(|(name, flag)| [format!("`{name}`"), flag]);
    table(["variable", "flag"], rows)
}
