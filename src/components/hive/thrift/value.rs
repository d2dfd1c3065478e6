//! Thrift's values as a tree, read whole from the wire and written back whole: what this program does not know travels along.
//!
//! A struct is its fields by number. Maps and sets are kept sorted, so that equal values have equal bytes.

use std::collections::{BTreeMap, BTreeSet};

use thrift::protocol::{
    TBinaryInputProtocol, TBinaryOutputProtocol, TFieldIdentifier, TInputProtocol, TListIdentifier, TMapIdentifier, TOutputProtocol,
    TSetIdentifier, TStructIdentifier, TType,
};

/// The deepest nesting that is read; the metastore's own is about six.
const DEPTH: u8 = 32;

/// The sort of a value. It is written even for an empty list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Bool,
    I8,
    I16,
    I32,
    I64,
    Double,
    Bytes,
    Struct,
    Map,
    List,
    Set,
}

impl Kind {
    fn of(wire: TType) -> thrift::Result<Kind> {
        Ok(match wire {
            TType::Bool => Kind::Bool,
            TType::I08 => Kind::I8,
            TType::I16 => Kind::I16,
            TType::I32 => Kind::I32,
            TType::I64 => Kind::I64,
            TType::Double => Kind::Double,
            TType::String | TType::Utf7 => Kind::Bytes,
            TType::Struct => Kind::Struct,
            TType::Map => Kind::Map,
            TType::List => Kind::List,
            TType::Set => Kind::Set,
            TType::Stop | TType::Void | TType::Uuid => {
                return Err(thrift::Error::from("a value is of a kind that the metastore does not use"));
            }
        })
    }

    fn on_wire(self) -> TType {
        match self {
            Kind::Bool => TType::Bool,
            Kind::I8 => TType::I08,
            Kind::I16 => TType::I16,
            Kind::I32 => TType::I32,
            Kind::I64 => TType::I64,
            Kind::Double => TType::Double,
            Kind::Bytes => TType::String,
            Kind::Struct => TType::Struct,
            Kind::Map => TType::Map,
            Kind::List => TType::List,
            Kind::Set => TType::Set,
        }
    }
}

/// One value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// A truth value.
    Bool(bool),
    /// 8 bits.
    I8(i8),
    /// 16 bits.
    I16(i16),
    /// 32 bits.
    I32(i32),
    /// 64 bits.
    I64(i64),
    /// A double, as its bits.
    Double(u64),
    /// A text or bytes: the wire does not tell them apart.
    Bytes(Vec<u8>),
    /// A struct.
    Struct(Struct),
    /// A map with the kinds of its keys and values.
    Map(Kind, Kind, BTreeMap<Value, Value>),
    /// A list with the kind of its items.
    List(Kind, Vec<Value>),
    /// A set with the kind of its items.
    Set(Kind, BTreeSet<Value>),
}

/// A struct: its fields by number.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Struct(pub BTreeMap<i16, Value>);

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Bytes(text.as_bytes().to_vec())
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Value {
        text.as_str().into()
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Value {
        Value::Bool(truth)
    }
}

impl From<Struct> for Value {
    fn from(fields: Struct) -> Value {
        Value::Struct(fields)
    }
}

impl From<Vec<Struct>> for Value {
    fn from(structs: Vec<Struct>) -> Value {
        Value::List(Kind::Struct, structs.into_iter().map(Value::Struct).collect())
    }
}

