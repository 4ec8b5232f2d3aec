//! Values in the shape that earlier rules gave them.
//!
//! The types in records and snapshots are written field by field, without names. A type that gains a field would so
//! become unreadable for a hub of the version before. This file wraps a serializer to leave out the fields that the
//! given rules do not have yet ([`ADDED_FIELDS`]), and a deserializer to give them their defaults. Only hubs that are
//! ahead of the rules in force use it; all others write and read the types as they are.

use std::fmt;

use deskbell_core::rules::ADDED_FIELDS;
use serde::de::{self, DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};
use serde::ser::{self, Serialize, Serializer};

/// Fields that types gained: the type, the field, and the first rules with it.
pub(super) type AddedFields = &'static [(&'static str, &'static str, u32)];

/// The shape of all types under some rules.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    added: AddedFields,
    rules: u32,
}

impl Shape {
    pub(super) fn of_rules(rules: u32) -> Self {
        Self { added: ADDED_FIELDS, rules }
    }

    fn has(self, type_name: &str, field: &str) -> bool {
        self.added.iter().all(|&(of, name, since)| since <= self.rules || of != type_name || name != field)
    }

    /// The fields of a type in this shape. Fields that it lacks are the last ones.
    fn fields(self, type_name: &str, all: &'static [&'static str]) -> &'static [&'static str] {
        let count = all.iter().take_while(|field| self.has(type_name, field)).count();
        all.get(..count).unwrap_or(all)
    }

    /// Writes `value` in this shape.
    pub(super) fn value<T: Serialize + ?Sized>(self, value: &T) -> Shaped<&T> {
        Shaped { inner: value, shape: self }
    }

    /// Reads values of this shape.
    pub(super) fn reader<D>(self, deserializer: D) -> Shaped<D> {
        Shaped { inner: deserializer, shape: self }
    }
}

/// A value, serializer, deserializer or part of one, together with the shape to write or read.
pub(super) struct Shaped<T> {
    inner: T,
    shape: Shape,
}

/// A struct that is being written.
pub(super) struct ShapedStruct<C> {
    inner: C,
    shape: Shape,
    type_name: &'static str,
}

impl<T: Serialize + ?Sized> Serialize for Shaped<&T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.inner.serialize(Shaped { inner: serializer, shape: self.shape })
    }
}

/// Serializer methods that write one plain value.
macro_rules! write_plain {
    ($($method:ident($type:ty)),* $(,)?) => {
        $(fn $method(self, value: $type) -> Result<S::Ok, S::Error> {
            self.inner.$method(value)
        })*
    };
}

impl<S: Serializer> Serializer for Shaped<S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Shaped<S::SerializeSeq>;
    type SerializeTuple = Shaped<S::SerializeTuple>;
    type SerializeTupleStruct = Shaped<S::SerializeTupleStruct>;
    type SerializeTupleVariant = Shaped<S::SerializeTupleVariant>;
    type SerializeMap = Shaped<S::SerializeMap>;
    type SerializeStruct = ShapedStruct<S::SerializeStruct>;
    type SerializeStructVariant = ShapedStruct<S::SerializeStructVariant>;

    write_plain! {
        serialize_bool(bool), serialize_i8(i8), serialize_i16(i16), serialize_i32(i32), serialize_i64(i64),
        serialize_i128(i128), serialize_u8(u8), serialize_u16(u16), serialize_u32(u32), serialize_u64(u64),
        serialize_u128(u128), serialize_f32(f32), serialize_f64(f64), serialize_char(char), serialize_str(&str),
        serialize_bytes(&[u8]), serialize_unit_struct(&'static str),
    }

    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_none()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.serialize_some(&self.shape.value(value))
    }

    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit()
    }

    fn serialize_unit_variant(self, name: &'static str, index: u32, variant: &'static str) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit_variant(name, index, variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.serialize_newtype_struct(name, &self.shape.value(value))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.inner.serialize_newtype_variant(name, index, variant, &self.shape.value(value))
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        Ok(Shaped { inner: self.inner.serialize_seq(len)?, shape: self.shape })
    }

    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, S::Error> {
        Ok(Shaped { inner: self.inner.serialize_tuple(len)?, shape: self.shape })
    }

    fn serialize_tuple_struct(self, name: &'static str, len: usize) -> Result<Self::SerializeTupleStruct, S::Error> {
        Ok(Shaped { inner: self.inner.serialize_tuple_struct(name, len)?, shape: self.shape })
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        Ok(Shaped { inner: self.inner.serialize_tuple_variant(name, index, variant, len)?, shape: self.shape })
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        Ok(Shaped { inner: self.inner.serialize_map(len)?, shape: self.shape })
    }

    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Self::SerializeStruct, S::Error> {
        Ok(ShapedStruct { inner: self.inner.serialize_struct(name, len)?, shape: self.shape, type_name: name })
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        let inner = self.inner.serialize_struct_variant(name, index, variant, len)?;
        Ok(ShapedStruct { inner, shape: self.shape, type_name: name })
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

/// Compounds with parts that have no names: all parts are written.
macro_rules! write_parts {
    ($($compound:ident::$method:ident),* $(,)?) => {
        $(impl<C: ser::$compound> ser::$compound for Shaped<C> {
            type Ok = C::Ok;
            type Error = C::Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
                self.inner.$method(&self.shape.value(value))
            }

            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        })*
    };
}

