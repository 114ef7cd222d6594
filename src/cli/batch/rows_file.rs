//! The file of the rows, read with a hash of its bytes.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use crate::cli::failure::Failure;
use crate::config::{BatchSettings, Settings};
use crate::error::Error;
use crate::hash::ContentHash;
use crate::json::JsonParser;
use crate::report::{JsonPath, Problem};
use crate::rows::{RowFormat, Rows, RowsError};

/// The file of the rows. It is read twice: to check it, and to render.
#[derive(Clone, Debug)]
pub(super) struct RowsFile {
    pub(super) path: PathBuf,
    file: Arc<File>,
    format: RowFormat,
    limits: BatchSettings,
    parser: JsonParser,
}

/// Rows of a file, with the hash of the bytes read so far.
pub(super) type HashedRows = (Rows<BufReader<HashingReader>>, RowsHash);

impl RowsFile {
    pub(super) fn open(path: &Path, format: Option<&str>, settings: &Settings) -> Result<Self, Failure> {
        let usage = |reason: String| Failure::Usage(format!("{}: {reason}", path.display()));
        let ending = path.extension().map(|it| it.to_string_lossy());
        let named = format.or(ending.as_deref());
        let format = named.and_then(RowFormat::from_extension).ok_or_else(|| {
            usage(
                "the format of the rows is unknown; use the extension .csv, .json or .ndjson, or set --rows-format"
                    .into(),
            )
        })?;
        let file = File::open(path).map_err(|error| usage(format!("cannot be read: {error}")))?;
        if !file.metadata().is_ok_and(|it| it.is_file()) {
            return Err(usage("is not a regular file, and rows are read twice; save them to a file".into()));
        }
        let (limits, parser) = (settings.batches.clone(), JsonParser::new(settings.design.json_depth));
        Ok(Self { path: path.into(), file: Arc::new(file), format, limits, parser })
    }

    /// Reads the rows from the first. One reader at a time: all share one file position.
    pub(super) fn rows(&self) -> Result<HashedRows, RowsError> {
        (&*self.file).seek(SeekFrom::Start(0))?;
        let hash = RowsHash::default();
        let input = BufReader::new(HashingReader { file: self.file.clone(), hash: hash.clone() });
        Ok((Rows::new(input, self.format, &self.limits, self.parser)?, hash))
    }

    pub(super) fn failure(&self, error: &RowsError) -> Failure {
        match error {
            RowsError::Read(_) => Failure::Machine(format!("{}: {error}", self.path.display())),
            RowsError::Malformed(_) | RowsError::TooMany { .. } => {
                let path = JsonPath::from(&*self.path.to_string_lossy());
                Error::invalid(Problem { path, message: error.to_string() }).into()
            }
        }
    }
}

/// SHA-256 of the bytes read so far.
#[derive(Clone, Debug, Default)]
pub(super) struct RowsHash(Arc<Mutex<Sha256>>);

impl RowsHash {
    /// The current hash; that of the whole file once its rows have ended.
    pub(super) fn get(&self) -> ContentHash {
        ContentHash::from(self.0.lock().clone())
    }
}

/// Reader that hashes all bytes.
#[derive(Debug)]
pub(super) struct HashingReader {
    file: Arc<File>,
    hash: RowsHash,
}

impl Read for HashingReader {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = (&*self.file).read(buffer)?;
        self.hash.0.lock().update(&buffer[..read]);
        Ok(read)
    }
}
