//! A terminal for the real binary: what a person in front of it would see.

use std::{
    fs::{File, OpenOptions},
    io::Read as _,
    num::NonZeroU16,
    os::{
        fd::OwnedFd,
        unix::{ffi::OsStrExt as _, fs::OpenOptionsExt as _},
    },
    process::Stdio,
};

use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};
use vt100::Parser;

use super::support::Verify;

/// More rows than anything here fills: nothing scrolls out of sight.
const ALL_ROWS: u16 = 400;

/// What was seen at a terminal.
pub struct Seen {
    pub code: Option<i32>,
    /// The screen at the end, lines that the terminal wrapped joined.
    pub screen: String,
    /// The screen whenever something was written.
    pub moments: Vec<String>,
    /// Every byte.
    pub bytes: Vec<u8>,
}

/// A terminal of so many columns and 24 rows.
pub struct Pty {
    master: File,
    shown: Parser,
}

impl Pty {
    pub fn new(columns: u16) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pty");
        grantpt(&master).expect("a pty of our own");
        unlockpt(&master).expect("an unlocked pty");
        let size = |size| NonZeroU16::new(size).expect("a size");
        let mut pty = Self {
            master: File::from(master),
            shown: Parser::new(size(ALL_ROWS), size(columns), 0),
        };
        pty.resize(columns);
        pty
    }

    /// Makes it wider or narrower.
    pub fn resize(&mut self, columns: u16) {
        let size = Winsize {
            ws_row: 24,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&self.master, size).expect("a size");
        let size = |size| NonZeroU16::new(size).expect("a size");
        (self.shown.screen_mut()).set_size(size(ALL_ROWS), size(columns));
    }

    fn other_end(&self) -> OwnedFd {
        let name = ptsname(&self.master, Vec::new()).expect("a name");
        let name = std::ffi::OsStr::from_bytes(name.as_bytes());
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        options.custom_flags(OpenptFlags::NOCTTY.bits().cast_signed());
        options.open(name).expect("the terminal's end").into()
    }

    fn text(&self) -> String {
        let rows = self.shown.screen().contents();
        let rows: Vec<&str> = rows.lines().map(str::trim_end).collect();
        rows.join("\n").trim_end().to_owned()
    }

    /// Runs it here to its end, and does something at each moment.
    pub fn runs(mut self, mut verify: Verify, mut at: impl FnMut(&mut Self, &str)) -> Seen {
        let end = self.other_end();
        let again = end.try_clone().expect("a second of it");
        verify
            .command
            .stdout(Stdio::from(end))
            .stderr(Stdio::from(again));
        let mut child = verify.command.spawn().expect("verify can be run");
        let scratch = verify.into_scratch();
        let (mut bytes, mut moments) = (Vec::new(), Vec::new());
        let mut buffer = [0; 64 * 1024];
        // It ends with an error when nobody holds the other end any more.
        while let Ok(read @ 1..) = self.master.read(&mut buffer) {
            bytes.extend_from_slice(&buffer[..read]);
            self.shown.process(&buffer[..read]);
            let moment = self.text();
            at(&mut self, &moment);
            moments.push(moment);
        }
        let code = child.wait().expect("it ends").code();
        drop(scratch);
        Seen {
            code,
            screen: self.text(),
            moments,
            bytes,
        }
    }
}
