//! Goal tests of the profile.