impl From<&BTreeMap<String, String>> for Value {
    fn from(texts: &BTreeMap<String, String>) -> Value {
        Value::Map(Kind::Bytes, Kind::Bytes, texts.iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}

impl Value {
    /// A list of texts.
    pub fn texts<'a>(texts: impl IntoIterator<Item = &'a String>) -> Value {
        Value::List(Kind::Bytes, texts.into_iter().map(Value::from).collect())
    }

    /// The text; `None` for anything else.
    pub fn as_text(&self) -> Option<&str> {
        if let Value::Bytes(bytes) = self { std::str::from_utf8(bytes).ok() } else { None }
    }

    /// The struct; `None` for anything else.
    pub fn as_struct(&self) -> Option<&Struct> {
        if let Value::Struct(fields) = self { Some(fields) } else { None }
    }

    /// The items of a list; none of anything else.
    pub fn items(&self) -> &[Value] {
        if let Value::List(_, items) = self { items } else { &[] }
    }

    /// The structs of a list.
    pub fn into_structs(self) -> Vec<Struct> {
        let Value::List(_, items) = self else { return Vec::new() };
        items.into_iter().filter_map(|item| if let Value::Struct(fields) = item { Some(fields) } else { None }).collect()
    }

    /// The texts of a list.
    pub fn into_texts(self) -> Vec<String> {
        self.items().iter().filter_map(|item| item.as_text().map(str::to_owned)).collect()
    }

    fn kind(&self) -> Kind {
        match self {
            Value::Bool(_) => Kind::Bool,
            Value::I8(_) => Kind::I8,
            Value::I16(_) => Kind::I16,
            Value::I32(_) => Kind::I32,
            Value::I64(_) => Kind::I64,
            Value::Double(_) => Kind::Double,
            Value::Bytes(_) => Kind::Bytes,
            Value::Struct(_) => Kind::Struct,
            Value::Map(..) => Kind::Map,
            Value::List(..) => Kind::List,
            Value::Set(..) => Kind::Set,
        }
    }

    fn read(from: &mut dyn TInputProtocol, kind: Kind, depth: u8) -> thrift::Result<Value> {
        let deeper = depth.checked_sub(1).ok_or_else(|| thrift::Error::from("the answer is nested too deeply"))?;
        Ok(match kind {
            Kind::Bool => Value::Bool(from.read_bool()?),
            Kind::I8 => Value::I8(from.read_i8()?),
            Kind::I16 => Value::I16(from.read_i16()?),
            Kind::I32 => Value::I32(from.read_i32()?),
            Kind::I64 => Value::I64(from.read_i64()?),
            Kind::Double => Value::Double(from.read_double()?.to_bits()),
            Kind::Bytes => Value::Bytes(from.read_bytes()?),
            Kind::Struct => Value::Struct(Struct::read_from(from, deeper)?),
            Kind::Map => {
                let head = from.read_map_begin()?;
                // Of an empty map the wire need not tell the kinds.
                let kind = |told: Option<TType>| told.map_or(Ok(Kind::Bytes), Kind::of);
                let (key, value) = (kind(head.key_type)?, kind(head.value_type)?);
                let mut entries = BTreeMap::new();
                for _ in 0..head.size {
                    entries.insert(Value::read(from, key, deeper)?, Value::read(from, value, deeper)?);
                }
                from.read_map_end()?;
                Value::Map(key, value, entries)
            }
            Kind::List => {
                let head = from.read_list_begin()?;
                let kind = Kind::of(head.element_type)?;
                let items = (0..head.size).map(|_| Value::read(from, kind, deeper)).collect::<thrift::Result<_>>()?;
                from.read_list_end()?;
                Value::List(kind, items)
            }
            Kind::Set => {
                let head = from.read_set_begin()?;
                let kind = Kind::of(head.element_type)?;
                let items = (0..head.size).map(|_| Value::read(from, kind, deeper)).collect::<thrift::Result<_>>()?;
                from.read_set_end()?;
                Value::Set(kind, items)
            }
        })
    }

    fn write(&self, to: &mut dyn TOutputProtocol) -> thrift::Result<()> {
        match self {
            Value::Bool(value) => to.write_bool(*value),
            Value::I8(value) => to.write_i8(*value),
            Value::I16(value) => to.write_i16(*value),
            Value::I32(value) => to.write_i32(*value),
            Value::I64(value) => to.write_i64(*value),
            Value::Double(bits) => to.write_double(f64::from_bits(*bits)),
            Value::Bytes(bytes) => to.write_bytes(bytes),
            Value::Struct(fields) => fields.write_to(to),
            Value::Map(key, value, entries) => {
                to.write_map_begin(&TMapIdentifier::new(key.on_wire(), value.on_wire(), size(entries.len())?))?;
                for (key, value) in entries {
                    key.write(to)?;
                    value.write(to)?;
                }
                to.write_map_end()
            }
            Value::List(kind, items) => {
                to.write_list_begin(&TListIdentifier::new(kind.on_wire(), size(items.len())?))?;
                items.iter().try_for_each(|item| item.write(to))?;
                to.write_list_end()
            }
            Value::Set(kind, items) => {
                to.write_set_begin(&TSetIdentifier::new(kind.on_wire(), size(items.len())?))?;
                items.iter().try_for_each(|item| item.write(to))?;
                to.write_set_end()
            }
        }
    }
}

fn size(length: usize) -> thrift::Result<i32> {
    i32::try_from(length).map_err(|_| thrift::Error::from("a list is too long to be sent"))
}

impl Struct {
    /// With these fields.
    pub fn of<const N: usize>(fields: [(i16, Value); N]) -> Struct {
        Struct(fields.into_iter().collect())
    }

