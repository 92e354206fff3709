//! The traffic behind the doubles' interface for load.
