//! Archives of files, as the engine takes and gives them.

use std::{collections::BTreeMap, fs, io, path::Path};

use tar::{Builder, EntryType, Header};

/// Files and directories, by where they go.
pub struct Archive(Builder<Vec<u8>>);

impl Archive {
    /// The archive of what `fill` adds.
    pub fn of(fill: impl FnOnce(&mut Self) -> io::Result<()>) -> io::Result<Vec<u8>> {
        let mut archive = Self(Builder::new(Vec::new()));
        fill(&mut archive)?;
        archive.0.into_inner()
    }

    pub fn file(&mut self, path: &str, mode: u32, content: &[u8]) -> io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_mode(mode);
        header.set_size(content.len() as u64);
        self.0
            .append_data(&mut header, path.trim_start_matches('/'), content)
    }

    fn directory(&mut self, path: &str) -> io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Directory);
        header.set_mode(0o755);
        header.set_size(0);
        self.0
            .append_data(&mut header, path.trim_start_matches('/'), io::empty())
    }

    /// Adds a file or a directory of this machine with all that is in it, symbolic links
    /// followed.
    pub fn copy(&mut self, from: &Path, to: &str) -> io::Result<()> {
        let data = fs::metadata(from)?;
        if data.is_dir() {
            self.directory(to)?;
            let mut entries: Vec<_> = fs::read_dir(from)?.collect::<io::Result<_>>()?;
            entries.sort_by_key(fs::DirEntry::file_name);
            for entry in entries {
                let name = entry.file_name().to_string_lossy().into_owned();
                self.copy(
                    &entry.path(),
                    &format!("{}/{name}", to.trim_end_matches('/')),
                )?;
            }
            return Ok(());
        }
        use std::os::unix::fs::PermissionsExt as _;
        let executable = data.permissions().mode() & 0o111 != 0;
        let mode = if executable { 0o755 } else { 0o644 };
        self.file(to, mode, &fs::read(from)?)
    }
}

/// The content of the first file in an archive.
pub fn first_file(archive: &[u8]) -> io::Result<Vec<u8>> {
    for entry in tar::Archive::new(archive).entries()? {
        let mut entry = entry?;
        if entry.header().entry_type().is_file() {
            let mut content = Vec::new();
            io::Read::read_to_end(&mut entry, &mut content)?;
            return Ok(content);
        }
    }
    Err(io::ErrorKind::NotFound.into())
}

/// The same archive with its paths under another directory: an archive that the engine gives
/// names its first entry by the last part of the path that was asked for.
pub fn moved(archive: &[u8], under: &Path) -> io::Result<Vec<u8>> {
    let mut out = Builder::new(Vec::new());
    for entry in tar::Archive::new(archive).entries()? {
        let mut entry = entry?;
        let path = under.join(entry.path()?);
        let path = path.strip_prefix("/").unwrap_or(&path).to_owned();
        append(&mut out, &path, &mut entry)?;
    }
    out.into_inner()
}

fn append(
    out: &mut Builder<Vec<u8>>,
    path: &Path,
    entry: &mut tar::Entry<'_, &[u8]>,
) -> io::Result<()> {
    let mut header = entry.header().clone();
    match entry.link_name()?.map(std::borrow::Cow::into_owned) {
        Some(target) => out.append_link(&mut header, path, target),
        None => out.append_data(&mut header, path, entry),
    }
}

/// The same archive in parts: for each of these directories what is below it, its paths from
/// there, and for `/` the rest. Parts with nothing in them are left out.
pub fn split(archive: &[u8], directories: &[String]) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut parts: BTreeMap<&str, Builder<Vec<u8>>> = BTreeMap::new();
    for entry in tar::Archive::new(archive).entries()? {
        let mut entry = entry?;
        let path = Path::new("/").join(entry.path()?);
        let over = directories.iter().filter(|over| path.starts_with(over));
        let over = over.max_by_key(|over| over.len());
        let over = over.map_or("/", String::as_str);
        let below = path.strip_prefix(over).unwrap_or(&path).to_owned();
        // The directory itself is there.
        if below.as_os_str().is_empty() {
            continue;
        }
        let part = parts
            .entry(over)
            .or_insert_with(|| Builder::new(Vec::new()));
        append(part, &below, &mut entry)?;
    }
    let finished = parts.into_iter().map(|(over, part)| {
        let packed = part.into_inner()?;
        Ok((over.to_owned(), packed))
    });
    finished.collect()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn listing(archive: &[u8]) -> Vec<(String, String)> {
        tar::Archive::new(archive)
            .entries()
            .unwrap()
            .map(|entry| {
                let mut entry = entry.unwrap();
                let path = entry.path().unwrap().display().to_string();
                let mut text = String::new();
                entry.read_to_string(&mut text).unwrap();
                (path, text)
            })
            .collect()
    }

    #[test]
    fn a_tree_arrives_whole_and_can_be_moved() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("sub")).unwrap();
        fs::write(dir.path().join("sub/a.lua"), "a").unwrap();
        let archive = Archive::of(|archive| archive.copy(dir.path(), "/etc/x")).unwrap();
        let expected = [("etc/x", ""), ("etc/x/sub", ""), ("etc/x/sub/a.lua", "a")];
        let names = |archive: &[u8]| -> Vec<(String, String)> {
            listing(archive)
                .into_iter()
                .map(|(path, text)| (path.trim_end_matches('/').to_owned(), text))
                .collect()
        };
        assert_eq!(
            names(&archive),
            expected.map(|(path, text)| (path.to_owned(), text.to_owned()))
        );
        let moved = moved(&archive, Path::new("/opt")).unwrap();
        assert_eq!(names(&moved)[2].0, "opt/etc/x/sub/a.lua");
    }
}
