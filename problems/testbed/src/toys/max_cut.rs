//! Max-cut: split a graph so that the edges between the halves weigh as much as possible.

use dro_core::{Block, Space, search::Encoding};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    Canvas, Toy,
    canvas::{BLUE, GREY, ORANGE},
};
use crate::Result;

const NODES: usize = 20;

/// A random graph of 20 nodes, an edge between any two with probability 0.35, weights of 0.2 to 1. Twenty binary variables
/// say on which side each node is; the cost is the share of the best cut's weight that is not cut, so that 0 is the
/// optimum (found by trying all 2¹⁹).
#[derive(Debug)]
pub struct MaxCut {
    encoding: Encoding,
    edges: Vec<(usize, usize, f64)>,
    best: Vec<f64>,
    best_weight: f64,
}

impl MaxCut {
    /// Another graph for every seed.
    pub fn new(seed: u64) -> Result<Self> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut edges = Vec::new();
        for a in 0..NODES {
            for b in a + 1..NODES {
                if rng.random_bool(0.35) {
                    edges.push((a, b, rng.random_range(0.2..=1.0)));
                }
            }
        }
        let space = Space::new(vec![Block::categorical("side", [NODES], ["left", "right"])])?;
        let best = best_cut(&edges);
        let best_weight = weight(&edges, &best);
        Ok(Self { encoding: Encoding::new(&space)?, edges, best, best_weight })
    }
}

/// The weight of the edges between the sides.
fn weight(edges: &[(usize, usize, f64)], sides: &[f64]) -> f64 {
    edges.iter().filter(|(a, b, _)| sides.get(*a) != sides.get(*b)).map(|(.., w)| w).sum()
}

/// Every cut, one node moved at a time (Gray's code); the last node stays where it is.
fn best_cut(edges: &[(usize, usize, f64)]) -> Vec<f64> {
    let mut links = vec![Vec::new(); NODES];
    for &(a, b, w) in edges {
        for (from, to) in [(a, b), (b, a)] {
            if let Some(list) = links.get_mut(from) {
                list.push((1u32 << to, w));
            }
        }
    }
    let (mut sides, mut cut, mut best) = (0u32, 0.0, (0u32, 0.0));
    for number in 1u32..1 << (NODES - 1) {
        let node = number.trailing_zeros() as usize;
        let side = sides >> node & 1;
        for (other, w) in links.get(node).into_iter().flatten() {
            let same = u32::from(sides & other != 0) == side;
            cut += if same { *w } else { -w };
        }
        sides ^= 1 << node;
        if cut > best.1 {
            best = (sides, cut);
        }
    }
    (0..NODES).map(|node| f64::from(best.0 >> node & 1)).collect()
}

impl Toy for MaxCut {
    fn name(&self) -> &'static str {
        "max-cut"
    }

    fn encoding(&self) -> &Encoding {
        &self.encoding
    }

    fn cost(&self, values: &[f64]) -> f64 {
        if values.len() == NODES { 1.0 - weight(&self.edges, values) / self.best_weight } else { f64::NAN }
    }

    fn truth(&self) -> Option<Vec<f64>> {
        Some(self.best.clone())
    }

    fn evaluations(&self) -> usize {
        400
    }

    fn say(&self, values: &[f64]) -> String {
        format!("cuts {:.1} % of the best cut's weight", 100.0 * (1.0 - self.cost(values)))
    }

    /// The nodes in a circle, sides in two colours, cut edges orange.
    fn draw(&self, values: &[f64]) -> Canvas {
        const SIDE: u32 = 180;
        let middle = f64::from(SIDE) / 2.0;
        let place = |node: usize| {
            let (sin, cos) = (std::f64::consts::TAU * node as f64 / NODES as f64).sin_cos();
            (middle + 0.88 * middle * cos, middle + 0.88 * middle * sin)
        };
        let mut canvas = Canvas::new(SIDE, SIDE);
        for wanted in [false, true] {
            for &(a, b, _) in &self.edges {
                if (values.get(a) != values.get(b)) == wanted {
                    canvas.line(place(a), place(b), if wanted { ORANGE } else { GREY });
                }
            }
        }
        for (node, side) in values.iter().enumerate() {
            let (x, y) = place(node);
            canvas.disc(x, y, 6.0, if *side == 0.0 { BLUE } else { [40; 3] });
        }
        canvas
    }
}
