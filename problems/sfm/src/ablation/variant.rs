//! The ways of running one set of weights.

use dro_core::{BlockId, Coupling, Schedule};

use crate::{
    Error, Result,
    cost::{INVERSE_DEPTH, POSES},
    network::DroSolver,
};

/// Stages of the rows on the number of updates: with 4 updates per stage 0, 4, 8, 12, 16 and 24 of each block.
const STAGES: [usize; 6] = [0, 1, 2, 3, 4, 6];

/// Which block moves when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// The blocks that the network moves.
    Alternating(Coupling),
    DepthThenPoses,
    DepthOnly,
    PosesOnly,
}

/// One way of running.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Variant {
    pub(super) name: &'static str,
    order: Order,
    stages: usize,
    inner: usize,
    /// What the network moves.
    blocks: &'static [BlockId],
    /// After how many updates it settles.
    trained: Option<usize>,
    /// Whether rules see a cost map of zeros.
    pub(super) blind: bool,
    /// Whether rules begin every update with their first memory.
    pub(super) forgetful: bool,
    /// `(row's name, driver's steps)` of the rows of the table that are read off this run.
    pub(super) rows: Vec<(String, usize)>,
}

impl Variant {
    pub(super) fn schedule(&self) -> Schedule {
        let all = self.stages * self.inner;
        let blocks = self.blocks.iter().copied();
        let schedule = match self.order {
            Order::Alternating(coupling) => {
                Schedule::alternating(self.stages, self.inner, blocks).with_coupling(coupling)
            }
            Order::DepthThenPoses => Schedule::alternating(1, all, [INVERSE_DEPTH, POSES]),
            Order::DepthOnly => Schedule::single(INVERSE_DEPTH, all),
            Order::PosesOnly => Schedule::single(POSES, all),
        };
        schedule.with_trained(self.trained)
    }

    /// How many updates lie between two points of its curves: one sweep of a block.
    pub(super) fn every(&self) -> usize {
        self.inner
    }

    /// Updates of depth and of poses after so many of the driver's steps.
    pub(super) fn updates(&self, steps: usize) -> [usize; 2] {
        let (sweep, all) = (self.inner, self.stages * self.inner);
        match self.order {
            Order::Alternating(_) if self.blocks.len() == 1 => [steps, 0],
            Order::Alternating(_) => {
                let (whole, rest) = (steps / (2 * sweep) * sweep, steps % (2 * sweep));
                [whole + rest.min(sweep), whole + rest.saturating_sub(sweep)]
            }
            Order::DepthThenPoses => [steps.min(all), steps.saturating_sub(all)],
            Order::DepthOnly => [steps, 0],
            Order::PosesOnly => [0, steps],
        }
    }
}

/// All variants; the first is the solver as it is, for the numbers of updates.
///
/// # Errors
/// If the solver does no updates, so that there is nothing to take away.
pub(super) fn variants(solver: &DroSolver) -> Result<Vec<Variant>> {
    let (iterations, own) = (solver.iterations(), solver.coupling());
    let (stages, inner) = (iterations.stages, iterations.inner);
    if stages == 0 || inner == 0 {
        let found = format!("{stages} stages of {inner}");
        return Err(Error::argument("iterations", "at least one stage of one update", found));
    }
    let plain = Variant {
        name: "",
        order: Order::Alternating(own),
        stages,
        inner,
        blocks: solver.net().blocks(),
        trained: solver.net().trained(),
        blind: false,
        forgetful: false,
        rows: Vec::new(),
    };
    let variant = |name: &'static str, order: Order| {
        let variant = Variant { name, order, ..plain.clone() };
        let steps = variant.schedule().steps();
        Variant { rows: vec![(name.to_owned(), steps)], ..variant }
    };
    let most = STAGES.into_iter().max().unwrap_or(stages).max(stages);
    let count = |stages: &usize| (format!("{} updates", stages * inner), plain.blocks.len() * inner * stages);
    let numbers = Variant {
        name: "as it is, going on",
        stages: most,
        rows: STAGES.iter().map(count).collect(),
        ..plain.clone()
    };
    Ok(vec![
        numbers,
        variant("Gauss–Seidel", Order::Alternating(Coupling::GaussSeidel)),
        variant("Jacobi", Order::Alternating(Coupling::Jacobi)),
        variant("no alternation: depth, then poses", Order::DepthThenPoses),
        variant("depth only", Order::DepthOnly),
        variant("poses only", Order::PosesOnly),
        Variant { blind: true, ..variant("no cost", Order::Alternating(own)) },
        Variant { forgetful: true, ..variant("no memory", Order::Alternating(own)) },
    ])
}
