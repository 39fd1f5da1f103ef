//! The bodies of remote-write: `prometheus.WriteRequest` of version 1 and `io.prometheus.write.v2.Request` of version 2.
//!
//! ```text
//!   1: timeseries = 1 {labels = 1 {name = 1, value = 2}, samples = 2 {value = 1, timestamp = 2},
//!                      exemplars = 3, histograms = 4}, metadata = 3
//!   2: symbols = 4, timeseries = 5 {labels_refs = 1, samples = 2 {value = 1, timestamp = 2}, histograms = 3,
//!                                   exemplars = 4, metadata = 5, created_timestamp = 6}
//! ```
//!
//! They are read where they lie. What is not about samples (exemplars, native histograms, metadata, the time at which a counter was
//! created) is counted and not read: the engine finds a counter's restarts by its drops.

use thiserror::Error;

use crate::{
    protobuf::{Fields, NotAMessage},
    series_mapping::NAME,
};

/// Samples in one request. Prometheus sends 2,000 unless it is told otherwise, others some ten thousand; as observations they have
/// about ten megabytes.
pub(crate) const MAX_SAMPLES: usize = 100_000;

/// Symbols in one request: several for each sample that it may have.
const MAX_SYMBOLS: usize = 8 * MAX_SAMPLES;

/// Labels of one series. Those with the most, from Kubernetes, have some dozens.
const MAX_LABELS: usize = 128;

/// Bytes of the labels of one series, together.
const MAX_LABEL_BYTES: usize = 16 << 10;

/// Bytes of the labels of all series of one request: as many as fit into the largest body where each is written out. Where symbols are
/// referred to, a small body could have any number.
const MAX_ALL_LABEL_BYTES: usize = 16 << 20;

/// Which message a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Message {
    /// `prometheus.WriteRequest`
    V1,
    /// `io.prometheus.write.v2.Request`
    V2,
}

/// A body that cannot be read at all.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Unreadable {
    #[error("the body is not a message: {0}")]
    NotAMessage(#[from] NotAMessage),
    #[error("it has more than {MAX_SAMPLES} samples; set max_samples_per_send of the sender's queue lower")]
    TooManySamples,
    #[error("it has more than {MAX_SYMBOLS} symbols; set max_samples_per_send of the sender's queue lower")]
    TooManySymbols,
    #[error(
        "its series have more than {MAX_ALL_LABEL_BYTES} bytes of labels; set max_samples_per_send of the sender's queue lower"
    )]
    TooManyLabels,
    #[error("the first symbol is not empty, as it has to be")]
    FirstSymbol,
}

/// A series that is refused, the others being taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum BadSeries {
    #[error("it has no label `{NAME}`")]
    NoName,
    #[error("one of its labels has no name")]
    UnnamedLabel,
    #[error("its label `{0}` is empty")]
    EmptyLabel(String),
    #[error("its labels are not sorted, or one is there twice: `{1}` comes after `{0}`")]
    Order(String, String),
    #[error("one of its labels is not UTF-8")]
    NotUtf8,
    #[error("it has more than {MAX_LABELS} labels, or more than {MAX_LABEL_BYTES} bytes of them")]
    TooLong,
    #[error("its labels refer to the symbol {0} of {1}")]
    NoSymbol(u64, usize),
    #[error("it has an odd number of references to symbols: a name without a value")]
    OddReferences,
    #[error("it has neither samples nor histograms")]
    Empty,
    #[error("it has both samples and histograms")]
    Both,
}

/// What was not read.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ignored {
    pub(crate) exemplars: u64,
    pub(crate) histograms: u64,
    pub(crate) metadata: u64,
}

/// One series of a request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TimeSeries<'r, 'a> {
    /// Sorted by their names, each of which is there once.
    pub(crate) labels: Result<&'r [(&'a str, &'a str)], BadSeries>,
    /// Times in milliseconds since the epoch, and values.
    pub(crate) samples: &'r [(i64, f64)],
}

/// Reads a body, series after series.
///
/// # Errors
/// [`Unreadable`] as soon as it is found; series before that were handed out.
pub(crate) fn read<'a>(
    message: Message,
    body: &'a [u8],
    mut each: impl FnMut(TimeSeries<'_, 'a>),
) -> Result<Ignored, Unreadable> {
    let numbers = match message {
        Message::V1 => Numbers { series: 1, exemplars: 3, histograms: 4, metadata_of_series: None },
        Message::V2 => Numbers { series: 5, exemplars: 4, histograms: 3, metadata_of_series: Some(5) },
    };
    let symbols = if message == Message::V2 { Some(symbols(body)?) } else { None };
    let mut reader = Reader {
        numbers,
        symbols,
        ignored: Ignored::default(),
        left: MAX_SAMPLES,
        label_bytes_left: MAX_ALL_LABEL_BYTES,
    };
    let (mut labels, mut samples) = (Vec::new(), Vec::new());
    for field in Fields::of(body) {
        let field = field?;
        if field.number == numbers.series {
            labels.clear();
            samples.clear();
            let bad = reader.series(field.bytes()?, &mut labels, &mut samples)?;
            let labels = bad.map_or(Ok(&*labels), Err);
            each(TimeSeries { labels, samples: &samples });
        } else if message == Message::V1 && field.number == 3 {
            field.bytes()?;
            reader.ignored.metadata += 1;
        }
    }
    Ok(reader.ignored)
}

/// Which field is what.
#[derive(Debug, Clone, Copy)]
struct Numbers {
    series: u64,
    exemplars: u64,
    histograms: u64,
    metadata_of_series: Option<u64>,
}

struct Reader<'a> {
    numbers: Numbers,
    /// Of version 2.
    symbols: Option<Vec<&'a [u8]>>,
    ignored: Ignored,
    /// Samples that may come.
    left: usize,
    label_bytes_left: usize,
}

