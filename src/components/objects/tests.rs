//! What `objects` promises.

use super::*;

#[test]
fn what_is_put_is_held_once_under_its_digest() {
    let dir = tempfile::tempdir().unwrap();
    let store = Objects::new(dir.path().join("store"));
    let (digest, bytes) = store.put(&mut &b"hello"[..]).unwrap();
    assert_eq!((digest, bytes), (Digest::of_bytes(b"hello"), 5));
    assert_eq!(store.put(&mut &b"hello"[..]).unwrap().0, digest);
    assert_eq!(fs::read(store.path(&digest)).unwrap(), b"hello");
    let (empty, _) = store.put(&mut &b""[..]).unwrap();
    assert_eq!(empty, Digest::of_bytes(b""));
    store.flush().unwrap();
}

#[test]
fn a_long_file_has_the_digest_of_its_pieces() {
    let dir = tempfile::tempdir().unwrap();
    let store = Objects::new(dir.path().to_owned());
    let piece = usize::try_from(PIECE_BYTES).unwrap();
    let content = vec![7u8; piece + 3];
    let whole = [Digest::of_bytes(&content[..piece]), Digest::of_bytes(&content[piece..])];
    assert_eq!(store.put(&mut &content[..]).unwrap().0, Digest::of_pieces(&whole));
    assert_eq!(store.put(&mut &content[..piece]).unwrap().0, whole[0]);
}

#[test]
fn only_what_nobody_names_is_collected() {
    let dir = tempfile::tempdir().unwrap();
    let store = Objects::new(dir.path().to_owned());
    let [kept, pinned, free] = ["kept", "pinned", "free"].map(|text| store.put(&mut text.as_bytes()).unwrap().0);
    assert!(store.pin(&pinned).unwrap());
    assert!(!store.pin(&Digest::of_bytes(b"unknown")).unwrap());
    let busy = store.keep_all();
    assert_eq!(store.collect(|| Ok(HashSet::new())).unwrap(), 0, "nothing goes while objects are being put");
    drop(busy);
    assert_eq!(store.collect(|| Ok(HashSet::from([kept]))).unwrap(), 1);
    assert_eq!([kept, pinned, free].map(|digest| store.holds(&digest, None)), [true, true, false]);
    store.unpin([pinned].iter()).unwrap();
    assert_eq!(store.collect(|| Ok(HashSet::from([kept]))).unwrap(), 1);
}
