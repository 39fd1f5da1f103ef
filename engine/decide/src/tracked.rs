//! A resource that exists: its samples, its attributes, its relatives.

use std::sync::Arc;

use homeostat_model::{Resource, ResourceId, Timestamp, Value};
use homeostat_policy::Attribute;

use crate::{
    operand::Reading,
    shape::Shape,
    signal::{Layout, Series, Window},
};

/// A resource that exists.
#[derive(Debug)]
pub(crate) struct Tracked {
    pub(crate) id: ResourceId,
    pub(crate) shape: Arc<Shape>,
    /// One for each series of the shape.
    pub(crate) series: Box<[Series]>,
    /// All windows of the series, in their order: see [`Shape::windows_of`].
    pub(crate) windows: Box<[Window]>,
    /// One for each attribute of the shape.
    pub(crate) attributes: Box<[Reading]>,
    /// For each cell of the shape: whether there is an instance to be remembered.
    pub(crate) marks: Marks,
    /// Its relatives, if it has any.
    links: Option<Box<Links>>,
    /// When something was last heard of it.
    pub(crate) heard: Timestamp,
}

/// Relatives of a resource.
#[derive(Debug, Default)]
pub(crate) struct Links {
    /// What it runs on, if that exists.
    pub(crate) parent: Option<usize>,
    /// What runs on it, in the order of ids.
    pub(crate) children: Vec<usize>,
    /// The groups that it is in.
    pub(crate) groups: Vec<usize>,
}

/// One bit for each cell. Few are kept in place: what is asked for every sample is not looked for elsewhere.
#[derive(Debug)]
pub(crate) enum Marks {
    Few([u64; 2]),
    Many(Box<[u64]>),
}

impl Marks {
    fn of(marks: impl ExactSizeIterator<Item = bool>) -> Self {
        let mut words = vec![0_u64; marks.len().div_ceil(64)];
        for (cell, _) in marks.enumerate().filter(|(_, marked)| *marked) {
            if let Some(word) = words.get_mut(cell / 64) {
                *word |= 1 << (cell % 64);
            }
        }
        match words.as_slice() {
            [] => Self::Few([0, 0]),
            [first] => Self::Few([*first, 0]),
            [first, second] => Self::Few([*first, *second]),
            _ => Self::Many(words.into()),
        }
    }

    #[inline]
    fn words(&self) -> &[u64] {
        match self {
            Self::Few(words) => words,
            Self::Many(words) => words,
        }
    }

    /// The bits, if any is set.
    #[inline]
    pub(crate) fn any(&self) -> Option<&[u64]> {
        Some(self.words()).filter(|words| words.iter().any(|word| *word != 0))
    }

    #[inline]
    pub(crate) fn has(&self, cell: usize) -> bool {
        is_set(self.words(), cell)
    }

    fn set(&mut self, cell: usize, marked: bool) {
        let words: &mut [u64] = match self {
            Self::Few(words) => words,
            Self::Many(words) => words,
        };
        if let Some(word) = words.get_mut(cell / 64) {
            *word = if marked { *word | (1 << (cell % 64)) } else { *word & !(1 << (cell % 64)) };
        }
    }
}

impl Tracked {
    /// Without anything but a name.
    pub(crate) fn new(id: ResourceId, shape: Arc<Shape>, at: Timestamp) -> Self {
        let (series, windows) = (Box::default(), Box::default());
        let (attributes, marks) = (Box::default(), Marks::Few([0, 0]));
        Self { id, shape, series, windows, attributes, marks, links: None, heard: at }
    }

    /// The series at this place, its windows and what is to be known of them.
    #[inline]
    pub(crate) fn series(&self, place: usize) -> Option<(&Series, &Layout, &[Window])> {
        let windows = self.windows.get(self.shape.windows_of(place)?)?;
        Some((self.series.get(place)?, self.shape.layout(place)?, windows))
    }

    /// The same, to be kept up.
    #[inline]
    pub(crate) fn series_mut(&mut self, place: usize) -> Option<(&mut Series, &Layout, &mut [Window])> {
        let windows = self.windows.get_mut(self.shape.windows_of(place)?)?;
        Some((self.series.get_mut(place)?, self.shape.layout(place)?, windows))
    }

    pub(crate) fn parent(&self) -> Option<usize> {
        self.links.as_ref().and_then(|links| links.parent)
    }

    pub(crate) fn children(&self) -> &[usize] {
        self.links.as_ref().map(|links| links.children.as_slice()).unwrap_or_default()
    }

    pub(crate) fn groups(&self) -> &[usize] {
        self.links.as_ref().map(|links| links.groups.as_slice()).unwrap_or_default()
    }

    pub(crate) fn links_mut(&mut self) -> &mut Links {
        self.links.get_or_insert_default()
    }

    /// Keeps what it has under another shape; series that are new begin at `at`.
    pub(crate) fn take_shape(&mut self, shape: Arc<Shape>, resource: &Resource, at: Timestamp) {
        let old = std::mem::replace(&mut self.shape, shape);
        let (before, kept) = (std::mem::take(&mut self.series), std::mem::take(&mut self.windows));
        let mut before: Vec<Option<Series>> = before.into_vec().into_iter().map(Some).collect();
        let mut windows = Vec::with_capacity(self.shape.windows());
        let series = self.shape.series.iter().map(|(metric, layout)| {
            let known = old.series_of(*metric).and_then(|place| {
                let kept = kept.get(old.windows_of(place)?)?;
                Some((before.get_mut(place)?.take()?, (old.layout(place)?, kept)))
            });
            let Some((series, old)) = known else {
                windows.extend(layout.begin(at));
                return Series::new(at);
            };
            let (series, own) = series.relayout(old, layout, at);
            windows.extend(own);
            series
        });
        self.series = series.collect();
        self.windows = windows.into();
        let marked = |rule: &usize| old.cell_of(*rule).is_some_and(|cell| self.marks.has(cell));
        self.marks = Marks::of(self.shape.rules.iter().map(marked));
        self.read_attributes(resource);
    }

    pub(crate) fn read_attributes(&mut self, resource: &Resource) {
        self.attributes = self.shape.attributes.iter().map(|attribute| read(attribute, resource)).collect();
    }

    pub(crate) fn mark(&mut self, cell: usize, kept: bool) {
        self.marks.set(cell, kept);
    }

    pub(crate) fn is_marked(&self, cell: usize) -> bool {
        self.marks.has(cell)
    }
}

/// Whether the bit of this cell is set.
#[inline]
pub(crate) fn is_set(words: &[u64], cell: usize) -> bool {
    words.get(cell / 64).is_some_and(|word| word & (1 << (cell % 64)) != 0)
}

fn read(attribute: &Attribute, resource: &Resource) -> Reading {
    match attribute {
        Attribute::Name => Some(resource.id.name().into()),
        Attribute::Kind => Some(resource.id.kind().into()),
        Attribute::Label(name) => resource.labels.get(name).map(|label| label.as_str().into()),
        Attribute::Vcpus => resource.capacity.vcpus.map(Value::Number),
        Attribute::Memory => resource.capacity.memory_bytes.map(|bytes| Value::Number(float(bytes))),
        Attribute::Resource(name) => resource.attributes.get(name).cloned(),
        Attribute::Event(_) => None,
    }
}

#[expect(clippy::as_conversions, reason = "memory sizes stay far below 2^53 bytes")]
fn float(bytes: u64) -> f64 {
    bytes as f64
}
