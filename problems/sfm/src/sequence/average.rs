//! All windows' say in the trajectory, not only those along which it was chained.
//!
//! Every window that has two frames measures how they lie to each other. A chain uses one path through these measurements;
//! averaged, each counts, and errors do not add up along the path. Rotations first, then scales, then positions, each by
//! minimizing the sum of what measurements are off by (their lengths, not the squares, so that wrong ones do not count more than right
//! ones), by weighted least squares again and again (Chatterjee & Govindu, *Efficient and Robust Large-Scale Rotation Averaging*, ICCV 2013).

use nalgebra::{Isometry3, Translation3, UnitQuaternion, Vector3};

use super::Ratio;

/// What is known between two frames.
pub(super) struct Edge {
    pub(super) a: usize,
    pub(super) b: usize,
    /// By the window of `a`, in its unit.
    pub(super) b_from_a: Option<Isometry3<f64>>,
    /// By the window of `b`, in its unit.
    pub(super) a_from_b: Option<Isometry3<f64>>,
    /// The scale of `b` over that of `a`.
    pub(super) ratio: Option<Ratio>,
}

impl Edge {
    pub(super) fn both_directions(&self) -> bool {
        self.b_from_a.is_some() && self.a_from_b.is_some()
    }
}

/// Rounds of weighting; more change nothing that can be seen.
const ROUNDS: usize = 12;
/// Errors below these count as squares: radians, logarithms of scale, and parts of the distance.
const SMALL_RAD: f64 = 1e-3;
const SMALL_LOG: f64 = 0.01;
const SMALL_PART: f64 = 0.02;
/// What the chain kept counts so little that it only matters where nothing else is known.
const KEPT: f64 = 1e-6;

/// Improves poses and scales that a chain found; those of frame 0 stay.
pub(super) fn average(edges: &[Edge], world_from_camera: &mut [Isometry3<f64>], scales: &mut [f64]) {
    rotations(edges, world_from_camera);
    scale(edges, scales);
    positions(edges, world_from_camera, scales);
}

fn rotations(edges: &[Edge], poses: &mut [Isometry3<f64>]) {
    for _ in 0..ROUNDS {
        let off = |a: usize, b: usize, b_from_a: UnitQuaternion<f64>| {
            let told = poses[a].rotation * b_from_a.inverse();
            let off = (told * poses[b].rotation.inverse()).scaled_axis();
            Term { a, b, off, weight: off.norm().max(SMALL_RAD).recip() }
        };
        let of = |edge: &Edge| {
            let forward = edge.b_from_a.map(|pose| off(edge.a, edge.b, pose.rotation));
            let back = edge.a_from_b.map(|pose| off(edge.b, edge.a, pose.rotation));
            forward.into_iter().chain(back)
        };
        let terms: Vec<Term> = edges.iter().flat_map(of).collect();
        for (pose, turn) in poses.iter_mut().zip(least_squares(&terms, edges_end(edges))) {
            pose.rotation = UnitQuaternion::from_scaled_axis(turn) * pose.rotation;
            pose.rotation.renormalize();
        }
    }
}

fn scale(edges: &[Edge], scales: &mut [f64]) {
    let mut logs: Vec<f64> = scales.iter().map(|scale| scale.ln()).collect();
    let chained = logs.clone();
    for _ in 0..ROUNDS {
        let of = |&Edge { a, b, ratio, .. }: &Edge| {
            let told = ratio.map_or(chained[b] - chained[a], |ratio| ratio.value.ln());
            let off = told - (logs[b] - logs[a]);
            let weight = if ratio.is_some() { off.abs().max(SMALL_LOG).recip() } else { KEPT };
            Term { a, b, off: Vector3::new(off, 0.0, 0.0), weight }
        };
        let terms: Vec<Term> = edges.iter().map(of).collect();
        for (log, change) in logs.iter_mut().zip(least_squares(&terms, scales.len())) {
            *log += change.x;
        }
    }
    for (scale, log) in scales.iter_mut().zip(logs) {
        *scale = log.exp();
    }
}

