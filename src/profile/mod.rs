//! The gateway's surface as data: hosts, paths, bodies, JSON pointers, Redis keys, log
//! patterns, thresholds.

use serde::{Deserialize, Serialize};

/// A gateway's surface.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name, for the report.
    pub name: String,
}
