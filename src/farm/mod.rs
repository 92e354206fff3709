//! The farm file: what a user writes about the farm, checked whole before anything is touched.
pub mod model;
pub mod policy;
pub mod version;

pub use model::*;
pub use version::Version;
