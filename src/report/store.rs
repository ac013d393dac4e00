//! The one module that writes files: a run's folder, its events while they happen, and its
//! report.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;

use super::{RunReport, render};
use crate::{engine::event::RunEvent, plan::Lang};

/// The file of a run's folder that holds its report.
pub const REPORT_JSON: &str = "report.json";
/// The file of a run's folder that a person reads.
pub const REPORT_MD: &str = "report.md";
/// The same with everything that was seen, for a browser.
pub const REPORT_HTML: &str = "report.html";
/// The file of a run's folder that holds what happened, one JSON object a line.
pub const EVENTS: &str = "events.ndjson";
/// The name, beside the runs' folders, that points at the run that ended last.
pub const LATEST: &str = "latest";

/// The mode of a run's folder: evidence is nobody else's.
const FOLDER_MODE: u32 = 0o700;
/// The mode of the files in it.
const FILE_MODE: u32 = 0o600;

/// A file that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The run's id cannot be the name of a folder.
    #[error("`{0}` cannot be the name of a run's folder: use letters, digits, `-`, `_` and `.`")]
    Id(String),
    /// Something else is where the link `latest` must be.
    #[error("{} is there and is no link: move it away, `verify` points it at the latest run", .0.display())]
    LatestTaken(PathBuf),
    /// The folder is there already.
    #[error("{} is there already: a run never writes into the folder of another; choose another --report-dir", .0.display())]
    Exists(PathBuf),
    /// The system said no.
    #[error("cannot {doing} {}: {source}; make the folder writable or choose another with --report-dir", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A document that cannot be made.
    #[error("cannot write into {}: {source}", path.display())]
    Template {
        /// Into which folder.
        path: PathBuf,
        /// What is wrong.
        source: render::TemplateError,
    },
    /// A file of its own, not of a run's folder.
    #[error("cannot write {}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A value that JSON cannot hold.
    #[error("cannot write {} as JSON: {source}", path.display())]
    Json {
        /// Into which file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl StoreError {
    fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            doing,
            path,
            source,
        }
    }
}

/// The folder of one run. To make it shows that the report can be written: do that before
/// anything is started.
#[derive(Debug)]
pub struct RunDir {
    report_dir: PathBuf,
    run_id: String,
    path: PathBuf,
    events: File,
}

impl RunDir {
    /// Makes `<report_dir>/<run_id>/` with an empty `events.ndjson` in it, and points `latest` at
    /// it: a run that is killed leaves no `latest` of an older one.
    ///
    /// # Errors
    ///
    /// When that is not possible, or something other than a link is at `<report_dir>/latest`.
    pub fn create(report_dir: &Path, run_id: &str) -> Result<Self, StoreError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if run_id.is_empty()
            || run_id.starts_with('.')
            || run_id == LATEST
            || !run_id.chars().all(allowed)
        {
            return Err(StoreError::Id(run_id.to_owned()));
        }
        fs::create_dir_all(report_dir)
            .map_err(StoreError::io("make the report folder", report_dir))?;
        let latest = report_dir.join(LATEST);
        if fs::symlink_metadata(&latest).is_ok_and(|found| !found.is_symlink()) {
            return Err(StoreError::LatestTaken(latest));
        }
        let path = report_dir.join(run_id);
        let made = DirBuilder::new().mode(FOLDER_MODE).create(&path);
        made.map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => StoreError::Exists(path.clone()),
            _ => StoreError::io("make the run's folder", &path)(source),
        })?;
        let events_path = path.join(EVENTS);
        let events = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(FILE_MODE)
            .custom_flags(NO_LINK)
            .open(&events_path)
            .map_err(StoreError::io("create", &events_path))?;
        let dir = Self {
            report_dir: report_dir.to_owned(),
            run_id: run_id.to_owned(),
            path,
            events,
        };
        dir.point_latest()?;
        Ok(dir)
    }

    /// The run's id, the name of its folder.
    #[must_use]
    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    /// The run's folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends one event to `events.ndjson`, as one line in one write: a run that is killed
    /// leaves at most its last line cut short.
    ///
    /// # Errors
    ///
    /// When the line cannot be written.
    pub fn append(&mut self, event: &RunEvent) -> Result<(), StoreError> {
        let path = || self.path.join(EVENTS);
        let line = serde_json::to_string(event).map_err(|source| StoreError::Json {
            path: path(),
            source,
        })?;
        let line = render::text::json_escaped(line) + "\n";
        self.events
            .write_all(line.as_bytes())
            .and_then(|()| self.events.flush())
            .map_err(|source| StoreError::io("append to", &path())(source))
    }

    /// Writes `report.json`, `report.md` and `report.html` and points `latest` at this run. Each is there
    /// whole or not at all; of two runs that end at once, either may become the latest.
    ///
    /// # Errors
    ///
    /// When one of them cannot be written.
    pub fn finish(&mut self, report: &RunReport, lang: Lang) -> Result<(), StoreError> {
        let json = render::json(report).map_err(|source| StoreError::Json {
            path: self.path.join(REPORT_JSON),
            source,
        })?;
        write_text(&self.path, REPORT_JSON, &json)?;
        let documents = render::documents(report, lang).map_err(|source| StoreError::Template {
            path: self.path.clone(),
            source,
        })?;
        for (name, text) in [REPORT_MD, REPORT_HTML].iter().zip(documents) {
            write_text(&self.path, name, &text)?;
        }
        self.point_latest()
    }

    /// A link of its own name first, then renamed over: there is always a `latest`.
    fn point_latest(&self) -> Result<(), StoreError> {
        let latest = self.report_dir.join(LATEST);
        let temporary = self.report_dir.join(format!(".{LATEST}.{}", self.run_id));
        symlink(&self.run_id, &temporary).map_err(StoreError::io("make the link", &temporary))?;
        fs::rename(&temporary, &latest).map_err(StoreError::io("put in place", &latest))
    }
}

