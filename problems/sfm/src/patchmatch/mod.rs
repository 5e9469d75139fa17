//! A classical zeroth-order solver of the same problem, without weights.
