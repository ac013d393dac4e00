//! Files that somebody else may have written: regular files only, of bounded size. Plans,
//! profiles, settings, catalogues and saved reports are read by this alone.

use std::{
    fs::{self, FileType, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _},
    path::{Component, Path, PathBuf},
};

use rustix::fs::OFlags;

const MIB: u64 = 1024 * 1024;

/// The largest YAML file, feature file or script, in bytes.
pub const TEXT_LIMIT: u64 = 4 * MIB;
/// The largest file of a gateway, in bytes.
pub const GATEWAY_LIMIT: u64 = 16 * MIB;
/// The largest saved report, matrix or event log, in bytes: far above the evidence of a whole
/// plan (some hundred pieces of 16 KiB), far below what would exhaust the memory.
pub const REPORT_LIMIT: u64 = 32 * MIB;
/// The longest line of an event log, in bytes.
pub const LINE_LIMIT: usize = 8 * 1024 * 1024;
/// The largest file with a session cookie, in bytes.
pub const COOKIE_LIMIT: u64 = MIB;

/// The content of a regular file. A FIFO, device or socket is refused without waiting for it.
///
/// # Errors
/// A file that cannot be read, is not regular, or is larger than `limit` bytes.
pub fn bytes(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    regular(fs::metadata(path)?.file_type())?;
    let flags = OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    // Once more: it may have been replaced since.
    regular(file.metadata()?.file_type())?;
    let mut content = Vec::new();
    file.take(limit + 1).read_to_end(&mut content)?;
    if content.len() as u64 > limit {
        return Err(refused(format!("larger than {} MiB", limit.div_ceil(MIB))));
    }
    Ok(content)
}

/// The content of a regular file of UTF-8 text.
///
/// # Errors
/// As [`bytes`], and other than UTF-8.
pub fn text(path: &Path, limit: u64) -> io::Result<String> {
    String::from_utf8(bytes(path, limit)?).map_err(|_| refused("not UTF-8 text".to_owned()))
}

/// The path of a file that a folder's own file names: below the folder, and reached without
/// symbolic links.
///
/// # Errors
/// A name that leads out of the folder, or over a link.
pub fn inside(folder: &Path, name: &Path) -> io::Result<PathBuf> {
    let mut path = folder.to_owned();
    for part in name.components() {
        match part {
            Component::CurDir => continue,
            Component::Normal(part) => path.push(part),
            _ => return Err(refused(format!("not inside {}", folder.display()))),
        }
        if path.is_symlink() {
            return Err(refused("a symbolic link".to_owned()));
        }
    }
    Ok(path)
}

fn regular(kind: FileType) -> io::Result<()> {
    let name = match kind {
        _ if kind.is_file() => return Ok(()),
        _ if kind.is_dir() => "a directory",
        _ if kind.is_fifo() => "a FIFO",
        _ if kind.is_socket() => "a socket",
        _ => "a device",
    };
    Err(refused(format!("{name}, not a regular file")))
}

fn refused(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, what)
}

#[cfg(test)]
mod tests {
    use std::os::unix::{fs::symlink, net::UnixListener};

    use super::*;

    fn why(path: &Path) -> String {
        bytes(path, 10).unwrap_err().to_string()
    }

    #[test]
    fn only_regular_files_of_bounded_size_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("small"), "0123456789").unwrap();
        assert_eq!(bytes(&at("small"), 10).unwrap(), b"0123456789");
        fs::write(at("large"), "0123456789x").unwrap();
        assert_eq!(why(&at("large")), "larger than 1 MiB");
        // Nobody ever writes into it: whoever opens it as usual waits for ever.
        rustix::fs::mknodat(
            rustix::fs::CWD,
            at("fifo"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        assert_eq!(why(&at("fifo")), "a FIFO, not a regular file");
        let _socket = UnixListener::bind(at("socket")).unwrap();
        assert_eq!(why(&at("socket")), "a socket, not a regular file");
        assert_eq!(why(Path::new("/dev/zero")), "a device, not a regular file");
        assert_eq!(why(dir.path()), "a directory, not a regular file");
        fs::write(at("latin"), b"\xe9").unwrap();
        let error = text(&at("latin"), 10).unwrap_err().to_string();
        assert_eq!(error, "not UTF-8 text");
    }

    #[test]
    fn a_name_stays_in_its_folder() {
        let dir = tempfile::tempdir().unwrap();
        let name = |name: &str| inside(dir.path(), Path::new(name)).map_err(|why| why.to_string());
        symlink("/etc", dir.path().join("out")).unwrap();
        assert_eq!(
            name("./sub/a.feature"),
            Ok(dir.path().join("sub/a.feature"))
        );
        for outside in ["../../etc/passwd", "sub/../../x", "/etc/passwd"] {
            assert!(name(outside).unwrap_err().starts_with("not inside "));
        }
        assert_eq!(name("out/passwd").unwrap_err(), "a symbolic link");
    }
}
