//! Man pages and completions: one page for each command, scripts that their shells can read.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    process::{Command, Stdio},
};

use clap::CommandFactory as _;
use verify::cli::Cli;

use crate::support::{Scratch, verify};

/// The pages that there must be: `verify.1`, `verify-run.1`, and so on.
fn expected(command: &clap::Command, name: &str, pages: &mut BTreeSet<String>) {
    pages.insert(format!("{name}.1"));
    for inner in command.get_subcommands().filter(|it| !it.is_hide_set()) {
        expected(inner, &format!("{name}-{}", inner.get_name()), pages);
    }
}

#[test]
fn every_command_has_a_man_page() {
    let folder = Scratch::nothing("man");
    verify(["man", folder.str()]).ends().exits(0);
    let mut wanted = BTreeSet::new();
    expected(&Cli::command(), "verify", &mut wanted);
    let there = fs::read_dir(&folder.path)
        .expect("the pages")
        .map(|entry| {
            entry
                .expect("a page")
                .file_name()
                .into_string()
                .expect("a name")
        })
        .filter(|name| !name.contains("-help"))
        .collect::<BTreeSet<_>>();
    assert_eq!(there, wanted);
    let run = fs::read_to_string(folder.path.join("verify-run.1")).expect("the page of run");
    for part in [".SH NAME", "\\-\\-candidate", "Exit codes"] {
        assert!(run.contains(part), "no `{part}`");
    }
}

#[test]
fn completions_can_be_read_by_their_shells() {
    let shells = [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")];
    for (shell, check) in shells {
        let script = verify(["completions", shell]).ends();
        script.exits(0);
        assert!(script.stdout.contains("allow-conditional"), "{shell}");
        let found = Command::new(shell)
            .arg("--version")
            .stdout(Stdio::null())
            .status()
            .is_ok();
        // Everybody has bash; of the others those that are there are asked.
        if !found && shell != "bash" {
            continue;
        }
        for (text, good) in [(script.stdout.as_str(), true), ("if true\n(", false)] {
            let mut child = Command::new(shell)
                .arg(check)
                .stdin(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .expect("the shell can be run");
            let mut input = child.stdin.take().expect("its input");
            input.write_all(text.as_bytes()).expect("it reads");
            drop(input);
            let status = child.wait().expect("it ends");
            assert_eq!(status.success(), good, "{shell}");
        }
    }
}
