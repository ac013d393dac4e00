//! The commands of the pages are run, in the order of each page, in a copy of the project.
//!
//! Behind a fence's language stands what is said of its commands: `exit=N` is the exit code of the
//! last (0 where it is not said; those before it end with 0), `needs=WHAT` says that they are not
//! run where that is missing: see [`Needs`]. Lines of a `console` block that are no command are
//! lines of the output, in its order; times and the ids of runs may differ.

use std::{
    env, fs,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Stdio},
};

use tempfile::TempDir;

use super::{
    pages::{self, Block, Page},
    typed,
};
use crate::{
    docker,
    support::{needs_sandbox, root, steady},
};

/// What the commands of a block need beyond the sandbox.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Needs {
    /// Nothing.
    Nothing,
    /// A Docker engine with the images.
    Engine,
    /// A program that the environment says it has, by this variable.
    Promised(&'static str),
    /// What no test has: a deployment, the internet, another machine, a build of everything. Their
    /// words are read by `typed`, and their syntax by bash.
    Other,
}

fn needs(block: &Block) -> Needs {
    match said(block, "needs=") {
        None => Needs::Nothing,
        Some("docker") => Needs::Engine,
        Some("browser") => Needs::Promised("VERIFY_REQUIRE_BROWSER"),
        Some("litellm") => Needs::Promised("VERIFY_REQUIRE_LITELLM"),
        Some("deployment" | "internet" | "machine" | "build" | "person") => Needs::Other,
        Some(what) => panic!("{}: nobody knows what needs={what} is", block.place),
    }
}

/// What a fence says behind `key`.
fn said<'a>(block: &'a Block, key: &str) -> Option<&'a str> {
    let mut words = block.info.split(' ').skip(1);
    words.find_map(|word| word.strip_prefix(key))
}

/// The exit code that a fence says.
fn exit(block: &Block) -> i32 {
    said(block, "exit=").map_or(0, |code| code.parse().expect("exit=N is a number"))
}

/// A copy of the project, as far as commands need it, with the files of somebody who verifies his
/// own gateway: `new.conf`, `old.conf`, `lua`, `html`.
struct Copy {
    folder: TempDir,
}

impl Copy {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let to = folder.path();
        let parts = [
            "features",
            "fixtures",
            "examples",
            "scripts",
            "reports/example",
        ];
        for part in parts {
            copy(&root().join(part), &to.join(part));
        }
        for file in ["docker-compose.test.yml", "Makefile"] {
            fs::copy(root().join(file), to.join(file)).expect("a copy");
        }
        let gateway = root().join("fixtures/gateway");
        for (from, name) in [
            ("nginx_v11.1.conf", "new.conf"),
            ("nginx_v10.conf", "old.conf"),
        ] {
            fs::copy(gateway.join(from), to.join(name)).expect("a copy");
        }
        for part in ["lua", "html"] {
            copy(&gateway.join(part), &to.join(part));
        }
        // No link to it: what is shipped is looked for above the program itself.
        let program = Path::new(env!("CARGO_BIN_EXE_verify"));
        fs::create_dir(to.join("bin")).expect("a folder");
        fs::copy(program, to.join("bin/verify")).expect("a copy");
        for name in ["oauth2-proxy", "litellm"] {
            let beside = fs::canonicalize(program.with_file_name(name));
            if let Ok(beside) = beside {
                symlink(beside, to.join("bin").join(name)).expect("a link");
            }
        }
        Self { folder }
    }

    /// Runs a script as a person who stands in the copy; the exit code, and what was said.
    fn run(&self, script: &str) -> (Option<i32>, String) {
        let here = self.folder.path();
        let path = env::var("PATH").expect("a PATH");
        let mut bash = Command::new("bash");
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("VERIFY_") {
                bash.env_remove(name);
            }
        }
        let output = bash
            .args(["-e", "-o", "pipefail", "-c"])
            .arg(format!("exec 2>&1\n{script}"))
            .current_dir(here)
            .env("PATH", format!("{}:{path}", here.join("bin").display()))
            .env("HOME", here)
            .env("NO_COLOR", "1")
            .env("COLUMNS", "100")
            .env("VERIFY_STACK", "sandbox")
            .stdin(Stdio::null())
            .output()
            .expect("bash can be run");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    }

    /// Runs a block where what it needs is there, and says what is not as the page has it.
    fn run_where_it_can(&self, block: &Block) -> Option<Vec<String>> {
        let _engine = match needs(block) {
            Needs::Nothing => None,
            Needs::Engine => {
                let engine = docker::engine()?;
                // Which images there are.
                let env = root().join(".env");
                fs::copy(env, self.folder.path().join(".env")).expect("scripts/images wrote it");
                Some(engine)
            }
            Needs::Promised(variable) => {
                let promised = env::var_os(variable).is_some_and(|it| it == "1");
                promised.then_some(None)?
            }
            Needs::Other => return None,
        };
        Some(self.problems(block))
    }

    /// Runs a block, and says what is not as the page has it.
    fn problems(&self, block: &Block) -> Vec<String> {
        let (scripts, shown) = match block.language() {
            "console" => (typed::typed(&block.text), shown(&block.text)),
            _ => (vec![block.text.clone()], Vec::new()),
        };
        let mut problems = Vec::new();
        let mut all = String::new();
        for (number, script) in scripts.iter().enumerate() {
            let (code, output) = self.run(script);
            let last = number + 1 == scripts.len();
            let wanted = if last { exit(block) } else { 0 };
            if code != Some(wanted) {
                let place = &block.place;
                problems.push(format!(
                    "{place}: {script}: exit {code:?}, not {wanted}\n{output}"
                ));
            }
            all.push_str(&output);
        }
        if let Some(line) = not_said(&shown, &all) {
            problems.push(format!("{}: it does not say `{line}`:\n{all}", block.place));
        }
        problems
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a scratch folder");
    for entry in fs::read_dir(from).expect("a folder of the project") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

/// The lines of a `console` block that are output.
fn shown(text: &str) -> Vec<&str> {
    let mut goes_on = false;
    text.lines()
        .filter(|line| {
            let typed = line.starts_with("$ ") || goes_on;
            goes_on = typed && line.ends_with('\\');
            !typed && !line.trim().is_empty() && line.trim() != "..."
        })
        .collect()
}

/// A line without what differs from run to run.
fn constant(line: &str) -> String {
    let line = steady(line);
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The first of these lines that is not in the output, behind the one before it.
fn not_said<'a>(shown: &[&'a str], output: &str) -> Option<&'a str> {
    let output: Vec<String> = output.lines().map(constant).collect();
    let mut rest = output.iter();
    shown
        .iter()
        .copied()
        .find(|line| !rest.any(|there| *there == constant(line)))
}

