//! The plan file: `{"hash": …, "plan": {…}}`, readable by people and bound to its hash.
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::place::Place;

use super::{FORMAT, Plan};

/// Longest plan file read: a plan holds its farm and a few figures, so a few times a farm file.
const FILE_BYTES_MAX: u64 = 8 << 20;

/// Why a plan file cannot be used. Nothing was touched.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file cannot be read.
    #[error(
        "{path} cannot be read: {error}; nothing was touched. Give the path of a plan made by \
         `evenkeel plan`"
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The file cannot be written.
    #[error("{path} cannot be written: {error}; nothing was touched. Give another path")]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// It is no plan.
    #[error("{path} is not a plan: {why}; nothing was touched. Make one with `evenkeel plan`")]
    NotAPlan {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// It was made by a program whose plans look different.
    #[error(
        "{path} is a plan of format {found}, and this program reads format {FORMAT}; nothing was \
         touched. Make it again with `evenkeel plan`"
    )]
    OtherFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u64,
    },
    /// It was changed after it was made.
    #[error(
        "{path} was changed after it was made: its hash is not that of its content; nothing was \
         touched. Make it again with `evenkeel plan`"
    )]
    Changed {
        /// The file.
        path: PathBuf,
    },
}

#[derive(Serialize)]
struct Written<'p> {
    hash: String,
    plan: &'p Plan,
}

#[derive(Deserialize)]
struct Found {
    hash: String,
    plan: serde_json::Value,
}

/// The plan file's text.
#[must_use]
pub fn text(plan: &Plan) -> String {
    let written = Written { hash: plan.hash(), plan };
    let mut text = serde_json::to_string_pretty(&written).expect("a plan has string keys only");
    text.push('\n');
    text
}

/// Writes a plan file, whole or not at all.
///
/// # Errors
/// The file cannot be written.
pub fn save(plan: &Plan, path: &Path) -> Result<(), FileError> {
    let written = Place::reserve(path).and_then(|place| place.save(&text(plan)));
    written.map_err(|error| FileError::Unwritable { path: path.to_path_buf(), error })
}

/// Reads a plan file, and makes sure that it is what `evenkeel plan` wrote.
///
/// # Errors
/// It cannot be read, is no plan, has another format, or was changed after it was made.
pub fn load(path: &Path) -> Result<Plan, FileError> {
    let io = |error| FileError::Unreadable { path: path.to_path_buf(), error };
    let not_a_plan = |why: String| FileError::NotAPlan { path: path.to_path_buf(), why };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(io)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(not_a_plan(format!("it is longer than {FILE_BYTES_MAX} bytes")));
    }
    let found: Found =
        serde_json::from_slice(&bytes).map_err(|error| not_a_plan(error.to_string()))?;
    match found.plan.get("format").and_then(serde_json::Value::as_u64) {
        None => return Err(not_a_plan("it has no format".into())),
        Some(format) if format != u64::from(FORMAT) => {
            return Err(FileError::OtherFormat { path: path.to_path_buf(), found: format });
        }
        Some(_) => {}
    }
    let plan: Plan =
        serde_json::from_value(found.plan).map_err(|error| not_a_plan(error.to_string()))?;
    if plan.hash() != found.hash {
        return Err(FileError::Changed { path: path.to_path_buf() });
    }
    Ok(plan)
}
