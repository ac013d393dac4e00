//! The input files of a run, read once: the bytes that are hashed are the bytes that run.
//!
//! Only regular files and folders are read. Links, FIFOs, sockets and devices inside a folder are
//! refused by name and never opened. A path that was named itself may be a link.

use std::{
    ffi::{OsStr, OsString},
    fmt, fs,
    io::{self, Read as _, Write as _},
    os::{
        fd::{AsFd, OwnedFd},
        unix::{
            ffi::OsStrExt as _,
            fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
        },
    },
    path::{Component, Path, PathBuf},
};

use rustix::{
    fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat},
    io::Errno,
};
use serde::{Deserialize, Serialize};

use crate::{
    digest::sha256,
    model::input::{GatewayFiles, InputFile, InputRole},
};

/// The largest file, in bytes: far above any configuration, module or page.
pub const FILE_LIMIT: u64 = 16 * 1024 * 1024;
/// The largest sum of all files, in bytes: they are held in memory, and once more for the worker.
pub const TOTAL_LIMIT: u64 = 128 * 1024 * 1024;
/// The most files and folders: ten times those of a large gateway; a checkout has more.
pub const ENTRY_LIMIT: usize = 5_000;
/// The deepest folder: each level holds a descriptor while it is read.
pub const DEPTH_LIMIT: usize = 16;

/// Where [`Snapshot::lay`] puts what has a role; profile and settings are in the run plan.
fn place(role: InputRole) -> Option<&'static str> {
    Some(match role {
        InputRole::Candidate => "candidate.conf",
        InputRole::Baseline => "baseline.conf",
        InputRole::Lua => "lua",
        InputRole::Html => "html",
        InputRole::Lualib => "lualib",
        InputRole::BaselineLua => "baseline_lua",
        InputRole::BaselineHtml => "baseline_html",
        InputRole::AuthProxy => "oauth2-proxy.cfg",
        InputRole::Plan => "features",
        InputRole::Profile | InputRole::Config => return None,
    })
}

/// An input that is refused: exit 2.
#[derive(Debug, thiserror::Error)]
#[error("{} {}: {problem}", role.flag(), path.display())]
pub struct SnapshotError {
    pub role: InputRole,
    pub path: PathBuf,
    pub problem: Problem,
}

#[derive(Debug, thiserror::Error)]
pub enum Problem {
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// A folder where a file must be.
    #[error("is a directory, not a configuration file")]
    Directory,
    /// A file where a folder must be.
    #[error("is not a directory")]
    NoDirectory,
    /// Named itself, and neither a file nor a link to one.
    #[error("is not a regular file")]
    NoFile,
    /// Inside a folder, and neither a file nor a folder.
    #[error("is a {0}: only regular files and folders are read")]
    Kind(&'static str),
    /// No text, so that no report could name it.
    #[error("the name is not UTF-8")]
    Name,
    /// Larger than [`FILE_LIMIT`].
    #[error("is larger than {} MiB: this is no configuration", FILE_LIMIT / 1024 / 1024)]
    Large,
    /// Together larger than [`TOTAL_LIMIT`].
    #[error("the inputs are larger than {} MiB together", TOTAL_LIMIT / 1024 / 1024)]
    Total,
    /// More than [`ENTRY_LIMIT`].
    #[error("the inputs are more than {ENTRY_LIMIT} files and folders")]
    Many,
    /// Deeper than [`DEPTH_LIMIT`].
    #[error("is deeper than {DEPTH_LIMIT} folders")]
    Deep,
    #[error("is empty")]
    Empty,
}

impl From<Errno> for Problem {
    fn from(error: Errno) -> Self {
        Self::Unreadable(error.into())
    }
}

#[derive(Clone, Eq, PartialEq, Serialize, Deserialize)]
pub struct SnapshotFile {
    /// What it is to the run.
    pub role: InputRole,
    /// Inside the folder of its role, or its name.
    pub path: PathBuf,
    /// As a person would name it.
    pub given: PathBuf,
    /// SHA-256 of `bytes`, lower-case hex.
    pub sha256: String,
    #[serde(with = "as_base64")]
    pub bytes: Vec<u8>,
    pub executable: bool,
}

impl fmt::Debug for SnapshotFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {} {}", self.role, self.path.display(), self.sha256)
    }
}

