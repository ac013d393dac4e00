//! What holds where a check passes, in Japanese, by the check's code.

/// A line a code, in their order.
const CONDITIONS: &str = include_str!("conditions.ja.yaml");

fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    CONDITIONS.lines().filter_map(|line| line.split_once(": "))
}

/// The condition that a check looks at.
#[must_use]
pub fn japanese(code: &str) -> Option<&'static str> {
    all()
        .find(|(known, _)| *known == code)
        .map(|(_, told)| told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::codes;

    #[test]
    fn every_code_has_a_condition_and_every_condition_a_code() {
        let known: Vec<&str> = all().map(|(code, _)| code).collect();
        let codes: Vec<&str> = codes::all().into_keys().collect();
        assert_eq!(known, codes);
        for (code, told) in codes.iter().map(|code| (code, japanese(code).unwrap())) {
            assert!(told.ends_with("こと"), "{code}: {told}");
        }
        assert_eq!(japanese("no.such-code"), None);
    }
}
