//! Storms: too many have a finding at once, or nothing is heard of too many hosts. What looks like that is rarely mended one by one, and
//! may be no more than ourselves being cut off.

use homeostat_model::{Duration, Hold, Quota};

/// Whether few enough of `all` resources have a finding for anything to be disrupted.
///
/// # Errors
/// [`Hold::Unhealthy`] with the numbers; a share of `all` is rounded down.
pub fn healthy(of: &str, unhealthy: usize, all: usize, max: Quota) -> Result<(), Hold> {
    let max = max.down(all);
    let (unhealthy, all) = (count(unhealthy), count(all));
    if unhealthy <= max { Ok(()) } else { Err(Hold::Unhealthy { of: of.to_owned(), unhealthy, max, all }) }
}

/// Whether enough of `all` hosts are heard of for anything to be disrupted.
///
/// # Errors
/// [`Hold::Silent`] with the numbers; a share of `all` is rounded down.
pub fn heard(of: &str, silent: usize, all: usize, max: Quota, after: Duration) -> Result<(), Hold> {
    let max = max.down(all);
    let (silent, all) = (count(silent), count(all));
    if silent <= max { Ok(()) } else { Err(Hold::Silent { of: of.to_owned(), silent, max, all, after }) }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_may_be_are_not_too_many() {
        for (count, all, max, fine) in [
            (0, 0, "0", true),
            (1, 10, "10%", true),
            (2, 10, "10%", false),
            (1, 9, "10%", false),
            (3, 9, "3", true),
            (4, 9, "3", false),
        ] {
            let max: Quota = max.parse().unwrap();
            assert_eq!(healthy("guard site", count, all, max).is_ok(), fine, "{count} of {all}, {max}");
            assert_eq!(
                heard("guard site", count, all, max, Duration::from_mins(5)).is_ok(),
                fine,
                "{count} of {all}, {max}"
            );
        }
        let told = healthy("guard site", 4, 9, Quota::Count(3)).unwrap_err().to_string();
        assert_eq!(told, "maxUnhealthy of guard site: 4 of 9 have a finding, and 3 may");
        let told = heard("guard site", 4, 9, Quota::Share(0.3), Duration::from_mins(5)).unwrap_err().to_string();
        assert_eq!(told, "silentHosts of guard site: nothing was heard of 4 of 9 hosts for 5m, and 2 may be silent");
    }
}
