//! The command line as users call it.
