//! A small generated room, for the demo and tests.
