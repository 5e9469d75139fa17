//! Test functions, toys and the comparison protocol.
