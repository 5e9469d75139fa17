//! What depth to expect where images say little: that of planes which are known around, where they say more.

use candle_core::{Device, Tensor};
use dro_vision::Pinhole;
use nalgebra::{Isometry3, Point3};
use rayon::prelude::*;

use super::{
    contradiction::{Cell, Contradiction, InFront},
    free_space::FreeSpace,
    geodesic::Geodesic,
    in_front::{self, Expected},
    planes::{self, Grouped, Plane},
    pyramid::enlarged,
    relative::Relative,
};
use crate::{Map, Result, cost::MatchedPoint, sorted::Sorted};

/// A place in the image, pixels, and the inverse depth there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    pub(super) at: [f64; 2],
    pub(super) inverse: f64,
}

impl Known {
    /// In the image at `scale` times its size.
    pub(super) fn scaled(self, scale: f64) -> Self {
        Self { at: self.at.map(|at| (at + 0.5) * scale - 0.5), ..self }
    }
}

/// A plane that explains at least this part of what the best one does is expected instead of it if it is so many times nearer: what one
/// image alone shows is often near, and a depth that is far too great is the worst error.
const NEARLY: f32 = 0.85;
const NEARER: f64 = 2.0;
/// A plane that a neighbour clearly looks through loses this part of its votes.
const THROUGH: f32 = 0.9;
/// A plane has this part of its votes beyond its horizon, where none of it is seen: there is another plane, or sky.
const BEYOND_HORIZON: f32 = 0.5;
/// What is in front of a contradicted plane is so many times nearer than where it leaves the neighbours' pictures, and has such a part of the most
/// votes.
const IN_FRONT: f64 = 2.5;
const IN_FRONT_VOTES: f32 = 0.3;
/// Planes with a smaller part of the most votes are not asked about.
const FEW: f32 = 0.1;
/// Planes that are no more apart, as parallax in pixels for a baseline of 1, are the same in a cell.
const SAME_PX: f64 = 0.7;
/// How far beyond what is known a plane may lead, as factors: farther away and nearer.
const BEYOND: (f64, f64) = (1.5, 3.0);

/// Inverse depths that may be, for a longest baseline of about 1.
const POSSIBLE: std::ops::Range<f64> = 1e-12..1e12;

/// The matched points of each neighbour, in its order, by its pose.
pub(super) fn matched(
    matches: &[Option<Relative>],
    poses: &[Isometry3<f64>],
    camera: &Pinhole,
) -> Vec<Known> {
    let pairs = matches.iter().zip(poses).filter_map(|(relative, pose)| Some((relative.as_ref()?, pose)));
    let points = pairs.flat_map(|(relative, pose)| relative.telling().points(pose));
    let known = |point: MatchedPoint| {
        let at = camera.project(&Point3::from(point.ray))?;
        Some(Known { at: [at.x, at.y], inverse: point.inverse })
    };
    points.filter_map(known).collect()
}

