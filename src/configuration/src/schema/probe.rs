//! Reads a type along a path, to see what it asks for at the end.

use std::{cell::RefCell, collections::BTreeSet, path::Path};

use homeostat_port::Secret;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess,
    Visitor, value::StrDeserializer,
};

use crate::{
    Place,
    error::{Error, ErrorKind},
    tree::{Entry, Tree, Value},
    value::{Context, Reader},
};

/// A step from a value to one in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Field(&'static str),
    Variant(&'static str),
    /// Of a list.
    Item,
    /// Of a mapping with any keys.
    Named,
}

/// What a type asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Shape {
    #[default]
    Any,
    Nothing,
    Truth,
    Number,
    Whole {
        min: i64,
        max: u64,
    },
    Text,
    Secret,
    List,
    Names,
    Choice(&'static [&'static str]),
    Fields(&'static [&'static str]),
}

/// A key that no struct has.
const NO_FIELD: &str = "-";

/// What `T` asks for at the end of `path`.
pub(super) fn shape<T: DeserializeOwned>(path: &[Step]) -> Shape {
    let found = RefCell::default();
    // It ends in an error in any case: there is no value.
    let _ = T::deserialize(Probe { path, found: &found, given: None });
    found.into_inner()
}

/// The field that the struct at `path` lacks when it has only those `given`.
pub(super) fn missing<T: DeserializeOwned>(
    path: &[Step],
    given: &[(&'static str, &'static str)],
) -> Option<&'static str> {
    match said::<T>(path, given)?.kind {
        ErrorKind::MissingField(field) => Some(field),
        _ => None,
    }
}

/// Whether the struct at `path` takes none of the values `given`, for another reason than that one is missing.
pub(super) fn refuses<T: DeserializeOwned>(path: &[Step], given: &[(&'static str, &'static str)]) -> bool {
    let last = given.last().map(|(field, _)| *field);
    said::<T>(path, given).is_some_and(|error| match error.kind {
        ErrorKind::MissingField(field) => Some(field) == last,
        ErrorKind::Gone => false,
        _ => true,
    })
}

/// Whether the struct at `path` refuses fields that it does not know.
pub(super) fn is_closed<T: DeserializeOwned>(path: &[Step]) -> bool {
    said::<T>(path, &[(NO_FIELD, "")]).is_some_and(|error| matches!(error.kind, ErrorKind::UnknownField { .. }))
}

/// What the struct at `path` says to fields with such texts.
fn said<T: DeserializeOwned>(path: &[Step], given: &[(&'static str, &'static str)]) -> Option<Error> {
    let place = Place::new("", "", 0..0);
    let tree =
        |text: &str| Tree { id: 1, place: place.clone(), value: Value::Scalar { text: text.into(), typed: false } };
    let entry = |(key, text): &(&str, &str)| Entry { key: (*key).into(), key_place: place.clone(), value: tree(text) };
    let given = Tree { id: 0, place: place.clone(), value: Value::Map(given.iter().map(entry).collect()) };
    let found = RefCell::default();
    T::deserialize(Probe { path, found: &found, given: Some(&given) }).err()
}

/// Follows a path.
#[derive(Clone, Copy)]
struct Probe<'a> {
    path: &'a [Step],
    found: &'a RefCell<Shape>,
    /// What a struct at the end of the path is given.
    given: Option<&'a Tree>,
}

impl<'a> Probe<'a> {
    fn step(self) -> Option<(Step, Self)> {
        let (step, path) = self.path.split_first()?;
        Some((*step, Self { path, ..self }))
    }

    /// The end of the path, or of what can be followed of it.
    fn ends<T>(self, shape: Shape) -> Result<T, Error> {
        if self.path.is_empty() {
            *self.found.borrow_mut() = shape;
        }
        Err(Error::new(ErrorKind::Gone))
    }

    fn fields<'de, V: Visitor<'de>>(self, shape: Shape, visitor: V) -> Result<V::Value, Error> {
        match (self.step(), self.given) {
            (Some((Step::Field(key), next)), _) => visitor.visit_map(One { key: Some(key), next }),
            (Some((Step::Named, next)), _) => visitor.visit_map(One { key: Some("a"), next }),
            (None, Some(tree)) => {
                let context = Context { gone: BTreeSet::new(), folder: Path::new(""), secrets: RefCell::default() };
                // For what it says about what it is given; the value itself is of no use.
                visitor.visit_map(Reader { tree, context: &context }.entries("a mapping")?)
            }
            _ => self.ends(shape),
        }
    }
}

macro_rules! ends {
    ($($method:ident $shape:expr),*) => {
        $(fn $method<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
            self.ends($shape)
        })*
    };
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Error;

    ends! {
        deserialize_any Shape::Any, deserialize_ignored_any Shape::Any,
        deserialize_bool Shape::Truth, deserialize_f32 Shape::Number, deserialize_f64 Shape::Number,
        deserialize_i8 Shape::Whole { min: i8::MIN.into(), max: 0x7f },
        deserialize_i16 Shape::Whole { min: i16::MIN.into(), max: 0x7fff },
        deserialize_i32 Shape::Whole { min: i32::MIN.into(), max: 0x7fff_ffff },
        deserialize_i64 Shape::Whole { min: i64::MIN, max: u64::MAX >> 1 },
        deserialize_i128 Shape::Whole { min: i64::MIN, max: u64::MAX },
        deserialize_u8 Shape::Whole { min: 0, max: u8::MAX.into() },
        deserialize_u16 Shape::Whole { min: 0, max: u16::MAX.into() },
        deserialize_u32 Shape::Whole { min: 0, max: u32::MAX.into() },
        deserialize_u64 Shape::Whole { min: 0, max: u64::MAX },
        deserialize_u128 Shape::Whole { min: 0, max: u64::MAX },
        deserialize_char Shape::Text, deserialize_str Shape::Text, deserialize_string Shape::Text,
        deserialize_bytes Shape::Text, deserialize_byte_buf Shape::Text, deserialize_identifier Shape::Text,
        deserialize_unit Shape::Nothing
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, _: V) -> Result<V::Value, Error> {
        self.ends(Shape::Nothing)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Error> {
        if name == Secret::MARK { self.ends(Shape::Secret) } else { visitor.visit_newtype_struct(self) }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.step() {
            Some((Step::Item, next)) => visitor.visit_seq(One { key: Some(""), next }),
            _ => self.ends(Shape::List),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.fields(Shape::Names, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.fields(Shape::Fields(fields), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.step() {
            Some((Step::Variant(name), next)) => visitor.visit_enum(Chosen { name, next }),
            _ => self.ends(Shape::Choice(variants)),
        }
    }
}

/// One entry or item, on which the path goes on.
struct One<'a> {
    key: Option<&'static str>,
    next: Probe<'a>,
}

impl<'de> MapAccess<'de> for One<'_> {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        let Some(key) = self.key.take() else { return Ok(None) };
        let key: StrDeserializer<'static, Error> = key.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(self.next)
    }
}

impl<'de> SeqAccess<'de> for One<'_> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        self.key.take().map(|_| seed.deserialize(self.next)).transpose()
    }
}

struct Chosen<'a> {
    name: &'static str,
    next: Probe<'a>,
}

impl<'de, 'a> EnumAccess<'de> for Chosen<'a> {
    type Error = Error;
    type Variant = Probe<'a>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Probe<'a>), Error> {
        let name: StrDeserializer<'static, Error> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self.next))
    }
}

impl<'de> VariantAccess<'de> for Probe<'_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        self.ends(Shape::Nothing)
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        self.fields(Shape::Fields(fields), visitor)
    }
}
