//! The course of a fast convolution: pack a band of input panels, multiply, transform back, store.
//!
//! A *panel* is as many tiles as the register block has columns. A *band* is as many panels as fit into a part of the
//! cache; within a band, first the panels are packed, each by one thread, then groups of output channels are computed,
//! each by one thread, so that a group's weights stay in that thread's cache while it meets all panels.

use std::ops::Range;

use rayon::prelude::*;

use super::algorithm::Algorithm;
use super::epilogue::Epilogue;
use super::patches;
use super::shapes::ConvShape;
use super::source::Source;
use super::tiles::{PACK, Runs, Tiling};
use super::weights::Packed;
use super::winograd::{Five, LongFive, LongThree, One, OutputBuffers, Three, pack_inputs, store_outputs};
use super::{MapView, Scratch};
use crate::simd::micro_kernel::product;
use crate::simd::{Arch, Block, Simd, WithSimd, block, block_of};

/// Images whose tiles may share a panel.
pub(super) const IMAGES: usize = 8;

/// Numbers in the packed panels of one band: 8 MB, a part of the last level of cache.
const BAND: usize = 2 << 20;

/// Numbers in the weights of one group of output channels: 640 kB, a part of the second level of cache.
const GROUP: usize = 160 << 10;

/// Below this many multiplications the threads would cost more than they bring.
const PARALLEL: usize = 1 << 20;

/// One convolution to run. Maps, weights and sizes must fit; the public functions check that.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Convolution<'a> {
    pub arch: Arch,
    pub shape: ConvShape,
    pub weights: &'a Packed,
    pub maps: &'a [MapView<'a>],
    pub epilogue: Epilogue<'a>,
}

impl Convolution<'_> {
    /// Writes `[batch, outputs, out_height, out_width]` to `out`.
    pub fn run(&self, out: &mut [f32], scratch: &mut Scratch) {
        let image = self.shape.outputs * self.shape.out_plane();
        if image == 0 {
            return;
        }
        for (i, out) in out.chunks_mut(IMAGES * image).enumerate() {
            let mut slabs: [&mut [f32]; IMAGES] = Default::default();
            let images = out.len() / image;
            for (slab, out) in slabs.iter_mut().zip(out.chunks_mut(image)) {
                *slab = out;
            }
            self.run_images(i * IMAGES, images, slabs, scratch);
        }
    }

    fn run_images(
        &self,
        first_image: usize,
        images: usize,
        mut slabs: [&mut [f32]; IMAGES],
        scratch: &mut Scratch,
    ) {
        let (shape, weights, block) = (&self.shape.flattened(), self.weights, block(self.arch));
        let tiling = Tiling::new(shape, images, weights.algorithm.tile());
        let points = weights.algorithm.points();
        let panel_size = points * weights.depth * block.columns;
        let panels = tiling.count().div_ceil(block.columns);
        let band = (BAND / panel_size.max(1)).clamp(1, panels);
        let products_size = points * block.rows * block.columns;
        let products = weights.panels * products_size;
        let packed_size = band * panel_size;
        if scratch.memory.len() < packed_size + products {
            scratch.memory.resize(packed_size + products, 0.0);
        }
        let (packed, products) = scratch.memory.split_at_mut(packed_size);
        let multiplications = points * weights.depth * shape.outputs * tiling.count();
        let parallel = multiplications >= PARALLEL && rayon::current_num_threads() > 1;
        // Few panels are packed in smaller portions, so that there is one for each thread.
        let portions = 2 * rayon::current_num_threads();
        let together =
            (PACK / block.columns).min(panels.div_ceil(if parallel { portions } else { 1 })).max(1);
        let source = Source { maps: self.maps, first_image, height: shape.height, width: shape.width };
        for start in (0..panels).step_by(band) {
            let panels = start..(start + band).min(panels);
            let tiles =
                |panel: usize| panel * block.columns..((panel + 1) * block.columns).min(tiling.count());
            let pack = |(i, chunk): (usize, &mut [f32])| {
                let first = panels.start + i * together;
                let tiles = tiles(first).start..tiles(first + chunk.len() / panel_size - 1).end;
                let (algorithm, runs) = (weights.algorithm, tiling.runs(tiles));
                self.arch.dispatch(Pack { algorithm, source: &source, shape, runs: &runs, panels: chunk });
            };
            let packed = &mut packed[..panels.len() * panel_size];
            if parallel {
                packed.par_chunks_mut(together * panel_size).enumerate().for_each(pack);
            } else if panel_size > 0 {
                packed.chunks_mut(together * panel_size).enumerate().for_each(pack);
            }
            let band = Band {
                convolution: self,
                shape,
                block,
                tiling: &tiling,
                packed,
                panels,
                first_image,
                products_size,
                group: (GROUP / (points * weights.depth * block.rows).max(1))
                    .clamp(1, weights.panels.div_ceil(rayon::current_num_threads())),
                parallel,
            };
            let products = &mut products[..weights.panels * products_size];
            band.outputs(0..weights.panels, reborrow(&mut slabs), products);
        }
    }
}

