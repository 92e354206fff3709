//! What decides and what guards: the three pure functions that the loop asks.
//!
//! Plain functions, so that a decision cannot depend on anything but its arguments.
use crate::journal::Event;
use crate::procedure::action::Action;
use crate::procedure::decide::{self, Decision};
use crate::procedure::guard;
use crate::procedure::layout::Layout;
use crate::procedure::progress::Progress;
use crate::procedure::view::View;

/// What decides and what guards. [`Mind::default`] is the procedure.
#[derive(Clone, Copy, Debug)]
pub struct Mind {
    /// What to do now.
    pub decide: fn(&Layout, &Progress, &View) -> Decision,
    /// Whether an action may leave; what makes it unsafe otherwise.
    pub check: fn(&Layout, &Progress, &View, &Action) -> Result<(), String>,
    /// Whether a conclusion may be written down; what contradicts it otherwise.
    pub vouch: fn(&Layout, &Progress, &View, &Event) -> Result<(), String>,
}

impl Default for Mind {
    fn default() -> Self {
        Self { decide: decide::decide, check: guard::check, vouch: guard::vouch }
    }
}
