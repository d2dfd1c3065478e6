//! Whatever comes goes back the same, and nonsense is an error.

use super::*;
use proptest::prelude::*;

/// Any value up to three levels deep; the items of a container are of one kind, as the wire wants.
fn values(levels: u32) -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        any::<i8>().prop_map(Value::I8),
        any::<i16>().prop_map(Value::I16),
        any::<i32>().prop_map(Value::I32),
        any::<i64>().prop_map(Value::I64),
        any::<u64>().prop_map(Value::Double),
        proptest::collection::vec(any::<u8>(), 0..6).prop_map(Value::Bytes),
    ];
    if levels == 0 {
        return leaf.boxed();
    }
    let same_kind = |items: Vec<Value>| {
        let kind = items.first().map_or(Kind::Struct, Value::kind);
        (kind, items.into_iter().filter(|item| item.kind() == kind).collect::<Vec<_>>())
    };
    let inner = || proptest::collection::vec(values(levels - 1), 0..4);
    prop_oneof![
        leaf,
        proptest::collection::btree_map(any::<i16>(), values(levels - 1), 0..4).prop_map(|fields| Value::Struct(Struct(fields))),
        inner().prop_map(move |items| {
            let (kind, items) = same_kind(items);
            Value::List(kind, items)
        }),
        inner().prop_map(move |items| {
            let (kind, items) = same_kind(items);
            Value::Set(kind, items.into_iter().collect())
        }),
        (inner(), inner()).prop_map(move |(keys, values)| {
            let ((key, keys), (value, values)) = (same_kind(keys), same_kind(values));
            // Of an empty map the wire keeps no kinds.
            let entries: BTreeMap<_, _> = keys.into_iter().zip(values).collect();
            if entries.is_empty() { Value::Map(Kind::Bytes, Kind::Bytes, entries) } else { Value::Map(key, value, entries) }
        }),
    ]
    .boxed()
}

proptest! {
    #[test]
    fn whatever_comes_from_the_wire_goes_back_the_same(fields in proptest::collection::btree_map(any::<i16>(), values(3), 0..5)) {
        let value = Struct(fields);
        let bytes = value.to_bytes().unwrap();
        let read = Struct::from_bytes(&bytes).unwrap();
        prop_assert_eq!(&read.to_bytes().unwrap(), &bytes);
        prop_assert_eq!(read, value);
    }
}

#[test]
fn a_cut_or_endless_answer_is_an_error_and_no_crash() {
    let bytes = Struct::of([(1, "orders".into()), (2, Value::texts(&["a".to_owned()]))]).to_bytes().unwrap();
    for length in 0..bytes.len() {
        assert!(Struct::from_bytes(&bytes[..length]).is_err(), "{length} of {} bytes", bytes.len());
    }
    let deep: Vec<u8> = [12, 0, 1].repeat(10_000);
    assert!(Struct::from_bytes(&deep).is_err());
}
