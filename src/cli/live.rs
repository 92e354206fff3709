//! `check --live`: filled by the adapters' side.
