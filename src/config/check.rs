//! What the types do not say: what is wrong with a configuration as a whole, where, and what to do about it.

use std::collections::BTreeMap;

use homeostat_configuration::{FoundSecret, Origins, Place, Problem};
use homeostat_sources::Token;

use super::{AdapterConfig, Configuration};

/// Everything that is wrong. `complete`: nothing was left out of it for being wrong itself.
pub(super) fn check(configuration: &Configuration, origins: &Origins, complete: bool) -> Vec<Problem> {
    let Configuration { speed, adapters, sources, metrics, api, .. } = configuration;
    let mut problems = Problems { origins, found: Vec::new() };
    let centres: Vec<String> = adapters
        .iter()
        .enumerate()
        .filter(|(_, adapter)| matches!(adapter, AdapterConfig::Datacentre(config) if config.at.is_none()))
        .map(|(number, _)| format!("spec.adapters[{number}]"))
        .collect();
    for (number, adapter) in adapters.iter().enumerate() {
        let AdapterConfig::Datacentre(config) = adapter else { continue };
        let message = match (&config.scenario, &config.at) {
            (Some(_), None) | (None, Some(_)) => continue,
            (Some(_), Some(_)) => "the data centre has a `scenario`, and is served somewhere else as well",
            (None, None) => "the data centre has neither a `scenario` nor an address",
        };
        let help =
            "write `scenario:` for one in this process, or `at:` for one that `homeostat datacentre serve` serves";
        problems.add(&format!("spec.adapters[{number}].datacentre"), "datacentre", message.into(), help);
    }
    if *speed == 0 {
        let help = "1 is real time, 30 is thirty times as fast";
        problems.add("spec.speed", "out_of_range", "`spec.speed` is 0".into(), help);
    } else if *speed != 1 && (centres.len() < adapters.len() || !sources.is_empty()) {
        let message = format!("`spec.speed` is {speed}, but real systems run in real time");
        problems.add("spec.speed", "speed", message, "leave it out, or use the embedded data centre alone");
    }
    if let [first, second, ..] = centres.as_slice() {
        let message = format!("`spec.adapters` has {} embedded data centres, and there can be one", centres.len());
        let help = "keep one of them, and put all racks and hosts into its scenario";
        problems.add_beside(second, "datacentres", message, help, first, "the first one");
    }
    if complete && adapters.is_empty() && sources.is_empty() {
        let message = "there are neither adapters nor sources: there is nothing to watch".into();
        problems.add("spec", "nothing_to_watch", message, "add `adapters:` or `sources:` under `spec`");
    }
    let names = adapters
        .iter()
        .enumerate()
        .map(|(number, adapter)| (named(origins, "adapters", number, "name"), adapter.name()));
    problems.each_once(names, "duplicate_adapter", "two adapters are called", "give each a `name` of its own");
    let names = sources.iter().enumerate();
    let names = names.map(|(number, source)| (named(origins, "sources", number, "name"), source.name()));
    let help =
        "give each a `name` of its own: by it metrics tell them apart, and each goes on where it was after a change";
    problems.each_once(names, "duplicate_source", "two sources are called", help);
    let names = configuration.notifications.iter().enumerate();
    let names = names.map(|(number, one)| (named(origins, "notifications", number, "name"), one.name().as_str()));
    let help = "give each a `name` of its own: by it policies say through which one people are told";
    problems.each_once(names, "duplicate_channel", "two channels of notifications are called", help);
    let routes = sources.iter().enumerate();
    let routes =
        routes.filter_map(|(number, source)| Some((named(origins, "sources", number, "path"), source.route()?)));
    // Those of the program itself come first, so that a source is refused.
    let routes = crate::api::PATHS.into_iter().map(|path| ("spec.listen".to_owned(), path)).chain(routes);
    let help = "give each source a `path` of its own, and none of homeostat's";
    problems.each_once(routes, "duplicate_path", "two listen on", help);
    for (number, secret) in sources.iter().enumerate().filter_map(|(number, source)| Some((number, source.token()?))) {
        // One that cannot be read at all is told with the other secrets.
        if let Err(error) = Token::read(secret)
            && secret.read().is_ok()
        {
            let error = error.to_string();
            let (why, help) = error.split_once("; ").unwrap_or((&error, "give another one"));
            problems.add(&named(origins, "sources", number, "token"), "token", why.to_owned(), help);
        }
    }
    let tokens = api.iter().flat_map(|api| &api.tokens).enumerate();
    let tokens: Vec<(String, String)> =
        tokens.map(|(number, token)| (format!("spec.api.tokens[{number}].hash"), token.hash.to_string())).collect();
    let hashes = tokens.iter().map(|(path, hash)| (path.clone(), hash.as_str()));
    problems.each_once(hashes, "duplicate_token", "two tokens have the hash", "give everybody a token of their own");
    let declared = metrics.iter().enumerate();
    let declared = declared.map(|(number, metric)| (format!("spec.metrics[{number}].name"), metric.name.as_str()));
    problems.each_once(declared, "duplicate_metric", "two metrics are called", "keep one of them");
    problems.found
}

