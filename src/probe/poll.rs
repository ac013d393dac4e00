//! Waiting for what comes by itself.

use std::time::{Duration, Instant};

/// The shortest pause between two looks.
const LEAST: Duration = Duration::from_millis(1);

/// How long to leave alone what was waited for since `started`, until it is looked at again:
/// what comes soon is seen soon, and what is long in coming costs no processor meanwhile.
fn pause(started: Instant) -> Duration {
    LEAST.max(started.elapsed() / 20)
}

/// Asks again until an answer is `enough` or the deadline has passed, and returns the last one:
/// whether it is enough is the caller's to check.
///
/// # Errors
/// The first that an answer is.
pub async fn poll<T, E>(
    deadline: Duration,
    mut ask: impl AsyncFnMut() -> Result<T, E>,
    enough: impl Fn(&T) -> bool,
) -> Result<T, E> {
    let started = Instant::now();
    loop {
        let begun = Instant::now();
        let answer = ask().await?;
        if enough(&answer) || started.elapsed() > deadline {
            return Ok(answer);
        }
        // What takes long to answer must have as long for its own work.
        tokio::time::sleep(begun.elapsed().max(pause(started))).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn it_ends_with_enough_an_error_or_the_deadline() {
        let mut asked = 0;
        let count = async || {
            asked += 1;
            Ok::<_, ()>(asked)
        };
        assert_eq!(poll(LONG, count, |count| *count == 3).await, Ok(3));
        let never = poll(Duration::ZERO, async || Ok::<_, ()>(7), |_| false);
        assert_eq!(never.await, Ok(7));
        let failed = poll(LONG, async || Err::<(), _>("gone"), |()| false);
        assert_eq!(failed.await, Err("gone"));
    }

    #[test]
    fn what_is_long_in_coming_is_looked_for_less_and_less_often() {
        assert!(pause(Instant::now()) >= LEAST);
        let started = Instant::now().checked_sub(LONG).unwrap();
        let found = pause(started);
        // However slow this test is: the pause is a twentieth of a moment between these two.
        assert!(found >= LONG / 20 && found <= started.elapsed() / 20);
    }
}
