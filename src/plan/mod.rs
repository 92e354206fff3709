//! The plan: which servers go first, whether the others carry the load, and what could go wrong.
pub mod model;

pub use model::*;
