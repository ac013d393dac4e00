//! Whether a report is one of these files, of this run, and recent enough.

use std::{collections::BTreeMap, fmt, path::Path, time::Duration};

use jiff::Timestamp;

use crate::{
    engine::{InputRole, Snapshot},
    report::RunInfo,
};

/// A report that does not answer for what is to be deployed: exit 2.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BindingError {
    /// Another run than the one that was named.
    #[error("the report is of run {found}, not of {wanted}")]
    Run {
        /// The report's.
        found: String,
        /// The one named by `--run`.
        wanted: String,
    },
    /// Its end cannot be told.
    #[error("--max-age: the report's start and duration are no point in time; run `verify` again")]
    NoTime,
    /// It ended in the future.
    #[error(
        "--max-age: the run ended {} from now: compare the clocks of both machines, or run `verify` again",
        age(*.0)
    )]
    Future(Duration),
    /// It is too old.
    #[error("--max-age {}: the run ended {} ago; run `verify` again", age(*limit), age(*found))]
    Old {
        /// How old it may be.
        limit: Duration,
        /// How old it is.
        found: Duration,
    },
    /// The report names no files.
    #[error(
        "{0}: the report has no `inputs` to compare with: an older `verify` wrote it; run `verify` again"
    )]
    NoInputs(&'static str),
    /// Files that are not those of the report.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Files(Vec<Difference>),
}

/// A file that is not as it was in the run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Difference {
    role: InputRole,
    path: String,
    what: What,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum What {
    Changed,
    Missing,
    NotVerified,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.what {
            What::Changed => "changed since the run",
            What::Missing => "missing: the run had it",
            What::NotVerified => "not verified: the run did not have it",
        };
        write!(f, "{} {}: {what}", self.role.flag(), self.path)
    }
}

/// Whether the files of these roles are those of the run: every one, none more and none fewer.
///
/// # Errors
/// A report without inputs, or each file that differs.
pub fn same_inputs(run: &RunInfo, roles: &[InputRole], now: &Snapshot) -> Result<(), BindingError> {
    let Some(first) = roles.first() else {
        return Ok(());
    };
    if run.inputs.is_empty() {
        return Err(BindingError::NoInputs(first.flag()));
    }
    let mut differences = Vec::new();
    for role in roles.iter().copied() {
        // Where the role is one file, its content counts and not its name.
        let key = |path: &Path| match role.is_folder() {
            true => path.to_owned(),
            false => Path::new("").to_owned(),
        };
        let verified: BTreeMap<_, _> = (run.inputs.iter())
            .filter(|input| input.role == role)
            .map(|input| (key(&input.path), (&input.path, &input.sha256)))
            .collect();
        let mut given: BTreeMap<_, _> = (now.of(role))
            .map(|file| (key(&file.path), (&file.given, &file.sha256)))
            .collect();
        let mut differ = |path: &Path, what| {
            let path = path.display().to_string();
            differences.push(Difference { role, path, what });
        };
        for (name, (path, sha256)) in verified {
            match given.remove(&name) {
                None => differ(path, What::Missing),
                Some((given, found)) if found != sha256 => differ(given, What::Changed),
                Some(_) => {}
            }
        }
        for (path, _) in given.into_values() {
            differ(path, What::NotVerified);
        }
    }
    match differences.is_empty() {
        true => Ok(()),
        false => Err(BindingError::Files(differences)),
    }
}

/// Whether the report is of the run with this id.
///
/// # Errors
/// Where it is not.
pub fn same_run(run: &RunInfo, wanted: &str) -> Result<(), BindingError> {
    if run.id == wanted {
        return Ok(());
    }
    Err(BindingError::Run {
        found: run.id.clone(),
        wanted: wanted.to_owned(),
    })
}

/// Whether the run ended no longer ago than `limit`, and not in the future.
///
/// # Errors
/// Where it did not, or where its end cannot be told.
pub fn recent(run: &RunInfo, limit: Duration, now: Timestamp) -> Result<(), BindingError> {
    let start: Timestamp = (run.started_at.parse()).map_err(|_| BindingError::NoTime)?;
    let took = Duration::try_from_secs_f64(run.duration_ms / 1e3);
    let end = took.ok().and_then(|took| start.checked_add(took).ok());
    let since = now.duration_since(end.ok_or(BindingError::NoTime)?);
    let found = since.unsigned_abs();
    if since.is_negative() && found > SKEW {
        Err(BindingError::Future(found))
    } else if since.is_positive() && found > limit {
        Err(BindingError::Old { limit, found })
    } else {
        Ok(())
    }
}

/// How far apart the clocks of two machines that are synchronised may be.
const SKEW: Duration = Duration::from_secs(5);

/// The units of an age, the largest first.
const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

