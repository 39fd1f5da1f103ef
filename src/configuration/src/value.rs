//! Lets serde read a type from a tree.

use std::{cell::RefCell, collections::BTreeSet, path::Path, str::FromStr};

use homeostat_port::Secret;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor,
    value::StringDeserializer,
};

use crate::{
    error::{Error, ErrorKind},
    tree::{Entry, Tree, Value},
};

/// What is known while a tree is being read.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    /// Values that are wrong, which are passed over.
    pub(crate) gone: BTreeSet<usize>,
    /// The folder that paths of secrets are seen from.
    pub(crate) folder: &'a Path,
    /// Secrets, by the value that refers to them.
    pub(crate) secrets: RefCell<Vec<(usize, Secret)>>,
}

/// A value that is being read.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'t> {
    pub(crate) tree: &'t Tree,
    pub(crate) context: &'t Context<'t>,
}

impl<'t> Reader<'t> {
    fn of(self, tree: &'t Tree) -> Self {
        Self { tree, ..self }
    }

    /// Whether the value is still there.
    fn is_there(self, tree: &Tree) -> bool {
        !self.context.gone.contains(&tree.id)
    }

    fn here(self, error: Error) -> Error {
        error.at(&self.tree.place, self.tree.id)
    }

    fn wrong(self, wanted: &str) -> Error {
        self.here(Error::new(ErrorKind::Wrong { found: self.tree.value.form(), wanted: wanted.into() }))
    }

    fn text(self, wanted: &str) -> Result<&'t str, Error> {
        match &self.tree.value {
            Value::Scalar { text, .. } => Ok(text),
            _ => Err(self.wrong(wanted)),
        }
    }

    fn number<T: FromStr>(self, wanted: &str) -> Result<T, Error> {
        let text = self.text(wanted)?;
        text.strip_prefix('+').unwrap_or(text).replace('_', "").parse().map_err(|_| self.wrong(wanted))
    }

    /// The entries that are there and not empty.
    pub(crate) fn entries(self, wanted: &str) -> Result<Entries<'t>, Error> {
        let entries: &[Entry] = match &self.tree.value {
            Value::Map(entries) => entries,
            // `- alertmanager:` means one with nothing to say about it.
            Value::Null => &[],
            _ => return Err(self.wrong(wanted)),
        };
        let there =
            entries.iter().filter(|entry| self.is_there(&entry.value) && !matches!(entry.value.value, Value::Null));
        Ok(Entries { reader: self, waiting: there.collect::<Vec<_>>().into_iter(), value: None })
    }

    /// A reference to a secret, which is taken note of. Its path is seen from the configuration's folder.
    fn secret<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let wanted = "{env: NAME} or {file: path}";
        let entries = match &self.tree.value {
            Value::Map(entries) => entries,
            Value::Scalar { .. } => return Err(self.here(Error::new(ErrorKind::SecretInPlace))),
            _ => return Err(self.wrong(wanted)),
        };
        let mut resolved = Vec::new();
        for entry in entries {
            let known = &["env", "file"];
            if !known.contains(&entry.key.as_str()) {
                let unknown = ErrorKind::UnknownField { field: entry.key.clone(), known };
                return Err(Error::new(unknown).at(&entry.key_place, self.tree.id));
            }
            let Value::Scalar { text, .. } = &entry.value.value else { return Err(self.wrong(wanted)) };
            let text = match entry.key.as_str() {
                "file" => self.context.folder.join(text).display().to_string(),
                _ => text.clone(),
            };
            let value = Tree { value: Value::Scalar { text, typed: false }, ..entry.value.clone() };
            resolved.push(Entry { value, ..entry.clone() });
        }
        if let [Entry { key, value: Tree { value: Value::Scalar { text, .. }, .. }, .. }] = resolved.as_slice() {
            let secret = if key == "file" { Secret::from_file(text) } else { Secret::from_environment(text) };
            self.context.secrets.borrow_mut().push((self.tree.id, secret));
        }
        let resolved = Tree { id: self.tree.id, place: self.tree.place.clone(), value: Value::Map(resolved) };
        let reader = Reader { tree: &resolved, context: self.context };
        visitor.visit_newtype_struct(reader).map_err(|error| self.whole(error))
    }

    /// What is wrong with a secret is about all of it.
    fn whole(self, error: Error) -> Error {
        self.here(Error { at: None, ..error })
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $type:ty),*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            let wanted = format!("a whole number from {} to {}", <$type>::MIN, <$type>::MAX);
            visitor.$visit(self.number::<$type>(&wanted)?).map_err(|error| self.here(error))
        })*
    };
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.tree.value {
            Value::Null => visitor.visit_unit(),
            Value::List(_) => return self.deserialize_seq(visitor),
            Value::Map(_) => return self.deserialize_map(visitor),
            Value::Scalar { text, typed: false } => visitor.visit_str(text),
            Value::Scalar { text, typed: true } => match text.to_ascii_lowercase().as_str() {
                "true" => visitor.visit_bool(true),
                "false" => visitor.visit_bool(false),
                lower => match (lower.parse(), lower.parse(), lower.parse()) {
                    (Ok(number), _, _) => visitor.visit_u64(number),
                    (_, Ok(number), _) => visitor.visit_i64(number),
                    (_, _, Ok(number)) => visitor.visit_f64(number),
                    _ => visitor.visit_str(text),
                },
            },
        }
        .map_err(|error| self.here(error))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let wanted = "true or false";
        let truth = match self.text(wanted)?.to_ascii_lowercase().as_str() {
            "true" => true,
            "false" => false,
            _ => return Err(self.wrong(wanted)),
        };
        visitor.visit_bool(truth).map_err(|error| self.here(error))
    }

    numbers! {
        deserialize_i8 visit_i8 i8, deserialize_i16 visit_i16 i16, deserialize_i32 visit_i32 i32,
        deserialize_i64 visit_i64 i64, deserialize_i128 visit_i128 i128, deserialize_u8 visit_u8 u8,
        deserialize_u16 visit_u16 u16, deserialize_u32 visit_u32 u32, deserialize_u64 visit_u64 u64,
        deserialize_u128 visit_u128 u128
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_f32(self.number("a number")?).map_err(|error| self.here(error))
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_f64(self.number("a number")?).map_err(|error| self.here(error))
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_str(self.text("a plain value")?).map_err(|error| self.here(error))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_bytes(self.text("a plain value")?.as_bytes()).map_err(|error| self.here(error))
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.tree.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
        .map_err(|error| self.here(error))
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.tree.value {
            Value::Null => visitor.visit_unit().map_err(|error| self.here(error)),
            _ => Err(self.wrong("nothing")),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Error> {
        if name == Secret::MARK {
            return self.secret(visitor);
        }
        visitor.visit_newtype_struct(self).map_err(|error| self.here(error))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Value::List(items) = &self.tree.value else { return Err(self.wrong("a list")) };
        let items: Vec<&Tree> = items.iter().filter(|item| self.is_there(item)).collect();
        visitor.visit_seq(Items { reader: self, waiting: items.into_iter() }).map_err(|error| self.here(error))
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
        visitor.visit_map(self.entries("a mapping")?).map_err(|error| self.here(error))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let one_of =
            || format!("one of {}", known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "));
        match &self.tree.value {
            Value::Scalar { text, .. } => visitor.visit_enum(Word(text)),
            Value::Map(entries) => match entries.as_slice() {
                [entry] if self.is_there(&entry.value) => visitor.visit_enum(Variant { reader: self, entry }),
                [_] => Err(Error::new(ErrorKind::Gone)),
                _ => {
                    let found = format!("a mapping with {} entries", entries.len());
                    Err(Error::new(ErrorKind::Wrong { found, wanted: one_of() }))
                }
            },
            _ => Err(self.wrong(&one_of())),
        }
        .map_err(|error| self.here(error))
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }
}

struct Items<'t> {
    reader: Reader<'t>,
    waiting: std::vec::IntoIter<&'t Tree>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        let Some(item) = self.waiting.next() else { return Ok(None) };
        // A type that is made of a text refuses it when the text has been read.
        seed.deserialize(self.reader.of(item)).map(Some).map_err(|error| error.at(&item.place, item.id))
    }
}

