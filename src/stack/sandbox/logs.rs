//! Logs of the sandbox: what a program writes to its output, and to files of its own.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;

use super::{layout, procfs};
use crate::stack::{LogChunk, LogCursor, Service};

/// The most that one log may get while it is read, in bytes: ten times what a gateway writes in a
/// whole run. It is held several times over while its lines are looked through.
const LIMIT: u64 = 16 * 1024 * 1024;

/// The directory that nginx logs to when its configuration names no file, and most name.
const NGINX_LOGS: &str = "/var/log/nginx";

/// The logs of a service, by name, and where each is read: its two streams, and for the gateway
/// every regular file that the master holds open for writing. The files in nginx's log directory
/// count also when there is no master any more. That directory is the gateway's: a link in it may
/// lead anywhere, and is not followed.
fn sources(service: Service, pid: u32) -> io::Result<BTreeMap<String, PathBuf>> {
    let mut sources = BTreeMap::new();
    for stream in ["stdout", "stderr"] {
        sources.insert(stream.to_owned(), layout::log_file(service.name(), stream));
    }
    if service == Service::Gateway {
        let streams: Vec<PathBuf> = sources.values().cloned().collect();
        for file in in_directory()? {
            sources.insert(file.display().to_string(), file);
        }
        let held = match procfs::written_files(pid) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            other => other?,
        };
        for (name, file) in held {
            if !streams.contains(&name) {
                sources.insert(name.display().to_string(), file);
            }
        }
    }
    Ok(sources)
}

/// The files in nginx's log directory.
pub fn in_directory() -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(NGINX_LOGS)?.flatten();
    Ok(entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .map(|entry| entry.path())
        .collect())
}

/// Opens a log. It is looked at only then: what is there may be another thing by now.
fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let mut flags = OFlags::NONBLOCK;
    if !path.starts_with("/proc") {
        flags |= OFlags::NOFOLLOW;
    }
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    let file = options.custom_flags(flags).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other(format!("{} is no file", path.display()))),
    }
}

/// The end of every log as it is now.
pub fn cursor(service: Service, pid: u32) -> io::Result<LogCursor> {
    let mut ends = BTreeMap::new();
    for (name, path) in sources(service, pid)? {
        ends.insert(name, length(&path)?);
    }
    Ok(LogCursor(ends))
}

fn length(path: &Path) -> io::Result<u64> {
    Ok(path.metadata()?.len())
}

/// What every log got since `cursor`; a log that the cursor does not know is read whole.
/// One that became shorter was cut or replaced: that is an error, not an empty window.
pub fn since(service: Service, pid: u32, cursor: &LogCursor) -> io::Result<Vec<LogChunk>> {
    let mut chunks = Vec::new();
    for (source, path) in sources(service, pid)? {
        let from = cursor.0.get(&source).copied().unwrap_or(0);
        let end = length(&path)?;
        if end < from {
            return Err(io::Error::other(format!(
                "{} was cut from {from} to {end} bytes while it was read",
                path.display()
            )));
        }
        if end - from > LIMIT {
            return Err(io::Error::other(format!(
                "{} got {} MiB since it was read, more than can be looked through",
                path.display(),
                (end - from) / (1024 * 1024)
            )));
        }
        if end > from {
            let mut file = open(&path, OpenOptions::new().read(true))?;
            file.seek(SeekFrom::Start(from))?;
            let mut bytes = Vec::new();
            file.take(end - from).read_to_end(&mut bytes)?;
            let in_service_log = source == "stdout" || source == "stderr";
            chunks.push(LogChunk {
                source,
                in_service_log,
                bytes,
            });
        }
    }
    Ok(chunks)
}

/// Writes a line to the end of every log, and says which those are.
pub fn append(service: Service, pid: u32, line: &str) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for (name, path) in sources(service, pid)? {
        open(&path, OpenOptions::new().append(true))?.write_all(line.as_bytes())?;
        names.push(name);
    }
    Ok(names)
}
