//! Addresses that a careless gateway changes on the way.

use std::collections::BTreeSet;

/// The longest address that mail can be sent to (RFC 5321, 4.5.3.1.3, less the brackets).
const LONGEST: usize = 254;

/// An unusual address.
#[derive(Clone, Debug)]
pub struct EmailCase {
    /// What is unusual about it.
    pub what: &'static str,
    /// The address.
    pub email: String,
    /// Others that are the same once somebody changes them on the way.
    pub neighbours: Vec<String>,
}

/// Addresses that are the same once somebody changes them on the way.
fn neighbours(email: &str) -> Vec<String> {
    let unplussed = email.replace('+', "%2B");
    let decoded: String = percent(email);
    let mut all: BTreeSet<String> = [
        email.to_lowercase(),
        email.to_uppercase(),
        unplussed,
        decoded,
    ]
    .into();
    all.insert(email.replace(['"', '\''], ""));
    all.remove(email);
    // The empty, and those with a blank, are no addresses.
    all.into_iter()
        .filter(|one| one.contains('@') && !one.contains(' '))
        .collect()
}

fn percent(text: &str) -> String {
    let query = format!("x={}", text.replace('+', "%2B").replace('&', "%26"));
    let decoded = url::form_urlencoded::parse(query.as_bytes()).next();
    decoded
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

impl EmailCase {
    /// The address in lower case with those of its neighbours that are told from it even so; none
    /// where there are none.
    pub fn in_lower_case(self) -> Option<Self> {
        let lower = case(self.what, self.email.to_lowercase());
        let neighbours = lower.neighbours.into_iter();
        let neighbours: Vec<String> = neighbours
            .filter(|one| *one == one.to_lowercase() && *one != lower.email)
            .collect();
        (!neighbours.is_empty()).then_some(Self {
            neighbours,
            ..lower
        })
    }
}

/// An address with its neighbours.
pub fn case(what: &'static str, email: String) -> EmailCase {
    let neighbours = neighbours(&email);
    EmailCase {
        what,
        email,
        neighbours,
    }
}

/// Every kind once, with a text that nobody used before.
pub fn cases(mark: &str) -> Vec<EmailCase> {
    let domain = ["d".repeat(60), "e".repeat(60), "f".repeat(60)].join(".");
    let mut long = format!("Long{mark}@{domain}.example.com");
    let missing = LONGEST.saturating_sub(long.len());
    long.insert_str(0, &"l".repeat(missing));
    vec![
        case("a plus", format!("odd+plus-{mark}@example.com")),
        case("upper case", format!("EmailCase.Upper-{mark}@Example.COM")),
        case("Unicode", format!("利用者-ß-{mark}@例え.example")),
        case("quotes", format!("\"o'dd\"-{mark}@example.com")),
        case(
            "a percent sign",
            format!("odd%41%2Bpercent-{mark}@example.com"),
        ),
        case("254 characters", long),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_neighbour_and_is_none_of_its_own() {
        for one in cases("0123456789abcdef") {
            assert!(!one.neighbours.contains(&one.email), "{}", one.email);
            assert!(!one.neighbours.is_empty(), "{}", one.email);
            assert!(one.email.len() <= LONGEST);
        }
        assert_eq!(cases("0123456789abcdef")[5].email.len(), LONGEST);
        assert!(
            case("x", "a%41+b@c".to_owned())
                .neighbours
                .contains(&"aA+b@c".to_owned())
        );
    }
}