pub(crate) struct Entries<'t> {
    reader: Reader<'t>,
    waiting: std::vec::IntoIter<&'t Entry>,
    value: Option<&'t Entry>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        let Some(entry) = self.waiting.next() else { return Ok(None) };
        self.value = Some(entry);
        let key: StringDeserializer<Error> = entry.key.clone().into_deserializer();
        seed.deserialize(key).map(Some).map_err(|error| error.at(&entry.key_place, entry.value.id))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        match self.value.take() {
            Some(Entry { value, .. }) => {
                seed.deserialize(self.reader.of(value)).map_err(|error| error.at(&value.place, value.id))
            }
            None => Err(Error::new(ErrorKind::Gone)),
        }
    }
}

/// A variant without more to say about it.
struct Word<'t>(&'t str);

impl<'de> EnumAccess<'de> for Word<'_> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Error> {
        let word: StringDeserializer<Error> = self.0.to_owned().into_deserializer();
        Ok((seed.deserialize(word)?, self))
    }
}

impl Word<'_> {
    fn bare<T>(&self) -> Result<T, Error> {
        let name = self.0;
        Err(Error::new(ErrorKind::Other(format!(
            "`{name}` stands alone; write `{name}: {{}}`, with what there is to say of it"
        ))))
    }
}

impl<'de> VariantAccess<'de> for Word<'_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, _: S) -> Result<S::Value, Error> {
        self.bare()
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Error> {
        self.bare()
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], _: V) -> Result<V::Value, Error> {
        self.bare()
    }
}

struct Variant<'t> {
    reader: Reader<'t>,
    entry: &'t Entry,
}

impl<'de, 't> EnumAccess<'de> for Variant<'t> {
    type Error = Error;
    type Variant = Reader<'t>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), Error> {
        let key: StringDeserializer<Error> = self.entry.key.clone().into_deserializer();
        let variant = seed.deserialize(key).map_err(|error| error.at(&self.entry.key_place, self.reader.tree.id))?;
        Ok((variant, self.reader.of(&self.entry.value)))
    }
}

impl<'de> VariantAccess<'de> for Reader<'_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        match &self.tree.value {
            Value::Null => Ok(()),
            _ => Err(self.wrong("nothing")),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }
}
