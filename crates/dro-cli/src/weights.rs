//! `dro weights`.
