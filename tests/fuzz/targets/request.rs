//! A request of people's ends in what it means or in a mistake that can be told, twice the same; what it means, written again, means the
//! same; and nothing longer than the limits is read.
//!
//! The first line is the values of `Authorization` headers, with a byte 0x1e between them, the second one what a path names, the third
//! one a query; the rest is a body.
#![no_main]

use form_urlencoded::Serializer;
use homeostat_model::Timestamp;
use homeostat_request::{
    Asked, MAX_BODY, MAX_LISTED, MAX_MISTAKE, MAX_QUERY, MAX_SHOWN, Mistake, Seen, TokenHash, Wanted, Which, bearer,
    plan_id, resource_id,
};
use libfuzzer_sys::fuzz_target;
use serde_json::json;

/// Stands between two headers; no header has it.
const NEXT_HEADER: u8 = 0x1e;
const NOW: Timestamp = Timestamp::from_millis(1_769_853_600_000);

fuzz_target!(|data: &[u8]| {
    let mut parts = data.splitn(4, |byte| *byte == b'\n');
    let mut part = || parts.next().unwrap_or_default();
    let (headers, name, query, body) = (part(), part(), part(), part());
    token(headers);
    names(&String::from_utf8_lossy(name));
    // What comes with a request is a URI: the server refuses what is no text.
    let query = String::from_utf8_lossy(query);
    records(&query);
    plans(&query);
    seen(body);
});

fn token(headers: &[u8]) {
    let values: Vec<&[u8]> = headers.split(|byte| *byte == NEXT_HEADER).collect();
    if let Some(token) = bearer(values.iter().copied()) {
        assert!(values.len() == 1 && !token.is_empty() && token.trim_ascii() == token);
        assert!(headers.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer ")));
        let hash = TokenHash::of(token);
        let kept: TokenHash = serde_json::from_value(json!(hash)).expect("a hash is read as it is written");
        assert!(kept.is(&hash) && !hash.is(&TokenHash::of(headers)));
    }
    // The line of a configuration, too.
    let text = String::from_utf8_lossy(headers);
    if let Ok(hash) = serde_json::from_value::<TokenHash>(json!(text)) {
        assert_eq!(hash.to_string(), text.to_ascii_lowercase());
    }
}

fn names(text: &str) {
    if let Some(id) = told(plan_id(text)) {
        assert_eq!(plan_id(&id.to_string()), Ok(id));
    }
    if let Some(id) = told(resource_id(text)) {
        assert_eq!(id.to_string(), text);
    }
}

fn records(query: &str) {
    let read = |query: &str| Asked::read(query, NOW);
    assert_eq!(read(query), read(query));
    too_long(query, |query| read(query).err());
    let Some(asked) = told(read(query)) else { return };
    assert!(asked.limit <= MAX_SHOWN);
    let Wanted { plan, policy, resource, kinds, since, until } = &asked.wanted;
    let kinds = (!kinds.is_empty()).then(|| kinds.join(","));
    let time = |at: &Timestamp| jiff::Timestamp::from_millisecond(at.as_millis()).ok().map(|time| time.to_string());
    let (from, to) = (since.as_ref().map(time), until.as_ref().map(time));
    if from == Some(None) || to == Some(None) {
        // So long ago that nobody can write it; it was given as how long ago it was.
        return;
    }
    let again = written([
        ("plan", plan.map(|plan| plan.to_string())),
        ("policy", policy.clone()),
        ("resource", resource.as_ref().map(ToString::to_string)),
        ("kind", kinds),
        ("since", from.flatten()),
        ("until", to.flatten()),
        ("limit", Some(asked.limit.to_string())),
    ]);
    assert!(again.len() > MAX_QUERY || read(&again) == Ok(asked), "{again}");
}

fn plans(query: &str) {
    assert_eq!(Which::read(query), Which::read(query));
    too_long(query, |query| Which::read(query).err());
    let Some(which) = told(Which::read(query)) else { return };
    assert!(which.limit <= MAX_LISTED);
    let states = which.states.as_ref().map(|states| states.join(","));
    let again = written([("state", states), ("limit", Some(which.limit.to_string()))]);
    assert!(again.len() > MAX_QUERY || Which::read(&again) == Ok(which), "{again}");
}

fn seen(body: &[u8]) {
    let first = Seen::read(body);
    assert_eq!(first, Seen::read(body));
    // As long as it may be, and longer: what follows of it says nothing.
    let mut long = body.to_vec();
    long.resize(MAX_BODY.max(body.len()), b' ');
    assert_eq!(Seen::read(&long).ok(), first.clone().ok(), "spaces change what it says");
    long.push(b' ');
    assert!(Seen::read(&long).is_err(), "{} bytes are read", long.len());
    let Some(seen) = told(first) else { return };
    let written = json!({ "hash": &seen.hash }).to_string();
    assert!(written.len() > MAX_BODY || Seen::read(written.as_bytes()) == Ok(seen.clone()), "{written}");
    told(seen.hash());
}

/// What came of it; of a mistake, that it can be told.
fn told<T>(read: Result<T, Mistake>) -> Option<T> {
    read.map_err(|mistake| mistake_is_told(&mistake)).ok()
}

fn mistake_is_told(mistake: &Mistake) {
    for text in [mistake.error(), mistake.help()] {
        assert!(!text.is_empty() && text.chars().count() <= MAX_MISTAKE, "{mistake:?}");
    }
}

/// That nothing is read which is longer than it may be, whatever it is.
fn too_long(query: &str, mistake: impl Fn(&str) -> Option<Mistake>) {
    let pad = MAX_QUERY.saturating_sub(query.len()) + 1;
    let long = format!("{}{query}", "&".repeat(pad));
    mistake_is_told(&mistake(&long).expect("a query that is too long is read"));
    // One that is not: nothing stands between two `&`.
    let fits = long.get(1..).expect("it begins with `&`");
    assert!(fits.len() > MAX_QUERY || mistake(fits).is_none() == mistake(query).is_none());
}

fn written<const N: usize>(parameters: [(&str, Option<String>); N]) -> String {
    let given = parameters.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?)));
    Serializer::new(String::new()).extend_pairs(given).finish()
}
