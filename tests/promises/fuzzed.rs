//! Many pseudo-random inputs in a few seconds, the same ones each time; `tests/fuzz` looks for new ones.

use std::fs;
use std::path::Path;
use std::thread;

use ipalias::error::{Kind, Refusal};
use ipalias::journal::digest;
use ipalias::root::{NodeKind, Root, RootPath};
use ipalias::store::Store;
use ipalias::syntax::ini::{Dialect, Ini};
use ipalias::syntax::keyfile::Keyfile;
use ipalias::text::{Splice, Text};
use ipalias::transaction;
use ipalias::ui::visible;

use crate::support::{Tree, promise, read_tree, scratch};

/// xorshift64*: what is wanted of it is that every run sees the same inputs.
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % most
    }

    /// Up to `most` of `pieces`, one behind the other, a random byte among them now and then.
    fn bytes(&mut self, pieces: &[&[u8]], most: usize) -> Vec<u8> {
        let mut all = Vec::new();
        for _ in 0..self.below(most) + 1 {
            match self.below(8) {
                0 => all.push(self.below(256) as u8),
                _ => all.extend_from_slice(pieces[self.below(pieces.len())]),
            }
        }
        all
    }
}

/// Runs `each` on `count` inputs, on every processor; `seed` tells the shares apart.
fn on_all(count: usize, each: impl Fn(&mut Random) + Sync) {
    let shares = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for share in 0..shares {
            let each = &each;
            scope.spawn(move || {
                let mut random = Random(0x9E37_79B9_7F4A_7C15 ^ share as u64);
                (share..count).step_by(shares).for_each(|_| each(&mut random));
            });
        }
    });
}

/// What a terminal takes for a command, whole and cut off, and what stands between.
const CONTROLS: &[&[u8]] = &[
    b"address 192.0.2.10/24",
    b"\x1b[2J",
    b"\x1b]0;title\x07",
    b"\x1bP$q\x1b\\",
    b"\x1b",
    b"\r",
    b"\n",
    b"\t",
    b"\0",
    b"\x08\x08",
    b"\x0e\x7f",
    b"\x9b2J",
    b"\xc2\x9b2J",
    b"\xc2",
    b"\x9d\xc2\x85",
    "\u{202e}".as_bytes(),
    "\u{2066}\u{200f}".as_bytes(),
    "\u{61c}\u{feff}".as_bytes(),
    "\u{e0041}\u{2028}".as_bytes(),
    "ä\u{20ac}".as_bytes(),
    b"\xf0\x9f\x98",
    b"\xed\xa0\x80",
    b"\xff\xfe",
];

