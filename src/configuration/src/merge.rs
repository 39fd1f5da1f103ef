//! Puts what several files say into one tree.

use crate::{
    Problem,
    tree::{Tree, Value},
};

/// Adds `more` to `tree`, both of which are at `path`: mappings key by key, lists one after the other. A value that both have is
/// given twice, also when it is the same: who changes one of them expects that to matter.
pub(crate) fn merge(tree: &mut Tree, more: Tree, path: &str, problems: &mut Vec<Problem>) {
    match (&mut tree.value, more.value) {
        (_, Value::Null) => {}
        (mine @ Value::Null, theirs) => {
            *mine = theirs;
            tree.place = more.place;
        }
        (Value::List(mine), Value::List(theirs)) => mine.extend(theirs),
        (Value::Map(mine), Value::Map(theirs)) => {
            for entry in theirs {
                match mine.iter_mut().find(|own| own.key == entry.key) {
                    Some(own) => merge(&mut own.value, entry.value, &format!("{path}.{}", entry.key), problems),
                    None => mine.push(entry),
                }
            }
        }
        _ => {
            let problem = Problem::new(more.place, "given_twice", format!("`{path}` is given in two files"));
            let problem = problem.help("keep it in one of them").relate(tree.place.clone(), "it is given here first");
            problems.push(problem);
        }
    }
}