impl<'a> Reader<'a> {
    /// Reads a series into `labels` and `samples`; gives what is wrong with it, if that does not concern the others.
    fn series(
        &mut self,
        series: &'a [u8],
        labels: &mut Vec<(&'a str, &'a str)>,
        samples: &mut Vec<(i64, f64)>,
    ) -> Result<Option<BadSeries>, Unreadable> {
        let mut gathered = Labels { labels, bytes: 0, reference: None, bad: None };
        let mut histograms = 0;
        for field in Fields::of(series) {
            let field = field?;
            match (field.number, &self.symbols) {
                (1, None) => gathered.label(field.bytes()?)?,
                (1, Some(symbols)) => {
                    for reference in field.varints()? {
                        gathered.refer(reference?, symbols);
                    }
                }
                (2, _) => {
                    self.left = self.left.checked_sub(1).ok_or(Unreadable::TooManySamples)?;
                    samples.push(sample(field.bytes()?)?);
                }
                (number, _) if number == self.numbers.exemplars => {
                    field.bytes()?;
                    self.ignored.exemplars += 1;
                }
                (number, _) if number == self.numbers.histograms => {
                    field.bytes()?;
                    histograms += 1;
                }
                (number, _) if Some(number) == self.numbers.metadata_of_series => {
                    field.bytes()?;
                    self.ignored.metadata += 1;
                }
                _ => {}
            }
        }
        self.ignored.histograms += histograms;
        let bytes = gathered.bytes;
        let bad = gathered.finish();
        if bad.is_none() {
            self.label_bytes_left = self.label_bytes_left.checked_sub(bytes).ok_or(Unreadable::TooManyLabels)?;
        }
        Ok(bad.or_else(|| match (self.symbols.is_some(), samples.is_empty(), histograms) {
            (true, true, 0) => Some(BadSeries::Empty),
            (true, false, 1..) => Some(BadSeries::Both),
            _ => None,
        }))
    }
}

/// The labels of a series while they are read.
struct Labels<'l, 'a> {
    labels: &'l mut Vec<(&'a str, &'a str)>,
    bytes: usize,
    /// A name whose value has not come yet.
    reference: Option<&'a [u8]>,
    bad: Option<BadSeries>,
}

impl<'a> Labels<'_, 'a> {
    /// Takes a label of version 1.
    fn label(&mut self, label: &'a [u8]) -> Result<(), NotAMessage> {
        let (mut name, mut value): (&[u8], &[u8]) = (&[], &[]);
        for field in Fields::of(label) {
            let field = field?;
            match field.number {
                1 => name = field.bytes()?,
                2 => value = field.bytes()?,
                _ => {}
            }
        }
        self.add(name, value);
        Ok(())
    }

    /// Takes half a label of version 2.
    fn refer(&mut self, reference: u64, symbols: &[&'a [u8]]) {
        let symbol = usize::try_from(reference).ok().and_then(|index| symbols.get(index));
        match (symbol, self.reference.take()) {
            (None, _) => self.refuse(BadSeries::NoSymbol(reference, symbols.len())),
            (Some(value), Some(name)) => self.add(name, value),
            (Some(name), None) => self.reference = Some(name),
        }
    }

    fn add(&mut self, name: &'a [u8], value: &'a [u8]) {
        if self.bad.is_some() {
            return;
        }
        self.bytes += name.len() + value.len();
        if self.labels.len() >= MAX_LABELS || self.bytes > MAX_LABEL_BYTES {
            return self.refuse(BadSeries::TooLong);
        }
        let (Ok(name), Ok(value)) = (str::from_utf8(name), str::from_utf8(value)) else {
            return self.refuse(BadSeries::NotUtf8);
        };
        if name.is_empty() {
            return self.refuse(BadSeries::UnnamedLabel);
        }
        if value.is_empty() {
            return self.refuse(BadSeries::EmptyLabel(shown(name)));
        }
        if let Some((before, _)) = self.labels.last().filter(|(before, _)| *before >= name) {
            return self.refuse(BadSeries::Order(shown(before), shown(name)));
        }
        self.labels.push((name, value));
    }

    fn refuse(&mut self, bad: BadSeries) {
        self.bad.get_or_insert(bad);
    }

    fn finish(self) -> Option<BadSeries> {
        let odd = self.reference.map(|_| BadSeries::OddReferences);
        let unnamed = || self.labels.iter().all(|(name, _)| *name != NAME).then_some(BadSeries::NoName);
        self.bad.or(odd).or_else(unnamed)
    }
}

fn shown(name: &str) -> String {
    crate::mapping::shortened(name)
}

fn sample(sample: &[u8]) -> Result<(i64, f64), NotAMessage> {
    let (mut time, mut value) = (0, 0.0);
    for field in Fields::of(sample) {
        let field = field?;
        match field.number {
            1 => value = field.double()?,
            2 => time = field.varint()?.cast_signed(),
            _ => {}
        }
    }
    Ok((time, value))
}

fn symbols(body: &[u8]) -> Result<Vec<&[u8]>, Unreadable> {
    let mut symbols = Vec::new();
    for field in Fields::of(body) {
        let field = field?;
        if field.number == 4 {
            if symbols.len() >= MAX_SYMBOLS {
                return Err(Unreadable::TooManySymbols);
            }
            symbols.push(field.bytes()?);
        }
    }
    match symbols.first() {
        Some(first) if !first.is_empty() => Err(Unreadable::FirstSymbol),
        _ => Ok(symbols),
    }
}

#[cfg(test)]
#[path = "../tests/prompb.rs"]
pub(crate) mod prompb;
#[cfg(test)]
mod tests;