/// The secrets that cannot be read.
pub(super) fn secrets(secrets: &[FoundSecret]) -> Vec<Problem> {
    let unreadable = secrets.iter().filter_map(|found| Some((found, found.secret.read().err()?.to_string())));
    let problems = unreadable.map(|(found, error)| {
        let (why, help) = error.split_once("; ").unwrap_or((&error, "put the secret there"));
        Problem::new(found.place.clone(), "secret_missing", format!("`{}`: {why}", found.path)).help(help)
    });
    problems.collect()
}

/// The path of a field of an adapter or a source, whose sort is a part of it: `spec.adapters[1].container.name`.
fn named(origins: &Origins, list: &str, number: usize, field: &str) -> String {
    let entry = format!("spec.{list}[{number}]");
    let sort = origins.value().get(list).and_then(|list| list.get(number)).and_then(|entry| entry.as_object());
    let sort = sort.and_then(|entry| entry.keys().next());
    sort.map_or(entry.clone(), |sort| format!("{entry}.{sort}.{field}"))
}

struct Problems<'a> {
    origins: &'a Origins,
    found: Vec<Problem>,
}

impl Problems<'_> {
    fn place(&self, path: &str) -> Place {
        self.origins.place(path).cloned().unwrap_or_else(|| Place::new("", "", 0..0))
    }

    fn add(&mut self, path: &str, code: &str, message: String, help: &str) {
        self.found.push(Problem::new(self.place(path), code, message).help(help));
    }

    fn add_beside(&mut self, path: &str, code: &str, message: String, help: &str, other: &str, what: &str) {
        let problem = Problem::new(self.place(path), code, message).help(help);
        self.found.push(problem.relate(self.place(other), what));
    }

    /// Refuses the second of two values that are the same; each is given with its path.
    fn each_once<'a>(&mut self, values: impl Iterator<Item = (String, &'a str)>, code: &str, what: &str, help: &str) {
        let mut first: BTreeMap<&str, String> = BTreeMap::new();
        for (path, value) in values {
            match first.get(value) {
                Some(other) => {
                    self.add_beside(&path, code, format!("{what} `{value}`"), help, &other.clone(), "the first one")
                }
                None => drop(first.insert(value, path)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use homeostat_configuration::{FoundSecret, Place};
    use homeostat_port::Secret;

    use super::secrets;

    #[test]
    fn a_secret_that_is_not_there_is_told_with_its_place_and_what_to_do() {
        let found = |secret| FoundSecret {
            secret,
            path: "spec.sources[0].alertmanager.token".into(),
            place: Place::new("homeostat.yaml", "spec:\n  token: {}\n", 15..17),
        };
        let problems = secrets(&[
            found(Secret::from_environment("PATH")),
            found(Secret::from_environment("HOMEOSTAT_NO_SUCH_TOKEN")),
            found(Secret::from_file("/nowhere/token")),
        ]);
        let told: Vec<String> = problems
            .iter()
            .map(|problem| format!("{:?} {problem} | {}", problem.place(), problem.advice().unwrap_or_default()))
            .collect();
        assert_eq!(
            told,
            [
                "homeostat.yaml:2:10 `spec.sources[0].alertmanager.token`: the environment variable HOMEOSTAT_NO_SUCH_TOKEN is not set \
             | set it for homeostat, or give the secret as {file: path}",
                "homeostat.yaml:2:10 `spec.sources[0].alertmanager.token`: the secret's file /nowhere/token cannot be read: No such \
             file or directory (os error 2) | it has to be there, and readable by homeostat's user",
            ]
        );
    }
}
