//! What `--format` asks for: which formats, and where each of them goes.

use std::{
    collections::BTreeSet,
    env,
    path::{Path, PathBuf},
    str::FromStr,
};

use serde::{Deserialize, Deserializer, de};

use super::{error::CliError, out};
use crate::{
    plan::Lang,
    report::{
        self, RunReport,
        render::{self, Format, RenderError, Style, UnknownFormat},
    },
};

/// The variable that names formats, with commas or blanks between.
pub const VARIABLE: &str = "VERIFY_FORMAT";

/// Where a format goes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum To {
    /// Standard output.
    Stdout,
    /// A file.
    File(PathBuf),
}

/// A format as asked for: `NAME[=PATH]`, where `-` is standard output.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wanted {
    /// Which.
    pub format: Format,
    /// Where it goes.
    pub to: To,
}

/// A text that is no `NAME[=PATH]`.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum WantedError {
    /// The name.
    #[error(transparent)]
    Unknown(#[from] UnknownFormat),
    /// The path.
    #[error("`{0}=` names no file; `-` is standard output")]
    NoPath(Format),
}

impl FromStr for Wanted {
    type Err = WantedError;

    fn from_str(text: &str) -> Result<Self, WantedError> {
        let (name, path) = match text.split_once('=') {
            Some((name, path)) => (name, Some(path)),
            None => (text, None),
        };
        let format = name.trim().parse()?;
        let to = match path {
            None | Some("-") => To::Stdout,
            Some("") => return Err(WantedError::NoPath(format)),
            Some(path) => To::File(path.into()),
        };
        Ok(Self { format, to })
    }
}

/// The formats that a settings file names: a text, or a list of them.
#[derive(Clone, Debug, Default)]
pub struct FromFile(pub Vec<Wanted>);

impl FromFile {
    /// Paths in a settings file are relative to its folder.
    pub fn place(&mut self, folder: &Path) {
        for wanted in &mut self.0 {
            if let To::File(path) = &mut wanted.to {
                *path = folder.join(&*path);
            }
        }
    }
}

impl<'de> Deserialize<'de> for FromFile {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Texts;
        impl<'de> de::Visitor<'de> for Texts {
            type Value = FromFile;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("NAME[=PATH], or a list of them")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<FromFile, E> {
                let wanted = text.parse().map_err(E::custom)?;
                Ok(FromFile(vec![wanted]))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<FromFile, A::Error> {
                let mut all = Vec::new();
                while let Some(text) = list.next_element::<String>()? {
                    all.push(text.parse().map_err(de::Error::custom)?);
                }
                Ok(FromFile(all))
            }
        }
        from.deserialize_any(Texts)
    }
}

/// Where everything goes, settled.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Formats {
    /// What standard output gets.
    pub stdout: Format,
    /// What files get.
    pub files: Vec<(Format, PathBuf)>,
    /// Whether GitHub Actions listens, and nobody said what standard output gets: annotations
    /// stand below the table, and the step has a summary.
    pub listening: bool,
}

impl Formats {
    /// Of the flags, else of the environment, else of the settings file.
    ///
    /// # Errors
    /// As [`Self::settle`], and a variable that names something else.
    pub fn find(flags: Vec<Wanted>, file: FromFile) -> Result<Self, CliError> {
        let named = env::var(VARIABLE).unwrap_or_default();
        let words = named.split([',', ' ', '\t', '\n']);
        let words = words.filter(|word| !word.is_empty()).map(str::parse);
        let mut wanted = flags;
        if wanted.is_empty() {
            wanted = words
                .collect::<Result<_, WantedError>>()
                .map_err(|error| CliError::usage(format!("{VARIABLE}: {error}")))?;
        }
        if wanted.is_empty() {
            wanted = file.0;
        }
        let said = wanted.iter().any(|wanted| wanted.to == To::Stdout);
        Ok(Self {
            listening: out::in_actions() && !said,
            ..Self::settle(wanted)?
        })
    }

