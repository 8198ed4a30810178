//! Append-only files of request records: `requests-{microseconds}.ndjson`, each at most 64 MiB, all together
//! bounded by size and age. Losing them loses no money: a write that fails is counted, never waited for.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use metrics::counter;
use portcullis_core::{clock::Timestamp, recorder::CallRecord};

use super::line;

/// Largest segment.
const SEGMENT_BYTES_MAX: u64 = 64 << 20;

/// Bounds of all segments together.
#[derive(Debug, Clone, Copy)]
pub struct SegmentSettings {
    /// Most bytes of all segments.
    pub total_bytes_max: u64,
    /// Oldest segment that is kept.
    pub age_max: Duration,
}

/// The open segment and the folder it is in.
pub(super) struct Segments {
    folder: PathBuf,
    settings: SegmentSettings,
    current: Option<Counted>,
    dirty: bool,
}

/// A buffered file and how much was written to it.
struct Counted {
    file: BufWriter<File>,
    bytes: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Segments {
    pub(super) fn open(
        folder: &Path,
        settings: SegmentSettings,
        now: Timestamp,
    ) -> io::Result<Self> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        let mut segments = Self {
            folder: folder.to_owned(),
            settings,
            current: None,
            dirty: false,
        };
        segments.remove_old(now);
        Ok(segments)
    }

    pub(super) fn write(&mut self, record: &CallRecord) {
        self.dirty = true;
        let full = self
            .current
            .as_ref()
            .is_none_or(|current| current.bytes >= SEGMENT_BYTES_MAX);
        let written = if full { self.next(record.at) } else { Ok(()) }.and_then(|()| {
            self.current
                .as_mut()
                .map_or(Ok(()), |current| line::write(current, record))
        });
        if written.is_err() {
            self.fail();
        }
    }

    /// Hands what was written to the operating system.
    pub(super) fn flush(&mut self, now: Timestamp) {
        if !std::mem::take(&mut self.dirty) {
            return;
        }
        if self
            .current
            .as_mut()
            .is_some_and(|current| current.flush().is_err())
        {
            self.fail();
        }
        self.remove_old(now);
    }

    /// Counts and starts a new file with the next record: the disk may have space again by then.
    fn fail(&mut self) {
        self.current = None;
        counter!("portcullis_request_record_errors_total").increment(1);
    }

    fn next(&mut self, at: Timestamp) -> io::Result<()> {
        if let Some(mut old) = self.current.take() {
            old.flush()?;
        }
        let path = self
            .folder
            .join(format!("requests-{:020}.ndjson", at.as_us()));
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)?;
        let bytes = file.metadata()?.len();
        self.current = Some(Counted {
            file: BufWriter::with_capacity(256 << 10, file),
            bytes,
        });
        self.remove_old(at);
        Ok(())
    }

    /// Removes the oldest segments while all together are too large or they are too old; never the open one.
    fn remove_old(&mut self, now: Timestamp) {
        let Ok(entries) = fs::read_dir(&self.folder) else {
            return;
        };
        let mut segments: Vec<(Timestamp, PathBuf, u64)> = entries
            .flatten()
            .filter_map(|entry| {
                let begun = begun_at(entry.file_name().to_str()?)?;
                Some((begun, entry.path(), entry.metadata().ok()?.len()))
            })
            .collect();
        segments.sort();
        if self.current.is_some() {
            segments.pop();
        }
        let mut total: u64 = segments.iter().map(|(_, _, bytes)| bytes).sum();
        total += self.current.as_ref().map_or(0, |current| current.bytes);
        for (begun, path, bytes) in segments {
            let old = now.since(begun) > self.settings.age_max;
            if (old || total > self.settings.total_bytes_max) && fs::remove_file(&path).is_ok() {
                total = total.saturating_sub(bytes);
            }
        }
    }
}

fn begun_at(name: &str) -> Option<Timestamp> {
    let us = name
        .strip_prefix("requests-")?
        .strip_suffix(".ndjson")?
        .parse()
        .ok()?;
    Some(Timestamp::from_us(us))
}
