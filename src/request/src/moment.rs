//! A time that is given as such, or as how long ago it was.

use homeostat_model::{Duration, Timestamp};

/// The time that `text` means, said at `now`: `2026-01-31T10:00:00Z`, or `2h`.
///
/// # Errors
/// What can be written.
pub fn moment(text: &str, now: Timestamp) -> Result<Timestamp, &'static str> {
    if let Ok(ago) = text.parse::<Duration>() {
        return Ok(Timestamp::from_millis(now.as_millis().saturating_sub_unsigned(ago.as_millis())));
    }
    let time: Result<jiff::Timestamp, _> = text.parse();
    let time = time.map_err(|_| "write a time such as 2026-01-31T10:00:00Z, or how long ago it was, such as 2h")?;
    Ok(Timestamp::from_millis(time.as_millisecond()))
}