/// Never through a link.
const NO_LINK: i32 = OFlags::NOFOLLOW.bits().cast_signed();

/// Writes a text into a folder of a run: whole, or not at all, and for its owner alone.
///
/// # Errors
///
/// When that is not possible.
pub fn write_text(dir: &Path, name: &str, text: &str) -> Result<(), StoreError> {
    let target = dir.join(name);
    replace(&target, text, FILE_MODE).map_err(StoreError::io("write", &target))
}

/// Puts a file of this content in place: under a random name that was not there before, then
/// renamed. A link in its place is replaced, not followed.
fn replace(target: &Path, text: &str, mode: u32) -> io::Result<()> {
    let dir = match target.parent() {
        Some(dir) if dir != Path::new("") => dir,
        _ => Path::new("."),
    };
    let mut file = tempfile::Builder::new()
        .prefix(".verify-")
        .suffix(".tmp")
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(dir)?;
    file.write_all(text.as_bytes())?;
    file.persist(target)?;
    Ok(())
}

/// Whether a file could be at `path`: it is no folder, and what is above it are folders as far
/// as they are there. Nothing is made: the folder may be one that the run is to make.
///
/// # Errors
///
/// When not.
pub fn could_hold(path: &Path) -> Result<(), StoreError> {
    let refused = |source| StoreError::File {
        path: path.to_owned(),
        source,
    };
    if !is_special(path) {
        refuse_link(path).map_err(refused)?;
    }
    let mut above = path.ancestors().skip(1);
    let source = if path.is_dir() {
        io::ErrorKind::IsADirectory
    } else if above
        .find(|folder| folder.exists())
        .is_some_and(|folder| !folder.is_dir())
    {
        io::ErrorKind::NotADirectory
    } else {
        return Ok(());
    };
    Err(refused(source.into()))
}

/// Writes a text to a file anywhere, and makes its folder: whole, or not at all. A link to a file
/// is refused; into what is no file (a pipe, a terminal) the text is written as it goes.
///
/// # Errors
///
/// When that is not possible.
pub fn write_file(path: &Path, text: &str) -> Result<(), StoreError> {
    let written = || {
        if is_special(path) {
            return fs::write(path, text);
        }
        refuse_link(path)?;
        fs::create_dir_all(path.parent().unwrap_or(Path::new("")))?;
        let mode = fs::metadata(path).map_or(0o666, |found| found.permissions().mode());
        replace(path, text, mode & 0o777)
    };
    written().map_err(|source| StoreError::File {
        path: path.to_owned(),
        source,
    })
}

/// Whether a pipe, a terminal or the like is there, also behind a link such as /dev/stdout.
fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
}

fn refuse_link(path: &Path) -> io::Result<()> {
    match path.is_symlink() {
        true => Err(io::Error::other(
            "it is a symbolic link; name the file itself",
        )),
        false => Ok(()),
    }
}

