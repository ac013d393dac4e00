//! Nothing that the pages tell a person to type is refused by the parser that would read it:
//! commands of `verify` go through clap, targets of `make` are in the Makefile, scripts are there.

use std::{collections::BTreeSet, fs, path::Path};

use clap::{CommandFactory as _, Parser as _, error::ErrorKind};
use verify::{cli::Cli, report::render::Format};

use super::{
    pages::{self, Block},
    shell,
};
use crate::support::root;

/// Other programs that commands of the pages may call.
const OTHERS: &[&str] = &[
    "apt-get", "cargo", "cat", "cd", "chmod", "cp", "curl", "diff", "docker", "echo", "gh", "git",
    "grep", "gzip", "head", "install", "jq", "ls", "man", "mkdir", "mv", "scp", "sed", "source",
    "ssh", "tar", "printf", "sudo", "test", "unshare", "xdg-open",
];

/// The languages of blocks that hold no commands.
const NO_COMMANDS: &[&str] = &["text", "json", "nginx", "lua", "gherkin", "yaml", "groovy"];

/// The commands of a block as a script.
pub fn script(block: &Block) -> Option<String> {
    match block.language() {
        "sh" => Some(block.text.clone()),
        "console" => Some(typed(&block.text).join("\n")),
        _ => None,
    }
}

/// What is typed of a `console` block: what stands behind `$ `, with the lines that go on.
pub fn typed(text: &str) -> Vec<String> {
    let mut typed: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in text.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            typed.push(command.to_owned());
        } else if goes_on {
            let command = typed.last_mut().expect("a command goes on");
            command.push_str(&format!("\n{line}"));
        } else {
            continue;
        }
        goes_on = line.ends_with('\\');
    }
    typed
}

/// What is wrong with a command, if anything is.
fn wrong(words: &[String]) -> Option<String> {
    let program = words[0].as_str();
    let name = Path::new(program).file_name()?.to_str()?;
    match name {
        "verify" => refused(words),
        "make" => {
            let makefile = fs::read_to_string(root().join("Makefile")).expect("the Makefile");
            let targets: BTreeSet<&str> = makefile
                .lines()
                .filter_map(|line| line.split_once(':'))
                .map(|(target, _)| target)
                .collect();
            let unknown = words[1..].iter().find(|it| !targets.contains(it.as_str()));
            unknown.map(|target| format!("the Makefile has no target `{target}`"))
        }
        _ if program.starts_with("scripts/") => {
            let Ok(text) = fs::read_to_string(root().join(program)) else {
                return Some(format!("there is no {program}"));
            };
            let mut flags = words[1..].iter().filter(|word| word.starts_with("--"));
            flags
                .find(|flag| !text.contains(flag.as_str()))
                .map(|flag| format!("{program} knows no {flag}"))
        }
        _ if OTHERS.contains(&program) => None,
        _ => Some(format!("`{program}` is no program that the pages may call")),
    }
}

/// What clap says of it, where it refuses it.
fn refused(words: &[String]) -> Option<String> {
    match Cli::try_parse_from(words) {
        Ok(_) => None,
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => None,
            _ => Some(error.to_string()),
        },
    }
}

