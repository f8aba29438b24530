//! One stream: `NAME.log`, and before it `NAME.000001.log` and so on, the oldest with the lowest number. Whoever sends lines
//! elsewhere reads it from where they stand, over all of its files.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A stream being written.
pub struct Stream {
    folder: PathBuf,
    name: &'static str,
    bytes_max: u64,
    kept: usize,
}

/// How far a stream was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The number of the file: of the one being written, the number it will be put aside under.
    pub file: u64,
    /// Bytes of it.
    pub offset: u64,
}

/// Lines that were read.
#[derive(Debug)]
pub struct Chunk {
    /// Whole lines.
    pub lines: String,
    /// Behind them.
    pub next: Place,
    /// Files that were gone before they were read.
    pub lost: u64,
    /// Whether there was more when this was read.
    pub more: bool,
}

impl Stream {
    /// Opens a stream for writing. The folder is made, and its owner's only.
    pub fn open(folder: &Path, name: &'static str, bytes_max: u64, kept: usize) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        fs::set_permissions(folder, Permissions::from_mode(0o700))?;
        let stream = Stream { folder: folder.to_owned(), name, bytes_max, kept };
        let file = stream.current()?;
        if file.metadata()?.permissions().mode() & 0o077 != 0 {
            file.set_permissions(Permissions::from_mode(0o600))?;
        }
        Ok(stream)
    }

    /// Writes whole lines. The file is opened each time, so that whoever moves it away needs to tell nobody.
    pub fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        let mut file = self.current()?;
        let there = file.metadata()?.len();
        if there > 0 && there + lines.len() as u64 > self.bytes_max {
            self.put_aside()?;
            file = self.current()?;
        }
        file.write_all(lines)
    }

    fn current(&self) -> io::Result<File> {
        OpenOptions::new().append(true).create(true).mode(0o600).open(current(&self.folder, self.name))
    }

    fn put_aside(&self) -> io::Result<()> {
        let aside = numbers(&self.folder, self.name)?;
        let number = aside.last().map_or(1, |last| last + 1);
        fs::rename(current(&self.folder, self.name), numbered(&self.folder, self.name, number))?;
        let too_many = (aside.len() + 1).saturating_sub(self.kept);
        aside
            .iter()
            .take(too_many)
            .try_for_each(|old| fs::remove_file(numbered(&self.folder, self.name, *old)))
    }
}

fn current(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.log"))
}

fn numbered(folder: &Path, name: &str, number: u64) -> PathBuf {
    folder.join(format!("{name}.{number:06}.log"))
}

/// The numbers of the files that were put aside, in order.
fn numbers(folder: &Path, name: &str) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let file = entry?.file_name();
        let middle =
            file.to_str().and_then(|file| file.strip_prefix(name)?.strip_prefix('.')?.strip_suffix(".log"));
        found.extend(middle.and_then(|number| number.parse::<u64>().ok()));
    }
    found.sort_unstable();
    Ok(found)
}

impl Place {
    /// Behind everything that is there.
    pub fn end(folder: &Path, name: &str) -> io::Result<Self> {
        let file = numbers(folder, name)?.last().map_or(1, |last| last + 1);
        let offset = fs::metadata(current(folder, name)).map_or(0, |found| found.len());
        Ok(Place { file, offset })
    }

    /// As it is kept in a file.
    pub fn read(text: &str) -> Option<Self> {
        let (file, offset) = text.trim().split_once(' ')?;
        Some(Place { file: file.parse().ok()?, offset: offset.parse().ok()? })
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.file, self.offset)
    }
}

/// The lines behind a place, up to so many bytes; none when nothing is there yet. One line that is longer than that is
/// given whole.
pub fn read_after(folder: &Path, name: &str, place: Place, bytes_max: u64) -> io::Result<Chunk> {
    let mut place = place;
    let mut lost = 0;
    loop {
        let aside = match numbers(folder, name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            found => found?,
        };
        let now = aside.last().map_or(1, |last| last + 1);
        // The first file that there still is; a place behind the end is of a folder that was emptied.
        let first = aside.iter().copied().find(|number| *number >= place.file).unwrap_or(now);
        if first != place.file {
            lost += if place.file == 0 { 0 } else { first.saturating_sub(place.file) };
            place = Place { file: first, offset: 0 };
        }
        let path = if place.file == now { current(folder, name) } else { numbered(folder, name, place.file) };
        let file = match File::open(path) {
            // Put aside or removed meanwhile: looked for again under its number.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if place.file == now {
                    return Ok(Chunk { lines: String::new(), next: place, lost, more: false });
                }
                continue;
            }
            file => file?,
        };
        // The name may have been given to the next file between the look at the folder and the opening.
        if place.file == now && numbers(folder, name)?.last().map_or(1, |last| last + 1) != now {
            continue;
        }
        let length = file.metadata()?.len();
        if length < place.offset {
            // Somebody emptied it, or took it away, and it was begun anew.
            place.offset = 0;
        }
        let lines = whole_lines(file, place.offset, bytes_max)?;
        if lines.is_empty() && place.file < now {
            place = Place { file: place.file + 1, offset: 0 };
            continue;
        }
        let next = Place { file: place.file, offset: place.offset + lines.len() as u64 };
        let more = !lines.is_empty() && (place.file < now || next.offset < length);
        return Ok(Chunk { lines: String::from_utf8_lossy(&lines).into_owned(), next, lost, more });
    }
}

