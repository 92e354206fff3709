//! **Strangers are untouched**: members that are not the farm's, in its pools or beside them, keep
//! their state.
//!
//! Why: balancers are shared. Whoever drains another application's server, or puts a retired one
//! back, has caused an outage that nobody looks for in an upgrade's journal.
//!
//! Allowed to fail within the bound after a reload of the node, or another change behind the
//! orchestrator's back.
//!
//! Sabotage that breaks it: a change of one member is sent for every member that the pool lists.
use super::{Context, Finding, Ground, Invariant, Span};

pub(super) struct StrangersUntouched;

impl Invariant for StrangersUntouched {
    fn name(&self) -> &'static str {
        "strangers_untouched"
    }

    fn sentence(&self) -> &'static str {
        "members that are not the farm's keep their state"
    }

    fn over(&mut self, _span: Span, ground: &Ground, context: &Context) -> Vec<Finding> {
        let changed = ground.strangers_changed.iter();
        changed
            .map(|(key, (admin, weight))| Finding {
                from_ms: None,
                subject: format!("{} {} {}", key.node, key.pool, key.member),
                what: format!(
                    "{} of {} on {} is not the farm's, and was changed: admin state {admin}, \
                     weight {weight}",
                    key.member, key.pool, key.node
                ),
                excuse: context.faults.reload_excuse(&key.node),
            })
            .collect()
    }
}