/// Every input file of a run with its content.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Snapshot {
    /// By role, then by path.
    pub files: Vec<SnapshotFile>,
    /// The roles that are folders, also where nothing is inside.
    pub folders: Vec<InputRole>,
    /// How many files and folders were read.
    #[serde(skip)]
    entries: usize,
    #[serde(skip)]
    held: u64,
}

impl Snapshot {
    /// Reads the file at `path`, where something must be in it.
    ///
    /// # Errors
    /// A file that is refused.
    pub fn read_file(&mut self, role: InputRole, path: &Path) -> Result<(), SnapshotError> {
        let refuse = |problem| SnapshotError {
            role,
            path: path.to_owned(),
            problem,
        };
        let name = path
            .file_name()
            .map(PathBuf::from)
            .ok_or_else(|| refuse(Problem::NoFile))?;
        // A link is followed here: the path was named itself.
        let (bytes, executable) = rustix::fs::stat(path)
            .map_err(Problem::from)
            .and_then(|found| match kind(&found) {
                FileType::RegularFile => Ok(()),
                FileType::Directory => Err(Problem::Directory),
                _ => Err(Problem::NoFile),
            })
            .and_then(|()| Ok(rustix::fs::open(path, READ, Mode::empty())?))
            .and_then(|file| self.content(file, Problem::NoFile))
            .map_err(refuse)?;
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err(refuse(Problem::Empty));
        }
        self.add(role, name, path.to_owned(), bytes, executable)
            .map_err(refuse)
    }

    /// Reads the file at `path` in place of the one of its role; `given` is what a person calls it.
    ///
    /// # Errors
    /// As [`Snapshot::read_file`].
    pub fn replace_file(
        &mut self,
        role: InputRole,
        path: &Path,
        given: &Path,
    ) -> Result<(), SnapshotError> {
        self.files.retain(|file| file.role != role);
        self.read_file(role, path)?;
        if let Some(file) = self.files.last_mut() {
            file.given = given.to_owned();
        }
        Ok(())
    }

    /// Reads every file below the folder at `path`.
    ///
    /// # Errors
    /// The first file or folder that is refused.
    pub fn read_folder(&mut self, role: InputRole, path: &Path) -> Result<(), SnapshotError> {
        let folder = rustix::fs::open(path, READ | OFlags::DIRECTORY, Mode::empty());
        let folder = folder.map_err(|error| SnapshotError {
            role,
            path: path.to_owned(),
            problem: match error {
                Errno::NOTDIR => Problem::NoDirectory,
                error => error.into(),
            },
        })?;
        self.folders.push(role);
        self.walk(role, path, Path::new(""), &folder, 0)
    }

    fn walk(
        &mut self,
        role: InputRole,
        root: &Path,
        inner: &Path,
        folder: &OwnedFd,
        depth: usize,
    ) -> Result<(), SnapshotError> {
        let refuse = |path: &Path, problem: Problem| SnapshotError {
            role,
            path: root.join(path),
            problem,
        };
        let names = self
            .names(folder)
            .map_err(|problem| refuse(inner, problem))?;
        for name in names {
            let path = inner.join(&name);
            let refuse = |problem| refuse(&path, problem);
            let found = rustix::fs::statat(folder, &name, AtFlags::SYMLINK_NOFOLLOW)
                .map_err(|error| refuse(error.into()))?;
            let open = |flags| {
                rustix::fs::openat(
                    folder,
                    &name,
                    READ | OFlags::NOFOLLOW | flags,
                    Mode::empty(),
                )
                .map_err(Problem::from)
            };
            match kind(&found) {
                FileType::Directory if depth + 1 > DEPTH_LIMIT => {
                    return Err(refuse(Problem::Deep));
                }
                FileType::Directory => {
                    let inside = open(OFlags::DIRECTORY).map_err(refuse)?;
                    self.walk(role, root, &path, &inside, depth + 1)?;
                }
                FileType::RegularFile => {
                    let given = root.join(&path);
                    open(OFlags::empty())
                        .and_then(|file| self.content(file, Problem::Kind("changing file")))
                        .and_then(|(bytes, executable)| {
                            self.add(role, path.clone(), given, bytes, executable)
                        })
                        .map_err(refuse)?;
                }
                other => return Err(refuse(Problem::Kind(word(other)))),
            }
        }
        Ok(())
    }

    /// The names in a folder, sorted, within the limit.
    fn names(&mut self, folder: &OwnedFd) -> Result<Vec<OsString>, Problem> {
        let mut names = Vec::new();
        for entry in Dir::read_from(folder)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name == "." || name == ".." {
                continue;
            }
            names.push(name.to_owned());
            self.entries += 1;
            if self.entries > ENTRY_LIMIT {
                return Err(Problem::Many);
            }
        }
        names.sort();
        Ok(names)
    }

    /// What an opened file holds, and whether it may be executed. It is looked at once more: it
    /// may be another one by now.
    fn content(&mut self, file: OwnedFd, other: Problem) -> Result<(Vec<u8>, bool), Problem> {
        let found = rustix::fs::fstat(file.as_fd())?;
        if kind(&found) != FileType::RegularFile {
            return Err(other);
        }
        let mut bytes = Vec::new();
        fs::File::from(file)
            .take(FILE_LIMIT + 1)
            .read_to_end(&mut bytes)?;
        self.held += bytes.len() as u64;
        if bytes.len() as u64 > FILE_LIMIT {
            Err(Problem::Large)
        } else if self.held > TOTAL_LIMIT {
            Err(Problem::Total)
        } else {
            Ok((bytes, found.st_mode & 0o111 != 0))
        }
    }

    fn add(
        &mut self,
        role: InputRole,
        path: PathBuf,
        given: PathBuf,
        bytes: Vec<u8>,
        executable: bool,
    ) -> Result<(), Problem> {
        if given.to_str().is_none() {
            return Err(Problem::Name);
        }
        self.files.push(SnapshotFile {
            role,
            path,
            given,
            sha256: sha256(&bytes),
            bytes,
            executable,
        });
        Ok(())
    }

    /// The text of a file in a role's folder.
    ///
    /// # Errors
    /// No such file, or one that is no UTF-8.
    pub fn text(&self, role: InputRole, path: &Path) -> io::Result<String> {
        let plain = |part: &Component<'_>| !matches!(part, Component::CurDir);
        let path: PathBuf = path.components().filter(plain).collect();
        let file = self.of(role).find(|file| file.path == path);
        let file = file.ok_or_else(|| io::Error::from_raw_os_error(Errno::NOENT.raw_os_error()))?;
        String::from_utf8(file.bytes.clone()).map_err(|error| {
            // As `fs::read_to_string` puts it.
            io::Error::new(io::ErrorKind::InvalidData, error.utf8_error())
        })
    }

    /// The files as a report lists them.
    pub fn inputs(&self) -> impl Iterator<Item = InputFile> {
        self.files.iter().map(|file| InputFile {
            role: file.role,
            path: file.path.clone(),
            sha256: file.sha256.clone(),
        })
    }

    /// With the files of another one.
    #[must_use]
    pub fn with(&self, other: &Self) -> Self {
        let mut both = self.clone();
        both.files.extend_from_slice(&other.files);
        both.folders.extend_from_slice(&other.folders);
        both
    }

    /// The text of a role that is a file, lossily decoded.
    #[must_use]
    pub fn text_of(&self, role: InputRole) -> String {
        let bytes = self.of(role).next().map(|file| &*file.bytes);
        String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
    }

    pub fn of(&self, role: InputRole) -> impl Iterator<Item = &SnapshotFile> {
        self.files.iter().filter(move |file| file.role == role)
    }

    /// Writes everything below `root`, a fresh folder: folders with mode 0755, files with 0644, or
    /// 0755 where they were executable. Where they are now, and the plan bundle's folder.
    ///
    /// # Errors
    /// What cannot be written, a file that is there already, a path that leaves its folder.
    pub fn lay(&self, root: &Path) -> io::Result<(GatewayFiles, PathBuf)> {
        for role in &self.folders {
            if let Some(place) = place(*role) {
                make_folder(&root.join(place))?;
            }
        }
        for file in &self.files {
            let Some(place) = place(file.role) else {
                continue;
            };
            let top = root.join(place);
            let target = if file.role.is_folder() {
                let plain = |part| matches!(part, Component::Normal(_));
                if !file.path.components().all(plain) {
                    return Err(io::Error::other(format!(
                        "{} leaves its folder",
                        file.path.display()
                    )));
                }
                let mut folder = top.clone();
                for part in file.path.parent().into_iter().flat_map(Path::components) {
                    folder.push(part);
                    make_folder(&folder)?;
                }
                top.join(&file.path)
            } else {
                top
            };
            write(&target, file)?;
        }
        let at = |role: InputRole| root.join(place(role).unwrap_or_default());
        let maybe = |role| self.folders.contains(&role).then(|| at(role));
        let files = GatewayFiles {
            candidate: at(InputRole::Candidate),
            baseline: at(InputRole::Baseline),
            lua: at(InputRole::Lua),
            html: at(InputRole::Html),
            auth_proxy: at(InputRole::AuthProxy),
            lualib: maybe(InputRole::Lualib),
            baseline_lua: maybe(InputRole::BaselineLua),
            baseline_html: maybe(InputRole::BaselineHtml),
        };
        Ok((files, at(InputRole::Plan)))
    }
}

