use candle_core::{Device, Tensor};
use dro_core::{BlockId, Budget, CostFunction, Trajectory, minimize};
use dro_vision::Pinhole;
use nalgebra::{Isometry3, Point3, Translation3, UnitQuaternion, Vector3};

use super::{pyramid::Pictures, *};
use crate::{
    Error, Map, Result, Solver, Unwatched, Update, Views, Watch,
    cost::{CensusCost, EpipolarCost},
    sample::Sample,
    scene::{Generated, GeneratedConfig},
};

const SIZE: (usize, usize) = (72, 96);

fn camera() -> Pinhole {
    Pinhole::from_fov_deg(65.0, SIZE.0, SIZE.1).unwrap()
}

/// A texture that is smooth at the scale of a pixel and never repeats.
fn texture(x: f64, y: f64) -> f32 {
    let noise = |x: f64, y: f64, seed: u64| {
        let (i, j) = (x.floor(), y.floor());
        let at = |i: f64, j: f64| {
            let mut z = (i as i64 as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15)
                ^ (j as i64 as u64).rotate_left(32)
                ^ seed;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            ((z ^ (z >> 31)) >> 40) as f64 / f64::from(1 << 24)
        };
        let (fx, fy) = (x - i, y - j);
        let mix = |a: f64, b: f64, t: f64| a + (b - a) * t * t * (3.0 - 2.0 * t);
        mix(mix(at(i, j), at(i + 1.0, j), fx), mix(at(i, j + 1.0), at(i + 1.0, j + 1.0), fx), fy)
    };
    (0.5 * noise(3.0 * x, 3.0 * y, 1) + 0.5 * noise(9.0 * x, 9.0 * y, 2)) as f32
}

/// Depth and brightness along a ray: a wall, a floor, and a box's face before them.
fn trace(origin: &Point3<f64>, ray: &Vector3<f64>) -> (f64, f32) {
    let wall = (4.0 - origin.z) / ray.z;
    let mut hit = (wall, 0.0);
    let floor = (1.0 - origin.y) / ray.y;
    if ray.y > 0.0 && floor < hit.0 {
        hit = (floor, 10.0);
    }
    let face = (2.2 - origin.z) / ray.z;
    let on = origin + ray * face;
    if on.x > -0.2 && on.x < 0.9 && on.y > -0.5 && face > 0.0 && face < hit.0 {
        hit = (face, 20.0);
    }
    let p = origin + ray * hit.0;
    let shift = hit.1;
    (hit.0, if shift == 10.0 { texture(p.x + shift, p.z) } else { texture(p.x + shift, p.y) })
}

/// The image `[1, 3, h, w]` and depth seen from `world_from_camera`.
fn render(world_from_camera: &Isometry3<f64>) -> (Tensor, Vec<f64>) {
    rendered(&camera(), SIZE, world_from_camera)
}

fn rendered(
    camera: &Pinhole,
    (h, w): (usize, usize),
    world_from_camera: &Isometry3<f64>,
) -> (Tensor, Vec<f64>) {
    let origin = Point3::from(world_from_camera.translation.vector);
    let (mut grey, mut depth) = (Vec::new(), Vec::new());
    for i in 0..h * w {
        let pixel = nalgebra::Point2::new((i % w) as f64, (i / w) as f64);
        let ray = world_from_camera.rotation * camera.backproject(&pixel, 1.0).coords;
        let (d, g) = trace(&origin, &ray);
        grey.push(g);
        depth.push(d);
    }
    (Tensor::from_vec(grey.repeat(3), (1, 3, h, w), &Device::Cpu).unwrap(), depth)
}

fn pose(t: [f64; 3], w: [f64; 3]) -> Isometry3<f64> {
    Isometry3::from_parts(
        Translation3::from(Vector3::from(t)),
        UnitQuaternion::from_scaled_axis(Vector3::from(w)),
    )
}

/// Views of the scene, the target's depth, and the true `neighbour_from_target`.
fn scene() -> (Views, Vec<f64>, Vec<Isometry3<f64>>) {
    let truth = vec![
        pose([-0.15, 0.02, 0.02], [0.005, -0.02, 0.01]),
        pose([0.12, 0.05, -0.04], [-0.01, 0.02, -0.01]),
    ];
    let (target, depth) = render(&Isometry3::identity());
    let neighbours = truth.iter().map(|p| render(&p.inverse()).0).collect();
    (Views { target, neighbours, camera: camera() }, depth, truth)
}

