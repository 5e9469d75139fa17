//! Particle swarm.

use argmin::{
    core::{PopulationState, Solver, State},
    solver::particleswarm::{self, Particle},
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::{
    common::Best,
    replay::{Replay, Replayed},
};
use crate::search::{Frame, Strategy};

/// How far a free coordinate may go: the solver wants bounds for all of them.
const FAR: f64 = 1e9;

/// A particle swarm (Kennedy & Eberhart 1995) with the constants of SPSO 2007 (Clerc 2012, section 3): inertia
/// 1/(2 ln 2), accelerations 1/2 + ln 2, `10 + ⌊2 √d⌋` particles. The steps are those of the crate `argmin`.
///
/// One particle begins at the start and the others uniformly in the unit box, each with half the way to another uniform
/// sample as its velocity. A generation may be evaluated in parallel; while its last costs are on their way the swarm
/// proposes Gaussian samples around the best point, which improve the result and not the swarm.
#[derive(Clone, Serialize, Deserialize)]
pub struct ParticleSwarm {
    frame: Frame,
    rng: ChaCha8Rng,
    solver: Swarm,
    velocities: Vec<Vec<f64>>,
    /// The swarm and its best particle; `None` before its first costs.
    particles: Option<(Vec<Member>, Member)>,
    replay: Replay,
    best: Best,
}

type Swarm = particleswarm::ParticleSwarm<Vec<f64>, f64, ChaCha8Rng>;
type Member = Particle<Vec<f64>, f64>;
type Generation = PopulationState<Member, f64>;

impl ParticleSwarm {
    /// Its own stream of random numbers per seed.
    pub fn new(frame: &Frame, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let count = 10 + (2.0 * (frame.dim() as f64).sqrt()) as usize;
        let mut uniform = || (0..frame.dim()).map(|_| rng.random::<f64>()).collect::<Vec<_>>();
        let mut positions = vec![frame.start.clone()];
        positions.extend((1..count).map(|_| uniform()));
        let half_way =
            |from: &Vec<f64>, to: Vec<f64>| from.iter().zip(to).map(|(x, u)| 0.5 * (u - x)).collect();
        let velocities = positions.iter().map(|position| half_way(position, uniform())).collect();

        let bounds =
            |boxed: f64, free: f64| frame.boxed.iter().map(|b| if *b { boxed } else { free }).collect();
        let mut own = rng.clone();
        own.set_stream(1);
        let solver = particleswarm::ParticleSwarm::new((bounds(0.0, -FAR), bounds(1.0, FAR)), count);
        let mut replay = Replay::default();
        replay.want(positions);
        Self {
            frame: frame.clone(),
            rng,
            solver: solver.with_rng_generator(own),
            velocities,
            particles: None,
            replay,
            best: Best::new(frame),
        }
    }

    fn begin(&mut self) {
        let velocities = std::mem::take(&mut self.velocities);
        let told = self.replay.take().into_iter().zip(velocities);
        let particles: Vec<_> = told.map(|((x, cost), velocity)| Particle::new(x, cost, velocity)).collect();
        let best = particles.iter().min_by(|a, b| a.cost.total_cmp(&b.cost)).cloned();
        self.particles = best.map(|best| (particles, best));
    }
}

impl Replayed for ParticleSwarm {
    fn parts(&mut self) -> (&mut Replay, &mut Best, &mut ChaCha8Rng) {
        (&mut self.replay, &mut self.best, &mut self.rng)
    }

    /// One generation of the solver, as far as the record goes.
    fn advance(&mut self) {
        let Some((particles, best)) = &self.particles else { return self.begin() };
        let state = Generation::new().individual(best.clone()).cost(best.cost).population(particles.clone());
        let mut solver = self.solver.clone();
        if let Ok(Some((mut state, solver))) =
            self.replay.run(|problem| Ok((solver.next_iter(problem, state)?.0, solver)))
            && let (Some(particles), Some(best)) = (state.take_population(), state.take_individual())
        {
            self.solver = solver;
            self.particles = Some((particles, best));
        }
    }
}

impl Strategy for ParticleSwarm {
    const NAME: &'static str = "particle-swarm";

    fn frame(&self) -> &Frame {
        &self.frame
    }

    fn propose(&mut self, x: &mut [f64]) -> u32 {
        self.next_trial(x)
    }

    fn absorb(&mut self, tag: u32, x: &[f64], cost: f64) {
        self.answer(tag, x, cost);
    }
}