/// The slabs again, for a shorter time.
fn reborrow<'a>(slabs: &'a mut [&mut [f32]; IMAGES]) -> [&'a mut [f32]; IMAGES] {
    slabs.each_mut().map(|slab| &mut **slab)
}

/// Packs some panels, of at most [`PACK`] tiles.
struct Pack<'a> {
    algorithm: Algorithm,
    source: &'a Source<'a>,
    shape: &'a ConvShape,
    runs: &'a Runs,
    panels: &'a mut [f32],
}

impl WithSimd for Pack<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { source, shape, runs, panels, .. } = self;
        match self.algorithm {
            Algorithm::Patches => patches::pack_patches(simd, source, shape, runs, panels),
            Algorithm::Square3 => pack_inputs::<S, Three, Three>(simd, source, shape, runs, panels),
            Algorithm::Row5 => pack_inputs::<S, One, Five>(simd, source, shape, runs, panels),
            Algorithm::Column5 => pack_inputs::<S, Five, One>(simd, source, shape, runs, panels),
            Algorithm::LongSquare3 => {
                pack_inputs::<S, LongThree, LongThree>(simd, source, shape, runs, panels);
            }
            Algorithm::LongRow5 => pack_inputs::<S, One, LongFive>(simd, source, shape, runs, panels),
            Algorithm::LongColumn5 => pack_inputs::<S, LongFive, One>(simd, source, shape, runs, panels),
        }
    }
}

/// A packed band and where its results go.
struct Band<'a> {
    convolution: &'a Convolution<'a>,
    shape: &'a ConvShape,
    block: Block,
    tiling: &'a Tiling,
    packed: &'a [f32],
    panels: Range<usize>,
    first_image: usize,
    products_size: usize,
    /// The most blocks of output channels that one thread computes at once.
    group: usize,
    parallel: bool,
}

impl Band<'_> {
    /// Computes the blocks `rows` of output channels, halving them until they are small enough for a cache.
    fn outputs(&self, rows: Range<usize>, slabs: [&mut [f32]; IMAGES], products: &mut [f32]) {
        if rows.len() <= self.group {
            return self.convolution.arch.dispatch(Group { band: self, rows, slabs, products });
        }
        let half = rows.len() / 2;
        let middle = rows.start + half;
        let cut = half * self.block.rows * self.shape.out_plane();
        let mut right: [&mut [f32]; IMAGES] = Default::default();
        let mut left: [&mut [f32]; IMAGES] = Default::default();
        for ((slab, left), right) in slabs.into_iter().zip(&mut left).zip(&mut right) {
            (*left, *right) = slab.split_at_mut(cut.min(slab.len()));
        }
        let (first, second) = products.split_at_mut(half * self.products_size);
        let (a, b) = (rows.start..middle, middle..rows.end);
        if self.parallel {
            rayon::join(|| self.outputs(a, left, first), || self.outputs(b, right, second));
        } else {
            self.outputs(a, left, first);
            self.outputs(b, right, second);
        }
    }
}

