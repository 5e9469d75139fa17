#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;

use super::super::pickle_value::Value;
use super::*;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/checkpoints");

fn protocol(n: u8) -> Vec<u8> {
    std::fs::read(format!("{FIXTURES}/protocol{n}.pkl")).unwrap()
}

fn parsed(bytes: &[u8]) -> Pickle {
    read(bytes).unwrap()
}

fn error(bytes: &[u8]) -> String {
    read(bytes).unwrap_err().to_string()
}

fn ints(value: Value<'_>) -> Vec<i128> {
    value.items().unwrap().into_iter().map(|x| x.as_int().unwrap()).collect()
}

fn get<'a>(root: Value<'a>, key: &str) -> Value<'a> {
    root.get(key).unwrap()
}

#[test]
fn python_values_read_the_same_in_every_protocol() {
    for n in 0..=5 {
        let pickle = parsed(&protocol(n));
        let root = pickle.root();
        assert!(get(root, "none").is_none());
        let bools: Vec<_> = get(root, "bools").items().unwrap().into_iter().map(Value::as_bool).collect();
        assert_eq!(bools, [Some(true), Some(false)], "protocol {n}");
        let whole = [0, 1, -1, 255, 256, 65535, 65536, i32::MAX.into(), i32::MIN.into(), 1 << 31, -(1 << 40)];
        assert_eq!(ints(get(root, "ints")), [&whole[..], &[1 << 80, -(1 << 80)]].concat(), "protocol {n}");
        assert_eq!(*get(root, "huge").node(), Node::HugeInt);
        let floats: Vec<_> =
            get(root, "floats").items().unwrap().into_iter().filter_map(Value::as_f64).collect();
        assert_eq!(floats, [0.0, -1.5, 1e300, f64::INFINITY], "protocol {n}");
        assert_eq!(get(root, "text").as_str(), Some("é\n\\u0041 'quoted' \u{1F600}"), "protocol {n}");
        assert_eq!(get(root, "long text").as_str(), Some("x".repeat(300).as_str()));
        let tuples: Vec<_> = get(root, "tuples").items().unwrap().into_iter().map(ints).collect();
        assert_eq!(tuples, [vec![], vec![1], vec![1, 2], vec![1, 2, 3], vec![1, 2, 3, 4]], "protocol {n}");
        if n >= 3 {
            assert_eq!(*get(root, "bytes").node(), Node::Bytes(vec![0, 255]));
        }
        if n >= 4 {
            assert_eq!(ints(get(root, "set")), [1]);
            assert_eq!(ints(get(root, "frozenset")), [1]);
        }
    }
}

#[test]
fn dict_subclasses_read_as_maps_in_every_protocol() {
    for n in 0..=5 {
        let pickle = parsed(&protocol(n));
        let root = pickle.root();
        let ordered = get(root, "ordered").entries().unwrap();
        let ordered: Vec<_> =
            ordered.iter().map(|(k, v)| (k.as_str().unwrap(), v.as_int().unwrap())).collect();
        assert_eq!(ordered, [("b", 1), ("a", 2)], "protocol {n}");
        let version = root.at(&["config", "inner", "version"]).and_then(Value::as_str);
        assert_eq!(version, Some("it12-h"), "protocol {n}");
        assert_eq!(root.at(&["config", "empty"]).unwrap().entries().unwrap().len(), 0, "protocol {n}");
        assert!(root.at(&["config", "empty", "version"]).is_none());
    }
}

#[test]
fn nothing_is_called() {
    for n in 0..=5 {
        let pickle = parsed(&protocol(n));
        let (class, args) = get(pickle.root(), "hostile").call().unwrap();
        assert_eq!(class, "posix.system", "protocol {n}");
        assert_eq!(args[0].as_str(), Some("touch /tmp/hostile-pickle-was-run"));
    }
    assert!(!std::path::Path::new("/tmp/hostile-pickle-was-run").exists());
}

#[test]
fn sharing_is_kept_and_cycles_are_harmless() {
    for n in 0..=5 {
        let pickle = parsed(&protocol(n));
        let shared = get(pickle.root(), "shared").items().unwrap();
        assert!(std::ptr::eq(shared[0].node(), shared[1].node()));
        let cycle = get(pickle.root(), "cycle");
        assert!(std::ptr::eq(cycle.items().unwrap()[1].node(), cycle.node()));
    }
    // Lists within each other a million deep: neither reading nor dropping recurses.
    let deep = [vec![b']'; 1_000_000], vec![b'a'; 999_999], vec![b'.']].concat();
    assert_eq!(parsed(&deep).root().items().unwrap().len(), 1);
}

