//! The CUDA kernels' own sources, compiled as C++ and run on the CPU, for the tests: what can be proven without a card.
//!
//! The C++ compiler checks every index of every thread (address and undefined-behaviour sanitizers, where it has them),
//! and results that a kernel must write itself start as NaN. What is not shown this way: that the PTX does the same, that
//! launches reach a device, and anything about speed.

mod build;
mod run;

use std::cell::Cell;

use candle_core::Result;

pub(crate) use run::run;

thread_local! {
    static ON: Cell<bool> = const { Cell::new(false) };
}

/// Whether operations on CPU tensors go through the emulated kernels, on this thread.
pub(crate) fn is_on() -> bool {
    ON.get()
}

/// Runs `f` with emulated kernels; `None`, and a printed reason, where there is no C++ compiler.
pub(crate) fn emulated<T>(f: impl FnOnce() -> T) -> Option<T> {
    if let Err(reason) = build::program() {
        println!("skipped: emulated CUDA kernels: {reason}");
        return None;
    }
    ON.set(true);
    let result = f();
    ON.set(false);
    Some(result)
}

/// The compiled emulator.
fn program() -> Result<&'static std::path::Path> {
    build::program().map_err(|reason| candle_core::Error::Msg(reason.to_owned()))
}
