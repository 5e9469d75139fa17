//! What crosses crates. One binary, so that it links once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod architecture;
mod bundled;
mod devices;
mod gradient_parity;
mod network;
mod parity;
