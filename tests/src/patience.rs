//! Waiting for what nothing announces.

use std::time::{Duration, Instant};

/// Between two looks: short beside what is awaited, long beside a look.
const PAUSE: Duration = Duration::from_millis(5);

/// Looks again and again, and returns what `look` finds; as long as it does not, it says what is missing.
///
/// # Panics
/// If that takes longer than `limit`, with what was missing last.
pub fn look_until<T>(limit: Duration, look: impl FnMut() -> Result<T, String>) -> T {
    look_every(PAUSE, limit, look)
}

/// The same with a pause of its own, for looks that take a while.
///
/// # Panics
/// As [`look_until`].
pub fn look_every<T>(pause: Duration, limit: Duration, mut look: impl FnMut() -> Result<T, String>) -> T {
    let end = Instant::now() + limit;
    loop {
        match look() {
            Ok(found) => return found,
            Err(missing) => assert!(Instant::now() < end, "{missing}, after {limit:?}"),
        }
        std::thread::sleep(pause);
    }
}

/// Looks again and again until something is so; `missing` complains that it is not.
///
/// # Panics
/// If that takes longer than `limit`.
pub fn wait_until(limit: Duration, missing: &str, mut is_so: impl FnMut() -> bool) {
    look_until(limit, || is_so().then_some(()).ok_or_else(|| missing.to_owned()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_is_returned() {
        let mut looks = 0;
        let found = look_until(Duration::from_secs(60), || {
            looks += 1;
            if looks == 3 { Ok("it") } else { Err("not yet".into()) }
        });
        assert_eq!((found, looks), ("it", 3));
    }

    #[test]
    #[should_panic(expected = "no miracle, after 20ms")]
    fn patience_ends() {
        wait_until(Duration::from_millis(20), "no miracle", || false);
    }
}
