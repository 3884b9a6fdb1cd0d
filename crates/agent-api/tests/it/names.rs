//! What a type calls its fields and variants when it is read, found by asking serde.

use std::{cell::Cell, fmt};

use serde::{
    Deserializer,
    de::{DeserializeOwned, Visitor},
    forward_to_deserialize_any,
};

/// Names of a struct's fields or of an enum's variants; none for other types.
pub(crate) enum Names {
    Fields(&'static [&'static str]),
    Variants(&'static [&'static str]),
    Neither,
}

/// The names under which `T` is read, older ones included.
pub(crate) fn of<T: DeserializeOwned>() -> Names {
    let found = Cell::new(Names::Neither);
    let stopped = T::deserialize(Asking(&found)).is_err();
    assert!(stopped, "nothing can be read from a deserializer that has nothing");
    found.into_inner()
}

struct Asking<'a>(&'a Cell<Names>);

/// Ends the reading once the names are known.
#[derive(Debug)]
struct Stop;

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is nothing to read")
    }
}

impl std::error::Error for Stop {}

impl serde::de::Error for Stop {
    fn custom<T: fmt::Display>(_message: T) -> Self {
        Self
    }
}

impl<'de> Deserializer<'de> for Asking<'_> {
    type Error = Stop;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Stop> {
        self.0.set(Names::Fields(fields));
        Err(Stop)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Stop> {
        self.0.set(Names::Variants(variants));
        Err(Stop)
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Stop> {
        Err(Stop)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map identifier ignored_any
    }
}
