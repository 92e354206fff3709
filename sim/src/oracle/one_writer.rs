//! **One writer**: every effect comes from the process that holds the run, and of such processes
//! there is one at a time.
//!
//! Why: two orchestrators undo each other's drains and start each other's installers, each of them
//! sure of what it has read.
//!
//! Judged at the wire and at the journal: whoever changes something at a balancer, a console or a
//! server, or writes down what was done, is asked which process he is. One that only reads disturbs
//! nobody.
//!
//! Never allowed to fail: what a killed process had sent before belongs to it, however late it
//! arrives.
//!
//! Sabotage that breaks it: nobody holds the farm's lock.
use super::{Context, Finding, Ground, Invariant, Sight};

pub(super) struct OneWriter;

impl Invariant for OneWriter {
    fn name(&self) -> &'static str {
        "one_writer"
    }

    fn sentence(&self) -> &'static str {
        "every effect comes from the one process that holds the run"
    }

    fn saw(&mut self, sight: &Sight<'_>, _ground: &Ground, _context: &Context) -> Vec<Finding> {
        let Sight::Stray { process, to } = sight else { return Vec::new() };
        vec![Finding {
            from_ms: None,
            subject: format!("process {process}"),
            what: format!("process {process} changes something at {to}, and another holds the run"),
            excuse: None,
        }]
    }
}
