//! A run that can go on later.

use candle_core::{Device, Tensor};

use crate::{Point, Result, Space, saved};

/// Where a run of [`minimize`](crate::minimize) was when it ended: what [`resume`](crate::resume) goes on from, beside
/// the optimizer's own state. From [`Solution::pause`](crate::Solution::pause).
#[derive(Debug, Clone)]
pub struct Pause {
    /// The newest value of every block.
    pub last: Point,
    /// The values at the start of the stage.
    pub stage_start: Point,
    /// The best evaluated point.
    pub best: Point,
    /// Its totals, `[batch]`, float32; infinite where no evaluation was finite.
    pub best_total: Tensor,
    /// Evaluations so far: the steps of the schedule that are done.
    pub evaluations: usize,
}

impl Pause {
    /// Nothing done yet.
    pub(crate) fn before(start: &Point) -> Result<Self> {
        Ok(Self {
            last: start.clone(),
            stage_start: start.clone(),
            best: start.detach(),
            best_total: Tensor::full(f32::INFINITY, start.batch(), start.device())?,
            evaluations: 0,
        })
    }

    /// As a safetensors file.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut tensors = vec![
            ("best_total".to_owned(), self.best_total.clone()),
            ("evaluations".to_owned(), Tensor::new(&[self.evaluations as i64], &Device::Cpu)?),
        ];
        for (name, point) in [("last", &self.last), ("stage_start", &self.stage_start), ("best", &self.best)]
        {
            let values = point.values().iter().enumerate();
            tensors.extend(values.map(|(i, value)| (format!("{name}.{i}"), value.clone())));
        }
        saved::write(tensors)
    }

    /// From such a file.
    ///
    /// # Errors
    /// If it is not one, or one of another space.
    pub fn from_bytes(space: &Space, bytes: &[u8], device: &Device) -> Result<Self> {
        let mut tensors = saved::Reader::new(bytes)?;
        let mut point = |name: &str| {
            let values = space.ids().map(|id| tensors.take(&format!("{name}.{}", id.0), device));
            space.point(values.collect::<Result<_>>()?)
        };
        let (last, stage_start, best) = (point("last")?, point("stage_start")?, point("best")?);
        let best_total = tensors.take("best_total", device)?;
        let evaluations = tensors.take("evaluations", &Device::Cpu)?.to_vec1::<i64>()?;
        tensors.finish()?;
        let evaluations = evaluations.iter().map(|v| *v as usize).sum();
        Ok(Self { last, stage_start, best, best_total, evaluations })
    }
}