/// An age as it is typed: `30s`, `15m`, `1h`, `7d`.
///
/// # Errors
/// What is right.
pub fn parse_age(text: &str) -> Result<Duration, String> {
    let right = || "an age is a whole number and s, m, h or d, for example 1h".to_owned();
    let (unit, seconds) = UNITS
        .into_iter()
        .find(|(unit, _)| text.ends_with(unit))
        .ok_or_else(right)?;
    let number = text.strip_suffix(unit).unwrap_or_default();
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(right());
    }
    let number: u64 = number.parse().map_err(|_| right())?;
    number
        .checked_mul(seconds)
        .map(Duration::from_secs)
        .ok_or_else(right)
}

/// An age in its largest whole units, as it could be typed.
fn age(found: Duration) -> String {
    let mut left = found.as_secs();
    let mut parts = Vec::new();
    for (unit, seconds) in UNITS {
        if left >= seconds {
            parts.push(format!("{}{unit}", left / seconds));
            left %= seconds;
        }
    }
    match parts.is_empty() {
        true => "0s".to_owned(),
        false => parts.join(" "),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::report::samples::pass;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_run_is_recent_up_to_its_age_and_never_from_the_future() {
        let mut run = pass().run;
        run.started_at = "2026-01-01T10:00:00.000+09:00".to_owned();
        run.duration_ms = 60_000.0;
        let hour = Duration::from_secs(3_600);
        recent(&run, hour, at("2026-01-01T01:01:00Z")).unwrap();
        recent(&run, hour, at("2026-01-01T02:01:00Z")).unwrap();
        let old = recent(&run, hour, at("2026-01-01T02:01:01Z")).unwrap_err();
        assert_eq!(
            old.to_string(),
            "--max-age 1h: the run ended 1h 1s ago; run `verify` again"
        );
        recent(&run, Duration::ZERO, at("2026-01-01T01:00:55Z")).unwrap();
        let future = recent(&run, hour, at("2026-01-01T01:00:54Z")).unwrap_err();
        assert!(matches!(future, BindingError::Future(_)), "{future}");
        for (started, took) in [("yesterday", 1.0), (&*run.started_at.clone(), f64::MAX)] {
            run.started_at = started.to_owned();
            run.duration_ms = took;
            let none = recent(&run, hour, at("2026-01-01T01:01:00Z")).unwrap_err();
            assert_eq!(none, BindingError::NoTime);
        }
    }

    #[test]
    fn an_age_is_a_number_with_a_unit() {
        for (text, seconds) in [
            ("0s", 0),
            ("90s", 90),
            ("15m", 900),
            ("1h", 3_600),
            ("2d", 172_800),
        ] {
            assert_eq!(parse_age(text), Ok(Duration::from_secs(seconds)));
        }
        for wrong in [
            "",
            "h",
            "1",
            "-1h",
            "+1h",
            "1.5h",
            "1w",
            "1 h",
            "99999999999999999999s",
            "999999999999999999d",
        ] {
            assert!(parse_age(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_file_must_be_the_one_that_was_verified() {
        let lua = tempfile::tempdir().unwrap();
        fs::create_dir(lua.path().join("sub")).unwrap();
        for name in ["a.lua", "sub/b.lua"] {
            fs::write(lua.path().join(name), name).unwrap();
        }
        let read = || {
            let mut found = Snapshot::default();
            found.read_folder(InputRole::Lua, lua.path()).unwrap();
            found
        };
        let compare = |run: &RunInfo| same_inputs(run, &[InputRole::Lua], &read());
        let mut run = pass().run;
        assert_eq!(compare(&run), Err(BindingError::NoInputs("--lua")));
        assert_eq!(same_inputs(&run, &[], &Snapshot::default()), Ok(()));
        run.inputs = read().inputs().collect();
        assert_eq!(compare(&run), Ok(()));

        fs::write(lua.path().join("a.lua"), "other").unwrap();
        fs::remove_file(lua.path().join("sub/b.lua")).unwrap();
        fs::write(lua.path().join("sub/c.lua"), "").unwrap();
        let text = compare(&run).unwrap_err().to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines[0].ends_with("/a.lua: changed since the run"));
        assert_eq!(lines[1], "--lua sub/b.lua: missing: the run had it");
        assert!(lines[2].ends_with("/sub/c.lua: not verified: the run did not have it"));
    }

    #[test]
    fn one_file_is_compared_by_its_content_under_any_name() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "events {}").unwrap();
        let mut now = Snapshot::default();
        now.read_file(InputRole::Candidate, file.path()).unwrap();
        let mut run = pass().run;
        run.inputs = now.inputs().collect();
        run.inputs[0].path = "nginx.conf".into();
        assert_eq!(same_inputs(&run, &[InputRole::Candidate], &now), Ok(()));
        run.inputs[0].sha256 = "0".repeat(64);
        assert!(same_inputs(&run, &[InputRole::Candidate], &now).is_err());
    }
}
