//! Classical zeroth-order optimizers behind the same interfaces.

mod cma_es;
mod common;
mod differential_evolution;
mod evolution;
mod nelder_mead;
mod one_plus_one;
mod particle_swarm;
mod random;
mod replay;
mod spsa;

pub use cma_es::CmaEs;
pub use differential_evolution::DifferentialEvolution;
pub use evolution::OnePlusOneEs;
pub use nelder_mead::NelderMead;
pub use one_plus_one::OnePlusOneSearch;
pub use particle_swarm::ParticleSwarm;
pub use random::RandomSearch;
pub use spsa::Spsa;
