//! A copy of the candidate's files with a mutant's edits made.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

use tempfile::TempDir;

use super::Edit;
use crate::engine::GatewayFiles;

// What a copy's files are called.
const CONFIG: &str = "nginx.conf";
const LUA: &str = "lua";
const HTML: &str = "html";
const AUTH_PROXY: &str = "oauth2-proxy.cfg";

/// A copy of the candidate's files in a folder of its own, removed with this value.
#[derive(Debug)]
pub struct Copy {
    dir: TempDir,
}

/// An edit that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// A file could not be copied, read or written.
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    /// The edit is of a file that no mutant may change.
    #[error("{}: a mutant edits {CONFIG}, {LUA}/NAME, {HTML}/NAME or {AUTH_PROXY}", .0.display())]
    File(PathBuf),
    /// The text is not there, or not only once.
    #[error("{}: `{find}` occurs {count} times, not once", file.display())]
    NotOnce {
        file: PathBuf,
        find: String,
        count: usize,
    },
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> EditError + use<> {
    let path = path.to_owned();
    move |source| EditError::Io { path, source }
}

impl Copy {
    /// Copies the candidate's files and makes the edits, one after another.
    ///
    /// # Errors
    /// A file that cannot be copied, an edit whose text is not there exactly once.
    pub fn with(files: &GatewayFiles, edits: &[Edit]) -> Result<Self, EditError> {
        let dir = TempDir::with_prefix("verify-mutant-").map_err(at(&std::env::temp_dir()))?;
        let copy = Self { dir };
        copy_file(&files.candidate, &copy.candidate())?;
        copy_file(&files.auth_proxy, &copy.auth_proxy())?;
        copy_tree(&files.lua, &copy.lua())?;
        copy_tree(&files.html, &copy.html())?;
        for edit in edits {
            copy.make(edit)?;
        }
        Ok(copy)
    }

    fn make(&self, edit: &Edit) -> Result<(), EditError> {
        let parts: Vec<Component<'_>> = edit.file.components().collect();
        let plain = |part: &Component<'_>| matches!(part, Component::Normal(_));
        let known = match parts.as_slice() {
            [one] => [CONFIG, AUTH_PROXY]
                .iter()
                .any(|name| one.as_os_str() == *name),
            [folder, rest @ ..] => {
                [LUA, HTML].iter().any(|name| folder.as_os_str() == *name) && rest.iter().all(plain)
            }
            [] => false,
        };
        if !known {
            return Err(EditError::File(edit.file.clone()));
        }
        let path = self.dir.path().join(&edit.file);
        let text = fs::read_to_string(&path).map_err(at(&edit.file))?;
        let count = text.matches(&edit.find).count();
        if count != 1 {
            return Err(EditError::NotOnce {
                file: edit.file.clone(),
                find: edit.find.clone(),
                count,
            });
        }
        fs::write(&path, text.replacen(&edit.find, &edit.replace, 1)).map_err(at(&path))
    }

    #[must_use]
    pub fn candidate(&self) -> PathBuf {
        self.dir.path().join(CONFIG)
    }

    #[must_use]
    pub fn lua(&self) -> PathBuf {
        self.dir.path().join(LUA)
    }

    #[must_use]
    pub fn html(&self) -> PathBuf {
        self.dir.path().join(HTML)
    }

    #[must_use]
    pub fn auth_proxy(&self) -> PathBuf {
        self.dir.path().join(AUTH_PROXY)
    }
}

fn copy_file(from: &Path, to: &Path) -> Result<(), EditError> {
    fs::copy(from, to).map(|_| ()).map_err(at(from))
}

fn copy_tree(from: &Path, to: &Path) -> Result<(), EditError> {
    fs::create_dir(to).map_err(at(to))?;
    for entry in fs::read_dir(from).map_err(at(from))? {
        let path = entry.map_err(at(from))?.path();
        let Some(name) = path.file_name() else {
            continue;
        };
        let to = to.join(name);
        if path.is_dir() {
            copy_tree(&path, &to)?;
        } else {
            copy_file(&path, &to)?;
        }
    }
    Ok(())
}
