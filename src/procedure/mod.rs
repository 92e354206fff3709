//! The procedure, pure: same plan, progress, view and instant in, same decision out.
//!
//! * [`layout`] — the plan by index.
//! * [`readings`] — what the adapters read, raw.
//! * [`view`] — readings with their age and epoch.
//! * [`progress`] — what the journal says has happened.
//! * [`action`] — what can be done to the world.
pub mod action;
pub mod decide;
pub mod fitness;
pub mod guard;
pub mod idle;
mod last_resort;
pub mod layout;
pub mod load;
pub mod polls;
pub mod progress;
pub mod quiet;
pub mod readings;
pub mod rotation;
pub mod steps;
pub mod taking;
pub mod view;