#[test]
fn every_block_says_what_it_is() {
    let mut wrong = Vec::new();
    for page in pages::all() {
        for block in page.blocks() {
            let language = block.language();
            let shell = ["sh", "console"].contains(&language);
            if !block.fenced {
                wrong.push(format!("{}: indented, without a fence", block.place));
            } else if !shell && !NO_COMMANDS.contains(&language) {
                wrong.push(format!("{}: `{language}` is none of them", block.place));
            } else if language == "console" && typed(&block.text).is_empty() {
                wrong.push(format!("{}: no line begins with `$ `", block.place));
            } else if !shell && block.text.lines().any(|line| line.starts_with("$ ")) {
                wrong.push(format!(
                    "{}: a command in a block of {language}",
                    block.place
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_command_of_a_block_can_be_typed() {
    let mut problems = Vec::new();
    let mut seen = 0;
    for page in pages::all() {
        for block in page.blocks() {
            let Some(script) = script(&block) else {
                continue;
            };
            for words in shell::commands(&script) {
                seen += 1;
                if let Some(why) = wrong(&words) {
                    problems.push(format!("{}: {}: {why}", block.place, words.join(" ")));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(seen > 0);
}

/// Lines of pipelines (YAML, Groovy) that call `verify` or a script.
#[test]
fn every_command_of_a_pipeline_can_be_typed() {
    let call = regex::Regex::new(r"(?:target/release/|\./)?(?:verify |scripts/\w)[^'\n]*")
        .expect("an expression");
    let mut problems = Vec::new();
    for page in pages::all() {
        for block in page.blocks() {
            if !["yaml", "groovy"].contains(&block.language()) {
                continue;
            }
            let commands = block
                .text
                .lines()
                .filter(|line| !line.trim().starts_with('#'));
            for found in commands.filter_map(|line| call.find(line)) {
                for words in shell::commands(found.as_str()) {
                    if let Some(why) = wrong(&words) {
                        problems.push(format!("{}: {}: {why}", block.place, words.join(" ")));
                    }
                }
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Every flag of every command.
fn flags(command: &clap::Command, known: &mut BTreeSet<String>) {
    for arg in command.get_arguments() {
        known.extend(arg.get_long().map(|long| format!("--{long}")));
        known.extend(arg.get_short().map(|short| format!("-{short}")));
    }
    for inner in command.get_subcommands() {
        flags(inner, known);
    }
}

/// Commands and flags that stand within a line of text.
#[test]
fn every_command_within_a_line_exists() {
    let mut known = BTreeSet::new();
    flags(&Cli::command(), &mut known);
    let of_scripts = ["--check", "--with-browser", "--with-litellm", "--verify"];
    known.extend(of_scripts.map(str::to_owned));
    let mut problems = Vec::new();
    for page in pages::all() {
        for (place, code) in page.code() {
            if let Some(rest) = code.strip_prefix("verify ") {
                let words = rest.split(' ').map(str::to_owned);
                let words: Vec<String> = ["verify".to_owned()].into_iter().chain(words).collect();
                // A command may be named without what it needs, or with a name in its place.
                let named = words
                    .iter()
                    .any(|word| word.chars().all(|it| it.is_ascii_uppercase()));
                let missing = Cli::try_parse_from(&words).is_err_and(|error| match error.kind() {
                    ErrorKind::MissingRequiredArgument => true,
                    ErrorKind::InvalidValue | ErrorKind::ValueValidation => named,
                    _ => false,
                });
                if !missing && let Some(why) = refused(&words) {
                    problems.push(format!("{place}: {code}: {why}"));
                }
            }
            let mut words = code.split([' ', '=']);
            let flag = words.next().filter(|word| word.starts_with("--"));
            if flag.is_some_and(|flag| !known.contains(flag)) {
                problems.push(format!("{place}: {code}: no such flag"));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// The examples in a command's help, and in those below it.
fn examples(command: &clap::Command, found: &mut Vec<String>) {
    let help = command.get_after_long_help().map(ToString::to_string);
    for line in help.unwrap_or_default().lines() {
        if line.starts_with("  verify") {
            let typed = line.trim().split("  ").next().unwrap_or_default();
            found.push(typed.to_owned());
        }
    }
    for inner in command.get_subcommands() {
        examples(inner, found);
    }
}

#[test]
fn every_example_of_the_help_can_be_typed() {
    let mut found = Vec::new();
    examples(&Cli::command(), &mut found);
    assert!(found.len() > 5);
    for example in found {
        let words = shell::commands(&example);
        assert_eq!(wrong(&words[0]), None, "{example}");
    }
}

/// The table of the formats: a row for each, and for nothing else.
#[test]
fn every_format_has_its_row() {
    let page = fs::read_to_string(root().join("docs/src/reference/formats.md")).expect("a page");
    let (_, table) = page.split_once("| name |").expect("the table");
    let rows = table.lines().take_while(|line| !line.is_empty());
    let named: Vec<&str> = rows.filter_map(|row| row.split('`').nth(1)).collect();
    let mut formats = Format::ALL.map(Format::name).to_vec();
    formats.sort_by_key(|name| named.iter().position(|one| one == name));
    assert_eq!(named, formats);
}

#[test]
fn what_cannot_be_typed_is_noticed() {
    let wrong = |line: &str| wrong(&shell::commands(line)[0]);
    for good in [
        "verify --candidate new.conf",
        "target/release/verify lint --format sarif",
        "make verify",
        "scripts/provision --check",
        "cp a b",
    ] {
        assert_eq!(wrong(good), None, "{good}");
    }
    for bad in [
        "verify --candidat new.conf",
        "verify render",
        "make tea",
        "scripts/nothing",
        "scripts/provision --nothing",
        "rm -rf /",
    ] {
        assert!(wrong(bad).is_some(), "{bad}");
    }
}
