//! Names that were read before, so that a name that comes again is not checked and stored again.

use std::{hash::Hasher, str::FromStr};

use homeostat_model::{EventType, InvalidName, MetricName, ResourceId};
use rustc_hash::FxHasher;

/// Places for resource ids, a power of two as the other one is: more than one process watches, as elsewhere here. An id has at most 507 bytes.
const RESOURCES: usize = 65_536;

/// Places for the names of metrics, and for types of events: known systems have some hundreds.
const WORDS: usize = 1_024;

/// The names that one reader has seen.
#[derive(Debug)]
pub(crate) struct Names {
    pub(crate) resources: Known<ResourceId>,
    pub(crate) metrics: Known<MetricName>,
    pub(crate) event_types: Known<EventType>,
}

/// Each name has one place, by its hash; the name that came last keeps it. Nothing has to be kept in order for that, and what
/// falls out is only read again.
#[derive(Debug)]
pub(crate) struct Known<T> {
    capacity: usize,
    places: Vec<Option<T>>,
}

impl Names {
    /// For a reader of many.
    pub(crate) fn remembered() -> Self {
        Self { resources: Known::new(RESOURCES), metrics: Known::new(WORDS), event_types: Known::new(WORDS) }
    }

    /// For a reader of one: remembers nothing.
    pub(crate) fn forgotten() -> Self {
        Self { resources: Known::new(0), metrics: Known::new(0), event_types: Known::new(0) }
    }
}

impl<T: Clone + AsText + FromStr<Err = InvalidName>> Known<T> {
    fn new(capacity: usize) -> Self {
        Self { capacity, places: Vec::new() }
    }

    /// The name that `text` is.
    ///
    /// # Errors
    /// [`InvalidName`] when it is none.
    pub(crate) fn read(&mut self, text: &str) -> Result<T, InvalidName> {
        if self.places.len() < self.capacity {
            // Not before the first name: many readers never see one of each sort.
            self.places.resize(self.capacity, None);
        }
        let Some(place) = place_of(text, self.places.len()).and_then(|index| self.places.get_mut(index)) else {
            return text.parse();
        };
        match place {
            Some(known) if known.as_text() == text => Ok(known.clone()),
            _ => Ok(place.insert(text.parse()?).clone()),
        }
    }
}

/// What is written as text, and compared as that.
pub(crate) trait AsText {
    /// The text.
    fn as_text(&self) -> &str;
}

impl AsText for ResourceId {
    fn as_text(&self) -> &str {
        self.as_str()
    }
}

impl AsText for MetricName {
    fn as_text(&self) -> &str {
        self.as_str()
    }
}

impl AsText for EventType {
    fn as_text(&self) -> &str {
        self.as_str()
    }
}

fn place_of(text: &str, places: usize) -> Option<usize> {
    let mut hasher = FxHasher::default();
    hasher.write(text.as_bytes());
    // Places are a power of two.
    let mask = u64::try_from(places).ok()?.checked_sub(1)?;
    usize::try_from(hasher.finish() & mask).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_the_same_however_often_and_however_many_there_are() {
        let mut names = Names { metrics: Known::new(4), ..Names::remembered() };
        let mut forgotten = Names::forgotten();
        for round in 0..3 {
            for text in ["a", "b", "c", "d", "e", "", "a b", "f"] {
                let expected = text.parse::<MetricName>();
                assert_eq!(names.metrics.read(text), expected, "{round}");
                assert_eq!(forgotten.metrics.read(text), expected, "{round}");
            }
            assert_eq!((names.metrics.places.len(), forgotten.metrics.places.len()), (4, 0));
        }
    }

    #[test]
    fn a_name_that_comes_again_is_the_one_that_came_before() {
        let mut names = Names::remembered();
        let mut id = || names.resources.read("vm/v1").unwrap();
        assert_eq!(id().as_str().as_ptr(), id().as_str().as_ptr());
    }
}
