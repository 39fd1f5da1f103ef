//! Reads a mapping field by field: all that is wrong with it is reported, and what was not asked for is refused.

use std::{collections::BTreeMap, fmt::Display, ops::Range, str::FromStr};

use homeostat_model::{Duration, Unit, Value};

use crate::{
    mistake::Mistake,
    nearest::{hint, nearest},
    report::Report,
    yaml::{Key, Node, Yaml},
};

/// A mapping that is being read.
pub(crate) struct Fields<'a> {
    /// What it is, for messages: `spec`, `metadata`, `resize`.
    of: String,
    at: Range<usize>,
    entries: Vec<&'a (Key, Node)>,
    asked: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// Begins to read `node`. A key that is there twice is reported here.
    pub(crate) fn open(node: &'a Node, of: impl Into<String>, report: &mut Report) -> Option<Self> {
        let of = of.into();
        let Yaml::Map(entries) = &node.value else {
            wrong_type(node, &named(&of), "a mapping", report);
            return None;
        };
        let entries: Vec<_> = entries.iter().collect();
        report_duplicates(&entries, report);
        Some(Self { of, at: node.at.clone(), entries, asked: Vec::new() })
    }

    /// The value of `name`, if it is there and not empty.
    pub(crate) fn take(&mut self, name: &'static str) -> Option<&'a Node> {
        if !self.asked.contains(&name) {
            self.asked.push(name);
        }
        let (_, node) = self.entries.iter().find(|(key, _)| key.text == name)?;
        (node.value != Yaml::Null).then_some(node)
    }

    /// The value of `name`, which has to be there.
    pub(crate) fn require(&mut self, name: &'static str, report: &mut Report) -> Option<&'a Node> {
        let node = self.take(name);
        // A slip of the pen is said once, where it was made: by `finish`.
        let misspelt = || self.entries.iter().any(|(key, _)| key.text != name && nearest(&key.text, [name]).is_some());
        if node.is_none() && !misspelt() {
            self.missing(name, None, report);
        }
        node
    }

    /// Says that `name` is missing, and how it is written.
    pub(crate) fn missing(&self, name: &'static str, help: Option<String>, report: &mut Report) {
        report.add(self.at.clone(), Mistake::MissingField { of: named(&self.of), field: name, help });
    }

    /// The place of the key `name`.
    pub(crate) fn key_at(&self, name: &str) -> Range<usize> {
        self.entries.iter().find(|(key, _)| key.text == name).map_or(self.at.clone(), |(key, _)| key.at.clone())
    }

    /// The keys, in the order of the file.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &'a Key> {
        self.entries.iter().map(|(key, _)| key)
    }

    /// Where it stands.
    pub(crate) fn at(&self) -> Range<usize> {
        self.at.clone()
    }

    /// Refuses what nobody asked for.
    pub(crate) fn finish(self, report: &mut Report) {
        #[cfg(test)]
        asked::note(&self.of, &self.asked);
        for (key, _) in &self.entries {
            if !self.asked.contains(&key.text.as_str()) {
                let free =
                    self.asked.iter().copied().filter(|name| !self.entries.iter().any(|(key, _)| key.text == *name));
                let help = hint(&key.text, free);
                report
                    .add(key.at.clone(), Mistake::UnknownField { of: named(&self.of), field: key.text.clone(), help });
            }
        }
    }
}

/// A field's name is quoted, a description is not.
fn named(of: &str) -> String {
    if of.contains(' ') { of.to_owned() } else { format!("`{of}`") }
}

fn report_duplicates(entries: &[&(Key, Node)], report: &mut Report) {
    let mut first: BTreeMap<&str, &Key> = BTreeMap::new();
    for (key, _) in entries {
        if let Some(before) = first.insert(&key.text, key) {
            let name = key.text.clone();
            let earlier = report.problem(before.at.clone(), Mistake::FirstDeclared { name: name.clone() });
            let problem = report.problem(key.at.clone(), Mistake::DuplicateField { field: name }).relate(earlier);
            report.push(problem);
        }
    }
}

pub(crate) fn wrong_type(node: &Node, what: &str, expected: &'static str, report: &mut Report) {
    let found = node.value.form();
    report.add(node.at.clone(), Mistake::WrongType { what: what.into(), expected, found });
}

/// The text of a plain value; `what` is its name in messages.
pub(crate) fn text<'a>(node: &'a Node, what: &str, report: &mut Report) -> Option<&'a str> {
    if let Yaml::Scalar { text, .. } = &node.value {
        return Some(text);
    }
    wrong_type(node, &format!("`{what}`"), "a plain value", report);
    None
}

/// A value that says itself how it is written.
pub(crate) fn parsed<T: FromStr<Err: Display>>(node: &Node, what: &str, report: &mut Report) -> Option<T> {
    let given = text(node, what, report)?;
    match given.parse() {
        Ok(value) => Some(value),
        Err(error) => {
            let error: T::Err = error;
            let reason = format!("{what}: {error}");
            // Such errors end in what is allowed.
            let (reason, help) = match reason.split_once("; ") {
                Some((reason, help)) => (reason.to_owned(), Some(help.to_owned())),
                None => (reason, None),
            };
            let help = help.map(|help| if help.starts_with("write") { help } else { format!("{help} allowed") });
            report.add(node.at.clone(), Mistake::InvalidValue { reason, help });
            None
        }
    }
}

