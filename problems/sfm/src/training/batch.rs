//! Samples as tensors.

use candle_core::{DType, Device, Tensor};
use dro_vision::intrinsics_tensor;
use nalgebra::Isometry3;

use super::Guide;
use crate::{Error, Result, Sample};

/// Samples of one size and with as many neighbours, stacked.
#[derive(Debug, Clone)]
pub struct Batch {
    /// What the network sees, `[batch, 3, h, w]`, RGB in [0, 1].
    pub target: Tensor,
    /// Likewise, one per neighbour.
    pub neighbours: Vec<Tensor>,
    /// The same before its colours were changed, for losses on colours.
    pub plain_target: Tensor,
    /// Likewise, one per neighbour.
    pub plain_neighbours: Vec<Tensor>,
    /// `[batch, 3, 3]`, pixels.
    pub intrinsics: Tensor,
    /// `[batch, 1, h, w]`, metres, 0 = unknown.
    pub depth_m: Tensor,
    /// `[batch, neighbours, 3, 4]`, metres.
    pub neighbour_from_target: Tensor,
    /// Where poses start, if not only where the heads say.
    pub guide: Option<Guide>,
    /// Samples that could not be used, in whose places others are.
    pub skipped: usize,
}

impl Batch {
    /// Stacks samples whose images are what the network sees; `plain` are the same with their true colours.
    ///
    /// # Errors
    /// If there are none, or they differ in size or number of neighbours.
    pub fn new(samples: &[Sample], plain: &[Sample], device: &Device) -> Result<Self> {
        let Some(first) = samples.first() else {
            return Err(Error::argument("batch", "at least one sample", "none"));
        };
        let all = samples.iter().chain(plain);
        if let Some(other) =
            all.into_iter().find(|s| s.size != first.size || s.images.len() != first.images.len())
        {
            let shown = |s: &Sample| format!("{} images of {}x{}", s.images.len(), s.size.0, s.size.1);
            return Err(Error::argument("batch", shown(first), shown(other)));
        }
        let (height, width) = first.size;
        let stacked = |samples: &[Sample]| -> Result<Vec<Tensor>> {
            (0..first.images.len())
                .map(|view| {
                    let values: Vec<f32> =
                        samples.iter().filter_map(|s| s.images.get(view)).flatten().copied().collect();
                    Ok(Tensor::from_vec(values, (samples.len(), 3, height, width), device)?)
                })
                .collect()
        };
        let split = |images: Vec<Tensor>| -> Result<(Tensor, Vec<Tensor>)> {
            let mut images = images.into_iter();
            let target = images.next().ok_or_else(|| Error::argument("sample", "a target", "none"))?;
            Ok((target, images.collect()))
        };
        let (target, neighbours) = split(stacked(samples)?)?;
        let (plain_target, plain_neighbours) = split(stacked(plain)?)?;
        let intrinsics = samples
            .iter()
            .map(|sample| Ok(intrinsics_tensor(&sample.camera, 1, device)?))
            .collect::<Result<Vec<_>>>()?;
        let depths = samples.iter().map(|s| s.depth.to_tensor(device)).collect::<Result<Vec<_>>>()?;
        let poses: Vec<f64> = samples.iter().flat_map(|s| &s.poses).flat_map(rows).collect();
        let pose_shape = (samples.len(), neighbours.len(), 3, 4);
        Ok(Self {
            target,
            neighbours,
            plain_target,
            plain_neighbours,
            intrinsics: Tensor::cat(&intrinsics, 0)?,
            depth_m: Tensor::cat(&depths, 0)?,
            neighbour_from_target: Tensor::from_vec(poses, pose_shape, &Device::Cpu)?
                .to_dtype(DType::F32)?
                .to_device(device)?,
            guide: None,
            skipped: 0,
        })
    }

    /// Equal parts, in order.
    ///
    /// # Errors
    /// If the batch cannot be cut into so many.
    pub fn shards(&self, count: usize) -> Result<Vec<Self>> {
        let batch = self.target.dim(0)?;
        if count == 0 || !batch.is_multiple_of(count) {
            return Err(Error::argument(
                "shards",
                format!("a divisor of the batch's {batch} samples"),
                count,
            ));
        }
        let size = batch / count;
        let shard = |index: usize| -> Result<Self> {
            let cut = |x: &Tensor| x.narrow(0, index * size, size)?.contiguous();
            let all = |images: &[Tensor]| images.iter().map(cut).collect::<candle_core::Result<Vec<_>>>();
            Ok(Self {
                target: cut(&self.target)?,
                neighbours: all(&self.neighbours)?,
                plain_target: cut(&self.plain_target)?,
                plain_neighbours: all(&self.plain_neighbours)?,
                intrinsics: cut(&self.intrinsics)?,
                depth_m: cut(&self.depth_m)?,
                neighbour_from_target: cut(&self.neighbour_from_target)?,
                guide: self.guide.as_ref().map(|guide| guide.part(index * size, size)).transpose()?,
                skipped: 0,
            })
        };
        (0..count).map(shard).collect()
    }

    /// All tensors by name, to be looked at after a failure.
    pub fn named(&self) -> Vec<(String, Tensor)> {
        let mut named = vec![
            ("target".to_owned(), self.target.clone()),
            ("intrinsics".to_owned(), self.intrinsics.clone()),
            ("depth_m".to_owned(), self.depth_m.clone()),
            ("neighbour_from_target".to_owned(), self.neighbour_from_target.clone()),
        ];
        let neighbours = self.neighbours.iter().enumerate();
        named.extend(neighbours.map(|(index, image)| (format!("neighbour{index}"), image.clone())));
        named
    }
}

/// `[R | t]`, row by row.
fn rows(pose: &Isometry3<f64>) -> Vec<f64> {
    pose.to_homogeneous().fixed_rows::<3>(0).transpose().iter().copied().collect()
}