fn quick() -> PatchMatchConfig {
    PatchMatchConfig { stages: 1, planes: 16, max_width: 48, ..Default::default() }
}

fn cost_of(views: &Views) -> CensusCost {
    let grey = |t: &Tensor| pyramid::grey(t).unwrap();
    let neighbours: Vec<Map> = views.neighbours.iter().map(grey).collect();
    CensusCost::new(&grey(&views.target), &neighbours, views.camera, (0.003, 1.0), &Default::default())
        .unwrap()
}

fn start(cost: &CensusCost, n: usize) -> dro_core::Point {
    let (h, w) = cost.size();
    let depth = Tensor::full(0.1f32, (1, 1, h, w), &Device::Cpu).unwrap();
    let poses: Vec<f32> = (0..6 * n).map(|i| 0.01 * (i as f32 - 4.0)).collect();
    cost.space().point(vec![depth, Tensor::from_vec(poses, (1, n, 6), &Device::Cpu).unwrap()]).unwrap()
}

#[test]
fn a_textured_scene_is_found_from_nothing() {
    let (views, depth, truth) = scene();
    let median = |mut v: Vec<f64>| {
        v.sort_by(f64::total_cmp);
        v[v.len() / 2]
    };
    let relative = |d: &dyn Fn(usize) -> f64| {
        depth.iter().enumerate().map(|(i, t)| (d(i) - t).abs() / t).sum::<f64>() / depth.len() as f64
    };
    let constant = relative(&|_| median(depth.clone()));
    for seed in [1, 2] {
        // A pixel is 0.8 degrees here: it takes more joint steps than the default to get below that.
        let config = PatchMatchConfig { seed, joint_updates: 1000, ..Default::default() };
        let found = PatchMatchSolver::new(config).unwrap().solve(&views, &mut Unwatched).unwrap();
        assert_eq!((found.inv_depth.height(), found.inv_depth.width()), SIZE);
        let ours: Vec<f64> = found.inv_depth.values().iter().map(|&x| 1.0 / f64::from(x)).collect();
        let scale = median(depth.clone()) / median(ours.clone());
        let error = relative(&|i| ours[i] * scale);
        assert!(error < 0.15 && error < 0.5 * constant, "abs rel {error}, of a constant {constant}");
        for (found, truth) in found.poses.iter().zip(&truth) {
            let rotation = found.rotation.angle_to(&truth.rotation).to_degrees();
            let direction = found.translation.vector.angle(&truth.translation.vector).to_degrees();
            assert!(rotation < 0.6 && direction < 15.0, "rotation {rotation} deg, direction {direction} deg");
        }
        assert!(found.cost_end < 0.3 * found.cost_start, "{} to {}", found.cost_start, found.cost_end);
    }
}

#[test]
fn truth_costs_less_than_its_surroundings_and_both_blocks_agree() {
    let (views, depth, truth) = scene();
    let cost = cost_of(&views);
    let (h, w) = SIZE;
    let at = |poses: &[Isometry3<f64>]| {
        let inv: Vec<f32> = depth.iter().map(|d| (1.0 / d) as f32).collect();
        let poses: Vec<f32> = poses.iter().flat_map(PoseChart::encode).collect();
        let values = vec![
            Tensor::from_vec(inv, (1, 1, h, w), &Device::Cpu).unwrap(),
            Tensor::from_vec(poses, (1, 2, 6), &Device::Cpu).unwrap(),
        ];
        let point = cost.space().point(values).unwrap();
        let [a, b] = [0, 1].map(|i| cost.evaluate(&point, BlockId(i)).unwrap());
        assert_eq!(a.total.to_vec1::<f32>().unwrap(), b.total.to_vec1::<f32>().unwrap());
        assert_eq!(a.map.unwrap().dims(), [1, 1, h, w]);
        assert_eq!(b.map.unwrap().dims(), [2, 1, h, w]);
        a.total.to_vec1::<f32>().unwrap()[0]
    };
    let best = at(&truth);
    assert!(best < 0.1, "{best}");
    for wrong in [[0.05, 0.0, 0.0], [0.0, -0.05, 0.0], [0.0, 0.0, 0.1]] {
        let worse = at(&[truth[0], truth[1] * pose(wrong, [0.0; 3])]);
        assert!(worse > best + 0.005, "{worse} at {wrong:?}, {best} at the truth");
        let worse = at(&[pose([0.0; 3], wrong) * truth[0], truth[1]]);
        assert!(worse > best + 0.02, "{worse} turned by {wrong:?}, {best} at the truth");
    }
}

