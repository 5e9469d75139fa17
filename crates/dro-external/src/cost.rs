//! A cost program as a [`CostFunction`].

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use candle_core::{DType, Device, Tensor};
use dro_core::{BlockId, Cost, CostFunction, Point, Space};

use crate::{
    Finished, Program, Result, Variables,
    protocol::candidate,
    tail::locked,
    workers::{FirstSteps, Workers},
};

/// A cost that another program computes.
///
/// The program runs as one or more long-lived workers that read candidates (`{"id":7,"x":{"lr":0.1,"layers":3}}`) as
/// lines of JSON and answer with lines of JSON (`{"id":7,"cost":0.42}`, or `"failed"`). A crash, a timeout or a flood
/// of other output fails that evaluation, and the worker is started anew. Dropping this ends the workers.
///
/// ```
/// use dro_external::{ExternalCost, Program, Variable, Variables};
///
/// # fn main() -> dro_external::Result<()> {
/// let variables = Variables::new(vec![Variable::real("x", 0.0, 1.0)])?;
/// // A program that answers one line and exits is started again for the next.
/// let program = Program::new(r#"read -r line; id=${line#*:}; echo "{\"id\":${id%%,*},\"cost\":0.5}""#);
/// let cost = ExternalCost::new(variables, &program.jobs(2))?;
/// let finished = cost.evaluate_all(&[vec![0.1], vec![0.9], vec![0.4]])?;
/// assert!(finished.iter().all(|evaluation| evaluation.cost == Ok(0.5)));
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct ExternalCost {
    variables: Variables,
    program: Program,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    workers: Workers,
    next: u64,
    first_steps: FirstSteps,
}

impl ExternalCost {
    /// Checks the settings; the program is started with the first evaluation.
    ///
    /// # Errors
    /// If a setting is out of range or the log cannot be opened.
    pub fn new(variables: Variables, program: &Program) -> Result<Self> {
        let state = State { workers: Workers::new(program)?, next: 0, first_steps: FirstSteps::default() };
        Ok(Self { variables, program: program.clone(), state: Mutex::new(state) })
    }

    /// The variables.
    pub fn variables(&self) -> &Variables {
        &self.variables
    }

    /// Evaluates candidates, as many side by side as there are workers. Each is a vector of numbers as
    /// [`Encoding::decode`](dro_core::search::Encoding::decode) gives it; the results come in the same order.
    ///
    /// # Errors
    /// If a vector has the wrong length, or the program has not answered a single one of its first evaluations.
    pub fn evaluate_all(&self, candidates: &[Vec<f64>]) -> Result<Vec<Finished>> {
        let assignments = candidates
            .iter()
            .map(|numbers| self.variables.assignment(numbers))
            .collect::<Result<Vec<_>>>()?;
        let mut state = locked(&self.state);
        let first = state.next;
        for x in &assignments {
            state.workers.submit(state.next, candidate(state.next, x));
            state.next += 1;
        }
        let mut finished = BTreeMap::new();
        while finished.len() < assignments.len() {
            match state.workers.next(Duration::from_secs(1)) {
                // Of a call that ended with an error.
                Some(stale) if stale.id < first => {}
                Some(evaluation) => {
                    state.first_steps.see(&self.program, &evaluation)?;
                    finished.insert(evaluation.id, evaluation);
                }
                None => {}
            }
        }
        Ok(finished.into_values().collect())
    }
}

impl CostFunction for ExternalCost {
    fn space(&self) -> &Space {
        self.variables.space()
    }

    /// One evaluation per batch element; a failed one has the total NaN.
    fn evaluate(&self, at: &Point, _block: BlockId) -> dro_core::Result<Cost> {
        let mut candidates = vec![Vec::with_capacity(self.variables.encoding().elements()); at.batch()];
        for value in at.values() {
            let rows = value.to_device(&Device::Cpu)?.to_dtype(DType::F64)?.flatten_from(1)?;
            for (candidate, row) in candidates.iter_mut().zip(rows.to_vec2::<f64>()?) {
                candidate.extend(row);
            }
        }
        let finished = self.evaluate_all(&candidates).map_err(dro_core::Error::outside)?;
        let totals: Vec<f32> =
            finished.iter().map(|f| f.cost.as_ref().map_or(f32::NAN, |cost| *cost as f32)).collect();
        Ok(Cost { total: Tensor::from_vec(totals, at.batch(), at.device())?, map: None })
    }
}