fn positions(edges: &[Edge], poses: &mut [Isometry3<f64>], scales: &[f64]) {
    let lengths = edges.iter().flat_map(|edge| {
        let of = |pose: Option<Isometry3<f64>>, scale: f64| {
            pose.map(|pose| pose.translation.vector.norm() * scale)
        };
        [of(edge.b_from_a, scales[edge.a]), of(edge.a_from_b, scales[edge.b])]
    });
    // Two frames from one place weigh as much as two that are near each other.
    let longest = lengths.flatten().fold(0.0, f64::max);
    if longest == 0.0 {
        return;
    }
    let least = 1e-4 * longest;
    for _ in 0..ROUNDS {
        let off = |a: usize, b: usize, b_from_a: &Isometry3<f64>| {
            let step = poses[a].rotation * b_from_a.inverse().translation.vector * scales[a];
            let off = step - (poses[b].translation.vector - poses[a].translation.vector);
            let weight = off.norm().max(SMALL_PART * step.norm()).max(least).recip();
            Term { a, b, off, weight }
        };
        let of = |edge: &Edge| {
            let forward = edge.b_from_a.map(|pose| off(edge.a, edge.b, &pose));
            let back = edge.a_from_b.map(|pose| off(edge.b, edge.a, &pose));
            forward.into_iter().chain(back)
        };
        let terms: Vec<Term> = edges.iter().flat_map(of).collect();
        for (pose, change) in poses.iter_mut().zip(least_squares(&terms, edges_end(edges))) {
            pose.translation = Translation3::from(pose.translation.vector + change);
        }
    }
}

/// One more than the last frame that an edge has.
fn edges_end(edges: &[Edge]) -> usize {
    edges.iter().map(|edge| edge.a.max(edge.b) + 1).max().unwrap_or(0)
}

/// `weight · |x_b − x_a − off|²`.
struct Term {
    a: usize,
    b: usize,
    off: Vector3<f64>,
    weight: f64,
}