#[test]
fn rarer_opcodes_work() {
    let text = |bytes: &[u8]| parsed(bytes).root().as_str().map(str::to_string);
    assert_eq!(text(b"S'a\\x41\\n\\'\\q'\n.").as_deref(), Some("aA\n'\\q"));
    assert_eq!(text(b"U\x02hi.").as_deref(), Some("hi"));
    assert_eq!(text(b"T\x02\0\0\0hi.").as_deref(), Some("hi"));
    assert_eq!(*parsed(b"U\x01\xff.").root().node(), Node::Bytes(vec![255]));
    assert_eq!(parsed(b"I01\n.").root().as_bool(), Some(true));
    assert_eq!(ints(parsed(b"(I1\nI2\nK\x03l.").root()), [1, 2, 3]);
    // POP_MARK drops the marked values, and POP a mark without values.
    assert_eq!(ints(parsed(b"(K\x01(K\x02K\x031(0t.").root()), [1]);
    assert_eq!(parsed(b"(S'k'\nK\x05d.").root().get("k").unwrap().as_int(), Some(5));
    // INST and OBJ call a class with what lies above the mark.
    for bytes in [&b"(K\x07im\nC\n."[..], b"(cm\nC\nK\x07o."] {
        let pickle = parsed(bytes);
        let (class, args) = pickle.root().call().unwrap();
        assert_eq!((class, args[0].as_int()), ("m.C", Some(7)));
    }
    assert_eq!(parsed(b"Pkey\n.").root().persistent_id().unwrap().as_str(), Some("key"));
    // Later keys win, as in Python.
    assert_eq!(parsed(b"}S'k'\nK\x01sS'k'\nK\x02s.").root().get("k").unwrap().as_int(), Some(2));
}

#[test]
fn broken_pickles_say_what_and_where() {
    assert_eq!(error(b""), "the file ends at byte 0 of the pickle");
    assert_eq!(error(b"K"), "the file ends at byte 1 of the pickle");
    assert_eq!(error(b"."), "an empty stack at byte 1 of the pickle");
    assert_eq!(error(b"h\x05."), "nothing memorized as 5 at byte 2 of the pickle");
    assert_eq!(error(b"N\xff"), "an opcode 0xff that is not supported at byte 2 of the pickle");
    assert_eq!(error(b"\x80\x06"), "protocol 6 (0 to 5 are known) at byte 2 of the pickle");
    assert_eq!(error(b"t."), "no mark on the stack at byte 1 of the pickle");
    assert_eq!(error(b"NN(u."), "SETITEM on None at byte 4 of the pickle");
    assert_eq!(error(b")Na."), "APPEND on tuple at byte 3 of the pickle");
    assert_eq!(error(b"]Nb."), "BUILD on list at byte 3 of the pickle");
    assert_eq!(error(b"](N}u"), "SETITEM on list at byte 5 of the pickle");
    assert_eq!(error(b"}(Nu."), "a key without a value at byte 4 of the pickle");
    assert_eq!(error(b"N(0a"), "an empty stack at byte 4 of the pickle");
    assert_eq!(error(b"Ix\n."), "something else instead of a whole number at byte 3 of the pickle");
    assert_eq!(error(b"gx\n."), "\"x\" instead of a number at byte 3 of the pickle");
    assert_eq!(error(b"(o."), "an OBJ without a class at byte 2 of the pickle");
    assert_eq!(
        error(b"K\x01K\x01\x93."),
        "a STACK_GLOBAL of something that is not a name at byte 5 of the pickle"
    );
    assert_eq!(error(b"S'x\n."), "a STRING without quotes at byte 4 of the pickle");
    assert_eq!(error(b"cm"), "a line without an end at byte 1 of the pickle");
}

#[test]
fn promised_lengths_are_not_believed() {
    assert_eq!(
        error(b"X\xff\xff\xff\x03hi"),
        "the file ends 2 bytes into a length of 67108863 bytes at byte 5 of the pickle"
    );
    assert!(error(b"X\xff\xff\xff\xffhi").starts_with("a length of 4294967295 bytes"));
    assert!(error(&[&[0x8e], &[0xff; 8][..]].concat()).starts_with("a length of 18446744073709551615 bytes"));
    assert!(error(&vec![b'N'; MAX_STEPS + 1]).starts_with("more than 4000000 steps"));
}

/// Looks at everything, as a reader of the values would.
fn walk(pickle: &Pickle) -> usize {
    let root = pickle.root();
    let looked = root.entries().map_or(0, |entries| {
        entries
            .iter()
            .map(|(k, v)| k.kind().len() + v.kind().len() + v.entries().map_or(0, |e| e.len()))
            .sum()
    });
    looked + pickle.persistent_ids().map(|id| id.kind().len()).sum::<usize>()
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(bytes.as_slice()).map(|pickle| walk(&pickle));
    }

    /// Random programs get further than random bytes: only opcodes, with few and small operands.
    #[test]
    fn random_programs_never_panic(
        codes in proptest::collection::vec(proptest::sample::select(&b"().]}0012NNNKabdelostu\x85\x86\x87\x8f\x90\x91\x92\x93\x94\x81RQh\x00\x01\x02"[..]), 0..200),
    ) {
        let _ = read(codes.as_slice()).map(|pickle| walk(&pickle));
    }

    #[test]
    fn changed_pickles_never_panic(
        n in 0u8..=5,
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
        end in any::<proptest::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let mut bytes = protocol(n);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if cut {
            bytes.truncate(end.index(bytes.len()));
        }
        let _ = read(bytes.as_slice()).map(|pickle| walk(&pickle));
    }
}

#[test]
fn every_truncation_is_an_error() {
    for n in 0..=5 {
        let bytes = protocol(n);
        for end in 0..bytes.len() {
            assert!(read(&bytes[..end]).is_err(), "protocol {n}, {end} bytes");
        }
    }
}
