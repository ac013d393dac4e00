//! The fingerprint that files are told apart by.

use aws_lc_rs::digest::{SHA256, digest};

/// SHA-256 in lower-case hex.
#[must_use]
pub fn sha256(content: &[u8]) -> String {
    hex(digest(&SHA256, content).as_ref())
}

/// Lower-case hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