/// A duration of at least `min` and at most `max`.
pub(crate) fn duration(
    node: &Node,
    what: &str,
    (min, max): (Duration, Duration),
    report: &mut Report,
) -> Option<Duration> {
    let given: Duration = parsed(node, what, report)?;
    if given < min || given > max {
        let allowed = if min.is_zero() { format!("at most {max}") } else { format!("a duration from {min} to {max}") };
        let mistake = Mistake::OutOfRange { what: format!("`{what}`"), given: given.to_string(), allowed };
        report.add(node.at.clone(), mistake);
        return None;
    }
    Some(given)
}

/// A whole number from `min` to `max`.
pub(crate) fn integer<T>(node: &Node, what: &str, (min, max): (T, T), report: &mut Report) -> Option<T>
where
    T: FromStr + PartialOrd + Display + Copy,
{
    let given = text(node, what, report)?;
    match given.strip_prefix('+').unwrap_or(given).replace('_', "").parse::<T>() {
        Ok(value) if min <= value && value <= max => Some(value),
        _ => {
            let allowed = format!("a whole number from {min} to {max}");
            let mistake = Mistake::OutOfRange { what: format!("`{what}`"), given: given.into(), allowed };
            report.add(node.at.clone(), mistake);
            None
        }
    }
}

/// One of a few words. `what` is the sort of word for messages: `a mode`.
pub(crate) fn word<T: Copy + Display>(
    node: &Node,
    field: &str,
    what: &'static str,
    words: &[T],
    report: &mut Report,
) -> Option<T> {
    let given = text(node, field, report)?;
    let found = words.iter().find(|word| word.to_string() == given);
    if found.is_none() {
        let names: Vec<String> = words.iter().map(ToString::to_string).collect();
        let help = hint(given, names.iter().map(String::as_str));
        report.add(node.at.clone(), Mistake::UnknownWord { what, given: given.into(), help });
    }
    found.copied()
}

/// The units that a metric can be declared with.
pub(crate) const UNITS: [Unit; 5] = [Unit::None, Unit::Ratio, Unit::Bytes, Unit::Seconds, Unit::Watts];

/// The items of a list.
pub(crate) fn items<'a>(node: &'a Node, what: &str, report: &mut Report) -> &'a [Node] {
    if let Yaml::List(items) = &node.value {
        return items;
    }
    wrong_type(node, &format!("`{what}`"), "a list", report);
    &[]
}

/// The items of a list that has at most `most`; those after them are not read.
pub(crate) fn items_up_to<'a>(node: &'a Node, what: &str, most: usize, report: &mut Report) -> &'a [Node] {
    let items = items(node, what, report);
    match items.get(..most) {
        Some(first) if items.len() > most => {
            let (what, given) = (format!("the length of `{what}`"), items.len().to_string());
            report
                .add(node.at.clone(), Mistake::OutOfRange { what, given, allowed: format!("at most {most} entries") });
            first
        }
        _ => items,
    }
}

/// A mapping of names to texts, such as labels.
pub(crate) fn texts(node: &Node, what: &str, report: &mut Report) -> BTreeMap<String, String> {
    named_texts(node, what, report).into_iter().map(|(key, value, _)| (key, value)).collect()
}

/// The same in the order of the file, each with the place of its name.
pub(crate) fn named_texts(node: &Node, what: &str, report: &mut Report) -> Vec<(String, String, Range<usize>)> {
    entries(node, what, report)
        .into_iter()
        .filter_map(|(key, value)| Some((key.text.clone(), text(value, &key.text, report)?.to_owned(), key.at.clone())))
        .collect()
}

/// A mapping of names to numbers, truths and texts, such as attributes.
pub(crate) fn values(node: &Node, what: &str, report: &mut Report) -> BTreeMap<String, Value> {
    entries(node, what, report)
        .into_iter()
        .filter_map(|(key, value)| Some((key.text.clone(), typed_value(value, &key.text, report)?)))
        .collect()
}

fn typed_value(node: &Node, what: &str, report: &mut Report) -> Option<Value> {
    let text = text(node, what, report)?;
    let Yaml::Scalar { typed: true, .. } = node.value else { return Some(text.into()) };
    Some(match (text.to_ascii_lowercase().as_str(), text.replace('_', "").parse::<f64>()) {
        ("true", _) => true.into(),
        ("false", _) => false.into(),
        (_, Ok(number)) if number.is_finite() => number.into(),
        _ => text.into(),
    })
}

/// The entries of a mapping.
pub(crate) fn entries<'a>(node: &'a Node, what: &str, report: &mut Report) -> Vec<&'a (Key, Node)> {
    let Yaml::Map(entries) = &node.value else {
        wrong_type(node, &format!("`{what}`"), "a mapping", report);
        return Vec::new();
    };
    let entries: Vec<_> = entries.iter().collect();
    report_duplicates(&entries, report);
    entries
}

/// What the readers asked for, for the test that holds the schema against it.
#[cfg(test)]
pub(crate) mod asked {
    use std::{cell::RefCell, mem::take};

    type Asked = Vec<(String, Vec<&'static str>)>;

    thread_local! {
        static ASKED: RefCell<Asked> = const { RefCell::new(Vec::new()) };
    }

    pub(crate) fn note(of: &str, names: &[&'static str]) {
        ASKED.with_borrow_mut(|asked| asked.push((of.to_owned(), names.to_vec())));
    }

    /// All of it since the last time.
    pub(crate) fn taken() -> Asked {
        ASKED.with_borrow_mut(take)
    }
}
