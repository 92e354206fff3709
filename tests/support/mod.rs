//! What several test files share.
pub(crate) mod events;
pub(crate) mod run;
