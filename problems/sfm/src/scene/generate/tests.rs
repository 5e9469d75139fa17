use dro_vision::Pinhole;
use nalgebra::Point2;

use super::*;

const SIZE: (usize, usize) = (48, 64);

/// The neighbour's colour and depth where the target's points fall must be the target's.
pub(crate) fn warp_differences(sample: &Sample, neighbour: usize) -> Vec<f64> {
    let (height, width) = sample.size;
    let plane = height * width;
    let mut differences = Vec::new();
    for row in 0..height {
        for column in 0..width {
            let depth = f64::from(sample.depth.at(row, column).unwrap());
            if depth == 0.0 {
                continue;
            }
            let p = sample.poses[neighbour]
                * sample.camera.backproject(&Point2::new(column as f64, row as f64), depth);
            let Some(at) = sample.camera.project(&p) else { continue };
            let (u, v) = (at.x.round(), at.y.round());
            if u < 0.0 || v < 0.0 || u >= width as f64 || v >= height as f64 {
                continue;
            }
            let there = v as usize * width + u as usize;
            for channel in 0..3 {
                let a = sample.images[0][channel * plane + row * width + column];
                let b = sample.images[neighbour + 1][channel * plane + there];
                differences.push(f64::from((a - b).abs()));
            }
        }
    }
    differences.sort_by(f64::total_cmp);
    differences
}

fn clean() -> Generated {
    Generated::new(GeneratedConfig { photo: 0.0, ..GeneratedConfig::default() }, 3).unwrap()
}

#[test]
fn warped_neighbours_look_like_the_target() {
    let (mut moved, mut unmoved) = (0.0, 0.0);
    for index in 0..12 {
        let sample = clean().sample(index, 2, SIZE).unwrap();
        for neighbour in 0..2 {
            let right = warp_differences(&sample, neighbour);
            assert!(right.len() > 3 * SIZE.0 * SIZE.1 / 3, "{index}: {}", right.len());
            moved += right[right.len() / 2];
            let mut still = sample.clone();
            still.poses[neighbour] = Isometry3::identity();
            let wrong = warp_differences(&still, neighbour);
            unmoved += wrong[wrong.len() / 2];
        }
    }
    assert!(moved < 0.4 * unmoved, "{moved} with the poses, {unmoved} without");
}

#[test]
fn depth_of_the_neighbours_agrees_with_the_poses() {
    for index in 0..12 {
        let scenes = clean();
        let mut rng = scenes.stream(index);
        let camera = photo::lens(&mut rng, SIZE).unwrap();
        let scene = scenes.scene(&mut rng);
        let (_, typical_m) = nearest_m(&scene.world, &camera, &scene.world_from_target, SIZE);
        let motion = motion::draw(&mut rng, &scenes.config, typical_m);
        let cameras = motion::cameras(&motion, &scene, &camera, SIZE, 1, typical_m);
        let sample = scenes.sample(index, 1, SIZE).unwrap();
        let there = depth(&scene.world, &camera, &cameras[1], SIZE).unwrap();
        let median = median_relative(&sample, &camera, &there);
        assert!(median < 0.03, "{index}: {median}");
    }
}

fn median_relative(sample: &Sample, camera: &Pinhole, there: &Map) -> f64 {
    let mut differences = Vec::new();
    for (row, column) in (0..SIZE.0).flat_map(|row| (0..SIZE.1).map(move |column| (row, column))) {
        let depth = f64::from(sample.depth.at(row, column).unwrap());
        let p = sample.poses[0] * camera.backproject(&Point2::new(column as f64, row as f64), depth);
        let Some(at) = camera.project(&p) else { continue };
        if at.x >= 0.0
            && at.y >= 0.0
            && let Some(seen) = there.at(at.y.round() as usize, at.x.round() as usize)
        {
            differences.push((f64::from(seen) / p.z - 1.0).abs());
        }
    }
    differences.sort_by(f64::total_cmp);
    differences[differences.len() / 2]
}

#[test]
fn samples_follow_from_seed_and_number_on_any_number_of_threads() {
    let draw = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let scenes = Generated::new(GeneratedConfig::default(), 5).unwrap();
        pool.install(|| [9, 2, 9].map(|index| scenes.sample(index, 2, (32, 32)).unwrap()))
    };
    let (one, three) = (draw(1), draw(3));
    assert_eq!(one, three);
    assert_eq!(one[0], one[2]);
    assert_ne!(one[0].images, one[1].images);
    let other = Generated::new(GeneratedConfig::default(), 6).unwrap().sample(9, 2, (32, 32)).unwrap();
    assert_ne!(one[0].images, other.images);
}

#[test]
fn the_median_depth_is_what_was_asked_for() {
    let config = GeneratedConfig { median_depth_m: Some(2.0), ..GeneratedConfig::default() };
    let sample = Generated::new(config, 1).unwrap().sample(4, 1, SIZE).unwrap();
    assert!((sample.median_depth_m().unwrap() - 2.0).abs() < 1e-3);
}

#[test]
fn settings_out_of_range_are_named() {
    let error = Generated::new(GeneratedConfig { rays: 0, ..GeneratedConfig::default() }, 0).unwrap_err();
    assert_eq!(error.to_string(), "generated.rays: expected 1 to 8, found 0");
}

/// How fast scenes come: `cargo test -p dro-sfm --lib scene::generate -- --ignored --nocapture`.
#[test]
#[ignore = "prints a rate"]
fn rate() {
    let scenes = Generated::new(GeneratedConfig::default(), 0).unwrap();
    let began = std::time::Instant::now();
    for index in 0..40 {
        scenes.sample(index, 2, (96, 128)).unwrap();
    }
    println!("{:.1} samples of three views of 96x128 per second", 40.0 / began.elapsed().as_secs_f64());
}

/// Painted walls have few edges.
#[test]
fn painted_rooms_have_less_to_match() {
    let scenes = |painted| {
        let config =
            GeneratedConfig { shares: [1.0, 0.0, 0.0], photo: 0.0, painted, ..GeneratedConfig::default() };
        Generated::new(config, 11).unwrap()
    };
    let edges = |scenes: &Generated| -> f32 {
        let image = |i| scenes.sample(i, 1, SIZE).unwrap().images.swap_remove(0);
        (0..8).flat_map(image).collect::<Vec<_>>().windows(2).map(|pair| (pair[1] - pair[0]).abs()).sum()
    };
    assert!(edges(&scenes(1.0)) < 0.8 * edges(&scenes(0.0)));
    assert!(GeneratedConfig { painted: 1.5, ..GeneratedConfig::default() }.validate().is_err());
}
