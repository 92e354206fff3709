//! Which faults a campaign may use, and where a run's schedule comes from.
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use super::fault::{Family, Kind, kinds};
use super::schedule::Schedule;

/// Where a run's schedule comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Drawn from the seed.
    Drawn(Choice),
    /// Given: a shrunk failure, a regression, a property test.
    Given(Schedule),
}

/// Which faults may strike, and how often each does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Nothing goes wrong.
    None,
    /// What no person need be called for, each family in some seeds.
    Light,
    /// Every fault, each family in some seeds.
    Full,
    /// These, in every seed.
    Only(Vec<Word>),
}

/// A word of the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// A whole family.
    Family(Family),
    /// One kind of fault.
    Kind(&'static Kind),
}

impl Choice {
    /// The kinds that it allows.
    #[must_use]
    pub fn kinds(&self) -> Vec<&'static Kind> {
        let allows = |kind: &&'static Kind| match self {
            Self::None => false,
            Self::Light => !kind.needs_person,
            Self::Full => true,
            Self::Only(words) => words.iter().any(|word| match word {
                Word::Family(family) => kind.family == *family,
                Word::Kind(it) => it.name == kind.name,
            }),
        };
        kinds().filter(allows).collect()
    }

    /// The families that it allows.
    #[must_use]
    pub fn families(&self) -> BTreeSet<Family> {
        self.kinds().into_iter().map(|kind| kind.family).collect()
    }
}

impl FromStr for Choice {
    type Err = String;

    /// # Errors
    /// Names the word that is neither a family nor a kind of faults.
    fn from_str(text: &str) -> Result<Self, String> {
        let word = |word: &str| {
            let family = Family::ALL.into_iter().find(|family| family.name() == word);
            let kind = || kinds().find(|kind| kind.name == word).map(Word::Kind);
            family.map(Word::Family).or_else(kind).ok_or_else(|| {
                let families = Family::ALL.map(Family::name).join(", ");
                let kinds: Vec<&str> = kinds().map(|kind| kind.name).collect();
                format!(
                    "`{word}` is no family of faults: none, light, full, or some of {families}, \
                     or of their kinds {}",
                    kinds.join(", ")
                )
            })
        };
        match text {
            "none" => Ok(Self::None),
            "light" => Ok(Self::Light),
            "full" => Ok(Self::Full),
            list => Ok(Self::Only(list.split(',').map(word).collect::<Result<_, _>>()?)),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Light => f.write_str("light"),
            Self::Full => f.write_str("full"),
            Self::Only(words) => {
                let names: Vec<&str> = words
                    .iter()
                    .map(|word| match word {
                        Word::Family(family) => family.name(),
                        Word::Kind(kind) => kind.name,
                    })
                    .collect();
                f.write_str(&names.join(","))
            }
        }
    }
}