#[test]
fn turns_lower_the_cost_and_keep_the_first_baseline() {
    let (views, ..) = scene();
    let cost = cost_of(&views);
    let plan = Plan { moves: refine(0.02), pose_updates: 20, step_px: 1.0, slack: 0.0 };
    let start = start(&cost, 2);
    let mut curve = Trajectory::new();
    let mut optimizer = PatchMatch::new(&cost, &plan, 3);
    let solution =
        minimize(&cost, &mut optimizer, &start, &plan.schedule(2), &Budget::default(), &mut [&mut curve])
            .unwrap();
    assert_eq!(curve.records.len(), plan.schedule(2).steps());
    let best = solution.best_total.to_vec1::<f32>().unwrap()[0];
    assert!(best < 0.8 * curve.records[0].total[0], "{best} from {}", curve.records[0].total[0]);
    // What the run ends with is as good as the best it saw, but for what pixels trade between each other.
    let last = cost.evaluate(&solution.last, BlockId(1)).unwrap().total.to_vec1::<f32>().unwrap()[0];
    assert!(last < 1.05 * best, "{last}, best {best}");
    let length = |p: &dro_core::Point| {
        let v = p.get(BlockId(1)).flatten_all().unwrap().to_vec1::<f32>().unwrap();
        v[..3].iter().map(|x| x * x).sum::<f32>().sqrt()
    };
    assert!((length(&solution.last) - length(&start)).abs() < 1e-5);
}

#[test]
fn the_seed_decides_and_threads_do_not() {
    let (views, ..) = scene();
    let solve = |threads: usize, seed: u64| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let config = PatchMatchConfig { seed, ..quick() };
        pool.install(|| PatchMatchSolver::new(config).unwrap().solve(&views, &mut Unwatched).unwrap())
    };
    let (one, two, other) = (solve(1, 5), solve(2, 5), solve(2, 6));
    assert_eq!(one.inv_depth, two.inv_depth);
    assert_eq!(one.poses, two.poses);
    assert_ne!(one.poses, other.poses);
}

#[test]
fn hopeless_images_give_finite_answers() {
    let (views, ..) = scene();
    let solver_config = quick();
    let solver = PatchMatchSolver::new(solver_config).unwrap();
    let grey = (Tensor::ones_like(&views.target).unwrap() * 0.5).unwrap();
    let tiny = Tensor::zeros((1, 3, 8, 8), candle_core::DType::F32, &Device::Cpu).unwrap();
    let nan = (&grey * f64::NAN).unwrap();
    let still = Views { neighbours: vec![views.target.clone()], ..views.clone() };
    let same = |t: &Tensor| Views { target: t.clone(), neighbours: vec![t.clone()], camera: views.camera };
    for views in [still, same(&grey), same(&tiny), same(&nan)] {
        let found = solver.solve(&views, &mut Unwatched).unwrap();
        assert!(found.inv_depth.values().iter().all(|x| x.is_finite() && *x > 0.0));
        assert!(found.poses.iter().all(|p| p.to_homogeneous().iter().all(|v| v.is_finite())));
        assert!(found.cost_end.is_finite());
    }
}

