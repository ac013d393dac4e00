//! Programs of this machine: where they are, and whether only root or the user can change them.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
};

use crate::trust;

/// A program that is there: where, or why it is refused.
pub type Found = Result<PathBuf, Refused>;

/// A program that others could have changed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{program} is refused: {why}")]
pub struct Refused {
    /// Where it was found.
    pub program: String,
    /// Who can change it.
    pub why: String,
}

/// The first program of that name on PATH or in a folder of system programs. Entries of PATH that
/// depend on the current directory are skipped.
#[must_use]
pub fn on_path(name: &str) -> Option<Found> {
    on(&env::var_os("PATH")?, name)
}

fn on(path: &OsStr, name: &str) -> Option<Found> {
    env::split_paths(path)
        .chain(["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from))
        .filter(|dir| dir.is_absolute())
        .map(|dir| dir.join(name))
        .find(|file| is_executable(file))
        .map(trusted)
}

fn trusted(program: PathBuf) -> Found {
    match trust::check_program(&program) {
        Ok(()) => Ok(program),
        Err(why) => Err(Refused {
            program: program.display().to_string(),
            why,
        }),
    }
}

fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    file.metadata()
        .is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

/// A program beside the executable, where `scripts/provision` links what it makes.
pub fn beside(name: &str) -> Option<Found> {
    let program = env::current_exe().ok()?.parent()?.join(name);
    is_executable(&program).then(|| trusted(program))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    #[test]
    fn entries_of_path_that_depend_on_the_current_directory_are_skipped() {
        // Cargo runs unit tests in the package's folder.
        assert!(Path::new("scripts/provision").exists());
        for path in ["scripts", "./scripts", "", ":scripts:"] {
            assert_eq!(on(OsStr::new(path), "provision"), None, "{path}");
        }
    }

    #[test]
    fn a_program_in_a_folder_that_everybody_can_write_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("redis-server");
        fs::write(&program, "").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let found = || on(dir.path().as_os_str(), "redis-server").unwrap();
        assert_eq!(found(), Ok(program.clone()));
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let why = found().unwrap_err().to_string();
        assert!(why.contains("redis-server is refused"), "{why}");
        assert!(why.contains("writable by everybody"), "{why}");
    }
}
