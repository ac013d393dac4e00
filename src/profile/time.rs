//! The forms in which gateways write times.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How a time is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TimeForm {
    /// The number of seconds since 1970.
    Seconds,
    /// The number of milliseconds since 1970.
    Milliseconds,
    /// A text like `2026-11-29T01:57:45Z`.
    Rfc3339,
}

pub(super) fn seconds() -> Vec<TimeForm> {
    vec![TimeForm::Seconds]
}

/// Milliseconds since 1970 from here on; seconds reach it in the year 5138.
const IN_MS: f64 = 1e11;

/// A time in seconds since 1970, and the form that it has.
#[must_use]
pub fn moment(value: &Value) -> Option<(f64, TimeForm)> {
    if let Value::String(text) = value {
        let at: jiff::Timestamp = text.parse().ok()?;
        return Some((at.as_duration().as_secs_f64(), TimeForm::Rfc3339));
    }
    let number = value.as_f64()?;
    Some(match number < IN_MS {
        true => (number, TimeForm::Seconds),
        false => (number / 1e3, TimeForm::Milliseconds),
    })
}

/// A time, in seconds since 1970, written in a form; null where it has no such form.
#[must_use]
pub fn moment_like(form: TimeForm, seconds: i64) -> Value {
    match form {
        TimeForm::Seconds => seconds.into(),
        TimeForm::Milliseconds => (seconds * 1000).into(),
        TimeForm::Rfc3339 => {
            jiff::Timestamp::from_second(seconds).map_or(Value::Null, |at| at.to_string().into())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_time_is_read_and_written_in_the_forms_that_gateways_have() {
        for (value, seconds, wanted) in [
            (json!(1_795_917_400), 1_795_917_400.0, TimeForm::Seconds),
            (
                json!(1_795_917_400_500_i64),
                1_795_917_400.5,
                TimeForm::Milliseconds,
            ),
            (
                json!("2026-11-29T01:57:45Z"),
                1_795_917_465.0,
                TimeForm::Rfc3339,
            ),
            (
                json!("2026-11-29T03:57:45+02:00"),
                1_795_917_465.0,
                TimeForm::Rfc3339,
            ),
        ] {
            assert_eq!(moment(&value), Some((seconds, wanted)), "{value}");
            let again = moment_like(wanted, 1_795_917_300);
            assert_eq!(moment(&again), Some((1_795_917_300.0, wanted)), "{again}");
        }
        for none in [
            json!(null),
            json!("soon"),
            json!("1795917400"),
            json!(true),
            json!({}),
        ] {
            assert_eq!(moment(&none), None, "{none}");
        }
    }
}
