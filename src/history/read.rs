//! The reports of a folder, one after another: nothing but a summary of each stays in memory.

use std::{collections::BTreeMap, fs, io, path::Path};

use serde::Serialize;

use super::{Conditions, ItemSummary, RunSummary};
use crate::{
    compare::{Measured, State},
    gate::{Policy, decide},
    plan::{ItemId, Text},
    report::{self, EVENTS, ItemReport, LATEST, REPORT_JSON, RunReport},
};

/// What `verify mutate` writes beside the folders of runs.
const MUTATION_JSON: &str = "mutation.json";

/// The reports of a folder.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Folder {
    /// What is kept of each, in no order.
    pub runs: Vec<RunSummary>,
    /// Folders that hold no report that can be read.
    pub unread: Vec<Unread>,
    /// How many folders of `verify mutate` are there.
    pub mutations: usize,
    /// The titles of the items.
    pub titles: BTreeMap<ItemId, Text>,
}

/// A folder that holds no report that can be read.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Unread {
    /// Its name.
    pub folder: String,
    /// Why, and what to do.
    pub why: String,
}

/// Reads the folder of every run in `dir`.
///
/// # Errors
/// When `dir` itself cannot be listed; a run that cannot be read is named in the answer.
pub fn read(dir: &Path) -> io::Result<Folder> {
    let mut found = Folder::default();
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // The latest run has a folder of its own; what begins with a dot is being written.
        let ours = name != LATEST && !name.starts_with('.');
        if ours && entry.path().is_dir() {
            names.push((name, entry.path()));
        }
    }
    names.sort();
    for (name, path) in names {
        let has = |file: &str| path.join(file).exists();
        if has(MUTATION_JSON) && !has(REPORT_JSON) && !has(EVENTS) {
            found.mutations += 1;
            continue;
        }
        match report::load(&path) {
            Ok(report) => found.add(name, &report),
            Err(error) => found.unread.push(Unread {
                folder: name,
                why: error.to_string(),
            }),
        }
    }
    Ok(found)
}

impl Folder {
    /// Keeps a summary of the report in the folder of this name.
    pub fn add(&mut self, folder: String, report: &RunReport) {
        self.runs.push(RunSummary::of(folder, report));
        for item in report.items.iter().chain(&report.extended) {
            self.titles
                .entry(item.id)
                .or_insert_with(|| item.title.clone());
        }
    }
}

impl RunSummary {
    /// What is kept of a report.
    #[must_use]
    pub fn of(folder: String, report: &RunReport) -> Self {
        let run = &report.run;
        let items: Vec<ItemSummary> = (report.items.iter())
            .chain(&report.extended)
            .filter(|item| State::of(item) != State::NotChosen)
            .map(ItemSummary::of)
            .collect();
        let count = |state: State| items.iter().filter(|item| item.state == state).count();
        Self {
            folder,
            id: run.id.clone(),
            started_at: run.started_at.clone(),
            duration_ms: run.duration_ms,
            verdict: report.verdict,
            contradicts_itself: decide(report, Policy::default()).is_err(),
            end: run.end.clone(),
            conditions: Conditions::of(run),
            passed: count(State::Passed),
            failed: count(State::Failed),
            skipped: count(State::Skipped),
            inconclusive: count(State::Inconclusive),
            items,
        }
    }
}

impl ItemSummary {
    fn of(item: &ItemReport) -> Self {
        Self {
            id: item.id,
            state: State::of(item),
            duration_ms: item.duration_ms,
            measured: Measured::of(item),
        }
    }
}
