//! Inputs that stand for files: the bytes of the main one, then `RS PATH LF BYTES` for each further one. `RS` is the byte
//! 0x1e, which no configuration has.

use ipalias::root::RootPath;

/// What begins a further file.
pub const RS: u8 = 0x1e;

/// The most files that are looked at.
const MOST_FILES: usize = 16;

/// The files of an input, the main one first.
pub fn files<'a>(main: &'a str, data: &'a [u8]) -> impl Iterator<Item = (RootPath, &'a [u8])> {
    data.split(|byte| *byte == RS).take(MOST_FILES).enumerate().filter_map(move |(number, part)| {
        if number == 0 {
            return Some((main.into(), part));
        }
        let end = part.iter().position(|byte| *byte == b'\n')?;
        let (path, bytes) = (part.get(..end)?, part.get(end + 1..)?);
        path.starts_with(b"/").then(|| (RootPath::new(path), bytes))
    })
}

/// The input that [`files`] reads these from.
pub fn of_files<'a>(main: &[u8], more: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Vec<u8> {
    let mut all = main.to_vec();
    for (path, bytes) in more {
        all.push(RS);
        all.extend_from_slice(path.as_bytes());
        all.push(b'\n');
        all.extend_from_slice(bytes);
    }
    all
}
