//! The same inputs every time: mutations of given ones, chosen by a generator with a fixed start and by nothing that is seen
//! while they run. What libFuzzer tries depends on addresses and times; a check of a change must not.

use std::fs;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};

use crate::Target;

/// After so many finds, more would say the same.
const MOST_FINDS: usize = 20;

/// SplitMix64.
struct Generator(u64);

impl Generator {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below `end`; 0 if there is none.
    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    fn one<'a>(&mut self, of: &'a [Vec<u8>]) -> &'a [u8] {
        of.get(self.below(of.len())).map_or(b"", Vec::as_slice)
    }
}

/// What a run over all inputs came to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// How many inputs were run.
    pub inputs: usize,
    /// How many of them broke a law.
    pub finds: usize,
}

/// Runs `target` on the inputs in `dirs`, then on `count` mutations of them that are at most `longest` bytes. Those that
/// break a law go to `found`, as does the one that is being run, should it end the process.
pub fn run(target: &Target, dirs: &[PathBuf], words: &Path, count: usize, longest: usize, found: &Path) -> Outcome {
    let inputs: Vec<Vec<u8>> = dirs.iter().flat_map(|dir| contents(dir)).collect();
    let text = fs::read_to_string(words).unwrap_or_default();
    let words: Vec<Vec<u8>> = text.lines().filter_map(word).collect();
    let mut outcome = Outcome::default();
    // Instead of libFuzzer's, which ends the process.
    std::panic::set_hook(Box::new(|info| println!("{info}")));
    let mut all = |data: &[u8]| {
        let running = found.join("running");
        fs::write(&running, data).expect("a file for the input");
        outcome.inputs += 1;
        if std::panic::catch_unwind(AssertUnwindSafe(|| target(data))).is_err() {
            outcome.finds += 1;
            let kept = found.join(format!("mutation-{}", outcome.finds));
            println!("{}\n", kept.display());
            fs::rename(&running, &kept).expect("a file for the input");
        } else {
            fs::remove_file(&running).expect("a file for the input");
        }
        outcome.finds < MOST_FINDS
    };
    let mut generator = Generator(1);
    let mutations = (0..count).map(|_| {
        let mut data = generator.one(&inputs).to_vec();
        for _ in 0..=generator.below(4) {
            mutate(&mut data, &mut generator, &inputs, &words);
        }
        data.truncate(longest);
        data
    });
    let _ = inputs.iter().cloned().chain(mutations).all(|data| all(&data));
    outcome
}

/// One change: a bit, a byte, a range that goes, comes twice or is one of another input, a word of the dictionary.
fn mutate(data: &mut Vec<u8>, generator: &mut Generator, inputs: &[Vec<u8>], words: &[Vec<u8>]) {
    let at = generator.below(data.len() + 1);
    let end = (at + 1 + generator.below(64)).min(data.len());
    let new: Vec<u8> = match generator.below(8) {
        0 => data.get(at).map(|byte| byte ^ 1 << generator.below(8)).into_iter().collect(),
        1 => vec![generator.next() as u8],
        2 => Vec::new(),
        3 => data.get(at..end).map(|range| range.repeat(2)).unwrap_or_default(),
        4 => {
            let other = generator.one(inputs);
            let from = generator.below(other.len());
            let length = 1 + generator.below(256);
            other.get(from..).unwrap_or_default().iter().take(length).copied().collect()
        }
        5 => b" \t\n\"'\\#=:;/.,0123456789%$`\x1e\0\xff".get(generator.below(32)).copied().into_iter().collect(),
        _ => generator.one(words).to_vec(),
    };
    let end = match generator.below(2) {
        0 => at,
        _ => end.max(at),
    };
    data.splice(at..end, new);
}

/// The files of `dir`, in the order of their names.
fn contents(dir: &Path) -> Vec<Vec<u8>> {
    let Ok(found) = fs::read_dir(dir) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = found.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths.iter().filter_map(|path| fs::read(path).ok()).collect()
}

/// The word of a line of a dictionary: `"text"`, with `\xNN` for bytes.
fn word(line: &str) -> Option<Vec<u8>> {
    let (text, _) = line.split_once('"')?.1.rsplit_once('"')?;
    let mut bytes = Vec::new();
    let mut parts = text.split("\\x");
    bytes.extend_from_slice(parts.next()?.as_bytes());
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(part.get(2..)?.as_bytes());
    }
    Some(bytes)
}
