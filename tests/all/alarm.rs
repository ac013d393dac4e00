//! A good gateway is not blamed on a busy machine, and not for what other people do.

use std::process::Command;

use super::support::{Scratch, needs_sandbox, root};

/// The script that does it hundreds of times, three times: it says what it counted.
#[test]
fn a_good_gateway_is_not_blamed_on_a_busy_machine_among_other_people() {
    needs_sandbox();
    let kept = Scratch::nothing("kept");
    let output = Command::new(root().join("scripts/no-false-alarm"))
        .arg("3")
        .env("VERIFY", env!("CARGO_BIN_EXE_verify"))
        .env("OUT", &kept.path)
        .output()
        .expect("the script can be run");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("0 false alarms, 0 without"), "{said}");
    for nobody in [
        " 0 requests",
        " 0 errors",
        " 0 tokens",
        " 0 bans",
        " 0 slow",
    ] {
        assert!(!said.contains(nobody), "{said}");
    }
}