/// Whether bash finds nothing wrong with a script that it does not run.
fn bash_reads(script: &str) -> bool {
    let bash = Command::new("bash")
        .args(["-n", "-c", script])
        .stderr(Stdio::null())
        .status();
    bash.expect("bash can be run").success()
}

/// What is wrong with the blocks of a page, each run or read.
fn problems(page: &Page) -> Vec<String> {
    let copy = Copy::new();
    let mut problems = Vec::new();
    for block in page.blocks() {
        let Some(script) = typed::script(&block) else {
            continue;
        };
        if let Some(found) = copy.run_where_it_can(&block) {
            problems.extend(found);
            continue;
        }
        let what = said(&block, "needs=").unwrap_or_default();
        eprintln!("{}: read, and not run: it needs {what}", block.place);
        if !bash_reads(&script) {
            problems.push(format!("{}: bash cannot read it", block.place));
        }
    }
    problems
}

/// The pages of a folder of the book, or README and the examples.
fn go_through(belongs: impl Fn(&str) -> bool) {
    needs_sandbox();
    let mut pages = pages::all();
    pages.retain(|page| belongs(&page.path.to_string_lossy()));
    let found: Vec<String> = pages.iter().flat_map(problems).collect();
    assert!(!pages.is_empty());
    assert!(found.is_empty(), "{}", found.join("\n\n"));
}

#[test]
fn the_commands_of_the_readmes_do_what_they_say() {
    go_through(|path| !path.starts_with(pages::BOOK));
}

#[test]
fn the_commands_of_the_tutorial_do_what_they_say() {
    go_through(|path| path.starts_with("docs/src/tutorial"));
}

#[test]
fn the_commands_of_the_other_pages_do_what_they_say() {
    let other = |path: &str| !path.starts_with("docs/src/tutorial");
    go_through(|path| path.starts_with(pages::BOOK) && other(path));
}

#[test]
fn a_page_that_is_wrong_is_noticed() {
    let page = |text: &str| Page {
        path: "page.md".into(),
        text: text.to_owned(),
    };
    let good = "```console exit=1\n$ echo one; false\none\n```\n\n```sh\ntrue\n```\n";
    assert_eq!(problems(&page(good)), Vec::<String>::new());
    for bad in [
        "```sh\nfalse\n```\n",
        "```sh exit=1\ntrue\n```\n",
        "```console\n$ echo one\ntwo\n```\n",
        "```console\n$ echo one; echo two\ntwo\none\n```\n",
        "```console\n$ false\n$ true\n```\n",
        "```sh needs=machine\nif true\n```\n",
    ] {
        assert_eq!(problems(&page(bad)).len(), 1, "{bad}");
    }
}
