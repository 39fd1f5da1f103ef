//! Reading requests: what prost reads is read the same, and what is wrong is said.

use expect_test::expect;
use proptest::{collection::vec, prelude::*};
use prost::Message as _;

use super::{
    prompb::{Opaque, Request, Sample, TimeSeries, TimeSeriesV2, WriteRequest, v1, v2},
    *,
};

type Labels = Vec<(String, String)>;
/// Times, and the bits of values.
type Samples = Vec<(i64, u64)>;
type Read = Vec<(Result<Labels, BadSeries>, Samples)>;
type ReadByProst = Vec<(Labels, Samples)>;

fn read_all(message: Message, body: &[u8]) -> Result<(Read, Ignored), Unreadable> {
    let mut all = Read::new();
    let ignored = read(message, body, |series| {
        let owned = |labels: &[(&str, &str)]| labels.iter().map(|(n, v)| ((*n).into(), (*v).into())).collect();
        // Bits: so that one NaN is itself and no other.
        let samples = series.samples.iter().map(|(time, value)| (*time, value.to_bits())).collect();
        all.push((series.labels.map(owned), samples));
    })?;
    Ok((all, ignored))
}

fn of_prost(samples: &[Sample]) -> Samples {
    samples.iter().map(|sample| (sample.timestamp, sample.value.to_bits())).collect()
}

/// What prost reads of version 1.
fn by_prost(body: &[u8]) -> Option<(ReadByProst, Ignored)> {
    let request = WriteRequest::decode(body).ok()?;
    let counted = |count: usize| u64::try_from(count).unwrap();
    let count = |of: fn(&TimeSeries) -> usize| counted(request.timeseries.iter().map(of).sum());
    let ignored = Ignored {
        exemplars: count(|series| series.exemplars.len()),
        histograms: count(|series| series.histograms.len()),
        metadata: counted(request.metadata.len()),
    };
    let labels = |series: &TimeSeries| series.labels.iter().map(|l| (l.name.clone(), l.value.clone())).collect();
    let series = request.timeseries.iter().map(|series| (labels(series), of_prost(&series.samples)));
    Some((series.collect(), ignored))
}

fn request() -> impl Strategy<Value = WriteRequest> {
    let label = prop::sample::select(vec!["__name__", "a", "b", "ü", ""]);
    let labels = vec((label, "[a-c]{0,3}"), 0..4);
    let samples = vec((any::<i64>(), any::<f64>()), 0..3);
    vec((labels, samples, 0..3_usize), 0..4).prop_map(|series| {
        let timeseries = series.into_iter().map(|(labels, samples, more)| TimeSeries {
            labels: labels.into_iter().map(|(n, value)| super::prompb::Label { name: n.into(), value }).collect(),
            samples: samples.into_iter().map(|(timestamp, value)| Sample { value, timestamp }).collect(),
            exemplars: vec![Opaque { something: 7 }; more],
            histograms: vec![Opaque { something: 8 }; more],
        });
        WriteRequest { timeseries: timeseries.collect(), metadata: vec![Opaque::default(); 2] }
    })
}

proptest! {
    #[test]
    fn what_prost_reads_is_read_the_same(request in request(), damage in vec((any::<prop::sample::Index>(), any::<u8>()), 0..3)) {
        let mut body = request.encode_to_vec();
        for (place, byte) in damage {
            if !body.is_empty() {
                let place = place.index(body.len());
                body[place] = byte;
            }
        }
        let read = read_all(Message::V1, &body);
        let Some((series, ignored)) = by_prost(&body) else { return Ok(()) };
        match read {
            // Groups are refused here, and passed over there.
            Err(Unreadable::NotAMessage(NotAMessage::WireType(3))) => {}
            read => {
                let (own, counted) = read.map_err(|error| TestCaseError::fail(error.to_string()))?;
                prop_assert_eq!(counted, ignored);
                prop_assert_eq!(own.len(), series.len());
                for ((labels, samples), (theirs, their_samples)) in own.into_iter().zip(series) {
                    prop_assert_eq!(samples, their_samples);
                    let sorted = theirs.windows(2).all(|pair| pair[0].0 < pair[1].0);
                    let whole = theirs.iter().all(|(name, value)| !name.is_empty() && !value.is_empty());
                    let named = theirs.iter().any(|(name, _)| name == NAME);
                    prop_assert_eq!(labels.is_ok(), sorted && whole && named);
                    prop_assert!(labels.is_err() || labels == Ok(theirs));
                }
            }
        }
    }

    #[test]
    fn both_versions_say_the_same(request in request()) {
        let labels: Vec<Vec<(&str, &str)>> =
            request.timeseries.iter().map(|s| s.labels.iter().map(|l| (&*l.name, &*l.value)).collect()).collect();
        let samples: Vec<Vec<(i64, f64)>> =
            request.timeseries.iter().map(|s| s.samples.iter().map(|s| (s.timestamp, s.value)).collect()).collect();
        let series: Vec<super::prompb::Series<'_>> = labels.iter().zip(&samples).map(|(l, s)| (&**l, &**s)).collect();
        let (first, _) = read_all(Message::V1, &v1(&series).encode_to_vec()).unwrap();
        let (second, _) = read_all(Message::V2, &v2(&series).encode_to_vec()).unwrap();
        prop_assert_eq!(first.len(), second.len());
        for (one, other) in first.into_iter().zip(second) {
            // A series of version 2 has to have something.
            prop_assert!(one == other || other.0 == Err(BadSeries::Empty) && one.1.is_empty());
        }
    }

    #[test]
    fn no_bytes_panic(body in vec(any::<u8>(), 0..200)) {
        for message in [Message::V1, Message::V2] {
            let _ = read_all(message, &body);
        }
    }
}