/// The x of so many frames, that of frame 0 being 0, with the least sum of terms: by conjugate gradients.
fn least_squares(terms: &[Term], count: usize) -> Vec<Vector3<f64>> {
    let zeros = || vec![Vector3::zeros(); count];
    // The sum over a frame's terms of what flows in from the differences along them.
    let gathered = |along: &dyn Fn(&Term) -> Vector3<f64>| {
        let mut sums = zeros();
        for term in terms {
            let flow = along(term) * term.weight;
            sums[term.b] += flow;
            sums[term.a] -= flow;
        }
        if let Some(first) = sums.first_mut() {
            *first = Vector3::zeros();
        }
        sums
    };
    let mut diagonal = vec![0.0; count];
    for term in terms {
        diagonal[term.a] += term.weight;
        diagonal[term.b] += term.weight;
    }
    let scaled = |r: &[Vector3<f64>]| -> Vec<Vector3<f64>> {
        r.iter().zip(&diagonal).map(|(r, d)| r / d.max(f64::MIN_POSITIVE)).collect()
    };
    let dot = |u: &[Vector3<f64>], v: &[Vector3<f64>]| u.iter().zip(v).map(|(u, v)| u.dot(v)).sum::<f64>();

    let mut x = zeros();
    let mut left = gathered(&|term| term.off);
    let mut direction = scaled(&left);
    let mut size = dot(&left, &direction);
    let enough = 1e-20 * size;
    // In exact numbers as many steps as frames are enough.
    for _ in 0..2 * count {
        if size <= enough {
            break;
        }
        let product = gathered(&|term| direction[term.b] - direction[term.a]);
        let step = size / dot(&direction, &product);
        if !step.is_finite() {
            break;
        }
        for i in 0..count {
            x[i] += direction[i] * step;
            left[i] -= product[i] * step;
        }
        let next = scaled(&left);
        let new_size = dot(&left, &next);
        for (direction, next) in direction.iter_mut().zip(next) {
            *direction = next + *direction * (new_size / size);
        }
        size = new_size;
    }
    x
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const FRAMES: usize = 40;

    fn known(value: f64) -> Option<Ratio> {
        Some(Ratio { value, spread: 0.0, pixels: 1000 })
    }

    /// A path, and what windows of each frame with the two before and the two after it say of it, each a little wrong and some very much.
    fn measured(seed: u64) -> (Vec<Isometry3<f64>>, Vec<f64>, Vec<Edge>) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut vector = |size: f64| Vector3::from_fn(|_, _| rng.random_range(-size..size));
        let mut path = vec![Isometry3::identity()];
        for i in 1..FRAMES {
            let step = Isometry3::new(Vector3::new(0.1, 0.0, 0.02) + vector(0.02), vector(0.1));
            path.push(path[i - 1] * step);
        }
        let units: Vec<f64> = (0..FRAMES).map(|_| vector(0.5).x.exp()).collect();
        let mut edges = Vec::new();
        for a in 0..FRAMES {
            for b in (a + 1)..FRAMES.min(a + 3) {
                let mut told = |from: usize, to: usize| {
                    let wrong = if vector(1.0).x > 0.9 { 20.0 } else { 1.0 };
                    let noise = Isometry3::new(vector(0.002 * wrong), vector(0.004 * wrong));
                    let mut pose = noise * path[to].inv_mul(&path[from]);
                    pose.translation.vector /= units[from];
                    Some(pose)
                };
                let (b_from_a, a_from_b) = (told(a, b), told(b, a));
                let ratio = known(units[b] / units[a] * vector(0.01).x.exp());
                edges.push(Edge { a, b, b_from_a, a_from_b, ratio });
            }
        }
        (path, units, edges)
    }

    /// The path along neighbours in time alone.
    fn chained(edges: &[Edge]) -> (Vec<Isometry3<f64>>, Vec<f64>) {
        let (mut poses, mut scales) = (vec![Isometry3::identity()], vec![1.0]);
        for edge in edges.iter().filter(|edge| edge.b == edge.a + 1) {
            let mut pose = edge.b_from_a.unwrap_or_default().inverse();
            pose.translation.vector *= scales[edge.a];
            poses.push(poses[edge.a] * pose);
            scales.push(scales[edge.a] * edge.ratio.map_or(1.0, |ratio| ratio.value));
        }
        (poses, scales)
    }

    /// Means over frames of distances, angles and errors of scale.
    fn errors(
        path: &[Isometry3<f64>],
        units: &[f64],
        (poses, scales): (&[Isometry3<f64>], &[f64]),
    ) -> [f64; 3] {
        let unit = units[0];
        let mut sums = [0.0; 3];
        for i in 0..FRAMES {
            sums[0] +=
                (poses[i].translation.vector * unit - path[i].translation.vector).norm() / FRAMES as f64;
            sums[1] += poses[i].rotation.angle_to(&path[i].rotation) / FRAMES as f64;
            sums[2] += (scales[i] * unit / units[i]).ln().abs() / FRAMES as f64;
        }
        sums
    }

    #[test]
    fn errors_are_smaller_than_along_a_chain() {
        let mut means = [[0.0; 3]; 2];
        for seed in 0..20 {
            let (path, units, edges) = measured(seed);
            let (mut poses, mut scales) = chained(&edges);
            let before = errors(&path, &units, (&poses, &scales));
            average(&edges, &mut poses, &mut scales);
            let after = errors(&path, &units, (&poses, &scales));
            for i in 0..3 {
                means[0][i] += before[i] / 20.0;
                means[1][i] += after[i] / 20.0;
            }
        }
        let [before, after] = means;
        assert!((0..3).all(|i| after[i] < 0.6 * before[i]), "{before:?} {after:?}");
    }

    #[test]
    fn what_agrees_stays_and_frame_0_never_moves() {
        let (path, units, edges) = measured(3);
        let exact: Vec<Edge> = edges
            .into_iter()
            .map(|Edge { a, b, .. }| {
                let told = |from: usize, to: usize| {
                    let mut pose = path[to].inv_mul(&path[from]);
                    pose.translation.vector /= units[from];
                    Some(pose)
                };
                let ratio = known(units[b] / units[a]);
                Edge { a, b, b_from_a: told(a, b), a_from_b: told(b, a), ratio }
            })
            .collect();
        let (mut poses, mut scales) = chained(&exact);
        average(&exact, &mut poses, &mut scales);
        assert!(errors(&path, &units, (&poses, &scales)).iter().all(|error| *error < 1e-9));
        assert_eq!((poses[0], scales[0]), (Isometry3::identity(), 1.0));
    }

    #[test]
    fn what_is_not_known_is_kept() {
        let told = Some(Isometry3::translation(-1.0, 0.0, 0.0));
        let edge = |a, b, ratio| Edge { a, b, b_from_a: told, a_from_b: None, ratio };
        let mut poses = [0.0, 1.0, 3.0].map(|x| Isometry3::translation(x, 0.0, 0.0));
        let mut scales = [1.0, 2.0, 2.0];
        average(&[edge(0, 1, known(2.0)), edge(1, 2, None)], &mut poses, &mut scales);
        assert!((scales[2] - 2.0).abs() < 1e-9 && (poses[2].translation.x - 3.0).abs() < 1e-9);
        average(&[], &mut [], &mut []);
        // From one place.
        let still = || Some(Isometry3::identity());
        let edge = |a, b| Edge { a, b, b_from_a: still(), a_from_b: still(), ratio: known(1.0) };
        let mut poses = [0.0, 0.0, 0.0].map(|x| Isometry3::translation(x, 0.0, 0.0));
        average(&[edge(0, 1), edge(1, 2)], &mut poses, &mut [1.0; 3]);
        assert!(poses.iter().all(|pose| *pose == Isometry3::identity()));
    }
}