/// What the last stage needs to know about one panel.
#[derive(Debug)]
pub(super) struct Outputs<'a> {
    pub shape: &'a ConvShape,
    pub epilogue: &'a Epilogue<'a>,
    pub runs: &'a Runs,
    /// Lanes of the panel that hold tiles.
    pub used: usize,
    /// The channel at the start of the slabs.
    pub first_channel: usize,
    first_image: usize,
}

impl<'a> Outputs<'a> {
    /// `count` numbers of the addend from place `at` of a plane on.
    #[inline(always)]
    pub fn add(&self, image: usize, channel: usize, at: usize, count: usize) -> Option<&'a [f32]> {
        let (add, plane) = (self.epilogue.add?, self.shape.out_plane());
        let one_image = add.len() == self.shape.outputs * plane;
        let image = if one_image { 0 } else { self.first_image + image };
        Some(&add[(image * self.shape.outputs + channel) * plane + at..][..count])
    }
}

/// Computes some blocks of output channels for all panels of a band.
struct Group<'a> {
    band: &'a Band<'a>,
    rows: Range<usize>,
    slabs: [&'a mut [f32]; IMAGES],
    products: &'a mut [f32],
}

impl WithSimd for Group<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let (band, block) = (self.band, block_of::<S>());
        let (shape, Convolution { weights, epilogue, .. }) = (band.shape, band.convolution);
        let points = weights.algorithm.points();
        let (a_size, b_size) = (weights.depth * block.rows, weights.depth * block.columns);
        let c_size = block.rows * block.columns;
        let buffers = &mut OutputBuffers::new();
        for (i, panel) in band.panels.clone().enumerate() {
            let tiles = panel * block.columns..((panel + 1) * block.columns).min(band.tiling.count());
            let used = tiles.len();
            for point in 0..points {
                let b = &band.packed[(i * points + point) * b_size..][..b_size];
                for (j, row) in self.rows.clone().enumerate() {
                    let a = &weights.values[(row * points + point) * a_size..][..a_size];
                    let c = &mut self.products[(j * points + point) * c_size..][..c_size];
                    product(simd, a, b, c, used);
                }
            }
            let runs = band.tiling.runs(tiles);
            let outputs = Outputs {
                shape,
                epilogue,
                runs: &runs,
                used,
                first_channel: self.rows.start * block.rows,
                first_image: band.first_image,
            };
            for (j, row) in self.rows.clone().enumerate() {
                let products = &self.products[j * band.products_size..][..band.products_size];
                let (channel, slabs) = (row * block.rows, &mut self.slabs);
                match weights.algorithm {
                    Algorithm::Patches => {
                        store_outputs::<S, One, One>(simd, &outputs, products, channel, slabs, buffers)
                    }
                    Algorithm::Square3 => {
                        store_outputs::<S, Three, Three>(simd, &outputs, products, channel, slabs, buffers)
                    }
                    Algorithm::Row5 => {
                        store_outputs::<S, One, Five>(simd, &outputs, products, channel, slabs, buffers)
                    }
                    Algorithm::Column5 => {
                        store_outputs::<S, Five, One>(simd, &outputs, products, channel, slabs, buffers)
                    }
                    Algorithm::LongSquare3 => store_outputs::<S, LongThree, LongThree>(
                        simd, &outputs, products, channel, slabs, buffers,
                    ),
                    Algorithm::LongRow5 => {
                        store_outputs::<S, One, LongFive>(simd, &outputs, products, channel, slabs, buffers)
                    }
                    Algorithm::LongColumn5 => {
                        store_outputs::<S, LongFive, One>(simd, &outputs, products, channel, slabs, buffers)
                    }
                }
            }
        }
    }
}
