//! Platform Server versions: two to four dotted numbers, as `System.Version` has them.
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A Platform Server version such as `11.23.0.12345`. Parts left out count as zero in comparisons.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    parts: [u32; 4],
}

impl Version {
    /// Major, minor, patch and build.
    #[must_use]
    pub fn parts(&self) -> [u32; 4] {
        self.parts
    }
}

impl FromStr for Version {
    type Err = String;

    /// # Errors
    /// Says what is wrong when the text is not two to four dotted numbers.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = [0; 4];
        let fields: Vec<&str> = text.trim().split('.').collect();
        if !(2..=4).contains(&fields.len()) {
            return Err(format!("`{text}` is not a version: two to four dotted numbers are"));
        }
        for (slot, field) in parts.iter_mut().zip(&fields) {
            *slot = field
                .parse()
                .map_err(|_| format!("`{text}` is not a version: `{field}` is no number"))?;
        }
        Ok(Self { parts })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch, build] = self.parts;
        f.pad(&format!("{major}.{minor}.{patch}.{build}"))
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