/// Adds a text to a file that another program made.
///
/// # Errors
///
/// When that is not possible.
pub fn append_file(path: &Path, text: &str) -> Result<(), StoreError> {
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .custom_flags(NO_LINK)
        .open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|source| StoreError::File {
            path: path.to_owned(),
            source,
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{
        load,
        samples::{Sample, conditional, pass},
    };

    #[test]
    fn a_finished_run_is_loaded_as_it_was_and_is_the_latest() {
        let dir = tempfile::tempdir().unwrap();
        let reports = dir.path().join("deep/reports");
        let mut first = RunDir::create(&reports, "run-1").unwrap();
        let mut second = RunDir::create(&reports, "run-2").unwrap();
        for event in Sample::default().events() {
            first.append(&event).unwrap();
        }
        first.finish(&pass(), Lang::Ja).unwrap();
        second.finish(&conditional(), Lang::En).unwrap();
        assert_eq!(
            fs::read_link(reports.join(LATEST)).unwrap(),
            Path::new("run-2")
        );
        assert_eq!(load(&reports.join(LATEST)).unwrap(), conditional());
        assert_eq!(load(first.path()).unwrap(), pass());
        assert_eq!(load(&first.path().join(EVENTS)).unwrap(), pass());
        let markdown = fs::read_to_string(first.path().join(REPORT_MD)).unwrap();
        assert!(markdown.contains("検証結果レポート"));
        let mut names: Vec<_> = fs::read_dir(&reports)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(
            names,
            ["latest", "run-1", "run-2"],
            "nothing is left behind"
        );
    }

    #[test]
    fn what_a_run_writes_is_its_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let mut run = RunDir::create(dir.path(), "run").unwrap();
        run.finish(&pass(), Lang::En).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(run.path()), 0o700);
        for name in [EVENTS, REPORT_JSON, REPORT_MD, REPORT_HTML] {
            assert_eq!(mode(&run.path().join(name)), 0o600, "{name}");
        }
        assert_eq!(fs::read_dir(run.path()).unwrap().count(), 4);
    }

    #[test]
    fn no_link_that_waits_in_a_files_place_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let prey = dir.path().join("prey");
        fs::write(&prey, "untouched").unwrap();
        let mut run = RunDir::create(dir.path(), "run").unwrap();
        symlink(&prey, run.path().join(REPORT_JSON)).unwrap();
        run.finish(&pass(), Lang::En).unwrap();
        assert!(!run.path().join(REPORT_JSON).is_symlink());
        let summary = dir.path().join("summary.md");
        symlink(&prey, &summary).unwrap();
        append_file(&summary, "text").unwrap_err();
        // The folder of a run that is to come.
        symlink(dir.path(), dir.path().join("next")).unwrap();
        let taken = RunDir::create(dir.path(), "next").unwrap_err();
        assert!(matches!(taken, StoreError::Exists(_)), "{taken}");
        assert_eq!(fs::read_to_string(&prey).unwrap(), "untouched");
    }

    #[test]
    fn a_run_that_was_killed_is_the_latest() {
        let dir = tempfile::tempdir().unwrap();
        let mut old = RunDir::create(dir.path(), "old").unwrap();
        old.finish(&pass(), Lang::En).unwrap();
        let _killed = RunDir::create(dir.path(), "killed").unwrap();
        let error = load(&dir.path().join(LATEST)).unwrap_err().to_string();
        assert!(error.contains("left nothing behind"), "{error}");
    }

    #[test]
    fn many_runs_at_once_all_succeed() {
        let dir = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for number in 0..8 {
                let reports = dir.path();
                scope.spawn(move || {
                    let mut run = RunDir::create(reports, &format!("run-{number}")).unwrap();
                    run.finish(&pass(), Lang::En).unwrap();
                });
            }
        });
        assert_eq!(load(&dir.path().join(LATEST)).unwrap(), pass());
    }

    #[test]
    fn what_cannot_be_written_is_refused_before_the_run() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let error = RunDir::create(&file, "run").unwrap_err().to_string();
        assert!(
            error.contains("file") && error.contains("--report-dir"),
            "{error}"
        );

        fs::create_dir(dir.path().join(LATEST)).unwrap();
        let error = RunDir::create(dir.path(), "run").unwrap_err();
        assert!(matches!(error, StoreError::LatestTaken(_)), "{error}");
        assert!(!dir.path().join("run").exists());
    }

    #[test]
    fn a_file_anywhere_is_whole_and_what_was_there_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/er/file.xml");
        let link = dir.path().join("link.xml");
        write_file(&path, "first, and longer").unwrap();
        symlink(&path, &link).unwrap();
        for refused in [write_file(&link, "second"), could_hold(&link)] {
            let error = refused.unwrap_err().to_string();
            assert!(error.contains("symbolic link"), "{error}");
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "first, and longer");
        write_file(&path, "second").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "second");
        let left = fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(left, 1, "nothing is left behind");
        write_file(Path::new("/dev/null"), "nowhere").unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }

    #[test]
    fn what_can_be_no_file_is_known_before_anything_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        for wrong in [
            dir.path().to_owned(),
            file.join("x.xml"),
            file.join("y/x.xml"),
        ] {
            let error = could_hold(&wrong).unwrap_err().to_string();
            assert!(error.contains(wrong.to_str().unwrap()), "{error}");
            let error = write_file(&wrong, "").unwrap_err().to_string();
            assert!(error.contains(wrong.to_str().unwrap()), "{error}");
        }
        let right = dir.path().join("new/x.xml");
        could_hold(&right).unwrap();
        could_hold(Path::new("x.xml")).unwrap();
        assert!(!dir.path().join("new").exists());
    }

    #[test]
    fn a_run_never_writes_into_the_folder_of_another() {
        let dir = tempfile::tempdir().unwrap();
        let _run = RunDir::create(dir.path(), "run").unwrap();
        let error = RunDir::create(dir.path(), "run").unwrap_err();
        assert!(matches!(error, StoreError::Exists(_)), "{error}");
        for id in ["", "..", "a/b", "latest", ".hidden", "a b"] {
            let error = RunDir::create(dir.path(), id).unwrap_err();
            assert!(matches!(error, StoreError::Id(_)), "{id}: {error}");
        }
    }
}