/// Never waits, for a FIFO that took the place of a file either.
const READ: OFlags = OFlags::RDONLY
    .union(OFlags::NONBLOCK)
    .union(OFlags::CLOEXEC)
    .union(OFlags::NOCTTY);

fn kind(found: &Stat) -> FileType {
    FileType::from_raw_mode(found.st_mode)
}

fn word(kind: FileType) -> &'static str {
    match kind {
        FileType::Symlink => "symbolic link",
        FileType::Fifo => "FIFO",
        FileType::Socket => "socket",
        FileType::CharacterDevice | FileType::BlockDevice => "device",
        _ => "file of an unknown kind",
    }
}

/// Makes a folder of mode 0755 whatever the umask, where there is none.
fn make_folder(path: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o755).create(path) {
        Ok(()) => fs::set_permissions(path, fs::Permissions::from_mode(0o755)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

fn write(path: &Path, file: &SnapshotFile) -> io::Result<()> {
    let mode = if file.executable { 0o755 } else { 0o644 };
    let mut target = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    target.write_all(&file.bytes)?;
    target.set_permissions(fs::Permissions::from_mode(mode))
}

mod as_base64 {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(from)?;
        STANDARD.decode(text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::{fs::symlink, net::UnixListener};

    use super::*;

    fn refused(folder: &Path) -> String {
        let read = Snapshot::default().read_folder(InputRole::Lua, folder);
        read.unwrap_err().to_string()
    }

    #[test]
    fn what_was_read_is_laid_byte_by_byte_and_survives_json() {
        let from = tempfile::tempdir().unwrap();
        fs::create_dir_all(from.path().join("a/b")).unwrap();
        fs::write(from.path().join("a/b/x.lua"), b"\0\xff").unwrap();
        let script = from.path().join("run.sh");
        fs::write(&script, "").unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).unwrap();
        let outside = tempfile::tempdir().unwrap();
        let link = outside.path().join("link.conf");
        let config = tempfile::NamedTempFile::new().unwrap();
        fs::write(config.path(), "events {}").unwrap();
        symlink(config.path(), &link).unwrap();

        let mut snapshot = Snapshot::default();
        snapshot.read_file(InputRole::Candidate, &link).unwrap();
        snapshot.read_folder(InputRole::Lua, from.path()).unwrap();
        let empty = tempfile::tempdir().unwrap();
        snapshot
            .read_folder(InputRole::BaselineLua, empty.path())
            .unwrap();
        let json = serde_json::to_string(&snapshot).unwrap();
        let read: Snapshot = serde_json::from_str(&json).unwrap();
        assert_eq!(read.files, snapshot.files);
        assert_eq!(read.of(InputRole::Lua).count(), 2);

        let to = tempfile::tempdir().unwrap();
        let (files, _) = read.lay(to.path()).unwrap();
        assert_eq!(fs::read(&files.candidate).unwrap(), b"events {}");
        assert_eq!(fs::read(files.lua.join("a/b/x.lua")).unwrap(), b"\0\xff");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&files.lua.join("run.sh")), 0o755);
        assert_eq!(mode(&files.lua.join("a/b/x.lua")), 0o644);
        assert_eq!(mode(&files.lua.join("a/b")), 0o755);
        assert!(files.baseline_lua.unwrap().is_dir());
        assert!(files.lualib.is_none());
        assert!(read.lay(to.path()).is_err(), "never over what is there");
    }

    #[test]
    fn what_is_no_file_is_refused_by_name_and_never_opened() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("deep");
        fs::create_dir(&inside).unwrap();
        let bad = inside.join("bad");
        let is = |word: &str| {
            let error = refused(folder.path());
            assert!(error.starts_with("--lua ") && error.contains("/deep/bad: "));
            assert!(error.contains(word), "{error}");
            fs::remove_file(&bad).unwrap();
        };
        symlink("/etc/passwd", &bad).unwrap();
        is("symbolic link");
        symlink("..", &bad).unwrap();
        is("symbolic link");
        let _socket = UnixListener::bind(&bad).unwrap();
        is("socket");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &bad,
            FileType::Fifo,
            Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        is("FIFO");
        // A device can be made by root alone.
        let made = rustix::fs::mknodat(
            rustix::fs::CWD,
            &bad,
            FileType::CharacterDevice,
            Mode::from_raw_mode(0o600),
            rustix::fs::makedev(1, 5),
        );
        if made.is_ok() {
            is("device");
        }
        Snapshot::default()
            .read_folder(InputRole::Lua, folder.path())
            .unwrap();
    }

    /// What a FIFO that took a file's place between the look and the opening would do.
    #[test]
    fn an_opened_fifo_is_refused_without_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fifo");
        let mode = Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &path, FileType::Fifo, mode, 0).unwrap();
        let opened = rustix::fs::open(&path, READ | OFlags::NOFOLLOW, Mode::empty()).unwrap();
        let error = Snapshot::default()
            .content(opened, Problem::NoFile)
            .unwrap_err();
        assert!(matches!(error, Problem::NoFile), "{error}");
    }

    #[test]
    fn the_limits_hold() {
        let folder = tempfile::tempdir().unwrap();
        let mut deep = folder.path().to_owned();
        for _ in 0..DEPTH_LIMIT {
            deep.push("d");
        }
        fs::create_dir_all(&deep).unwrap();
        Snapshot::default()
            .read_folder(InputRole::Lua, folder.path())
            .unwrap();
        fs::create_dir(deep.join("d")).unwrap();
        assert!(refused(folder.path()).contains("deeper than 16"));

        let folder = tempfile::tempdir().unwrap();
        let large = fs::File::create(folder.path().join("large")).unwrap();
        large.set_len(FILE_LIMIT).unwrap();
        Snapshot::default()
            .read_folder(InputRole::Lua, folder.path())
            .unwrap();
        large.set_len(FILE_LIMIT + 1).unwrap();
        assert!(refused(folder.path()).contains("larger than 16 MiB"));
        large.set_len(FILE_LIMIT).unwrap();
        for number in 0..TOTAL_LIMIT / FILE_LIMIT {
            fs::File::create(folder.path().join(number.to_string()))
                .unwrap()
                .set_len(FILE_LIMIT)
                .unwrap();
        }
        assert!(refused(folder.path()).contains("128 MiB together"));

        let folder = tempfile::tempdir().unwrap();
        for number in 0..=ENTRY_LIMIT {
            fs::File::create(folder.path().join(number.to_string())).unwrap();
        }
        assert!(refused(folder.path()).contains("more than 5000"));
    }
}