#[test]
fn wrong_views_and_settings_are_named() {
    let (views, ..) = scene();
    let solver = PatchMatchSolver::default();
    let message = |v: &Views| solver.solve(v, &mut Unwatched).unwrap_err().to_string();
    assert!(message(&Views { neighbours: vec![], ..views.clone() }).contains("neighbours"));
    let small = Tensor::zeros((1, 3, 4, 9), candle_core::DType::F32, &Device::Cpu).unwrap();
    assert!(message(&Views { neighbours: vec![small.clone()], ..views.clone() }).contains("neighbour"));
    let tiny = Views { target: small.clone(), neighbours: vec![small], camera: views.camera };
    assert!(message(&tiny).contains("8x8"), "{}", message(&tiny));
    let bad = PatchMatchConfig { slack: f64::NAN, ..Default::default() };
    assert!(PatchMatchSolver::new(bad).unwrap_err().to_string().contains("slack"));
    assert!(serde_json::from_str::<PatchMatchConfig>(r#"{"sed": 1}"#).is_err());
}

struct Counting {
    seen: Vec<Update>,
    stop_after: usize,
}

impl Watch for Counting {
    fn wants_updates(&self) -> bool {
        true
    }
    fn update(&mut self, update: &Update) -> Result<()> {
        self.seen.push(update.clone());
        Ok(())
    }
    fn interrupted(&self) -> bool {
        self.seen.len() >= self.stop_after
    }
}

#[test]
fn watches_see_updates_and_can_stop_them() {
    let (views, ..) = scene();
    let solver = PatchMatchSolver::new(quick()).unwrap();
    let mut watch = Counting { seen: vec![], stop_after: usize::MAX };
    let found = solver.solve(&views, &mut watch).unwrap();
    assert!(
        watch.seen.iter().any(|u| u.block == "poses")
            && watch.seen.iter().any(|u| u.block == "inverse_depth")
    );
    assert!(watch.seen.windows(2).all(|u| u[0].step < u[1].step && u[0].stage <= u[1].stage));
    assert!(watch.seen.iter().all(|u| u.step < found.updates && u.cost_map.width() == u.inv_depth.width()));
    let mut watch = Counting { seen: vec![], stop_after: 5 };
    assert!(matches!(solver.solve(&views, &mut watch), Err(Error::Interrupted)));
    assert_eq!(watch.seen.len(), 5);
}

#[test]
fn what_is_not_likely_costs_more() {
    let (views, depth, truth) = scene();
    let cost = cost_of(&views);
    let (h, w) = SIZE;
    let inverse: Vec<f32> = depth.iter().map(|d| (1.0 / d) as f32).collect();
    let poses: Vec<f32> = truth.iter().flat_map(PoseChart::encode).collect();
    let tensor = |x: Vec<f32>, shape: &[usize]| Tensor::from_vec(x, shape, &Device::Cpu).unwrap();
    let at = cost
        .space()
        .point(vec![tensor(inverse.clone(), &[1, 1, h, w]), tensor(poses, &[1, truth.len(), 6])])
        .unwrap();
    let value = |cost: &CensusCost| crate::watch::total_cost(cost, &at).unwrap();
    let likely = |by: f32| Some(Map::new(h, w, inverse.iter().map(|x| x + by).collect()).unwrap());
    let pixel = 1.0 / camera().fx as f32;
    let plain = value(&cost);
    assert!((value(&cost.clone().with_likely(likely(0.9 * pixel))) - plain).abs() < 1e-6);
    let costs =
        [2.0, 10.0, 25.0, 90.0].map(|by| value(&cost.clone().with_likely(likely(by * pixel))) - plain);
    assert!(costs.is_sorted() && costs[0] > 0.001 && (costs[3] - 0.1).abs() < 1e-4, "{costs:?}");
    assert!((costs[2] - costs[3]).abs() < 1e-4, "{costs:?}");
}

/// A camera that is carried on its side, or upside down.
#[test]
fn poses_are_matched_though_cameras_roll() {
    let size = (180, 240);
    let camera = Pinhole::from_fov_deg(65.0, size.0, size.1).unwrap();
    let target = rendered(&camera, size, &Isometry3::identity()).0;
    for roll in [-2.8, -1.2, 0.7, 1.6] {
        let truth = pose([-0.3, 0.1, 0.05], [0.03, -0.05, roll]);
        let neighbours = vec![rendered(&camera, size, &truth.inverse()).0];
        let views = Views { target: target.clone(), neighbours, camera };
        let pictures = Pictures::of(&views).unwrap();
        let found = relative::matched(&pictures, 5).unwrap().remove(0).unwrap().pose;
        let turned = found.rotation.angle_to(&truth.rotation).to_degrees();
        let off = found.translation.vector.angle(&truth.translation.vector).to_degrees();
        assert!(turned < 1.0 && off < 8.0, "roll {roll}: {turned} and {off} degrees");
    }
}

/// Generated scenes that two cameras see from far apart.
fn apart(shares: [f64; 3]) -> Generated {
    let config = GeneratedConfig {
        shares,
        baseline: [0.06, 0.5],
        photo: 0.7,
        painted: 0.5,
        ..GeneratedConfig::default()
    };
    Generated::new(config, 990_002).unwrap()
}

/// What they see.
fn pair(sample: &Sample) -> Views {
    let shape = (1, 3, sample.size.0, sample.size.1);
    let image = |i: usize| Tensor::from_slice(&sample.images[i], shape, &Device::Cpu).unwrap();
    Views { target: image(0), neighbours: vec![image(1)], camera: sample.camera }
}

/// Nearly all matches are on one wall or one floor, which several poses explain nearly alike: the few that are not decide. With poses
/// from eight points each, directions were off by 70 degrees.
#[test]
fn poses_are_matched_where_nearly_all_is_on_a_plane() {
    let size = (480, 640);
    for (shares, index) in [([0.0, 0.0, 1.0], 5), ([0.0, 1.0, 0.0], 10)] {
        let sample = apart(shares).sample(index, 1, size).unwrap();
        let views = pair(&sample);
        let pictures = Pictures::of(&views).unwrap();
        for seed in 0..4 {
            let found = relative::matched(&pictures, seed).unwrap().remove(0).unwrap().pose;
            let truth = &sample.poses[0];
            let turned = found.rotation.angle_to(&truth.rotation).to_degrees();
            let off = found.translation.vector.angle(&truth.translation.vector).to_degrees();
            assert!(turned < 0.5 && off < 5.0, "{index}, {seed}: {turned} and {off} degrees");
        }
    }
}

/// From a range in which most planes are empty, to one that has all depths and little else; what is called likely is near the truth.
#[test]
fn a_coarse_sweep_finds_the_range_of_depths() {
    let (views, depth, truth) = scene();
    let unit = truth.iter().map(|pose| pose.translation.vector.norm()).fold(0.0, f64::max);
    let poses = truth
        .iter()
        .map(|pose| Isometry3::from_parts((pose.translation.vector / unit).into(), pose.rotation));
    let poses: Vec<_> = poses.collect();
    let mut inverse: Vec<f64> = depth.iter().map(|d| unit / d).collect();
    inverse.sort_by(f64::total_cmp);
    let (least, middle, most) = (inverse[0], inverse[inverse.len() / 2], inverse[inverse.len() - 1]);
    let pictures = Pictures::of(&views).unwrap();
    let wide = (0.4 * middle, 10.0 * middle);
    let found = survey::survey(&pictures, &PatchMatchConfig::default(), &poses, wide, &[]).unwrap();
    assert!(found.range.0 < least && found.range.1 > 0.95 * most, "{:?}: {least} to {most}", found.range);
    assert!(found.range.1 < 2.0 * most, "{:?}: {most}", found.range);
    let likely = found.likely.unwrap();
    let near = |(x, depth): &(&f32, &f64)| (f64::from(**x) / (unit / **depth) - 1.0).abs() < 0.15;
    let share = likely.values().iter().zip(&depth).filter(near).count() as f64 / depth.len() as f64;
    assert!(share > 0.7, "{share}");
}

/// Cameras a third to a half of the depth apart: planes must be close enough together, and what leaves the picture must not
/// draw what stays.
#[test]
fn depth_is_found_where_cameras_are_far_apart() {
    let config = GeneratedConfig { baseline: [0.33, 0.5], photo: 0.0, ..GeneratedConfig::default() };
    let scenes = Generated::new(config, 4).unwrap();
    let errors: Vec<f64> = (0..6)
        .map(|index| {
            let sample = scenes.sample(index, 1, (192, 256)).unwrap();
            let views = pair(&sample);
            let median_m = sample.median_depth_m().unwrap();
            let range = (0.3 / median_m, 4.0 / median_m);
            let found = PatchMatchSolver::default().depth(&views, &sample.poses, range).unwrap();
            let pairs = found.values().iter().zip(sample.depth.values()).filter(|(_, depth)| **depth > 0.0);
            let errors: Vec<f64> = pairs.map(|(x, d)| f64::from((1.0 / x - d).abs() / d)).collect();
            errors.iter().sum::<f64>() / errors.len() as f64
        })
        .collect();
    // 0.35 with 32 planes and no surroundings.
    assert!(errors.iter().sum::<f64>() < 6.0 * 0.27, "{errors:?}");
}

/// A camera that backs away: a board right beside it hardly moves aside, five times as near as the rest, and is found nevertheless.
#[test]
fn what_is_near_is_found_by_a_camera_that_backs_away() {
    let size = (240, 320);
    let sample = apart([0.0, 1.0, 0.0]).sample(2, 1, size).unwrap();
    let views = pair(&sample);
    let median_m = sample.median_depth_m().unwrap();
    let range = (0.3 / median_m, 8.0 / median_m);
    let found = PatchMatchSolver::default().depth(&views, &sample.poses, range).unwrap();
    let near = |(_, depth): &(&f32, &f32)| f64::from(**depth) < 0.25 * median_m;
    let near: Vec<_> = found.values().iter().zip(sample.depth.values()).filter(near).collect();
    assert!(near.len() * 8 > size.0 * size.1, "{}", near.len());
    let off = near.iter().map(|(x, depth)| f64::from((1.0 / *x - *depth).abs() / *depth)).sum::<f64>();
    let off = off / near.len() as f64;
    // 4.2 where parallax is that of a camera that moves sideways.
    assert!(off < 0.2, "{off}");
}

/// Things near the camera that the neighbour, farther aside, does not show: the wall behind them would be in its picture, and something else is
/// there. So fewer are taken for less than half as near as they are.
#[test]
fn what_neighbours_do_not_show_is_not_the_wall_behind() {
    let config = GeneratedConfig {
        shares: [0.0, 1.0, 0.0],
        baseline: [0.3, 0.5],
        photo: 0.0,
        ..GeneratedConfig::default()
    };
    let size = (192, 256);
    let scenes = Generated::new(config, 21).unwrap();
    let (mut too_far, mut all) = (0, 0);
    for index in 0..8 {
        let sample = scenes.sample(index, 1, size).unwrap();
        let views = pair(&sample);
        let median_m = sample.median_depth_m().unwrap();
        let range = (0.3 / median_m, 6.0 / median_m);
        let found = PatchMatchSolver::default().depth(&views, &sample.poses, range).unwrap();
        let frame = free_space::Frame { camera: sample.camera, size };
        for (pixel, (x, depth)) in found.values().iter().zip(sample.depth.values()).enumerate() {
            let (truth, wall) = (1.0 / f64::from(*depth), 1.0 / median_m);
            let shown = |x: f64| frame.seen(frame.place(pixel), x, &sample.poses[0]).is_some();
            if truth > 2.0 * wall && shown(wall) && !shown(truth) {
                all += 1;
                too_far += usize::from(f64::from(*x) < truth / 2.0);
            }
        }
    }
    // 43 in 100 where planes are continued whatever the pictures show.
    assert!(all > 30_000 && too_far * 100 < 38 * all, "{too_far} of {all}");
}

/// Few upright descriptors match where walls are seen from aside; slanted ones do.
#[test]
fn walls_are_matched_from_aside() {
    let (size, truth) = ((240, 320), from_aside(55.0));
    let camera = Pinhole::from_fov_deg(65.0, size.0, size.1).unwrap();
    let [target, neighbour] =
        [Isometry3::identity(), truth.inverse()].map(|pose| rendered(&camera, size, &pose).0);
    let pictures = Pictures::of(&Views { target, neighbours: vec![neighbour], camera }).unwrap();

    let upright = |map| keypoints::Corners::new(map, 2500).unwrap().described(&[shape::upright()]);
    let upright = upright(&pictures.target)
        .matches(&upright(&pictures.neighbours[0]), matching::Rule::ANYWHERE)
        .unwrap();
    let upright = EpipolarCost::new(&upright, &camera).explained(&truth, 1.5).len();
    let found = relative::matched(&pictures, 0).unwrap().remove(0).unwrap();
    assert!(found.matches.len() >= 2 * upright, "{} of {upright}", found.matches.len());
    let turned = found.pose.rotation.angle_to(&truth.rotation).to_degrees();
    let off = found.pose.translation.vector.angle(&truth.translation.vector).to_degrees();
    assert!(turned < 1.5 && off < 1.5, "{turned} and {off} degrees");
}

/// To a camera that sees the middle of the wall from so many degrees aside.
fn from_aside(degrees: f64) -> Isometry3<f64> {
    let turn = UnitQuaternion::from_scaled_axis(Vector3::y() * -degrees.to_radians());
    let wall = Vector3::new(0.0, 0.0, 4.0);
    Isometry3::from_parts((wall - turn * wall).into(), turn).inverse()
}
