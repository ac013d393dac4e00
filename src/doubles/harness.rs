//! The harness's side of a double.

use secrecy::SecretString;

use super::{faults::Faults, journal::Journal};

/// What a double received, the faults that it is to show, and the token that opens the control path
/// to both: without one nobody reaches it.
#[derive(Clone, Debug, Default)]
pub(super) struct Harness {
    pub(super) journal: Journal,
    pub(super) faults: Faults,
    pub(super) token: Option<SecretString>,
}
