//! The network as a [`Solver`].

use candle_core::Device;
use dro_core::{Budget, CheapestCells, Coupling, Kernels, Observer, kernels};
use dro_vision::{euler, intrinsics_tensor};
use nalgebra::{Isometry3, Vector6};

use super::{DroNet, Encoded, MULTIPLE, Work, searched};
use crate::{
    Error, Estimate, Map, Result, Solver, Views, Watch,
    cost::{INVERSE_DEPTH, POSES},
    patchmatch::PatchMatchSolver,
    watch::{Unshown, WatchObserver, total_cost, unwrapped},
    weights::StartValues,
};

/// How long the network optimises; any number may be asked, whatever the training length was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Iterations {
    /// Stages, m.
    pub stages: usize,
    /// Updates of each block per stage, n.
    pub inner: usize,
}

/// DRO on one set of views: start values, then alternating learned updates on the cost that the rules were trained on.
#[derive(Debug, Clone)]
pub struct DroSolver {
    net: DroNet,
    device: Device,
    iterations: Iterations,
    coupling: Coupling,
    start: StartValues,
    search: PatchMatchSolver,
}

impl DroSolver {
    /// With the iterations, the coupling and the start that the weights' configuration says.
    ///
    /// On a CPU the network is [prepared](DroNet::prepared) here, so later changes of its parameters are not seen;
    /// unless plain kernels are [selected](dro_core::select_kernels).
    ///
    /// # Errors
    /// When the weights cannot be prepared.
    pub fn new(net: DroNet, device: Device) -> Result<Self> {
        let net = match kernels() {
            Kernels::Fast if device.is_cpu() && !net.is_prepared() => net.prepared()?,
            _ => net,
        };
        let config = net.config();
        let iterations =
            Iterations { stages: config.updates / config.updates_per_stage, inner: config.updates_per_stage };
        let coupling = config.coupling;
        let start = config.start;
        Ok(Self { net, device, iterations, coupling, start, search: PatchMatchSolver::default() })
    }

    /// With other iterations.
    pub fn with_iterations(mut self, iterations: Iterations) -> Self {
        self.iterations = iterations;
        self
    }

    /// With another coupling.
    pub fn with_coupling(mut self, coupling: Coupling) -> Self {
        self.coupling = coupling;
        self
    }

    /// With another start.
    pub fn with_start(mut self, start: StartValues) -> Self {
        self.start = start;
        self
    }

    /// With another search, for runs that [start](Self::with_start) by one.
    pub fn with_search(mut self, search: PatchMatchSolver) -> Self {
        self.search = search;
        self
    }

    /// The iterations it will do.
    pub fn iterations(&self) -> Iterations {
        self.iterations
    }

    /// The coupling it will use.
    pub fn coupling(&self) -> Coupling {
        self.coupling
    }

    /// Where it will start.
    pub fn start(&self) -> StartValues {
        self.start
    }

    /// The network, prepared where [`new`](Self::new) prepared it.
    pub fn net(&self) -> &DroNet {
        &self.net
    }

    /// What the network knows of the views before the first update, and the start.
    ///
    /// # Errors
    /// If the views' size does not fit, or the search for a start fails.
    pub fn encode(&self, views: &Views) -> Result<Encoded> {
        Ok(self.begin(views, &|| false)?.0)
    }

    /// Also how often the search for a start evaluated its cost.
    fn begin(&self, views: &Views, interrupted: &dyn Fn() -> bool) -> Result<(Encoded, usize)> {
        let mut encoded = self.encoded(views)?;
        if self.start == StartValues::Heads {
            return Ok((encoded, 0));
        }
        let found = self.search.solve(views, &mut Unshown(interrupted))?;
        let (start, whole) = searched::start(&found, &encoded.start, self.net.config())?;
        encoded.start = start;
        encoded.searched = Some(whole.to_tensor(&self.device)?);
        Ok((encoded, found.updates))
    }

