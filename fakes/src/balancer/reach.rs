//! How the servers of the two protocols reach a balancer that somebody else keeps.
use std::net::SocketAddr;

use super::Balancer;

/// A way to one balancer and to the servers behind it: a farm's, or a test's.
pub trait Reach: Clone + 'static {
    /// Lets `act` work on the balancer at the present instant, in milliseconds since the farm was
    /// built. Never called from within itself.
    fn with<R>(&self, act: impl FnOnce(&mut Balancer, u64) -> R) -> R;

    /// Where a server of the farm serves its applications; `None` for one that is not there.
    fn resolve(&self, server: &str) -> Option<SocketAddr>;

    /// Hears every line that came to the runtime API, before it is carried out: for a log.
    fn heard(&self, line: &str) {
        let _ = line;
    }
}
