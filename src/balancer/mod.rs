//! Load balancers: reading a node whole, and changing a member of it.
pub mod haproxy;

pub use haproxy::Haproxy;

use crate::names::{MemberName, PoolName, ServerName};

/// The farm's members in one pool of a node. Members that are not listed are strangers: they are
/// neither read nor changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolMembers {
    /// The pool.
    pub pool: PoolName,
    /// Its members, with the server behind each.
    pub members: Vec<(MemberName, ServerName)>,
}

/// Why a node was not read or not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BalancerError {
    /// Nothing was sent: refused, no route, silence.
    #[error("the balancer cannot be reached: {0}")]
    Unreachable(String),
    /// The command may have been carried out: read before anything is sent again.
    #[error("the balancer's answer was lost: {0}")]
    Lost(String),
    /// The balancer, or this adapter in its stead, declined, with these words. Where several
    /// commands were sent together, others of them may have been carried out.
    #[error("the balancer refused: {0}")]
    Refused(String),
    /// The answer is not what this product writes.
    #[error("the balancer's answer cannot be read: {0}")]
    Garbled(String),
}
