//! The pause before a step is tried again: it doubles each time, and no two steps pause alike.
//!
//! Exponential back-off with equal jitter (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015): half of the
//! pause is fixed, the other half is drawn. It is drawn from the key of the try that failed, so that it is the same in a replay and
//! differs between the steps of one outage.

use homeostat_model::{Duration, IdempotencyKey, Retry};

/// No pause is longer: after five minutes a system that comes back by itself has come back.
const LONGEST: Duration = Duration::from_mins(5);

/// How long to wait after the `failed`-th try, from 1, which had this key.
pub(crate) fn pause(retry: &Retry, failed: u16, key: &IdempotencyKey) -> Duration {
    // Beyond this many doublings every pause of a millisecond or more is the longest.
    let doublings = u32::from(failed.saturating_sub(1)).min(32);
    let whole = retry.pause.as_millis().saturating_mul(1 << doublings).min(LONGEST.as_millis());
    let half = whole / 2;
    Duration::from_millis(whole - half + draw(key) % (half + 1))
}

/// FNV-1a (G. Fowler, L. C. Noll, K.-P. Vo, 1991), mixed once more, since its low bits differ little for keys that do.
fn draw(key: &IdempotencyKey) -> u64 {
    let hash = key
        .to_string()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
}

#[cfg(test)]
mod tests {
    use homeostat_model::{Attempt, Generation, PlanId, StepId};

    use super::*;

    fn key(number: u64) -> IdempotencyKey {
        let plan = PlanId { generation: Generation(1), number };
        IdempotencyKey::of(plan, StepId(1), Attempt { undo: false, number: 1 })
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_at_least_half_of_them_passes() {
        let retry = Retry { attempts: 99, pause: Duration::from_secs(4) };
        for (failed, whole) in [(1, 4), (2, 8), (3, 16), (6, 128), (7, 256), (8, 300), (99, 300)] {
            let pauses: Vec<u64> = (0..500).map(|number| pause(&retry, failed, &key(number)).as_millis()).collect();
            let (least, most) = (*pauses.iter().min().unwrap(), *pauses.iter().max().unwrap());
            assert!(least >= whole * 500 && most <= whole * 1000, "{failed}: {least} to {most}");
            // They are spread over all of the half that is drawn.
            assert!(least < whole * 520 && most > whole * 980, "{failed}: {least} to {most}");
        }
    }

    #[test]
    fn the_same_try_pauses_as_long_again_and_no_pause_stays_none() {
        let retry = Retry { attempts: 3, pause: Duration::from_secs(4) };
        assert_eq!(pause(&retry, 1, &key(7)), pause(&retry, 1, &key(7)));
        assert_eq!(pause(&Retry { attempts: 3, pause: Duration::ZERO }, 9, &key(7)), Duration::ZERO);
    }
}
