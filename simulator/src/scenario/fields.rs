//! Reads a mapping of the file field by field; what nobody asked for is refused.

use std::{collections::BTreeMap, fmt::Display, ops::Range, str::FromStr};

use homeostat_model::{Duration, Quantity, Unit};

use super::{
    document::{Node, Tree},
    problem::Problems,
};
use crate::number;

/// A mapping that is being read. Each reading gives `None` after a problem was added, or when the field is not there.
pub(super) struct Fields<'a> {
    what: &'static str,
    pub(super) at: Range<usize>,
    entries: Vec<(&'a str, &'a Node, &'a Node)>,
    asked: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    pub(super) fn open(node: &'a Node, what: &'static str, problems: &mut Problems) -> Option<Self> {
        let Tree::Map(map) = &node.tree else {
            problems.add(&node.at, format!("{what} is a mapping, not {}", node.tree.form()));
            return None;
        };
        let mut entries = Vec::new();
        for (key, value) in map {
            match &key.tree {
                Tree::Plain(name) => entries.push((name.as_str(), key, value)),
                other => problems.add(&key.at, format!("a key is a plain value, not {}", other.form())),
            }
        }
        Some(Self { what, at: node.at.clone(), entries, asked: Vec::new() })
    }

    pub(super) fn take(&mut self, name: &'static str) -> Option<&'a Node> {
        self.asked.push(name);
        let (_, _, value) = self.entries.iter().find(|(key, ..)| *key == name)?;
        (!matches!(value.tree, Tree::Empty)).then_some(*value)
    }

    pub(super) fn require(&mut self, name: &'static str, problems: &mut Problems) -> Option<&'a Node> {
        let found = self.take(name);
        if found.is_none() {
            problems.add(&self.at, format!("{} needs `{name}`", self.what));
        }
        found
    }

    /// The items of the list `name`; none when it is not there.
    pub(super) fn list(&mut self, name: &'static str, problems: &mut Problems) -> &'a [Node] {
        match self.take(name) {
            None => &[],
            Some(Node { tree: Tree::List(items), .. }) => items,
            Some(other) => {
                problems.add(&other.at, format!("`{name}` is a list, not {}", other.tree.form()));
                &[]
            }
        }
    }

    /// A mapping of texts to texts, such as labels.
    pub(super) fn texts(&mut self, name: &'static str, problems: &mut Problems) -> BTreeMap<String, String> {
        let Some(fields) = self.take(name).and_then(|node| Fields::open(node, "labels", problems)) else {
            return BTreeMap::new();
        };
        let entry = |(key, _, value): &(&str, &Node, &'a Node)| {
            Some(((*key).to_owned(), plain(value, "a label", problems)?.to_owned()))
        };
        fields.entries.iter().filter_map(entry).collect()
    }

    pub(super) fn text(&mut self, name: &'static str, problems: &mut Problems) -> Option<&'a str> {
        self.take(name).and_then(|node| plain(node, name, problems))
    }

    pub(super) fn parsed<T: FromStr<Err: Display>>(
        &mut self,
        name: &'static str,
        problems: &mut Problems,
    ) -> Option<T> {
        let node = self.take(name)?;
        parse(node, name, problems)
    }

    /// A duration from `min` to `max`.
    pub(super) fn duration(
        &mut self,
        name: &'static str,
        (min, max): (Duration, Duration),
        problems: &mut Problems,
    ) -> Option<Duration> {
        let node = self.take(name)?;
        let duration: Duration = parse(node, name, problems)?;
        if duration < min || duration > max {
            problems.add(&node.at, format!("`{name}` is {duration}; it may be from {min} to {max}"));
            return None;
        }
        Some(duration)
    }

    /// A number of `unit` from `min` to `max`.
    pub(super) fn amount(
        &mut self,
        name: &'static str,
        unit: Unit,
        (min, max): (f64, f64),
        problems: &mut Problems,
    ) -> Option<f64> {
        let node = self.take(name)?;
        let Quantity { number, unit: given } = parse(node, name, problems)?;
        if given != unit && !(given == Unit::None && unit == Unit::Watts) {
            let wanted = if unit == Unit::None { "a bare number".to_owned() } else { format!("in {unit}") };
            problems.add(&node.at, format!("`{name}` is to be {wanted}, not in {given}"));
            return None;
        }
        if !(min..=max).contains(&number) {
            problems.add(&node.at, format!("`{name}` is {number}; it may be from {min} to {max}"));
            return None;
        }
        Some(number)
    }

    /// A whole number of bytes from `min` to `max`.
    pub(super) fn bytes(&mut self, name: &'static str, range: (f64, f64), problems: &mut Problems) -> Option<u64> {
        let at = self.entries.iter().find(|(key, ..)| *key == name).map(|(_, _, value)| value.at.clone())?;
        let number = self.amount(name, Unit::Bytes, range, problems)?;
        let whole = number::whole(number);
        if whole.is_none() {
            problems.add(&at, format!("`{name}` is {number}, which is not a whole number of bytes"));
        }
        whole
    }

    /// Refuses what nobody asked for.
    pub(super) fn finish(self, problems: &mut Problems) {
        for (name, key, _) in &self.entries {
            if !self.asked.contains(name) {
                let help = match nearest(name, &self.asked) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("it may have {}", self.asked.join(", ")),
                };
                problems.add_with_help(&key.at, format!("{} has no field `{name}`", self.what), Some(help));
            }
        }
    }
}

pub(super) fn plain<'a>(node: &'a Node, what: &str, problems: &mut Problems) -> Option<&'a str> {
    if let Tree::Plain(text) = &node.tree {
        return Some(text);
    }
    problems.add(&node.at, format!("{what} is a plain value, not {}", node.tree.form()));
    None
}

pub(super) fn parse<T: FromStr<Err: Display>>(node: &Node, what: &str, problems: &mut Problems) -> Option<T> {
    match plain(node, what, problems)?.parse::<T>() {
        Ok(value) => Some(value),
        Err(error) => {
            problems.add(&node.at, format!("`{what}`: {error}"));
            None
        }
    }
}

/// The one of `names` that `name` was most likely meant to be: at most a third of its letters are wrong.
pub(super) fn nearest<'n>(name: &str, names: &[&'n str]) -> Option<&'n str> {
    let near = names.iter().map(|other| (distance(name, other), *other)).min_by_key(|(distance, _)| *distance);
    near.filter(|(distance, _)| *distance <= name.chars().count() / 3).map(|(_, near)| near)
}

/// How many letters have to be put in, left out or changed (Levenshtein, 1966), row by row.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, other) in row.iter_mut().skip(1).zip(b.chars()) {
            let changed = diagonal + usize::from(letter != other);
            diagonal = *cell;
            left = changed.min(left + 1).min(*cell + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_no_far_one() {
        for (name, expected) in [("memroy", Some("memory")), ("core", Some("cores")), ("colour", None), ("x", None)] {
            assert_eq!(nearest(name, &["name", "cores", "memory"]), expected, "{name}");
        }
        for (a, b, expected) in [("", "abc", 3), ("kitten", "sitting", 3), ("abc", "abc", 0), ("ab", "ba", 2)] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }
}
