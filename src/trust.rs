//! Whose files `verify` relies on: those that nobody else can write.

use std::{env, fs, io, os::unix::fs::MetadataExt as _, path::Path};

use rustix::process::geteuid;

/// Who may write what is relied on, besides root, the caller and the owner of `verify`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Group {
    /// The group of the file, whoever is in it.
    Any,
    /// A group of one alone: root's, or one with the owner's own number.
    Private,
}

/// Checks that nobody else can write a file or folder.
///
/// # Errors
/// Who can, and what to do about it.
pub fn check(path: &Path, group: Group) -> Result<(), String> {
    let data = fs::metadata(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let own = || {
        env::current_exe()
            .and_then(fs::metadata)
            .map(|own| own.uid())
    };
    let trusted = [0, geteuid().as_raw()].contains(&data.uid())
        || own().is_ok_and(|owner: u32| owner == data.uid());
    let path = path.display();
    if !trusted {
        let uid = data.uid();
        return Err(format!(
            "{path} belongs to uid {uid}, not to root or the caller: chown it"
        ));
    }
    if data.mode() & 0o002 != 0 {
        return Err(format!("{path} is writable by everybody: chmod o-w {path}"));
    }
    let shared = ![0, data.uid()].contains(&data.gid());
    if group == Group::Private && shared && data.mode() & 0o020 != 0 {
        let gid = data.gid();
        return Err(format!(
            "{path} is writable by the group {gid}: chmod g-w {path}"
        ));
    }
    Ok(())
}

/// Checks a program: the file, its folder, and both again where the name is a link.
///
/// # Errors
/// As [`check`].
pub fn check_program(program: &Path) -> Result<(), String> {
    let real = fs::canonicalize(program)
        .map_err(|error: io::Error| format!("{}: {error}", program.display()))?;
    for file in [program, &real] {
        check(file, Group::Any)?;
        if let Some(folder) = file.parent() {
            check(folder, Group::Any)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, chown};

    use super::*;

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_others_can_write_is_refused_with_the_reason() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path();
        mode(path, 0o755);
        assert_eq!(check(path, Group::Private), Ok(()));
        mode(path, 0o1777);
        let why = check(path, Group::Any).unwrap_err();
        assert!(why.contains("writable by everybody"), "{why}");
        if !geteuid().is_root() {
            return;
        }
        mode(path, 0o775);
        assert_eq!(check(path, Group::Private), Ok(()), "root's own group");
        chown(path, None, Some(50)).unwrap();
        assert_eq!(check(path, Group::Any), Ok(()));
        let why = check(path, Group::Private).unwrap_err();
        assert!(why.contains("writable by the group 50"), "{why}");
        chown(path, Some(65_534), None).unwrap();
        let why = check(path, Group::Any).unwrap_err();
        assert!(why.contains("belongs to uid 65534"), "{why}");
    }

    #[test]
    fn a_program_is_refused_for_its_folder_and_for_what_a_link_leads_to() {
        let dir = tempfile::tempdir().unwrap();
        let (open, link) = (dir.path().join("open"), dir.path().join("link"));
        fs::create_dir(&open).unwrap();
        let program = open.join("program");
        fs::write(&program, "").unwrap();
        std::os::unix::fs::symlink(&program, &link).unwrap();
        assert_eq!(check_program(&program), Ok(()));
        assert_eq!(check_program(&link), Ok(()));
        mode(&open, 0o777);
        for file in [&program, &link] {
            let why = check_program(file).unwrap_err();
            assert!(why.contains("open is writable by everybody"), "{why}");
        }
    }
}
