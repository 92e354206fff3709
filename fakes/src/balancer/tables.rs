//! `show servers state`, `show stat`, `show info` and their like.
