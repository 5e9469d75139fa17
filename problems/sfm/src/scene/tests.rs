//! The pictures must obey the geometry that they claim.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use dro_vision::Pinhole;
use nalgebra::{Isometry3, Point2};

use super::*;
use crate::export::picture::warped;

const SIZE: (usize, usize) = (72, 96);

fn camera() -> Pinhole {
    Pinhole::from_fov_deg(65.0, SIZE.0, SIZE.1).unwrap()
}

fn view(room: &Room, pose: &Isometry3<f64>) -> Rendering {
    room.render(&camera(), SIZE.0, SIZE.1, pose).unwrap()
}

/// Mean absolute colour difference over the pixels that both see.
fn difference(a: &Rendering, b: &Rendering, b_from_a: &Isometry3<f64>) -> f64 {
    let seen = warped(&b.rgb, &a.depth.inverted(), &camera(), b_from_a).unwrap();
    let pairs = a.rgb.pixels().zip(seen.picture.pixels()).zip(&seen.seen).filter(|(_, seen)| **seen);
    let each: Vec<f64> = pairs
        .flat_map(|((x, y), _)| x.0.into_iter().zip(y.0).map(|(x, y)| f64::from(x.abs_diff(y))))
        .collect();
    each.iter().sum::<f64>() / each.len() as f64
}

#[test]
fn depth_and_colour_agree_between_views() {
    for seed in [1, 2] {
        let room = Room::new(seed);
        let path = hand_held_path(4, seed);
        let (a, b) = (view(&room, &path[0]), view(&room, &path[3]));
        let b_from_a = path[3].inv_mul(&path[0]);
        let mut differences = Vec::new();
        for row in 0..SIZE.0 {
            for column in 0..SIZE.1 {
                let depth = f64::from(a.depth.at(row, column).unwrap());
                let p = b_from_a * camera().backproject(&Point2::new(column as f64, row as f64), depth);
                let Some(at) = camera().project(&p) else { continue };
                if at.x < 0.0 || at.y < 0.0 {
                    continue;
                }
                if let Some(seen) = b.depth.at(at.y.round() as usize, at.x.round() as usize) {
                    differences.push((f64::from(seen) / p.z - 1.0).abs());
                }
            }
        }
        differences.sort_by(f64::total_cmp);
        let count = differences.len();
        assert!(count > SIZE.0 * SIZE.1 * 3 / 4, "{count}");
        // Half a pixel of rounding on slanted surfaces, and what the other view hides.
        assert!(
            differences[count / 2] < 3e-3 && differences[count * 9 / 10] < 0.03,
            "{:?}",
            differences[count * 9 / 10]
        );

        let (right, wrong) = (difference(&a, &b, &b_from_a), difference(&a, &b, &Isometry3::identity()));
        assert!(right < 9.0 && wrong > 2.0 * right, "{right} with the right pose, {wrong} without");
    }
}

#[test]
fn depth_is_z_and_not_the_length_of_the_ray() {
    // Two pixels of the wall ahead have one z, whatever their distance from the middle.
    let depth = view(&Room::new(3), &Isometry3::identity()).depth;
    let (middle, aside) = (depth.at(15, 44).unwrap(), depth.at(15, 70).unwrap());
    assert!((middle - 4.2).abs() < 0.05 && (aside - 4.2).abs() < 0.05, "{middle} {aside}");
}

#[test]
fn the_same_seed_gives_the_same_pictures_and_another_seed_others() {
    let pose = hand_held_path(1, 5)[0];
    let picture = |seed| view(&Room::new(seed), &pose).rgb;
    assert_eq!(picture(5), picture(5));
    assert_ne!(picture(5), picture(6));
}

#[test]
fn the_path_is_smooth_and_stays_near_the_origin() {
    for seed in 0..20 {
        let path = hand_held_path(150, seed);
        for pair in path.windows(2) {
            let motion = pair[0].inv_mul(&pair[1]);
            let step_m = motion.translation.vector.norm();
            assert!((0.02..0.05).contains(&step_m), "{step_m} m");
            assert!(motion.rotation.angle() < 1.0f64.to_radians(), "{}", motion.rotation.angle());
        }
        assert!(path.iter().all(|pose| pose.translation.vector.norm() < 0.5));
    }
}

#[test]
fn furniture_leaves_the_path_free() {
    for seed in 0..20 {
        let room = Room::new(seed);
        let camera = Pinhole::from_fov_deg(120.0, 12, 16).unwrap();
        for pose in hand_held_path(70, seed).iter().step_by(10) {
            let depth = room.render(&camera, 12, 16, pose).unwrap().depth;
            assert!(depth.values().iter().all(|depth| (0.25..6.0).contains(depth)), "seed {seed}");
        }
    }
}

#[test]
fn a_written_sequence_has_the_pictures_and_the_table() {
    let folder = tempfile::tempdir().unwrap();
    let (room, path, camera) =
        (Room::new(1), hand_held_path(2, 1), Pinhole::from_fov_deg(65.0, 12, 16).unwrap());
    write_sequence(folder.path(), &room, &camera, (12, 16), &path).unwrap();
    let depth = image::open(folder.path().join("depth/000001.png")).unwrap().into_luma16();
    let view = room.render(&camera, 12, 16, &path[1]).unwrap();
    for (value, depth_m) in depth.as_raw().iter().zip(view.depth.values()) {
        assert!((f32::from(*value) / 5000.0 - depth_m).abs() < 2e-4);
    }
    assert_eq!(image::open(folder.path().join("rgb/000001.png")).unwrap().into_rgb8(), view.rgb);
    let mut table = csv::Reader::from_path(folder.path().join("frames.csv")).unwrap();
    let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
    assert_eq!((rows.len(), &rows[1][1], &rows[1][3], rows[1].len()), (2, "rgb/000001.png", "5000", 22));
    let x: f64 = rows[1][13].parse().unwrap();
    assert!((x - path[1].translation.x).abs() < 1e-8);
}

#[test]
fn a_size_of_nothing_is_refused() {
    assert!(Room::new(0).render(&camera(), 0, 5, &Isometry3::identity()).is_err());
}