    /// A field.
    pub fn get(&self, id: i16) -> Option<&Value> {
        self.0.get(&id)
    }

    /// Takes a field out.
    pub fn take(&mut self, id: i16) -> Option<Value> {
        self.0.remove(&id)
    }

    /// Sets a field.
    pub fn set(&mut self, id: i16, value: impl Into<Value>) {
        self.0.insert(id, value.into());
    }

    /// A text field; `None` where there is none.
    pub fn text(&self, id: i16) -> Option<&str> {
        self.get(id).and_then(Value::as_text)
    }

    /// A whole number of any width.
    pub fn number(&self, id: i16) -> Option<i64> {
        match self.get(id)? {
            Value::I8(n) => Some((*n).into()),
            Value::I16(n) => Some((*n).into()),
            Value::I32(n) => Some((*n).into()),
            Value::I64(n) => Some(*n),
            _ => None,
        }
    }

    /// A struct inside.
    pub fn part(&self, id: i16) -> Option<&Struct> {
        self.get(id).and_then(Value::as_struct)
    }

    /// A struct inside, to be changed.
    pub fn part_mut(&mut self, id: i16) -> Option<&mut Struct> {
        if let Some(Value::Struct(fields)) = self.0.get_mut(&id) { Some(fields) } else { None }
    }

    /// A list inside.
    pub fn items(&self, id: i16) -> &[Value] {
        self.get(id).map_or(&[], Value::items)
    }

    /// A map of texts inside; empty where there is none.
    pub fn texts(&self, id: i16) -> BTreeMap<String, String> {
        let Some(Value::Map(_, _, entries)) = self.get(id) else { return BTreeMap::new() };
        let text = |value: &Value| value.as_text().unwrap_or_default().to_owned();
        entries.iter().map(|(key, value)| (text(key), text(value))).collect()
    }

    /// Reads one.
    pub fn read(from: &mut dyn TInputProtocol) -> thrift::Result<Struct> {
        Struct::read_from(from, DEPTH)
    }

    fn read_from(from: &mut dyn TInputProtocol, depth: u8) -> thrift::Result<Struct> {
        let mut fields = BTreeMap::new();
        from.read_struct_begin()?;
        loop {
            let field = from.read_field_begin()?;
            if field.field_type == TType::Stop {
                break;
            }
            let id = field.id.ok_or_else(|| thrift::Error::from("a field has no number"))?;
            fields.insert(id, Value::read(from, Kind::of(field.field_type)?, depth)?);
            from.read_field_end()?;
        }
        from.read_struct_end()?;
        Ok(Struct(fields))
    }

    /// Writes it.
    pub fn write_to(&self, to: &mut dyn TOutputProtocol) -> thrift::Result<()> {
        to.write_struct_begin(&TStructIdentifier::new(""))?;
        for (id, value) in &self.0 {
            to.write_field_begin(&TFieldIdentifier::new("", value.kind().on_wire(), *id))?;
            value.write(to)?;
            to.write_field_end()?;
        }
        to.write_field_stop()?;
        to.write_struct_end()
    }

    /// Its bytes; equal structs have equal bytes.
    pub fn to_bytes(&self) -> thrift::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.write_to(&mut TBinaryOutputProtocol::new(&mut bytes, true))?;
        Ok(bytes)
    }

    /// From its bytes.
    pub fn from_bytes(mut bytes: &[u8]) -> thrift::Result<Struct> {
        let read = Struct::read(&mut TBinaryInputProtocol::new(&mut bytes, true))?;
        if bytes.is_empty() { Ok(read) } else { Err(thrift::Error::from("something follows its end")) }
    }
}

#[cfg(test)]
mod tests;
