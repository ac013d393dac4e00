//! The one form of a check: a subject, which is what was done and what was seen of it, and a
//! matcher, which is what must be. Where they do not fit, they say so by themselves.

use std::fmt::{self, Display};

use super::error::{Seen, StepError, StepResult};

/// What was done, and what was seen of it.
#[derive(Debug)]
pub struct Subject {
    did: String,
    seen: Seen,
}

pub fn check(did: impl Display, seen: impl Into<Seen>) -> Subject {
    Subject {
        did: did.to_string(),
        seen: seen.into(),
    }
}

impl Subject {
    /// The gateway must do this: where it does not hold, that is the candidate's fault.
    pub fn must(self, expected: impl Display, holds: bool) -> StepResult {
        match holds {
            true => Ok(()),
            false => Err(StepError::candidate(self.did, expected, self.seen)),
        }
    }

    /// A control shows that a check can see: where it does not hold, that is the harness's fault.
    pub fn control(self, expected: impl Display, holds: bool) -> StepResult {
        match holds {
            true => Ok(()),
            false => Err(StepError::harness(self.did, expected, self.seen)),
        }
    }
}

/// Nothing of a kind must be there; what is found is what was seen.
pub fn none<T: Display>(did: impl Display, expected: impl Display, found: &[T]) -> StepResult {
    check(did, lines(found)).must(expected, found.is_empty())
}

/// Each on a line of its own.
pub fn lines<T: Display>(all: impl IntoIterator<Item = T>) -> String {
    let lines: Vec<String> = all.into_iter().map(|one| one.to_string()).collect();
    lines.join("\n")
}

/// What the status of an answer must be.
#[derive(Clone, Copy, Debug)]
pub enum Status {
    Is(u16),
    OneOf(&'static [u16]),
    Not(u16),
    Below(u16),
}

pub const OK: Status = Status::Is(200);
pub const NOT_OK: Status = Status::Not(200);
/// Elsewhere.
pub const REDIRECT: Status = Status::OneOf(&[301, 302, 303, 307, 308]);
/// Whoever asked may not.
pub const REFUSED: Status = Status::OneOf(&[401, 403]);

impl Status {
    #[must_use]
    pub fn fits(self, status: u16) -> bool {
        match self {
            Self::Is(wanted) => status == wanted,
            Self::OneOf(wanted) => wanted.contains(&status),
            Self::Not(unwanted) => status != unwanted,
            Self::Below(limit) => status < limit,
        }
    }
}

impl Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(status) => write!(f, "{status}"),
            Self::OneOf(all) => {
                let all: Vec<String> = all.iter().map(ToString::to_string).collect();
                match all.split_last() {
                    Some((last, rest)) if !rest.is_empty() => {
                        write!(f, "{} or {last}", rest.join(", "))
                    }
                    _ => f.write_str(&all.concat()),
                }
            }
            Self::Not(status) => write!(f, "anything but {status}"),
            Self::Below(limit) => write!(f, "an answer below {limit}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_reads_as_it_is_written() {
        for (status, text) in [
            (OK, "200"),
            (REFUSED, "401 or 403"),
            (Status::OneOf(&[302, 401, 403]), "302, 401 or 403"),
            (NOT_OK, "anything but 200"),
            (Status::Below(500), "an answer below 500"),
        ] {
            assert_eq!(status.to_string(), text);
        }
        assert!(REFUSED.fits(403) && !REFUSED.fits(200) && NOT_OK.fits(404) && !NOT_OK.fits(200));
    }
}