#[test]
fn a_bad_series_is_refused_alone() {
    let long = "x".repeat(20_000);
    let many: Vec<String> = (0..200).map(|number| format!("l{number:03}")).collect();
    let many: Vec<(&str, &str)> = [(NAME, "m")].into_iter().chain(many.iter().map(|name| (&**name, "v"))).collect();
    let cases: [&[(&str, &str)]; 8] = [
        &[("a", "b")],
        &[(NAME, "m"), ("", "b")],
        &[(NAME, "m"), ("a", "")],
        &[(NAME, "m"), ("b", "1"), ("a", "2")],
        &[(NAME, "m"), ("a", "1"), ("a", "2")],
        &[(NAME, "m"), ("a", &long)],
        &many,
        &[(NAME, "m"), ("größe", "ü")],
    ];
    let mut told = String::new();
    for labels in cases {
        let series: &[super::prompb::Series<'_>] = &[(labels, &[(1, 2.0)]), (&[(NAME, "good")], &[(1, 2.0)])];
        for (message, body) in [(Message::V1, v1(series).encode_to_vec()), (Message::V2, v2(series).encode_to_vec())] {
            let (read, _) = read_all(message, &body).unwrap();
            assert_eq!(read[1].0, Ok(vec![(NAME.into(), "good".into())]));
            let first = read[0].0.as_ref().map_or_else(ToString::to_string, |_| "it is good".into());
            told += &format!("{message:?} {first}\n");
        }
    }
    expect![[r#"
        V1 it has no label `__name__`
        V2 it has no label `__name__`
        V1 one of its labels has no name
        V2 one of its labels has no name
        V1 its label `a` is empty
        V2 its label `a` is empty
        V1 its labels are not sorted, or one is there twice: `a` comes after `b`
        V2 its labels are not sorted, or one is there twice: `a` comes after `b`
        V1 its labels are not sorted, or one is there twice: `a` comes after `a`
        V2 its labels are not sorted, or one is there twice: `a` comes after `a`
        V1 it has more than 128 labels, or more than 16384 bytes of them
        V2 it has more than 128 labels, or more than 16384 bytes of them
        V1 it has more than 128 labels, or more than 16384 bytes of them
        V2 it has more than 128 labels, or more than 16384 bytes of them
        V1 it is good
        V2 it is good
    "#]]
    .assert_eq(&told);
}

/// A request of version 2 with these symbols, and one series with these references.
fn request_v2(symbols: &[&str], labels_refs: &[u32], more: impl FnOnce(&mut TimeSeriesV2)) -> Vec<u8> {
    let samples = vec![Sample { value: 1.0, timestamp: 1 }];
    let mut series = TimeSeriesV2 { labels_refs: labels_refs.to_vec(), samples, ..TimeSeriesV2::default() };
    more(&mut series);
    let symbols = symbols.iter().map(|symbol| (*symbol).to_owned()).collect();
    Request { symbols, timeseries: vec![series] }.encode_to_vec()
}

#[test]
fn references_lead_to_symbols_or_are_refused() {
    let symbols = &["", NAME, "m"][..];
    let mut told = String::new();
    for (symbols, references) in [
        (symbols, &[1, 2][..]),
        (symbols, &[1, 3]),
        (symbols, &[1]),
        (symbols, &[]),
        (symbols, &[1, 0]),
        (symbols, &[0, 1]),
        (symbols, &[1, u32::MAX]),
        (&[NAME, "m"], &[0, 1]),
        (&[], &[0, 0]),
    ] {
        let read = read_all(Message::V2, &request_v2(symbols, references, |_| {}));
        told += &match read {
            Ok((read, _)) => match &read[0].0 {
                Ok(labels) => format!("{references:?}: {labels:?}\n"),
                Err(bad) => format!("{references:?}: {bad}\n"),
            },
            Err(unreadable) => format!("{references:?}: the body: {unreadable}\n"),
        };
    }
    expect![[r#"
        [1, 2]: [("__name__", "m")]
        [1, 3]: its labels refer to the symbol 3 of 3
        [1]: it has an odd number of references to symbols: a name without a value
        []: it has no label `__name__`
        [1, 0]: its label `__name__` is empty
        [0, 1]: one of its labels has no name
        [1, 4294967295]: its labels refer to the symbol 4294967295 of 3
        [0, 1]: the body: the first symbol is not empty, as it has to be
        [0, 0]: its labels refer to the symbol 0 of 0
    "#]]
    .assert_eq(&told);
}

#[test]
fn what_is_not_about_samples_is_counted() {
    let all = |series: &mut TimeSeriesV2| {
        series.exemplars = vec![Opaque::default(); 2];
        series.metadata = Some(Opaque::default());
        series.created_timestamp = -1;
    };
    let symbols = ["", NAME, "m"];
    let (read, ignored) = read_all(Message::V2, &request_v2(&symbols, &[1, 2], all)).unwrap();
    assert!(read[0].0.is_ok());
    assert_eq!(ignored, Ignored { exemplars: 2, histograms: 0, metadata: 1 });
    let histograms = |series: &mut TimeSeriesV2| {
        series.samples.clear();
        series.histograms = vec![Opaque::default(); 3];
    };
    let (read, ignored) = read_all(Message::V2, &request_v2(&symbols, &[1, 2], histograms)).unwrap();
    assert_eq!((read[0].0.is_ok(), ignored.histograms), (true, 3));
    let both = |series: &mut TimeSeriesV2| series.histograms = vec![Opaque::default()];
    assert_eq!(read_all(Message::V2, &request_v2(&symbols, &[1, 2], both)).unwrap().0[0].0, Err(BadSeries::Both));
    let none = |series: &mut TimeSeriesV2| series.samples.clear();
    assert_eq!(read_all(Message::V2, &request_v2(&symbols, &[1, 2], none)).unwrap().0[0].0, Err(BadSeries::Empty));
}

#[test]
fn references_may_be_packed_or_not() {
    // labels_refs 1 and 2, one by one; then a sample without a value.
    let series = [0x08, 1, 0x08, 2, 0x12, 2, 0x10, 5];
    let mut body = vec![0x22, 0, 0x22, 8];
    body.extend(NAME.as_bytes());
    body.extend([0x22, 1, b'm', 0x2a, 8]);
    body.extend(series);
    let (read, _) = read_all(Message::V2, &body).unwrap();
    assert_eq!(read, [(Ok(vec![(NAME.into(), "m".into())]), vec![(5, 0)])]);
}

#[test]
fn a_request_is_bounded() {
    let samples = vec![(1, 1.0); MAX_SAMPLES];
    let body = |samples: &[(i64, f64)]| v1(&[(&[(NAME, "m")], samples)]).encode_to_vec();
    assert!(read_all(Message::V1, &body(&samples)).is_ok());
    let more: Vec<(i64, f64)> = samples.iter().copied().chain([(2, 2.0)]).collect();
    assert_eq!(read_all(Message::V1, &body(&more)), Err(Unreadable::TooManySamples));
    // Two bytes each.
    let symbols = [0x22, 0].repeat(MAX_SYMBOLS + 1);
    assert_eq!(read_all(Message::V2, &symbols), Err(Unreadable::TooManySymbols));
    assert!(read_all(Message::V2, &symbols[2..]).is_ok());
}

#[test]
fn long_symbols_that_many_series_refer_to_are_refused() {
    let symbols = vec![String::new(), "__name__".into(), "m".into(), "vm".into(), "v".repeat(15_000)];
    let sample = Sample { value: 1.0, timestamp: 1 };
    let series = TimeSeriesV2 { labels_refs: vec![1, 2, 3, 4], samples: vec![sample], ..TimeSeriesV2::default() };
    let read = |count: usize| {
        let request = Request { symbols: symbols.clone(), timeseries: vec![series.clone(); count] };
        let mut bytes = 0;
        let body = request.encode_to_vec();
        let read = super::read(Message::V2, &body, |series| {
            bytes += series.labels.unwrap().iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        });
        assert!(bytes <= MAX_ALL_LABEL_BYTES, "{bytes} bytes out of {}", body.len());
        read
    };
    assert!(read(1000).is_ok());
    assert_eq!(read(100_000), Err(Unreadable::TooManyLabels));
}
