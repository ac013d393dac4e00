//! Saved reports, read back.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{
    RunReport, SCHEMA_VERSION,
    store::{EVENTS, REPORT_JSON},
};
use crate::{
    engine::event::RunEvent,
    input,
    verdict::{FoldError, fold},
};

/// A saved report that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The system said no.
    #[error("cannot read {}: {source}; give a report.json, the folder of a run or its events.ndjson", path.display())]
    Io {
        /// What was to be read.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A folder that is not one of a run.
    #[error("{} has neither {REPORT_JSON} nor {EVENTS}: give the folder of a run", .0.display())]
    NoReport(PathBuf),
    /// Not the JSON of a report. The source names line and column.
    #[error("{} is not a report: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        source: serde_json::Error,
    },
    /// A report of another version.
    #[error(
        "{} has schema version {found}, this program reads version {SCHEMA_VERSION}: read it with the `verify` that wrote it, or run again",
        path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u64,
    },
    /// A line that is no event.
    #[error("{}, line {line}: not an event: {source}", path.display())]
    Event {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// Events that are not those of one run.
    #[error("{}: {source}", path.display())]
    Fold {
        /// The file.
        path: PathBuf,
        /// What is wrong with them; an event's place is its line.
        source: FoldError,
    },
}

/// Reads a report: from a report.json, from the folder of a run, or from an events.ndjson,
/// whose last line may be cut short, as a run that was killed leaves it.
///
/// # Errors
///
/// When there is none, or it is broken: what and where.
pub fn load(path: &Path) -> Result<RunReport, LoadError> {
    let found = fs::metadata(path).map_err(|source| io_error(path, source))?;
    if found.is_dir() {
        let inside = [REPORT_JSON, EVENTS].map(|name| path.join(name));
        return match inside.iter().find(|file| file.exists()) {
            Some(file) => load_file(file),
            None => Err(LoadError::NoReport(path.to_owned())),
        };
    }
    load_file(path)
}

fn load_file(path: &Path) -> Result<RunReport, LoadError> {
    let bytes = input::bytes(path, input::REPORT_LIMIT).map_err(|source| io_error(path, source))?;
    if path
        .extension()
        .is_some_and(|extension| extension == "ndjson")
    {
        from_events(path, &bytes)
    } else {
        from_json(path, &bytes)
    }
}

/// The version is looked at first: a report of another version need not have this one's fields.
fn from_json(path: &Path, bytes: &[u8]) -> Result<RunReport, LoadError> {
    #[derive(Deserialize)]
    #[serde(expecting = "a report: an object with a schema_version")]
    struct Version {
        schema_version: u64,
    }
    let json_error = |source| LoadError::Json {
        path: path.to_owned(),
        source,
    };
    let Version { schema_version } = serde_json::from_slice(bytes).map_err(json_error)?;
    if schema_version != u64::from(SCHEMA_VERSION) {
        return Err(LoadError::Version {
            path: path.to_owned(),
            found: schema_version,
        });
    }
    serde_json::from_slice(bytes).map_err(json_error)
}

fn from_events(path: &Path, bytes: &[u8]) -> Result<RunReport, LoadError> {
    let mut events: Vec<RunEvent> = Vec::new();
    for (line, number) in bytes.split_inclusive(|byte| *byte == b'\n').zip(1..) {
        if line.len() > input::LINE_LIMIT {
            let limit = input::LINE_LIMIT / 1024 / 1024;
            let long = format!("line {number} is longer than {limit} MiB");
            return Err(io_error(path, io::Error::other(long)));
        }
        match serde_json::from_slice(line) {
            Ok(event) => events.push(event),
            // The writer ends every line: without its end it was cut off by a kill.
            Err(_) if !line.ends_with(b"\n") => break,
            Err(source) => {
                return Err(LoadError::Event {
                    path: path.to_owned(),
                    line: number,
                    source,
                });
            }
        }
    }
    fold(events).map_err(|source| LoadError::Fold {
        path: path.to_owned(),
        source,
    })
}

fn io_error(path: &Path, source: io::Error) -> LoadError {
    LoadError::Io {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{Sample, pass};

    /// The error of loading a file of this name with this content.
    fn refused(name: &str, content: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        fs::write(&path, content).unwrap();
        let error = load(&path).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
        error
    }

    fn lines() -> Vec<String> {
        let events = Sample::default().events();
        let lines = events
            .iter()
            .map(|event| serde_json::to_string(event).unwrap());
        lines.collect()
    }

    #[test]
    fn broken_json_is_refused_with_its_place() {
        let error = refused("report.json", "");
        assert!(error.contains("line 1 column 0"), "{error}");
        let json = serde_json::to_string_pretty(&pass()).unwrap();
        let cut = refused("report.json", &json[..json.len() / 2]);
        assert!(cut.contains("line") && cut.contains("column"), "{cut}");
        let wrong = refused(
            "report.json",
            &json.replace(": \"passed\"", ": \"perfect\""),
        );
        assert!(
            wrong.contains("perfect") && wrong.contains("line"),
            "{wrong}"
        );
    }

    #[test]
    fn another_version_is_refused_with_both_versions() {
        let error = refused("report.json", "{\"schema_version\": 7, \"other\": []}");
        assert!(
            error.contains("version 7") && error.contains("version 1"),
            "{error}"
        );
        let none = refused("report.json", "{}");
        assert!(none.contains("schema_version"), "{none}");
    }

    #[test]
    fn a_last_line_cut_short_is_a_killed_run() {
        let dir = tempfile::tempdir().unwrap();
        let lines = lines();
        let path = dir.path().join(EVENTS);
        let half = &lines[30][..lines[30].len() / 2];
        fs::write(&path, format!("{}\n{half}", lines[..30].join("\n"))).unwrap();
        let report = load(dir.path()).unwrap();
        assert_eq!(report.run.end, None);
        assert_eq!(report.verdict, Some(crate::report::Verdict::Inconclusive));
    }

    #[test]
    fn a_broken_line_in_the_middle_is_refused_with_its_number() {
        let mut lines = lines();
        lines[8].truncate(20);
        let error = refused("events.ndjson", &lines.join("\n"));
        assert!(error.contains("line 9"), "{error}");
        let reordered = refused("events.ndjson", &lines[1..3].join("\n"));
        assert!(reordered.contains("must be run_started"), "{reordered}");
    }

    #[test]
    fn what_is_no_report_at_all_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let empty = load(dir.path()).unwrap_err();
        assert!(matches!(empty, LoadError::NoReport(_)), "{empty}");
        let missing = load(&dir.path().join("none.json")).unwrap_err();
        assert!(missing.to_string().contains("none.json"), "{missing}");
        let endless = load(Path::new("/dev/zero")).unwrap_err();
        assert!(endless.to_string().contains("a device"), "{endless}");
        let large = dir.path().join("large.json");
        let file = fs::File::create(&large).unwrap();
        file.set_len(input::REPORT_LIMIT + 1).unwrap();
        let error = load(&large).unwrap_err().to_string();
        assert!(error.contains("larger than 32 MiB"), "{error}");
        let deep = refused("report.json", &"[".repeat(100_000));
        assert!(deep.contains("not a report"), "{deep}");
        let long = refused("events.ndjson", &"x".repeat(input::LINE_LIMIT + 1));
        assert!(long.contains("line 1 is longer than 8 MiB"), "{long}");
    }
}
