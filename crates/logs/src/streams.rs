//! The two streams of a running program.

use std::io;
use std::path::Path;

use base::Settings;

use crate::{COMBINED, ERROR, Stream, settings};

/// Where lines go.
pub struct Streams {
    combined: Stream,
    error: Stream,
    /// Said once, and again when it is over.
    failed: bool,
}

impl Streams {
    /// Opens both below `folder`.
    pub fn open(settings: &Settings, folder: &Path) -> io::Result<Self> {
        let bytes = u64::from(settings.get(&settings::FILE_MEGABYTES)) << 20;
        let kept = usize::try_from(settings.get(&settings::FILES_KEPT)).unwrap_or(usize::MAX);
        Ok(Streams {
            combined: Stream::open(folder, COMBINED, bytes, kept)?,
            error: Stream::open(folder, ERROR, bytes, kept)?,
            failed: false,
        })
    }

    /// Writes whole lines: all of them, and the errors among them. Gives what has to be said, once, of a disk that takes
    /// no more, and that it does again.
    pub fn write(&mut self, all: &[u8], errors: &[u8]) -> Option<String> {
        // Each by itself: a stream that cannot be written keeps nothing out of the other.
        let written = [self.combined.write(all), self.error.write(errors)];
        let written = written.into_iter().find(Result::is_err).unwrap_or(Ok(()));
        let failed = written.is_err();
        let changed = failed != std::mem::replace(&mut self.failed, failed);
        changed.then(|| match written {
            Err(error) => format!("the log's files cannot be written: {error}"),
            Ok(()) => "the log's files are written again".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The files of both streams, with their sizes in megabytes, rounded up.
    fn sizes(folder: &Path) -> Vec<(String, u64)> {
        let mut found: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| {
                (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().len().div_ceil(1 << 20))
            })
            .collect();
        found.sort();
        found
    }

    #[test]
    fn the_settings_bound_what_both_streams_take() {
        let line = [vec![b'x'; (1 << 19) - 1], b"\n".to_vec()].concat();
        let file = |name: &str, size: u64| (name.to_owned(), size);
        for (megabytes, kept, expected) in [
            ("1", "1", vec![file("combined.000008.log", 1), file("combined.log", 1), file("error.log", 0)]),
            (
                "4",
                "2",
                vec![
                    file("combined.000001.log", 4),
                    file("combined.000002.log", 4),
                    file("combined.log", 1),
                    file("error.log", 0),
                ],
            ),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let settings = Settings::default()
                .with("logging.file_megabytes", megabytes)
                .with("logging.files_kept", kept);
            let mut streams = Streams::open(&settings, folder.path()).unwrap();
            (0..17).for_each(|_| assert_eq!(streams.write(&line, b""), None));
            assert_eq!(sizes(folder.path()), expected);
            streams.write(b"", b"an error\n");
            assert!(sizes(folder.path()).contains(&file("error.log", 1)));
        }
    }

    #[test]
    fn what_cannot_be_written_is_said_once_and_when_it_can_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut streams = Streams::open(&Settings::default(), folder.path()).unwrap();
        let (path, aside) = (folder.path().join("combined.log"), folder.path().join("aside"));
        std::fs::rename(&path, &aside).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(streams.write(b"line\n", b"").is_some_and(|said| said.contains("cannot be written")));
        assert_eq!(streams.write(b"line\n", b"an error\n"), None);
        assert_eq!(std::fs::read_to_string(folder.path().join("error.log")).unwrap(), "an error\n");
        std::fs::remove_dir(&path).unwrap();
        assert!(streams.write(b"line\n", b"").is_some_and(|said| said.contains("written again")));
        assert_eq!(std::fs::read_to_string(path).unwrap(), "line\n");
    }
}
