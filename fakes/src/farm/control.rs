//! The farm by lines of text.
