//! The codes of checks that are finer than a step, and of what can happen in any step. The others
//! are those of the steps themselves.

use std::collections::BTreeMap;

use super::{error::ANYWHERE, registry};

/// Checks within a step.
const FINER: &[(&str, &str)] = &[
    (
        "address.ban",
        "The ban of an odd address is answered with success, and its key is exactly the address'.",
    ),
    (
        "address.keys",
        "Redis has the keys of these addresses and no others.",
    ),
    (
        "address.list",
        "The list of active users names each address byte for byte.",
    ),
    (
        "address.neighbour",
        "A neighbour of a banned address is let in.",
    ),
    (
        "address.redis",
        "The user's keys in Redis exist and name no other address.",
    ),
    ("address.refused", "The banned address is refused."),
    (
        "address.token",
        "The token or the session of an odd address is let in.",
    ),
    ("address.told", "The upstream is told exactly the address."),
    (
        "address.unban",
        "The unban of an odd address is answered with success, and its key is gone.",
    ),
    (
        "address.unbanned",
        "After the ban the address is let in again.",
    ),
    (
        "deploy.not-up",
        "The gateway comes up with the candidate and answers.",
    ),
    (
        "deploy.sockets",
        "The new master holds every listening socket.",
    ),
    (
        "identity.told",
        "The upstream is not told an address that was claimed.",
    ),
    ("login.failed", "A user logs in and has a session."),
    ("logout.cookie", "The sign-out clears the session cookie."),
    (
        "outage.restarted",
        "The gateway's processes are those from before the outage.",
    ),
    (
        "session.not-accepted",
        "A session is let in, and not sent to the login.",
    ),
    ("token.form-fields", "The admin page has the form's fields."),
    (
        "token.lifetime",
        "The token holds for as long as was asked.",
    ),
    (
        "token.list-changed",
        "A refused request adds no token to the list.",
    ),
    (
        "token.signature",
        "The token is signed with the gateway's secret.",
    ),
    (
        "tracking.contexts",
        "The contexts are exactly those of the plan.",
    ),
    (
        "tracking.doubled",
        "A request has one pair of lines and no more.",
    ),
    (
        "tracking.first-line-missing",
        "The pair has its first line, `Tracking user`.",
    ),
    ("tracking.form", "A tracking line has the plan's form."),
    ("tracking.level", "The lines stand at the plan's level."),
    (
        "tracking.missing",
        "A tracked request leaves tracking lines.",
    ),
    (
        "tracking.second-line-missing",
        "The pair has its second line, `User tracking success`.",
    ),
    (
        "tracking.wrong-context",
        "The lines name the context that was asked for.",
    ),
    (
        "tracking.wrong-user",
        "The lines name the user, byte for byte.",
    ),
    (
        "upstream.reached",
        "Nothing that was refused reaches the upstream.",
    ),
];

/// Codes that no mutant of a gateway reaches, each with the reason.
pub const OUT_OF_REACH: &[(&str, &str)] = &[
    ("harness.blind", "a fault of the harness"),
    ("harness.browser", "a fault of the harness"),
    ("harness.defect", "a fault of the harness"),
    ("harness.journal", "a fault of the harness"),
    ("harness.no-answer", "a fault of the harness"),
    ("harness.redis", "a fault of the harness"),
    ("harness.scenario", "a fault of the harness"),
    ("harness.service", "a fault of the harness"),
    ("harness.stack", "a fault of the harness"),
    ("harness.step", "a fault of the harness"),
];

/// Every code, with what holds where its check passes.
#[must_use]
pub fn all() -> BTreeMap<&'static str, &'static str> {
    let steps = registry::all().map(|step| (step.code, step.doc.trim()));
    let own = ANYWHERE.iter().chain(FINER).copied();
    // A code that a step has for itself is told by the step.
    own.chain(steps).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_one_word_of_an_area_and_is_told() {
        let all = all();
        for step in registry::all() {
            for code in step.finer {
                assert!(
                    all.contains_key(code),
                    "{code} of {} is not told",
                    step.pattern
                );
            }
        }
        for (code, told) in all {
            let letters = |text: &str| {
                !text.is_empty()
                    && text
                        .chars()
                        .all(|one| one.is_ascii_lowercase() || one == '-')
            };
            let parts: Vec<&str> = code.split('.').collect();
            assert!(
                parts.len() == 2 && parts.iter().all(|part| letters(part)),
                "{code}"
            );
            assert!(!told.is_empty(), "{code}");
        }
    }

    #[test]
    fn what_no_mutant_reaches_is_a_code_and_has_a_reason() {
        let all = all();
        for (code, reason) in OUT_OF_REACH {
            assert!(all.contains_key(code), "no check has the code {code}");
            assert!(!reason.is_empty(), "{code}");
        }
    }

    #[test]
    fn every_finer_code_is_of_a_step() {
        let of_steps: Vec<&str> = registry::all()
            .flat_map(|step| step.finer)
            .copied()
            .collect();
        for (code, _) in FINER {
            assert!(of_steps.contains(code), "no step has {code}");
        }
    }
}
