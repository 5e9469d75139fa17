//! Costs in any language.
