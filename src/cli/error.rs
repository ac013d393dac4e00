//! Why a command ended without doing what it was asked to, and its exit code.

use std::fmt;

use crate::{
    engine::SnapshotError,
    gate::{ExitStatus, GateError},
    ledger::LedgerError,
    mutation::CatalogueError,
    plan::{BundleError, SelectionError},
    report::{LoadError, StoreError},
    stack::{docker::EngineError, litellm::MissingLitellm, programs::Missing},
    verdict::FoldError,
    yaml::YamlError,
};

/// A text for a person with hints on what to do, and the exit code.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CliError {
    /// The exit code.
    pub status: ExitStatus,
    message: String,
    hints: Vec<String>,
}

impl CliError {
    /// What was typed, configured or given is wrong: exit 2.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ExitStatus::Usage, message)
    }

    /// The harness or its environment failed: exit 4.
    pub fn environment(message: impl Into<String>) -> Self {
        Self::new(ExitStatus::Inconclusive, message)
    }

    /// A signal came before there was anything to judge: exit 130.
    pub fn interrupted(signal: &str) -> Self {
        Self::new(ExitStatus::Interrupted, format!("interrupted by {signal}"))
    }

    fn new(status: ExitStatus, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            hints: Vec::new(),
        }
    }

    /// What is wrong, without what to do.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// With something to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    pub fn maybe_hint(mut self, hint: Option<&str>) -> Self {
        self.hints.extend(hint.map(str::to_owned));
        self
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.message)?;
        for hint in &self.hints {
            write!(f, "\nhint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for CliError {}

impl From<BundleError> for CliError {
    fn from(error: BundleError) -> Self {
        let text = error.to_string();
        match error {
            BundleError::NoBundle(_) => Self::usage(text).hint("name its folder with --plan DIR"),
            BundleError::Plan(_) => Self::usage(text),
            BundleError::Problems { .. } => {
                Self::usage(text).hint("`verify steps` lists the steps that a plan can use")
            }
        }
    }
}

impl From<SelectionError> for CliError {
    fn from(error: SelectionError) -> Self {
        Self::usage(error.to_string()).hint("`verify --list` shows every item")
    }
}

impl From<LoadError> for CliError {
    fn from(error: LoadError) -> Self {
        match &error {
            LoadError::Fold {
                source: FoldError::NotStarted { exit, .. },
                ..
            } if *exit != ExitStatus::Usage.code() => Self::environment(error.to_string()),
            _ => Self::usage(error.to_string()),
        }
    }
}

/// Errors whose text is all that there is to say.
macro_rules! plain {
    ($($error:ty => $status:ident,)*) => {$(
        impl From<$error> for CliError {
            fn from(error: $error) -> Self {
                Self::$status(error.to_string())
            }
        }
    )*};
}

plain! {
    GateError => usage,
    LedgerError => environment,
    SnapshotError => usage,
    // Before a run. A report that cannot be written after it is another matter.
    StoreError => usage,
    YamlError => usage,
}

impl From<EngineError> for CliError {
    fn from(error: EngineError) -> Self {
        Self::environment(error.to_string()).maybe_hint(error.hint)
    }
}

impl From<CatalogueError> for CliError {
    fn from(error: CatalogueError) -> Self {
        Self::usage(error.to_string()).hint("name the catalogue with --mutants PATH")
    }
}

impl From<MissingLitellm> for CliError {
    fn from(error: MissingLitellm) -> Self {
        Self::environment(error.to_string())
            .hint("without --upstream litellm a double stands in its place")
    }
}

impl From<Missing> for CliError {
    fn from(error: Missing) -> Self {
        Self::environment(error.to_string())
            .hint("`verify doctor` shows everything that a run needs")
    }
}