/// At every pixel the inverse depth of the plane that explains most of what is known around it, or of a much nearer one that explains
/// nearly as much; `None` where nothing is known. What is at no possible distance in front of the camera does not count.
///
/// "Around it" is along ways that image edges make longer, so that a wall without texture is continued to where it ends
/// and not beyond (piecewise planar scenes: Sinha, Steedly & Szeliski, ICCV 2009). With d the way from a pixel to a known place,
/// a plane is judged by the sum of `(1 + (d/0.2)²)^−2.5 · e`, where e says how well it explains the place.
///
/// Beyond its horizon a plane counts half. Where neighbours look through it, as `free` says, it counts little: what is beside something near,
/// and hidden behind it from a neighbour, is not part of it. So do planes that the pictures contradict: there something is in front, which
/// neighbours do not show, and it [reaches](in_front::spread) as far as image edges let it.
pub(super) fn inverse_depth(
    known: &[Known],
    image: &Map,
    focal_px: f64,
    free: Option<&FreeSpace>,
    seed: u64,
) -> Result<Option<Map>> {
    let known: Vec<Known> = known.iter().copied().filter(|k| POSSIBLE.contains(&k.inverse)).collect();
    let inverses = Sorted::new(known.iter().map(|k| k.inverse));
    let (Some(few), Some(middle_inverse), Some(most)) =
        (inverses.permille(20), inverses.median(), inverses.permille(980))
    else {
        return Ok(None);
    };
    let (least, most) = (few / BEYOND.0, most * BEYOND.1);
    let cells = Geodesic::new(image)?;
    let grouped = Grouped::new(&known, &cells);
    let planes = planes::proposed(&known, &grouped, image.width(), focal_px, seed);
    let votes = planes::votes(&grouped, &cells, &known, &planes)?;
    let contradiction = free.map(|free| Contradiction::new(free, &known, least));
    let side = image.width() as f64 / cells.shape().1 as f64;
    let expected = |(cell, votes): (usize, &Vec<f32>)| {
        let middle = cells.middle(cell);
        let judge = |(plane, &votes): (&Plane, &f32)| {
            let inverse = plane.inverse(middle);
            let through = free.map_or(0.0, |free| free.through(middle, inverse));
            let seen = if inverse > 0.0 { 1.0 } else { BEYOND_HORIZON };
            Judged { inverse, votes: votes * seen * (1.0 - THROUGH * through), in_front: false }
        };
        let mut judged: Vec<Judged> = planes.iter().zip(votes).map(judge).collect();
        let front = contradiction.as_ref().and_then(|contradiction| {
            let patch = contradiction.patch(Cell { middle, side });
            doubted(&mut judged, |plane| patch.hides(&planes[plane]), SAME_PX / focal_px)
        });
        let range = (least, most);
        let inverse = best(&judged, range).map_or(middle_inverse, |plane| plane.inverse);
        let votes = judged.iter().map(|j| j.votes).fold(0.0, f32::max);
        judged.extend(front);
        let front = best(&judged, range).filter(|best| best.in_front).map(|front| front.inverse);
        Expected { inverse, votes, front }
    };
    let grid: Vec<Expected> = votes.par_iter().enumerate().map(expected).collect();
    let grid = in_front::spread(&grid, &cells);
    let grid = grid.into_iter().map(|inverse| inverse.clamp(least, most) as f32).collect();
    let (rows, columns) = cells.shape();
    let grid = Tensor::from_vec(grid, (1, 1, rows, columns), &Device::Cpu)?;
    Ok(Some(Map::from_tensor(&enlarged(&grid, (image.height(), image.width()))?)?))
}

/// A plane in a cell, or what is in front of one: its inverse depth there and the votes for it.
struct Judged {
    inverse: f64,
    votes: f32,
    in_front: bool,
}

/// Of the planes with most votes, those that are contradicted lose them, so surely as they are. What is in front of them is given back: one
/// more that may be expected, at a depth at which no neighbour shows it. Planes whose inverse depths differ by `same` at most are asked about once.
fn doubted(judged: &mut [Judged], hides: impl Fn(usize) -> Option<InFront>, same: f64) -> Option<Judged> {
    let mut order: Vec<usize> = (0..judged.len()).filter(|&i| judged[i].inverse > 0.0).collect();
    order.sort_by(|&a, &b| judged[b].votes.total_cmp(&judged[a].votes));
    let most = order.first().map_or(0.0, |&i| judged[i].votes);
    let (mut kept, mut beyond) = (0f32, None::<f64>);
    let mut asked: Vec<(f64, Option<InFront>)> = Vec::new();
    for i in order {
        let Judged { inverse, votes, .. } = judged[i];
        // Neither these nor those that follow are best, or nearly so.
        if votes < (NEARLY * kept).max(FEW * most) {
            break;
        }
        let before = asked.iter().find(|(other, _)| (other - inverse).abs() < same).map(|asked| asked.1);
        let front = before.unwrap_or_else(|| {
            let front = hides(i);
            asked.push((inverse, front));
            front
        });
        if let Some(front) = front {
            judged[i].votes *= 1.0 - front.surely;
            beyond = Some(beyond.map_or(front.beyond, |beyond| beyond.max(front.beyond)));
        }
        kept = kept.max(judged[i].votes);
    }
    beyond.map(|beyond| Judged { inverse: IN_FRONT * beyond, votes: IN_FRONT_VOTES * most, in_front: true })
}

