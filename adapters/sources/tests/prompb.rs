//! The messages of remote-write as prost reads and writes them: what this crate's own reading is compared with.
//!
//! Field numbers as in Prometheus' `prompb/types.proto`, `prompb/remote.proto` and `prompb/io/prometheus/write/v2/types.proto`.

#![allow(dead_code, reason = "each program that compiles this uses a part of it")]

use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    pub(crate) timeseries: Vec<TimeSeries>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) metadata: Vec<Opaque>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct TimeSeries {
    #[prost(message, repeated, tag = "1")]
    pub(crate) labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) samples: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) exemplars: Vec<Opaque>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) histograms: Vec<Opaque>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Label {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, tag = "2")]
    pub(crate) value: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Sample {
    #[prost(double, tag = "1")]
    pub(crate) value: f64,
    #[prost(int64, tag = "2")]
    pub(crate) timestamp: i64,
}

/// A message whose content does not matter.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Opaque {
    #[prost(uint64, tag = "15")]
    pub(crate) something: u64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Request {
    #[prost(string, repeated, tag = "4")]
    pub(crate) symbols: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    pub(crate) timeseries: Vec<TimeSeriesV2>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct TimeSeriesV2 {
    #[prost(uint32, repeated, tag = "1")]
    pub(crate) labels_refs: Vec<u32>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) samples: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) histograms: Vec<Opaque>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) exemplars: Vec<Opaque>,
    #[prost(message, optional, tag = "5")]
    pub(crate) metadata: Option<Opaque>,
    #[prost(int64, tag = "6")]
    pub(crate) created_timestamp: i64,
}

/// A series: labels and samples.
pub(crate) type Series<'a> = (&'a [(&'a str, &'a str)], &'a [(i64, f64)]);

/// A request of version 1.
pub(crate) fn v1(series: &[Series<'_>]) -> WriteRequest {
    let timeseries = series.iter().map(|(labels, samples)| TimeSeries {
        labels: labels.iter().map(|(name, value)| Label { name: (*name).into(), value: (*value).into() }).collect(),
        samples: samples.iter().map(|(timestamp, value)| Sample { value: *value, timestamp: *timestamp }).collect(),
        ..TimeSeries::default()
    });
    WriteRequest { timeseries: timeseries.collect(), metadata: Vec::new() }
}

/// The same of version 2.
pub(crate) fn v2(series: &[Series<'_>]) -> Request {
    let mut symbols = vec![String::new()];
    let mut symbol = |text: &str| {
        let known = symbols.iter().position(|known| known == text);
        let index = known.unwrap_or_else(|| {
            symbols.push(text.into());
            symbols.len() - 1
        });
        u32::try_from(index).unwrap_or(u32::MAX)
    };
    let timeseries = series.iter().map(|(labels, samples)| TimeSeriesV2 {
        labels_refs: labels.iter().flat_map(|(name, value)| [symbol(name), symbol(value)]).collect(),
        samples: samples.iter().map(|(timestamp, value)| Sample { value: *value, timestamp: *timestamp }).collect(),
        ..TimeSeriesV2::default()
    });
    let timeseries = timeseries.collect();
    Request { symbols, timeseries }
}
