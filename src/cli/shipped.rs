//! What `verify` ships: features, profiles, mutants, the example gateway.

use std::{
    env,
    path::{Path, PathBuf},
};

use super::{error::CliError, options::is_name};
use crate::{
    trust::{self, Group},
    yaml,
};

/// The catalogue of mutants.
pub const MUTANTS: &str = "fixtures/mutants";

/// The file of a profile that was named.
pub fn profile_file(profile: &Path) -> Result<PathBuf, CliError> {
    if !is_name(profile) {
        return Ok(profile.to_owned());
    }
    let folder = shipped("fixtures/profiles")?;
    let file = folder.join(profile).with_extension("yaml");
    if file.is_file() {
        return Ok(file);
    }
    let typed = profile.display().to_string();
    let known = profiles(&folder);
    let error = CliError::usage(format!("--profile {typed}: there is no {}", file.display()));
    Err(
        match yaml::suggest(&typed, known.iter().map(String::as_str)) {
            Some(meant) => error.hint(format!("did you mean `{meant}`?")),
            None if known.is_empty() => error.hint("name the profile's file"),
            None => error.hint(format!("there are {}, or name a file", known.join(", "))),
        },
    )
}

fn profiles(folder: &Path) -> Vec<String> {
    let entries = folder.read_dir().into_iter().flatten();
    let mut names: Vec<String> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    names
}

/// Something that `verify` ships: in the nearest directory above the executable that has it, and
/// nowhere else. The path is relative where the working directory is that directory.
pub fn shipped(relative: &str) -> Result<PathBuf, CliError> {
    let executable = env::current_exe().unwrap_or_default();
    let found = find_shipped(&executable, relative)?;
    let here = env::current_dir().unwrap_or_default();
    Ok(match found.strip_prefix(&here) {
        Ok(below) => below.to_owned(),
        Err(_) => found,
    })
}

fn find_shipped(executable: &Path, relative: &str) -> Result<PathBuf, CliError> {
    let mut above = executable.ancestors().skip(1);
    let Some(root) = above.find(|folder| folder.join(relative).exists()) else {
        let program = executable.display();
        return Err(CliError::usage(format!(
            "there is no {relative} in a directory above {program}"
        ))
        .hint("install verify with its features/ and fixtures/, or name files of your own"));
    };
    let mut path = root.to_owned();
    trust::check(&path, Group::Private).map_err(|why| untrusted(relative, &why))?;
    for part in Path::new(relative) {
        path.push(part);
        trust::check(&path, Group::Private).map_err(|why| untrusted(relative, &why))?;
    }
    Ok(path)
}

fn untrusted(relative: &str, why: &str) -> CliError {
    CliError::usage(format!("the shipped {relative} is not trusted: {why}"))
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{PermissionsExt as _, symlink},
    };

    use super::*;

    #[test]
    fn what_is_shipped_is_above_the_executable_and_nobody_elses() {
        let dir = tempfile::tempdir().unwrap();
        let mode = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        let root = dir.path();
        mode(root, 0o755);
        fs::create_dir_all(root.join("fixtures/profiles")).unwrap();
        fs::create_dir_all(root.join("target/debug")).unwrap();
        let (program, wanted) = (root.join("target/debug/verify"), "fixtures/profiles");
        let found = || find_shipped(&program, wanted).map_err(|error| error.to_string());
        assert_eq!(found(), Ok(root.join(wanted)));
        for folder in [root, &root.join("fixtures"), &root.join(wanted)] {
            mode(folder, 0o777);
            let error = found().unwrap_err();
            assert!(
                error.contains("the shipped fixtures/profiles is not trusted")
                    && error.contains(&folder.display().to_string()),
                "{error}"
            );
            mode(folder, 0o755);
        }
        // One that is nearer hides the other, and is looked at itself.
        symlink(root.join("fixtures"), root.join("target/fixtures")).unwrap();
        mode(&root.join("target"), 0o777);
        assert!(found().unwrap_err().contains("target is writable"));
        let nowhere = find_shipped(&program, "no/such").unwrap_err().to_string();
        assert!(nowhere.contains("there is no no/such"), "{nowhere}");
    }
}