    /// Standard output gets the table where nothing else is asked to go there.
    ///
    /// # Errors
    /// Two formats for standard output or for one file, a place where no file can be.
    pub fn settle(wanted: Vec<Wanted>) -> Result<Self, CliError> {
        let mut stdout = None;
        let mut files = Vec::new();
        let mut places = BTreeSet::new();
        for Wanted { format, to } in wanted {
            match to {
                To::Stdout => {
                    if let Some(other) = stdout.replace(format) {
                        return Err(CliError::usage(format!(
                            "--format: {other} and {format} cannot both go to standard output"
                        ))
                        .hint(format!(
                            "name a file for one of them: --format {format}=PATH"
                        )));
                    }
                }
                To::File(path) => {
                    report::could_hold(&path)
                        .map_err(|error| CliError::usage(format!("--format {format}: {error}")))?;
                    if !places.insert(path.clone()) {
                        return Err(CliError::usage(format!(
                            "--format: two formats cannot both go to {}",
                            path.display()
                        )));
                    }
                    files.push((format, path));
                }
            }
        }
        Ok(Self {
            stdout: stdout.unwrap_or(Format::Table),
            files,
            listening: false,
        })
    }

    /// Refuses what a command has no form of.
    ///
    /// # Errors
    /// A format that is not among these.
    pub fn only(&self, command: &str, known: &[Format]) -> Result<(), CliError> {
        let files = self.files.iter().map(|(format, _)| *format);
        let mut all = std::iter::once(self.stdout).chain(files);
        let Some(other) = all.find(|format| !known.contains(format)) else {
            return Ok(());
        };
        let known: Vec<&str> = known.iter().map(|format| format.name()).collect();
        Err(CliError::usage(format!(
            "--format {other}: `verify {command}` has {}",
            known.join(", ")
        )))
    }

    /// Whether the step's summary is to be written.
    #[must_use]
    pub fn summarize(&self) -> bool {
        let mut files = self.files.iter();
        self.listening
            || self.stdout == Format::Github
            || files.any(|(format, _)| *format == Format::Github)
    }

    /// Shows what standard output gets. Where GitHub Actions listens, annotations follow.
    ///
    /// # Errors
    /// Where standard output takes nothing, or the form cannot be made.
    pub fn print(
        &self,
        lang: Lang,
        render: impl Fn(Format, Style) -> Result<String, RenderError>,
    ) -> Result<(), CliError> {
        let text = render(self.stdout, out::style(lang))?;
        if self.stdout == Format::Github {
            return out::commands(&text);
        }
        if !self.listening {
            return out::print(&text);
        }
        out::print(&text)?;
        out::commands(&render(Format::Github, out::file_style(lang))?)
    }

    /// Writes the files. Each is tried, whatever became of the others, and each that could not
    /// be written is said; whether all could.
    pub fn write(
        &self,
        lang: Lang,
        render: impl Fn(Format, Style) -> Result<String, RenderError>,
    ) -> bool {
        let mut all = true;
        for (format, path) in &self.files {
            let done = match render(*format, out::file_style(lang)) {
                Ok(text) => report::write_file(path, &text).map_err(|error| error.to_string()),
                Err(error) => Err(format!("{}: {error}", path.display())),
            };
            if let Err(error) = done {
                out::complain(format_args!("error: --format {format}: {error}"));
                all = false;
            }
        }
        all
    }
}

/// Adds to the summary of the step, where GitHub Actions has a file for it. One that cannot be
/// written is said, and changes nothing else.
pub fn summarize(report: &RunReport, lang: Lang) {
    let Some(path) = env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) else {
        return;
    };
    let path = PathBuf::from(path);
    let taken = path.metadata().map_or(0, |found| found.len());
    let taken = usize::try_from(taken).unwrap_or(render::SUMMARY_LIMIT);
    let room = render::SUMMARY_LIMIT.saturating_sub(taken);
    let written = render::github_summary(report, lang, room)
        .map_err(|error| error.to_string())
        .and_then(|text| report::append_file(&path, &text).map_err(|error| error.to_string()));
    if let Err(error) = written {
        out::complain(format_args!("GITHUB_STEP_SUMMARY: {error}"));
    }
}

impl From<RenderError> for CliError {
    fn from(error: RenderError) -> Self {
        Self::environment(error.to_string())
    }
}
