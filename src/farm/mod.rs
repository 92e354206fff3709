//! The farm file: what a user writes about the farm, checked whole before anything is touched.
//!
//! [`load`] reads a file, walks its TOML with every value's place at hand (`walk`, `read`), then
//! looks at what only the whole can tell (`check`). All mistakes are given at once, each at its
//! line and with the way to mend it ([`FarmErrors`]).
mod check;
mod check_front_ends;
mod clear_secret;
pub mod load;
mod mistake;
pub mod model;
pub mod policy;
pub mod policy_reasons;
mod read;
mod read_load;
mod read_parts;
mod read_policy;
mod template;
#[cfg(test)]
mod tests;
pub mod version;
mod walk;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

pub use mistake::{FarmErrors, Mistake};
pub use model::*;
pub use version::Version;

/// Longest farm file read. A farm of a thousand servers takes a fifth of it.
pub const FILE_BYTES_MAX: u64 = 1 << 20;

/// A farm and the text it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadedFarm {
    /// The farm, whole and valid.
    pub farm: Farm,
    /// Where it was read, absolute.
    pub path: PathBuf,
    /// SHA-256 of the file's bytes, in hex.
    pub text_hash: String,
}

/// Reads and validates a farm file.
///
/// # Errors
/// Every mistake at once: the file cannot be read, is too long, is not UTF-8, is not TOML, or
/// does not describe a farm that could be upgraded.
pub fn load(path: &Path) -> Result<LoadedFarm, FarmErrors> {
    let bytes = read_bounded(path).map_err(|mistake| FarmErrors::unreadable(path, mistake))?;
    let text_hash = hex(&Sha256::digest(&bytes));
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return Err(FarmErrors::unreadable(path, not_utf8(&error))),
    };
    let farm = parse(path, &text)?;
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    Ok(LoadedFarm { farm, path, text_hash })
}

/// Validates a farm file's text; `path` is what mistakes call it.
///
/// # Errors
/// Every mistake at once, as [`load`].
pub fn parse(path: &Path, text: &str) -> Result<Farm, FarmErrors> {
    let (farm, mistakes, masked) = read::document(text);
    match farm {
        Some(farm) if mistakes.is_empty() => Ok(farm),
        _ => Err(FarmErrors::new(path, text, mistakes, &masked)),
    }
}

fn read_bounded(path: &Path) -> Result<Vec<u8>, Mistake> {
    let unreadable = |error: std::io::Error| {
        Mistake::of_file(
            format!("the farm file cannot be read: {error}"),
            "give the path of a farm file that this user may read",
        )
    };
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(Mistake::of_file(
            format!("the farm file is longer than {FILE_BYTES_MAX} bytes"),
            "give a farm file; one of a thousand servers takes a fifth of that",
        ));
    }
    Ok(bytes)
}

fn not_utf8(error: &std::string::FromUtf8Error) -> Mistake {
    let good = error.utf8_error().valid_up_to();
    let line = 1 + error.as_bytes()[..good].iter().filter(|byte| **byte == b'\n').count();
    Mistake::of_file(
        format!("the farm file is not UTF-8: byte {good}, in line {line}, is none"),
        "save it as UTF-8 (in Windows editors: \"UTF-8\", not \"ANSI\" or \"UTF-16\")",
    )
}

/// Enough of a hash to tell two apart by eye.
#[must_use]
pub fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

/// Bytes in lower-case hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a String does not fail");
        text
    })
}