    fn encoded(&self, views: &Views) -> Result<Encoded> {
        let to_device = |image: &candle_core::Tensor| image.to_device(&self.device);
        let target = to_device(&views.target)?;
        let neighbours = views.neighbours.iter().map(to_device).collect::<candle_core::Result<Vec<_>>>()?;
        let intrinsics = intrinsics_tensor(&views.camera, 1, &self.device)?;
        self.net.encode(&target, &neighbours, &intrinsics, false)
    }
}

impl Solver for DroSolver {
    fn multiple_of(&self) -> usize {
        MULTIPLE
    }

    fn max_depth(&self) -> f64 {
        self.net.config().max_depth_m
    }

    fn solve(&self, views: &Views, watch: &mut dyn Watch) -> Result<Estimate> {
        self.run(views, watch).map_err(|error| {
            let size = views.target.dims4().map_or((0, 0), |(_, _, height, width)| (height, width));
            let work = Work { size, neighbours: views.neighbours.len(), batch: 1, training: None };
            work.explain(self.net.config(), &self.device, error)
        })
    }
}

impl DroSolver {
    fn run(&self, views: &Views, watch: &mut dyn Watch) -> Result<Estimate> {
        let (encoded, searched) = self.begin(views, &|| watch.interrupted())?;
        let estimate = self.optimize(&encoded, watch)?;
        Ok(Estimate { updates: searched + estimate.updates, ..estimate })
    }

    /// Only the updates, from what [`encode`](Self::encode) gave.
    ///
    /// # Errors
    /// If the views do not fit the network, or `watch` ends it.
    pub fn optimize(&self, encoded: &Encoded, watch: &mut dyn Watch) -> Result<Estimate> {
        let cost = encoded.cost()?;
        let cost_start = total_cost(&*cost, &encoded.start)?;

        let range = encoded.range;
        let mut observer = WatchObserver::new(watch, |point| {
            let inv_depth = Map::from_tensor(&range.scale(point.get(INVERSE_DEPTH))?)?;
            Ok((inv_depth, isometries(point.get(POSES))?))
        });
        let mut cheapest = self.net.cells().map(|cells| CheapestCells::new(INVERSE_DEPTH, cells));
        let schedule = self.net.schedule(self.iterations, self.coupling);
        let mut observers: Vec<&mut dyn Observer> = vec![&mut observer];
        observers.extend(cheapest.as_mut().map(|cheapest| cheapest as &mut dyn Observer));
        let (mut solution, optimizer) = self
            .net
            .optimize(encoded, &*cost, &schedule, &Budget::default(), &mut observers)
            .map_err(unwrapped)?;
        observer.finish()?;
        let cost_end = match &mut cheapest {
            Some(cheapest) => {
                let last = cost.evaluate(&solution.last, INVERSE_DEPTH).map_err(unwrapped)?;
                let (values, costs) =
                    cheapest.offer(solution.last.get(INVERSE_DEPTH), &last).map_err(unwrapped)?;
                solution.last = solution.last.with(INVERSE_DEPTH, values.clone())?;
                f64::from(costs.mean_all()?.to_scalar::<f32>()?)
            }
            None => total_cost(&*cost, &solution.last)?,
        };

        Ok(Estimate {
            inv_depth: Map::from_tensor(
                &encoded.answer(&self.net.full_size_of(encoded, &solution, &optimizer)?)?,
            )?,
            poses: isometries(solution.last.get(POSES))?,
            cost_start,
            cost_end,
            updates: solution.evaluations,
        })
    }
}

/// `[1, neighbours, 6]` → one `neighbour_from_target` each.
pub(crate) fn isometries(poses: &candle_core::Tensor) -> Result<Vec<Isometry3<f64>>> {
    let rows = poses.flatten_to(1)?.to_dtype(candle_core::DType::F64)?.to_vec2::<f64>()?;
    rows.iter()
        .map(|row| match *row.as_slice() {
            [tx, ty, tz, rx, ry, rz] => Ok(euler::isometry(&Vector6::new(tx, ty, tz, rx, ry, rz))),
            _ => Err(Error::argument("pose", "6 numbers", row.len())),
        })
        .collect()
}