/// Whole lines from an offset on.
fn whole_lines(mut file: File, offset: u64, bytes_max: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    let mut max = bytes_max;
    loop {
        (&file).take(max).read_to_end(&mut bytes)?;
        match bytes.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => {
                bytes.truncate(end + 1);
                return Ok(bytes);
            }
            None if (bytes.len() as u64) < max => return Ok(Vec::new()),
            None => max = bytes_max,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(folder: &Path, mut place: Place, at_once: u64) -> (String, Place, u64) {
        let (mut text, mut lost) = (String::new(), 0);
        loop {
            let chunk = read_after(folder, "combined", place, at_once).unwrap();
            (place, lost) = (chunk.next, lost + chunk.lost);
            if chunk.lines.is_empty() {
                return (text, place, lost);
            }
            text.push_str(&chunk.lines);
        }
    }

    #[test]
    fn lines_are_read_in_order_over_all_files_and_the_room_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("logs");
        let mut stream = Stream::open(&folder, "combined", 100, 3).unwrap();
        let line = |number: u32| format!("line {number:04}\n");
        let written: String = (0..30).map(line).collect();
        (0..30).for_each(|number| stream.write(line(number).as_bytes()).unwrap());
        let (text, place, lost) = all(&folder, Place::default(), 25);
        assert_eq!((text.as_str(), lost), (written.as_str(), 0));
        assert_eq!(place, Place::end(&folder, "combined").unwrap());
        assert_eq!(Place::read(&place.to_string()), Some(place));
        // Ten lines a file: who stands at the end goes on there, over the change of files.
        (30..45).for_each(|number| stream.write(line(number).as_bytes()).unwrap());
        assert_eq!(all(&folder, place, 1 << 20).0, (30..45).map(line).collect::<String>());
        // Three are kept, and the one being written: whoever was away too long is told how much is gone.
        (45..100).for_each(|number| stream.write(line(number).as_bytes()).unwrap());
        let (text, _, lost) = all(&folder, Place { file: 1, offset: 0 }, 1 << 20);
        assert_eq!((text, lost), ((60..100).map(line).collect(), 6));
        let files = fs::read_dir(&folder).unwrap().count();
        assert_eq!(files, 4);
        let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(folder.clone()), mode(folder.join("combined.log"))), (0o700, 0o600));
    }

    #[test]
    fn a_line_that_is_not_finished_waits_and_a_long_one_comes_whole() {
        let folder = tempfile::tempdir().unwrap();
        let mut stream = Stream::open(folder.path(), "combined", 1 << 20, 3).unwrap();
        stream.write(b"begun").unwrap();
        let (text, place, _) = all(folder.path(), Place::default(), 10);
        assert_eq!(text, "");
        let long = "x".repeat(1_000);
        stream.write(format!("{long}\nnext\n").as_bytes()).unwrap();
        assert_eq!(all(folder.path(), place, 10).0, format!("begun{long}\nnext\n"));
    }

    #[test]
    fn a_file_that_somebody_emptied_or_took_away_is_read_from_its_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let current = folder.path().join("combined.log");
        let mut stream = Stream::open(folder.path(), "combined", 1 << 20, 3).unwrap();
        stream.write(b"first\nsecond\n").unwrap();
        let (_, place, _) = all(folder.path(), Place::default(), 100);
        fs::write(&current, "").unwrap();
        let (text, place, _) = all(folder.path(), place, 100);
        assert_eq!((text.as_str(), place.offset), ("", 0));
        stream.write(b"third\n").unwrap();
        let (text, place, _) = all(folder.path(), place, 100);
        assert_eq!(text, "third\n");
        fs::rename(&current, folder.path().join("aside")).unwrap();
        stream.write(b"4th\n").unwrap();
        assert_eq!(all(folder.path(), place, 100).0, "4th\n");
    }

    #[test]
    fn more_is_what_was_there_already_and_not_what_comes_while_it_is_sent() {
        let folder = tempfile::tempdir().unwrap();
        let mut stream = Stream::open(folder.path(), "combined", 20, 3).unwrap();
        (0..5).for_each(|_| stream.write(b"123456789\n").unwrap());
        let mut place = Place::default();
        let mut seen = Vec::new();
        while seen.len() < 5 {
            let chunk = read_after(folder.path(), "combined", place, 10).unwrap();
            place = chunk.next;
            seen.push(chunk.more);
        }
        assert_eq!(seen, [true, true, true, true, false]);
    }

    #[test]
    fn files_of_others_are_no_files_of_the_stream() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["combined.old.log", "combined.log.1", "error.000007.log", "combined"] {
            fs::write(folder.path().join(name), "not ours\n").unwrap();
        }
        let mut stream = Stream::open(folder.path(), "combined", 1 << 20, 1).unwrap();
        stream.write(b"ours\n").unwrap();
        assert_eq!(all(folder.path(), Place::default(), 100).0, "ours\n");
    }
}
