//! A serde deserializer over decoded parameters that goes on after a refusal, so that one answer
//! names them all.

use std::cell::RefCell;

use agent_api::limits::MAX_QUERY_INTEGER;
use serde::{
    Deserializer,
    de::{DeserializeOwned, DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor},
    forward_to_deserialize_any,
};

use super::{decode::Pair, notes::Notes};

/// Most tries to read a struct; each one notes a refusal more, and a struct has far fewer fields.
const MAX_TRIES: usize = 64;

/// Reads a struct; `None` only when something was refused.
///
/// A refusal that serde cannot go on after is noted, replaced by a placeholder, and the struct is
/// read again, so that the fields behind it are checked too.
pub(super) fn read<T: DeserializeOwned>(pairs: &[Pair], notes: &RefCell<Notes>) -> Option<T> {
    let mut fields: Vec<(&str, &str)> = pairs.iter().map(|p| (&*p.name, &*p.value)).collect();
    for _ in 0..MAX_TRIES {
        match T::deserialize(Parameters { fields: &fields, notes }) {
            Ok(read) => return Some(read),
            Err(Error::Missing(name)) => {
                note(notes, name, format!("\"{name}\" is required"));
                fields.push((name, "-"));
            }
            Err(Error::Refused(name)) => fields.retain(|(field, _)| *field != name),
            Err(Error::Other(text)) => {
                note(notes, "", text);
                break;
            }
        }
    }
    None
}

fn note(notes: &RefCell<Notes>, name: &str, detail: impl Into<String>) {
    notes.borrow_mut().add(name, detail);
}

#[derive(Debug)]
enum Error {
    Missing(&'static str),
    /// The value was refused by its own type and is noted.
    Refused(&'static str),
    Other(String),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing(name) | Self::Refused(name) => f.write_str(name),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Error {}

impl serde::de::Error for Error {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::Other(message.to_string())
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Missing(field)
    }
}

/// The whole query, as a struct.
struct Parameters<'a> {
    fields: &'a [(&'a str, &'a str)],
    notes: &'a RefCell<Notes>,
}

impl<'de, 'a: 'de> Deserializer<'de> for Parameters<'a> {
    type Error = Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let mut accepted: Vec<(&'static str, Vec<&str>)> = Vec::new();
        for (name, value) in self.fields {
            let Some(name) = known.iter().find(|k| *k == name) else {
                note(self.notes, name, "unknown parameter");
                continue;
            };
            match accepted.iter_mut().find(|(seen, _)| seen == name) {
                Some((_, values)) => values.push(value),
                None => accepted.push((name, vec![value])),
            }
        }
        visitor.visit_map(Fields { rest: accepted.into_iter(), value: None, notes: self.notes })
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Error> {
        Err(Error::custom("a query is read into a struct"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

struct Fields<'a> {
    rest: std::vec::IntoIter<(&'static str, Vec<&'a str>)>,
    value: Option<(&'static str, Vec<&'a str>)>,
    notes: &'a RefCell<Notes>,
}

impl<'de, 'a: 'de> MapAccess<'de> for Fields<'a> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        self.value = self.rest.next();
        match &self.value {
            None => Ok(None),
            Some((name, _)) => {
                seed.deserialize(serde::de::value::StrDeserializer::new(name)).map(Some)
            }
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        let (name, texts) = self.value.take().expect("serde asks for a key first");
        let values = Values { name, texts, notes: self.notes };
        seed.deserialize(values).map_err(|error| match error {
            Error::Other(text) => {
                note(self.notes, name, text);
                Error::Refused(name)
            }
            error => error,
        })
    }
}

/// The values of one parameter: all of them for a sequence, and otherwise there may be only one.
struct Values<'a> {
    name: &'static str,
    /// At least one.
    texts: Vec<&'a str>,
    notes: &'a RefCell<Notes>,
}

impl<'a> Values<'a> {
    fn one(self) -> Value<'a> {
        if self.texts.len() > 1 {
            note(self.notes, self.name, "the parameter is given twice");
        }
        let text = self.texts[0];
        Value { name: self.name, text, is_required: true, notes: self.notes }
    }
}

/// Reads a kind of value that there may be only one of.
macro_rules! read_one {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.one().$method(visitor)
        }
    )*};
}

impl<'de, 'a: 'de> Deserializer<'de> for Values<'a> {
    type Error = Error;

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let (name, notes) = (self.name, self.notes);
        let values = self.texts.into_iter();
        visitor.visit_seq(Items { values, name, notes })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.one().deserialize_enum(name, variants, visitor)
    }

    read_one! {
        deserialize_any deserialize_bool deserialize_option deserialize_str deserialize_string
        deserialize_u64
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u128 f32 f64 char bytes byte_buf unit unit_struct
        newtype_struct tuple tuple_struct map struct identifier ignored_any
    }
}

/// The values of a parameter that may be given more than once, none of which is required.
struct Items<'a> {
    values: std::vec::IntoIter<&'a str>,
    name: &'static str,
    notes: &'a RefCell<Notes>,
}

impl<'de, 'a: 'de> SeqAccess<'de> for Items<'a> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        let Some(text) = self.values.next() else { return Ok(None) };
        let value = Value { name: self.name, text, is_required: false, notes: self.notes };
        seed.deserialize(value).map(Some)
    }
}

/// One value; what it cannot be read as is noted and replaced by a harmless placeholder.
struct Value<'a> {
    name: &'static str,
    text: &'a str,
    is_required: bool,
    notes: &'a RefCell<Notes>,
}

impl Value<'_> {
    fn number(&self) -> u64 {
        let (negative, digits) = match self.text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, self.text),
        };
        let refusal = if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            "the value is not a whole number"
        } else if negative && digits.bytes().any(|b| b != b'0') {
            "value is negative"
        } else {
            match digits.parse::<u64>() {
                Ok(number) if number <= MAX_QUERY_INTEGER => return number,
                _ => "the value is too large",
            }
        };
        note(self.notes, self.name, refusal);
        0
    }
}

impl<'de, 'a: 'de> Deserializer<'de> for Value<'a> {
    type Error = Error;

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_u64(self.number())
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.text {
            "true" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            _ => {
                note(self.notes, self.name, "the value must be `true` or `false`");
                visitor.visit_bool(false)
            }
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(Value { is_required: false, ..self })
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.is_required && self.text.is_empty() {
            note(self.notes, self.name, format!("\"{}\" is required", self.name));
        }
        visitor.visit_str(self.text)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_string(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(serde::de::value::StrDeserializer::new(self.text))
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_str(self.text)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u128 f32 f64 char bytes byte_buf unit unit_struct
        newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}
