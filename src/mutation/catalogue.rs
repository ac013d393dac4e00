//! The catalogue of mutants: YAML files, checked as a whole before anything is run.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::{
    plan::{ItemId, ItemPattern},
    yaml::{self, YamlError},
};

/// A broken version of the gateway, and which items must notice.
#[derive(Clone, Debug, Deserialize, PartialEq, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mutant {
    /// Its name: letters, digits and `-`.
    pub id: String,
    /// What is broken, for a person.
    pub title: String,
    /// What makes it of the candidate's files.
    pub edits: Vec<Edit>,
    /// The items that must fail, by the candidate's fault.
    pub breaks: Vec<ItemId>,
    /// Items that need not pass, either.
    #[serde(default)]
    pub may: Vec<ItemPattern>,
    /// What somebody misses who only follows the plan's commands: free text.
    #[serde(default)]
    pub beyond: Vec<String>,
    /// Whether only a real browser shows it: its run is one with `--browser chromium`.
    #[serde(default)]
    pub browser: bool,
    /// The rule of the diagnosis that names the cause.
    #[serde(default)]
    pub cause: Option<String>,
}

/// One change of a file.
#[derive(Clone, Debug, Deserialize, PartialEq, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// `nginx.conf`, `lua/NAME`, `html/NAME` or `oauth2-proxy.cfg`.
    pub file: PathBuf,
    /// A text that occurs exactly once in it.
    pub find: String,
    /// What stands there instead.
    pub replace: String,
}

/// Every mutant of a file or folder.
#[derive(Clone, Debug)]
pub struct Catalogue {
    /// In the order of the files' names, and in a file in its order.
    pub mutants: Vec<Mutant>,
}

#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{}: no mutant; a catalogue is a YAML file, or a folder of them", .0.display())]
    Empty(PathBuf),
    #[error(transparent)]
    Yaml(#[from] YamlError),
    /// Everything that is wrong with the mutants: FILE:LINE each.
    #[error("the mutants cannot be used:{}", .0.iter().map(|one| format!("\n  {one}")).collect::<String>())]
    Problems(Vec<String>),
}

/// The same file once more, for the lines alone.
#[derive(Deserialize)]
struct Line {
    id: Spanned<String>,
}

impl Catalogue {
    /// Reads the file, or every `*.yaml` of the folder. `known` are the plan's items.
    ///
    /// # Errors
    ///
    /// When a file is not what it must be, two mutants have one name, or one names an item that
    /// the plan does not have: FILE:LINE for each.
    pub fn load(path: &Path, known: &BTreeSet<ItemId>) -> Result<Self, CatalogueError> {
        let mut mutants = Vec::new();
        let mut problems = Vec::new();
        let mut seen: BTreeMap<String, String> = BTreeMap::new();
        for file in files(path)? {
            let text = yaml::text(&file)?;
            let of_file: Vec<Mutant> = yaml::parse(&text, &file)?;
            let lines: Vec<Line> = yaml::parse(&text, &file)?;
            for (mutant, line) in of_file.iter().zip(lines) {
                let place = format!("{}:{}", file.display(), line.id.referenced.line());
                let complain = |what: String| format!("{place}: {}: {what}", mutant.id);
                problems.extend(wrong(mutant, known).into_iter().map(complain));
                if let Some(first) = seen.insert(mutant.id.clone(), place.clone()) {
                    problems.push(complain(format!("{first} has the same id")));
                }
            }
            mutants.extend(of_file);
        }
        if !problems.is_empty() {
            return Err(CatalogueError::Problems(problems));
        }
        if mutants.is_empty() {
            return Err(CatalogueError::Empty(path.to_owned()));
        }
        Ok(Self { mutants })
    }
}

fn files(path: &Path) -> Result<Vec<PathBuf>, CatalogueError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let refuse = |source| CatalogueError::Read {
        path: path.to_owned(),
        source,
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(refuse)? {
        let file = entry.map_err(refuse)?.path();
        if file.extension().is_some_and(|ending| ending == "yaml") {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

fn wrong(mutant: &Mutant, known: &BTreeSet<ItemId>) -> Vec<String> {
    let mut wrong = Vec::new();
    let named = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    if mutant.id.is_empty() || !mutant.id.chars().all(named) {
        wrong.push("an id is letters, digits and `-`".to_owned());
    }
    if mutant.edits.is_empty() {
        wrong.push("no edit: it would be the gateway itself".to_owned());
    }
    for edit in &mutant.edits {
        if edit.find == edit.replace {
            wrong.push(format!("`{}` is replaced by itself", edit.find));
        }
    }
    if mutant.breaks.is_empty() {
        wrong.push("breaks nothing: name the items that must notice".to_owned());
    }
    let allowed = mutant.may.iter().filter_map(|allowed| match allowed {
        ItemPattern::Item(item) => Some(item),
        _ => None,
    });
    for item in mutant.breaks.iter().chain(allowed) {
        if !known.contains(item) {
            wrong.push(format!("the plan has no item {item}"));
        }
    }
    wrong
}