write_parts! {
    SerializeSeq::serialize_element, SerializeTuple::serialize_element, SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field,
}

impl<C: ser::SerializeMap> ser::SerializeMap for Shaped<C> {
    type Ok = C::Ok;
    type Error = C::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), C::Error> {
        self.inner.serialize_key(&self.shape.value(key))
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
        self.inner.serialize_value(&self.shape.value(value))
    }

    fn end(self) -> Result<C::Ok, C::Error> {
        self.inner.end()
    }
}

/// A compound with named fields: those that the shape lacks are left out.
macro_rules! write_fields {
    ($($compound:ident),* $(,)?) => {
        $(impl<C: ser::$compound> ser::$compound for ShapedStruct<C> {
            type Ok = C::Ok;
            type Error = C::Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), C::Error> {
                if self.shape.has(self.type_name, key) {
                    self.inner.serialize_field(key, &self.shape.value(value))
                } else {
                    self.inner.skip_field(key)
                }
            }

            fn skip_field(&mut self, key: &'static str) -> Result<(), C::Error> {
                self.inner.skip_field(key)
            }

            fn end(self) -> Result<C::Ok, C::Error> {
                self.inner.end()
            }
        })*
    };
}

write_fields!(SerializeStruct, SerializeStructVariant);

/// Deserializer methods that take only a visitor.
macro_rules! read_any {
    ($($method:ident),* $(,)?) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$method(Shaped { inner: visitor, shape: self.shape })
        })*
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Shaped<D> {
    type Error = D::Error;

    read_any! {
        deserialize_any, deserialize_bool, deserialize_i8, deserialize_i16, deserialize_i32, deserialize_i64,
        deserialize_i128, deserialize_u8, deserialize_u16, deserialize_u32, deserialize_u64, deserialize_u128,
        deserialize_f32, deserialize_f64, deserialize_char, deserialize_str, deserialize_string, deserialize_bytes,
        deserialize_byte_buf, deserialize_option, deserialize_unit, deserialize_seq, deserialize_map,
        deserialize_identifier, deserialize_ignored_any,
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_unit_struct(name, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_newtype_struct(name, Shaped { inner: visitor, shape: self.shape })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_tuple(len, Shaped { inner: visitor, shape: self.shape })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_tuple_struct(name, len, Shaped { inner: visitor, shape: self.shape })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let fields = self.shape.fields(name, fields);
        self.inner.deserialize_struct(name, fields, Shaped { inner: visitor, shape: self.shape })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = ShapedEnum { inner: visitor, shape: self.shape, type_name: name };
        self.inner.deserialize_enum(name, variants, visitor)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

/// Visitor methods that receive one plain value.
macro_rules! visit_plain {
    ($($method:ident($type:ty)),* $(,)?) => {
        $(fn $method<E: de::Error>(self, value: $type) -> Result<V::Value, E> {
            self.inner.$method(value)
        })*
    };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Shaped<V> {
    type Value = V::Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(formatter)
    }

    visit_plain! {
        visit_bool(bool), visit_i8(i8), visit_i16(i16), visit_i32(i32), visit_i64(i64), visit_i128(i128), visit_u8(u8),
        visit_u16(u16), visit_u32(u32), visit_u64(u64), visit_u128(u128), visit_f32(f32), visit_f64(f64),
        visit_char(char), visit_str(&str), visit_borrowed_str(&'de str), visit_string(String), visit_bytes(&[u8]),
        visit_borrowed_bytes(&'de [u8]), visit_byte_buf(Vec<u8>),
    }

    fn visit_none<E: de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.inner.visit_some(self.shape.reader(deserializer))
    }

    fn visit_unit<E: de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.inner.visit_newtype_struct(self.shape.reader(deserializer))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<V::Value, A::Error> {
        self.inner.visit_seq(Shaped { inner: seq, shape: self.shape })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.inner.visit_map(Shaped { inner: map, shape: self.shape })
    }
}

impl<'de, T: DeserializeSeed<'de>> DeserializeSeed<'de> for Shaped<T> {
    type Value = T::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T::Value, D::Error> {
        self.inner.deserialize(self.shape.reader(deserializer))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Shaped<A> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, A::Error> {
        self.inner.next_element_seed(Shaped { inner: seed, shape: self.shape })
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Shaped<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        self.inner.next_key_seed(Shaped { inner: seed, shape: self.shape })
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        self.inner.next_value_seed(Shaped { inner: seed, shape: self.shape })
    }

    fn size_hint(&self) -> Option<usize> {
        self.inner.size_hint()
    }
}

/// An enum that is being read.
struct ShapedEnum<T> {
    inner: T,
    shape: Shape,
    type_name: &'static str,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for ShapedEnum<V> {
    type Value = V::Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(formatter)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<V::Value, A::Error> {
        self.inner.visit_enum(ShapedEnum { inner: data, shape: self.shape, type_name: self.type_name })
    }
}

impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for ShapedEnum<A> {
    type Error = A::Error;
    type Variant = ShapedEnum<A::Variant>;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self::Variant), A::Error> {
        let (value, inner) = self.inner.variant_seed(seed)?;
        Ok((value, ShapedEnum { inner, shape: self.shape, type_name: self.type_name }))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for ShapedEnum<A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, A::Error> {
        self.inner.newtype_variant_seed(Shaped { inner: seed, shape: self.shape })
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.inner.tuple_variant(len, Shaped { inner: visitor, shape: self.shape })
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        let fields = self.shape.fields(self.type_name, fields);
        self.inner.struct_variant(fields, Shaped { inner: visitor, shape: self.shape })
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;

    const ADDED: AddedFields = &[("Desk", "colour", 7), ("Ring", "twice", 7), ("Desk", "size", 8)];

    /// The types as rules 6 had them.
    mod before {
        use serde::{Deserialize, Serialize};

        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        pub(super) struct Desk {
            pub(super) name: String,
            pub(super) rings: Vec<Ring>,
        }

        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        pub(super) enum Ring {
            Off,
            Times(u32),
            Soft { volume: Option<u8> },
        }
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Desk {
        name: String,
        rings: Vec<Ring>,
        #[serde(default)]
        colour: Option<String>,
        #[serde(default)]
        size: u128,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Ring {
        Off,
        Times(u32),
        Soft {
            volume: Option<u8>,
            #[serde(default)]
            twice: bool,
        },
        Loud,
    }

    fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8], rules: u32) -> T {
        let mut deserializer = postcard::Deserializer::from_bytes(bytes);
        let value = T::deserialize(Shape { added: ADDED, rules }.reader(&mut deserializer)).unwrap();
        assert!(deserializer.finalize().unwrap().is_empty());
        value
    }

    fn write(value: &impl Serialize, rules: u32) -> Vec<u8> {
        postcard::to_stdvec(&Shape { added: ADDED, rules }.value(value)).unwrap()
    }

    #[test]
    fn a_version_that_is_ahead_writes_and_reads_the_shape_of_the_version_before() {
        let old = before::Desk {
            name: "ada".to_owned(),
            rings: vec![before::Ring::Off, before::Ring::Soft { volume: Some(3) }, before::Ring::Times(9)],
        };
        let new = Desk {
            name: "ada".to_owned(),
            rings: vec![Ring::Off, Ring::Soft { volume: Some(3), twice: false }, Ring::Times(9)],
            colour: None,
            size: 0,
        };
        let bytes = postcard::to_stdvec(&old).unwrap();
        assert_eq!(read::<Desk>(&bytes, 6), new);
        assert_eq!(write(&new, 6), bytes);
    }

    #[test]
    fn the_newest_shape_is_that_of_the_types_themselves() {
        let desk = Desk {
            name: "bob".to_owned(),
            rings: vec![Ring::Loud, Ring::Soft { volume: None, twice: true }],
            colour: Some("red".to_owned()),
            size: u128::MAX,
        };
        let bytes = postcard::to_stdvec(&desk).unwrap();
        assert_eq!(write(&desk, 8), bytes);
        assert_eq!(read::<Desk>(&bytes, 8), desk);
        assert_eq!(read::<Desk>(&write(&desk, 7), 7), Desk { size: 0, ..desk });
    }
}
