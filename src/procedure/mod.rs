//! The procedure, pure: same plan, progress, view and instant in, same decision out.
//!
//! * [`readings`] — what the adapters read, raw.
//! * [`action`] — what can be done to the world.
pub mod action;
pub mod readings;
