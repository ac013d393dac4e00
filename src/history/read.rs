//! The reports of a folder, one after another: nothing but a summary of each stays in memory.

use std::{fs, io, path::Path};

use super::{Folder, Unread};
use crate::{
    mutation::MATRIX,
    report::{self, EVENTS, LATEST, REPORT_JSON},
};

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
    for (folder, path) in names {
        let has = |file: &str| path.join(file).exists();
        if has(MATRIX) && !has(REPORT_JSON) && !has(EVENTS) {
            found.mutations += 1;
            continue;
        }
        match report::load(&path) {
            Ok(report) => found.add(folder, &report),
            Err(error) => found.unread.push(Unread {
                folder,
                why: error.to_string(),
            }),
        }
    }
    Ok(found)
}
