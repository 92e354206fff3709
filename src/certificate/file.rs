//! The certificate's file: `{"about": …, "hash": …, "certificate": {…}}`, readable by people and
//! bound to its hash.
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Certificate, FORMAT, hash_of};

/// Longest file read. A certificate takes 2 KiB; names of families and a path are all that grows.
const FILE_BYTES_MAX: u64 = 64 << 10;

/// What the file says of itself.
const ABOUT: &str = "What a rehearsal found, for `evenkeel apply --require-rehearsal`. It guards \
                     against mistakes, not against forgery: whoever can write this file can write \
                     another.";

/// Why a file cannot be used as a certificate. Nothing was touched.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file cannot be read.
    #[error(
        "{path} cannot be read: {error}; nothing was touched. Give the path of a certificate \
         written by `evenkeel-sim rehearse --certificate`"
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// It is no certificate.
    #[error(
        "{path} is not a certificate: {why}; nothing was touched. `evenkeel-sim rehearse \
         --certificate` writes one"
    )]
    NotACertificate {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// It was written by a program whose certificates look different.
    #[error(
        "{path} is a certificate of format {found}, and this program reads format {FORMAT}; \
         nothing was touched. Rehearse again with this program's `evenkeel-sim`"
    )]
    OtherFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u64,
    },
    /// It was changed after it was written.
    #[error(
        "{path} was changed after it was written: its hash is not that of its content; nothing \
         was touched. Rehearse again: `evenkeel-sim rehearse --certificate`"
    )]
    Changed {
        /// The file.
        path: PathBuf,
    },
}

#[derive(Serialize)]
struct Written<'c> {
    about: &'static str,
    hash: String,
    certificate: &'c Certificate,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Found {
    #[serde(rename = "about")]
    _about: String,
    hash: String,
    certificate: serde_json::Value,
}

impl Certificate {
    /// SHA-256 of its canonical JSON, in hex.
    fn hash(&self) -> String {
        hash_of(&serde_json::to_vec(self).expect("a certificate has string keys only"))
    }

    /// The text of its file.
    #[must_use]
    pub fn text(&self) -> String {
        let written = Written { about: ABOUT, hash: self.hash(), certificate: self };
        let mut text =
            serde_json::to_string_pretty(&written).expect("a certificate has string keys only");
        text.push('\n');
        text
    }
}

/// Reads a certificate's file, and returns with it the SHA-256 of the file's bytes, in hex.
///
/// # Errors
/// It cannot be read, is no certificate, has another format, or was changed after it was written.
pub fn load(path: &Path) -> Result<(Certificate, String), FileError> {
    let unreadable = |error| FileError::Unreadable { path: path.to_path_buf(), error };
    let not_one = |why: String| FileError::NotACertificate { path: path.to_path_buf(), why };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(not_one(format!("it is longer than {FILE_BYTES_MAX} bytes")));
    }
    let found: Found =
        serde_json::from_slice(&bytes).map_err(|error| not_one(error.to_string()))?;
    match found.certificate.get("format").and_then(serde_json::Value::as_u64) {
        None => return Err(not_one("it has no format".into())),
        Some(format) if format != u64::from(FORMAT) => {
            return Err(FileError::OtherFormat { path: path.to_path_buf(), found: format });
        }
        Some(_) => {}
    }
    let certificate: Certificate =
        serde_json::from_value(found.certificate).map_err(|error| not_one(error.to_string()))?;
    if certificate.hash() != found.hash {
        return Err(FileError::Changed { path: path.to_path_buf() });
    }
    Ok((certificate, hash_of(&bytes)))
}
