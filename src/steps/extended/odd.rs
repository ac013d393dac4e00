//! Addresses that a careless gateway changes on the way.

use std::collections::BTreeSet;

/// The longest address that mail can be sent to (RFC 5321, 4.5.3.1.3, less the brackets).
const LONGEST: usize = 254;

/// A user with an odd address.
#[derive(Clone, Debug)]
pub struct Odd {
    /// What is odd about it.
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

/// A user with his neighbours.
pub fn odd(what: &'static str, email: String) -> Odd {
    let neighbours = neighbours(&email);
    Odd {
        what,
        email,
        neighbours,
    }
}

/// Every kind once, with a text that nobody used before.
pub fn kinds(mark: &str) -> Vec<Odd> {
    let domain = ["d".repeat(60), "e".repeat(60), "f".repeat(60)].join(".");
    let mut long = format!("Long{mark}@{domain}.example.com");
    let missing = LONGEST.saturating_sub(long.len());
    long.insert_str(0, &"l".repeat(missing));
    vec![
        odd("a plus", format!("odd+plus-{mark}@example.com")),
        odd("upper case", format!("Odd.Upper-{mark}@Example.COM")),
        odd("Unicode", format!("利用者-ß-{mark}@例え.example")),
        odd("quotes", format!("\"o'dd\"-{mark}@example.com")),
        odd(
            "a percent sign",
            format!("odd%41%2Bpercent-{mark}@example.com"),
        ),
        odd("254 characters", long),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_neighbour_and_is_none_of_its_own() {
        for one in kinds("0123456789abcdef") {
            assert!(!one.neighbours.contains(&one.email), "{}", one.email);
            assert!(!one.neighbours.is_empty(), "{}", one.email);
            assert!(one.email.len() <= LONGEST);
        }
        assert_eq!(kinds("0123456789abcdef")[5].email.len(), LONGEST);
        assert!(
            odd("x", "a%41+b@c".to_owned())
                .neighbours
                .contains(&"aA+b@c".to_owned())
        );
    }
}
