//! Which records are asked for.

use std::{fmt::Display, str::FromStr};

use homeostat_model::{PlanId, ResourceId, Timestamp};

use crate::{
    Mistake, moment,
    query::{limit, parameters},
};

/// Records that are shown unless said otherwise.
const SHOWN: usize = 1000;
/// Most records that are shown at once: some ten megabytes.
pub const MAX_SHOWN: usize = 10_000;

/// What a record has to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// About this plan.
    pub plan: Option<PlanId>,
    /// About this policy.
    pub policy: Option<String>,
    /// About this resource.
    pub resource: Option<ResourceId>,
    /// Of one of these kinds; of any when there are none.
    pub kinds: Vec<String>,
    /// Made then or later.
    pub since: Option<Timestamp>,
    /// Made before then.
    pub until: Option<Timestamp>,
}

/// Which records are asked for: as `homeostat audit` does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// What they have to be.
    pub wanted: Wanted,
    /// How many at most, the newest.
    pub limit: usize,
}

impl Asked {
    /// What a query says at `now`.
    ///
    /// # Errors
    /// [`Mistake`] when it cannot be read.
    pub fn read(query: &str, now: Timestamp) -> Result<Self, Mistake> {
        let mut found = parameters(query, &["plan", "policy", "resource", "kind", "since", "until", "limit"])?;
        let limit = limit(found.get("limit"), SHOWN, MAX_SHOWN)?;
        let time = |name: &str| {
            let wrong = |help| Mistake::new(format!("`{name}` is no time"), help);
            found.get(name).map(|text| moment(text, now).map_err(wrong)).transpose()
        };
        let (since, until) = (time("since")?, time("until")?);
        let plan = parsed("plan", found.get("plan"), "`homeostat plan list` shows the plans")?;
        let resource = parsed("resource", found.get("resource"), "names are kind/name, such as vm/web-1")?;
        let kinds = found.get("kind").into_iter().flat_map(|kinds| kinds.split(',')).map(str::to_owned).collect();
        Ok(Self { wanted: Wanted { plan, policy: found.remove("policy"), resource, kinds, since, until }, limit })
    }
}

fn parsed<T: FromStr<Err: Display>>(name: &str, text: Option<&String>, help: &str) -> Result<Option<T>, Mistake> {
    let parse = |text: &String| text.parse().map_err(|error| Mistake::new(format!("{name}: {error}"), help));
    text.map(parse).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MAX_QUERY, Which};

    fn now() -> Timestamp {
        Timestamp::from_millis(1_769_853_600_000)
    }

    #[test]
    fn a_query_is_read_as_a_whole_or_refused_with_what_to_do() {
        let query =
            "plan=p1-2&policy=a%20b&resource=vm/web-1&kind=planMade,held&since=2h&until=2026-01-31T09:00:00Z&limit=7";
        let wanted = Wanted {
            plan: "p1-2".parse().ok(),
            policy: Some("a b".into()),
            resource: "vm/web-1".parse().ok(),
            kinds: vec!["planMade".into(), "held".into()],
            since: Some(Timestamp::from_millis(1_769_846_400_000)),
            until: Some(Timestamp::from_millis(1_769_850_000_000)),
        };
        assert_eq!(Asked::read(query, now()), Ok(Asked { wanted, limit: 7 }));
        for nothing in ["", "&", "plan=&policy=&resource=&kind=&since=&until="] {
            assert_eq!(Asked::read(nothing, now()), Ok(Asked { wanted: Wanted::default(), limit: SHOWN }), "{nothing}");
        }
        let long = format!("policy={}", "a".repeat(MAX_QUERY));
        for (query, error, help) in [
            ("plan=7", "plan: `7`", "plan list"),
            ("resource=vm", "it has no `/`", "vm/web-1"),
            ("since=soon", "`since` is no time", "2h"),
            ("limit=-1", "`limit` is no number", "10000"),
            ("limti=1", "`limti` is no parameter here", "plan, policy"),
            ("policy=a&policy=b", "`policy` is given twice", "once"),
            (&long, "at most 8192 are read", "less"),
        ] {
            let mistake = Asked::read(query, now()).unwrap_err();
            assert!(mistake.error().contains(error) && mistake.help().contains(help), "{query}: {mistake:?}");
        }
    }

    #[test]
    fn a_list_of_plans_goes_on_after_the_plan_that_the_one_before_has_ended_with() {
        let which = Which::read("state=waiting,running&limit=7&continue=p1-9").unwrap();
        let states = Some(vec!["waiting".into(), "running".into()]);
        assert_eq!(which, Which { states, limit: 7, after: "p1-9".parse().ok() });
        assert!(Which::read("continue=9").unwrap_err().error().contains("`9`"));
    }

    #[test]
    fn nobody_is_shown_more_than_the_most() {
        for great in ["10001", "99999999999999999999999999"] {
            assert_eq!(Asked::read(&format!("limit={great}"), now()).map(|asked| asked.limit), Ok(MAX_SHOWN));
            assert_eq!(Which::read(&format!("limit={great}")).map(|which| which.limit), Ok(crate::MAX_LISTED));
        }
    }
}