/// What has most votes, or something much nearer that has nearly as many; none if that is at no distance.
fn best(judged: &[Judged], (least, most): (f64, f64)) -> Option<&Judged> {
    let best = judged.iter().max_by(|a, b| a.votes.total_cmp(&b.votes))?;
    let good = judged.iter().filter(|j| j.votes >= NEARLY * best.votes && j.inverse.is_finite());
    let nearest = good.max_by(|a, b| a.inverse.total_cmp(&b.inverse));
    let nearer = nearest.filter(|nearest| nearest.inverse.min(most) > NEARER * best.inverse.max(least));
    Some(nearer.unwrap_or(best)).filter(|best| best.inverse.is_finite())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const SIZE: (usize, usize) = (96, 128);

    fn image(grey: impl Fn(usize, usize) -> f32) -> Map {
        let at = |i: usize| grey(i / SIZE.1, i % SIZE.1);
        Map::new(SIZE.0, SIZE.1, (0..SIZE.0 * SIZE.1).map(at).collect()).unwrap()
    }

    /// A plane's inverse depth is linear in the image: it is found between the known places, and beyond, though one in five is
    /// wrong.
    #[test]
    fn planes_are_continued() {
        let plane = |x: f64, y: f64| 0.2 + 0.001 * x - 0.0005 * y;
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let known: Vec<Known> = (0..150)
            .map(|i| {
                let at = [rng.random_range(30.0..100.0), rng.random_range(20.0..80.0)];
                let inverse = if i % 5 == 0 { rng.random_range(0.05..0.6) } else { plane(at[0], at[1]) };
                Known { at, inverse }
            })
            .collect();
        let found = inverse_depth(&known, &image(|_, _| 0.5), 110.0, None, 1).unwrap().unwrap();
        for (y, x) in [(40, 64), (30, 40), (70, 90), (50, 104), (14, 60), (88, 10), (8, 120)] {
            let (found, truth) = (f64::from(found.at(y, x).unwrap()), plane(x as f64, y as f64));
            assert!((found / truth - 1.0).abs() < 0.05, "{x}, {y}: {found}, not {truth}");
        }
        assert!(found.values().iter().all(|x| *x > 0.0 && x.is_finite()));
    }

    /// A floor and a wall behind it, both known as far from a place beyond the floor's horizon: the wall is expected, though less of it is known.
    #[test]
    fn floors_end_at_the_horizon() {
        let mut rng = ChaCha8Rng::seed_from_u64(6);
        let mut known = |count: usize, rows: std::ops::Range<f64>, inverse: fn(f64) -> f64| -> Vec<Known> {
            let place = |rng: &mut ChaCha8Rng| [rng.random_range(2.0..126.0), rng.random_range(rows.clone())];
            let known = |at: [f64; 2]| Known { at, inverse: inverse(at[1]) };
            (0..count).map(|_| known(place(&mut rng))).collect()
        };
        let mut all = known(120, 60.0..90.0, |y| 0.1 * (y - 50.0));
        all.extend(known(90, 2.0..32.0, |_| 0.8));
        let found = inverse_depth(&all, &image(|_, _| 0.5), 110.0, None, 1).unwrap().unwrap();
        for x in [20, 64, 108] {
            let found = f64::from(found.at(46, x).unwrap());
            assert!((found / 0.8 - 1.0).abs() < 0.1, "{x}: {found}");
        }
    }

    /// Two walls that meet at an edge of the image, known only far from it: each is continued up to the edge.
    #[test]
    fn edges_end_planes() {
        let wall = |x: f64| if x < 80.0 { 0.5 - 0.002 * x } else { 0.1 + 0.001 * x };
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let known: Vec<Known> = (0..160)
            .map(|i| {
                let x = if i % 2 == 0 { rng.random_range(2.0..40.0) } else { rng.random_range(84.0..126.0) };
                Known { at: [x, rng.random_range(2.0..94.0)], inverse: wall(x) }
            })
            .collect();
        let image = image(|_, x| if x < 80 { 0.3 } else { 0.7 });
        let found = inverse_depth(&known, &image, 110.0, None, 1).unwrap().unwrap();
        for (y, x) in [(20, 10), (50, 50), (80, 60), (40, 72), (30, 90), (70, 120)] {
            let (found, truth) = (f64::from(found.at(y, x).unwrap()), wall(x as f64));
            assert!((found / truth - 1.0).abs() < 0.05, "{x}, {y}: {found}, not {truth}");
        }
    }

    /// Two planes, one through the other's gaps: the one that explains more, unless the nearer one explains nearly as much.
    #[test]
    fn what_is_not_told_apart_is_near() {
        let (far, near) = (0.2, 0.5);
        let image = image(|_, _| 0.5);
        let known = |is_near: &dyn Fn(usize, usize) -> bool| -> Vec<Known> {
            let place = |i: usize| {
                let (x, y) = (i % 16, i / 16);
                let inverse = if is_near(x, y) { near } else { far };
                Known { at: [8.0 * x as f64 + 4.0, 8.0 * y as f64 + 4.0], inverse }
            };
            (0..192).map(place).collect()
        };
        let half = inverse_depth(&known(&|x, y| (x + y) % 2 == 0), &image, 110.0, None, 1).unwrap().unwrap();
        let near = half.values().iter().filter(|x| (**x - 0.5).abs() < 0.05).count();
        assert!(near * 10 > 9 * SIZE.0 * SIZE.1, "{near} of {SIZE:?}");
        let few = inverse_depth(&known(&|x, y| (x + y) % 4 == 0), &image, 110.0, None, 1).unwrap().unwrap();
        assert!(few.values().iter().all(|x| (*x - 0.2).abs() < 0.02), "{few:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        /// Whatever is called known, what is expected are depths, and the same for the same seed.
        #[test]
        fn anything_may_be_known(
            known in prop::collection::vec((any::<f64>(), -20.0..200.0, any::<f64>(), 1e-3..1e3, 0..4usize), 0..60),
            size in (1..70usize, 1..70usize),
            seed in any::<u64>(),
        ) {
            let known: Vec<Known> = known
                .into_iter()
                .map(|(x, y, odd, inverse, kind)| Known {
                    at: if kind == 0 { [x, y] } else { [y, 0.3 * y] },
                    inverse: if kind == 1 { odd } else { inverse },
                })
                .collect();
            let image = Map::new(size.0, size.1, (0..size.0 * size.1).map(|i| (i % 7) as f32 / 7.0).collect()).unwrap();
            let found = inverse_depth(&known, &image, 60.0, None, seed).unwrap();
            let valid = known.iter().any(|k| POSSIBLE.contains(&k.inverse));
            prop_assert_eq!(found.is_some(), valid);
            if let Some(map) = &found {
                prop_assert!(map.values().iter().all(|x| *x > 0.0 && x.is_finite()));
            }
            prop_assert_eq!(inverse_depth(&known, &image, 60.0, None, seed).unwrap(), found);
        }
    }

    #[test]
    fn little_is_known() {
        let image = image(|y, x| (x + y) as f32 / 300.0);
        assert!(inverse_depth(&[], &image, 110.0, None, 1).unwrap().is_none());
        let one = Known { at: [3.0, 4.0], inverse: 0.5 };
        for known in [vec![one], vec![one; 2], vec![one; 40]] {
            let found = inverse_depth(&known, &image, 110.0, None, 1).unwrap().unwrap();
            assert!(found.values().iter().all(|x| (x - 0.5).abs() < 0.01), "{found:?}");
        }
        let not = [0.0, -1.0, f64::NAN, f64::INFINITY].map(|inverse| Known { at: [f64::NAN, 9.0], inverse });
        assert!(inverse_depth(&not, &image, 110.0, None, 1).unwrap().is_none());
        // Places on one line, and places outside.
        let known: Vec<Known> =
            (0..30).map(|i| Known { at: [f64::from(i) * 9.0 - 60.0, 50.0], inverse: 0.3 }).collect();
        let found = inverse_depth(&known, &image, 110.0, None, 1).unwrap().unwrap();
        assert!(found.values().iter().all(|x| (x - 0.3).abs() < 0.01), "{found:?}");
    }
}
