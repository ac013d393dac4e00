//! The codes of checks that are finer than a step, and of what can happen in any step. The others
//! are those of the steps themselves.

use std::collections::BTreeMap;

use super::{
    error::ANYWHERE,
    registry::{self, Keyword, StepDef},
};

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

/// A fault of the harness, which no candidate can cause.
const HARNESS: &str = "the harness's fault";
/// The catalogue has nothing that breaks this and nothing before it.
const NO_MUTANT: &str = "no mutant breaks this and nothing before it";
/// `fixtures/hostile` has candidates for it.
const HOSTILE: &str = "hostile candidates reach it";
/// A failure only where the profile says so, which the shipped one does not.
const REMARK: &str = "a remark with the shipped profile";
/// It is about a double, which is as it must be.
const DOUBLE: &str = "a double's own doing";
/// The mutant that breaks it breaks something before it too, or not, as time falls.
pub const BY_TIMING: &str = "its mutant fails an earlier check, or this one, by timing";

/// Codes that no mutant of the catalogue reaches for certain, each with the reason; those of which
/// the step itself says why are not among them.
pub const OUT_OF_REACH: &[(&str, &str)] = &[
    ("address.ban", NO_MUTANT),
    ("address.cleaned", NO_MUTANT),
    ("address.keys", NO_MUTANT),
    ("address.unbanned", NO_MUTANT),
    ("admin.unchanged", NO_MUTANT),
    ("ban.admin", NO_MUTANT),
    ("ban.admin-token", NO_MUTANT),
    ("deep-link.upstream", NO_MUTANT),
    ("deploy.files", NO_MUTANT),
    ("deploy.new-master", NO_MUTANT),
    ("deploy.same-master", NO_MUTANT),
    ("deploy.sockets", NO_MUTANT),
    ("gateway.no-answer", HOSTILE),
    ("gateway.over-limit", HOSTILE),
    ("harness.blind", HARNESS),
    ("harness.browser", HARNESS),
    ("harness.defect", HARNESS),
    ("harness.journal", HARNESS),
    ("harness.no-answer", HARNESS),
    ("harness.redis", HARNESS),
    ("harness.scenario", HARNESS),
    ("harness.service", HARNESS),
    ("harness.stack", HARNESS),
    ("harness.step", HARNESS),
    ("health.answers", NO_MUTANT),
    ("health.workers", NO_MUTANT),
    ("identity.internal-port", REMARK),
    ("identity.tracked", NO_MUTANT),
    ("jwt.genuine-after", NO_MUTANT),
    ("jwt.two-headers", NO_MUTANT),
    ("jwt.unusual", NO_MUTANT),
    ("keepalive.kept", NO_MUTANT),
    ("llm.log", DOUBLE),
    ("login.code", DOUBLE),
    ("login.no-session", NO_MUTANT),
    ("login.redis", NO_MUTANT),
    ("logout.next-visit", NO_MUTANT),
    ("logout.redis", NO_MUTANT),
    ("outage.restarted", NO_MUTANT),
    ("reload.stream", BY_TIMING),
    ("stream.ended", NO_MUTANT),
    ("token.form-fields", NO_MUTANT),
    ("token.list-changed", NO_MUTANT),
    ("token.signature", NO_MUTANT),
    ("tracking.contexts", NO_MUTANT),
    ("unban.again", NO_MUTANT),
    ("unban.everywhere", NO_MUTANT),
    ("upstream.received", NO_MUTANT),
    ("users.stranger", NO_MUTANT),
];

/// Why a code is of no mutant, where its steps say so: they prepare or act and require nothing, they
/// show that a check can see, or every failure of theirs has a finer code.
#[must_use]
pub fn unreachable_by_nature(code: &str) -> bool {
    let mut steps = registry::all().filter(|step| step.code == code).peekable();
    let by_nature = |step: &StepDef| {
        step.keyword != Keyword::Then
            || code.ends_with("control")
            || step.doc.trim_start().starts_with("Control")
            || step.doc.trim_start().starts_with("A control")
            || !step.finer.is_empty()
    };
    steps.peek().is_some() && steps.all(by_nature)
}

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
