//! The token that somebody shows.

/// What comes before it.
const SCHEME: &[u8] = b"Bearer ";

/// The token in the values of the `Authorization` headers of a request, whose scheme, of any case, is Bearer. Two of them are none.
pub fn bearer<'a>(values: impl IntoIterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    let mut values = values.into_iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let (scheme, rest) = value.split_at_checked(SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME).then(|| rest.trim_ascii()).filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_header_of_the_right_scheme_shows_a_token() {
        let shown = |values: &[&'static str]| {
            bearer(values.iter().map(|value| value.as_bytes())).map(|token| std::str::from_utf8(token).unwrap())
        };
        assert_eq!(shown(&["Bearer a"]), Some("a"));
        assert_eq!(shown(&["bEARER  a b "]), Some("a b"));
        for none in [&[][..], &["Bearer"], &["Bearer "], &["Basic a"], &["Bearer\ta"], &["Bearer a", "Bearer a"], &[""]]
        {
            assert_eq!(shown(none), None, "{none:?}");
        }
    }
}