#[test]
fn p26_no_bytes_of_a_file_steer_the_terminal() {
    const INPUTS: usize = 1_000_000;
    let steers = |c: char| {
        matches!(c, '\0'..='\x08' | '\x0b'..='\x1f' | '\x7f'..='\u{9f}' | '\u{61c}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
    };
    let raw: Vec<u8> = CONTROLS.concat();
    assert!(String::from_utf8_lossy(&raw).contains(steers), "the inputs have what is looked for");
    on_all(INPUTS, |random| {
        let bytes = random.bytes(CONTROLS, 6);
        let shown = visible(&bytes);
        assert!(!shown.contains(steers), "{:?} of {}", shown, bytes.escape_ascii());
    });
    promise("P26", "sanitiser", "1,000,000 inputs, 0 control bytes shown");
}

const LINES: &[&[u8]] = &[
    b"[Match]\n",
    b"[Network]\r\n",
    b"[ipv4]\n",
    b"Name=eth0\n",
    b"Address=192.0.2.10/24",
    b"address1 = 192.0.2.10/24,192.0.2.1\n",
    b"# comment \\\n",
    b"; other\n",
    b"\n",
    b"\r",
    b"\\\n",
    b"  indented",
    b"=",
    b"[",
    b"]",
    b"\xef\xbb\xbf",
    b"\0",
    b"\xff",
];

#[test]
fn p10_any_bytes_are_printed_as_they_were_read() {
    const FILES: usize = 100_000;
    on_all(FILES, |random| {
        let bytes = random.bytes(LINES, 10);
        let text = Text::new(bytes.clone());
        assert_eq!(text.apply(Vec::new()).unwrap(), bytes);
        let ini = Ini::parse(&text, Dialect::SYSTEMD).items.into_iter().map(|item| item.range);
        let keyfile = Keyfile::parse(&text).items.into_iter().map(|item| item.range);
        for items in [ini.collect::<Vec<_>>(), keyfile.collect()] {
            let printed: Vec<u8> = items.into_iter().flat_map(|range| bytes[range].to_vec()).collect();
            assert_eq!(printed, bytes, "{}", bytes.escape_ascii());
        }
        let at = random.below(bytes.len() + 1);
        let after = text.apply(vec![Splice::insert(at, "inserted")]).unwrap();
        let [before, behind] = [&after[..at], &after[at + "inserted".len()..]];
        assert_eq!([before, behind].concat(), bytes, "only the inserted bytes are new");
    });
    promise("P10", "identity", "100,000 random files, each printed byte for byte, 0 bytes changed around an edit");
}

/// A store with an operation in flight that would make `created` and the directory `dir`.
fn in_flight(top: &Path, created: &str, dir: &str) {
    let journal = top.join("var/lib/ipalias/journal");
    fs::create_dir_all(&journal).unwrap();
    let record = serde_json::json!({
        "format": 1, "time": 0, "argv": ["ipalias", "remove", "203.0.113.5"], "version": "0.1.0", "backend": "ifupdown",
        "token": "0123456789abcdef", "undoes": [], "dirs": [dir.as_bytes()], "live": null,
        "files": [{"path": created.as_bytes(), "before": digest(b"code"), "after": null, "metadata": null}],
    });
    fs::write(journal.join("operation.json"), record.to_string()).unwrap();
    fs::write(journal.join("0.before"), "code").unwrap();
}

/// A rescue system often has its own `/run` and `/dev` below the mounted disk, whose store anybody may have written.
#[test]
fn p24_a_record_leads_recovery_to_configuration_only() {
    let cases = [
        ("/run/systemd/system/evil.service", "/etc/x", false),
        ("/etc/link/evil.service", "/etc/x", false),
        ("/etc/link/new/evil.service", "/etc/x", false),
        ("/etc/fine", "/run/empty", false),
        ("/etc/fine", "/etc/link/empty", false),
        ("/", "/etc/x", false),
        ("/etc/fine", "/etc", true),
    ];
    for (created, dir, is_fine) in cases {
        let top = scratch();
        for dir in ["etc", "run/empty", "run/systemd/system"] {
            fs::create_dir_all(top.path().join(dir)).unwrap();
        }
        std::os::unix::fs::symlink("/run", top.path().join("etc/link")).unwrap();
        in_flight(top.path(), created, dir);
        let before = read_tree(top.path());
        let root = Root::open(top.path()).unwrap();
        let store = Store::open(&root).unwrap().unwrap();
        let recovered = transaction::recover(&root, &store);
        if is_fine {
            assert!(recovered.unwrap().unwrap().conflicts.is_empty());
            assert_eq!(fs::read(top.path().join("etc/fine")).unwrap(), b"code");
            continue;
        }
        let refusal = recovered.unwrap_err().downcast::<Refusal>().unwrap();
        assert!(matches!(refusal.kind, Kind::ManagedElsewhere | Kind::Malformed), "{refusal:?}");
        let after: Tree = read_tree(top.path());
        assert_eq!(before, after, "{created} {dir}");
    }
    promise("P24", "hostile-record", "6 records that lead out of the configuration, 0 followed");
}

#[test]
fn p02_a_folder_with_the_largest_number_does_not_end_the_count() {
    let top = scratch();
    fs::create_dir_all(top.path().join("etc")).unwrap();
    in_flight(top.path(), "/etc/fine", "/etc");
    fs::create_dir(top.path().join("var/lib/ipalias").join(u64::MAX.to_string())).unwrap();
    let root = Root::open(top.path()).unwrap();
    let store = Store::open(&root).unwrap().unwrap();
    transaction::recover(&root, &store).unwrap();
    assert!(top.path().join("var/lib/ipalias/000001/rolled-back").exists());
}

#[test]
fn p24_a_link_that_ends_with_a_slash_leads_to_directories_only() {
    let dir = scratch();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir_all(at("etc/d")).unwrap();
    fs::write(at("etc/file"), "x").unwrap();
    for (target, name) in [("file/", "one"), ("file/.", "two"), ("d/", "three"), ("d/.", "four"), ("./file", "five")] {
        std::os::unix::fs::symlink(target, at("etc").join(name)).unwrap();
    }
    let root = Root::open(dir.path()).unwrap();
    let kind = |name: &str| root.kind(&RootPath::from("/etc").join(name)).unwrap();
    assert_eq!(["one", "two"].map(kind), [NodeKind::Absent; 2]);
    assert_eq!(["three", "four"].map(kind), [NodeKind::Directory; 2]);
    assert_eq!(kind("five"), NodeKind::File);
    assert_eq!(root.resolve(&"/etc/three".into()).unwrap(), "/etc/d".into());
}

#[test]
fn p28_what_no_file_can_be_called_is_not_there() {
    let dir = scratch();
    fs::create_dir_all(dir.path().join("etc")).unwrap();
    let root = Root::open(dir.path()).unwrap();
    for name in [b"a\0b".to_vec(), vec![b'x'; 300]] {
        let path = RootPath::from("/etc").join(&name);
        assert_eq!(root.kind(&path).unwrap(), NodeKind::Absent);
        assert_eq!(root.kind(&path.join("below")).unwrap(), NodeKind::Absent);
        assert_eq!(root.read(&path).unwrap(), None);
    }
}
