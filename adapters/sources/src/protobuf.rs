//! The wire format of protocol buffers, read where it lies: nothing is copied, and nothing is as large as the sender says it is.
//!
//! After the description at <https://protobuf.dev/programming-guides/encoding/>. Groups, which no message since proto3 has, are
//! refused.

use thiserror::Error;

/// What is wrong with bytes that should be a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum NotAMessage {
    #[error("it ends in the middle of a field")]
    Truncated,
    #[error("a number has more than 64 bits")]
    TooLong,
    #[error("a field has the number 0")]
    NoNumber,
    #[error("a field is of the wire type {0}, which is not used any more or unknown")]
    WireType(u64),
    #[error("the field {0} is of another type")]
    OtherType(u64),
}

/// A field of a message.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Field<'a> {
    pub(crate) number: u64,
    value: Value<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Value<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    Fixed32,
    Bytes(&'a [u8]),
}

impl<'a> Field<'a> {
    /// Its bytes: a text, a message, or packed numbers.
    pub(crate) fn bytes(&self) -> Result<&'a [u8], NotAMessage> {
        match self.value {
            Value::Bytes(bytes) => Ok(bytes),
            _ => Err(NotAMessage::OtherType(self.number)),
        }
    }

    /// It as an integer.
    pub(crate) fn varint(&self) -> Result<u64, NotAMessage> {
        match self.value {
            Value::Varint(number) => Ok(number),
            _ => Err(NotAMessage::OtherType(self.number)),
        }
    }

    /// It as a number.
    pub(crate) fn double(&self) -> Result<f64, NotAMessage> {
        match self.value {
            Value::Fixed64(bytes) => Ok(f64::from_le_bytes(bytes)),
            _ => Err(NotAMessage::OtherType(self.number)),
        }
    }

    /// It as integers, whether it holds one or many.
    pub(crate) fn varints(&self) -> Result<Varints<'a>, NotAMessage> {
        match self.value {
            Value::Varint(number) => Ok(Varints { one: Some(number), packed: &[] }),
            Value::Bytes(packed) => Ok(Varints { one: None, packed }),
            _ => Err(NotAMessage::OtherType(self.number)),
        }
    }
}

/// Integers that stand in one field.
#[derive(Debug)]
pub(crate) struct Varints<'a> {
    one: Option<u64>,
    packed: &'a [u8],
}

impl Iterator for Varints<'_> {
    type Item = Result<u64, NotAMessage>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(one) = self.one.take() {
            return Some(Ok(one));
        }
        if self.packed.is_empty() {
            return None;
        }
        let number = varint(&mut self.packed);
        if number.is_err() {
            self.packed = &[];
        }
        Some(number)
    }
}

/// The fields of a message, in the order of its bytes. Ends after what is wrong.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn of(message: &'a [u8]) -> Self {
        Self(message)
    }

    fn read(&mut self) -> Result<Field<'a>, NotAMessage> {
        let key = varint(&mut self.0)?;
        let number = key >> 3;
        if number == 0 {
            return Err(NotAMessage::NoNumber);
        }
        let value = match key & 7 {
            0 => Value::Varint(varint(&mut self.0)?),
            1 => {
                let (bytes, rest) = self.0.split_first_chunk().ok_or(NotAMessage::Truncated)?;
                self.0 = rest;
                Value::Fixed64(*bytes)
            }
            2 => {
                let length = usize::try_from(varint(&mut self.0)?).map_err(|_| NotAMessage::Truncated)?;
                let (bytes, rest) = self.0.split_at_checked(length).ok_or(NotAMessage::Truncated)?;
                self.0 = rest;
                Value::Bytes(bytes)
            }
            5 => {
                let (_, rest) = self.0.split_first_chunk::<4>().ok_or(NotAMessage::Truncated)?;
                self.0 = rest;
                Value::Fixed32
            }
            other => return Err(NotAMessage::WireType(other)),
        };
        Ok(Field { number, value })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, NotAMessage>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.read();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

/// Takes an integer off the front: seven bits a byte, the lowest first.
fn varint(bytes: &mut &[u8]) -> Result<u64, NotAMessage> {
    let mut number = 0;
    let mut shift = 0;
    loop {
        let (byte, rest) = bytes.split_first().ok_or(NotAMessage::Truncated)?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if shift == 63 && bits > 1 {
            return Err(NotAMessage::TooLong);
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
        shift += 7;
        if shift > 63 {
            return Err(NotAMessage::TooLong);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_fields_and_says_where_they_end_to_be_some() {
        let read = |bytes: &[u8]| Fields::of(bytes).map(|field| field.map(|field| field.number)).collect::<Vec<_>>();
        for (bytes, expected) in [
            (&[][..], vec![]),
            (&[0x08, 0x96, 0x01], vec![Ok(1)]),
            (&[0x0a, 1, b'x', 0x10, 0], vec![Ok(1), Ok(2)]),
            (&[0x0d, 1, 2, 3, 4], vec![Ok(1)]),
            (&[0x0d, 1, 2, 3], vec![Err(NotAMessage::Truncated)]),
            (&[0x0a, 2, b'x'], vec![Err(NotAMessage::Truncated)]),
            (&[0x0a], vec![Err(NotAMessage::Truncated)]),
            (&[0x09, 0, 0], vec![Err(NotAMessage::Truncated)]),
            (&[0x00, 1], vec![Err(NotAMessage::NoNumber)]),
            (&[0x0b], vec![Err(NotAMessage::WireType(3))]),
            (&[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], vec![Ok(1)]),
            (&[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02], vec![Err(NotAMessage::TooLong)]),
            (
                &[0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
                vec![Err(NotAMessage::TooLong)],
            ),
        ] {
            assert_eq!(read(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn a_field_of_another_type_is_refused() {
        let field = Fields::of(&[0x08, 0x96, 0x01]).next().unwrap().unwrap();
        assert_eq!((field.varint(), field.bytes()), (Ok(150), Err(NotAMessage::OtherType(1))));
        assert_eq!(field.double(), Err(NotAMessage::OtherType(1)));
        let packed = Fields::of(&[0x0a, 3, 1, 0x96, 0x01]).next().unwrap().unwrap();
        assert_eq!(packed.varints().unwrap().collect::<Vec<_>>(), [Ok(1), Ok(150)]);
    }
}
