use nalgebra::Point2;
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::SampleStart;
use crate::scene::{Generated, GeneratedConfig};

fn sample(index: u64) -> Sample {
    let config = GeneratedConfig { photo: 0.0, ..GeneratedConfig::default() };
    Generated::new(config, 11).unwrap().sample(index, 2, (32, 48)).unwrap()
}

/// Median difference of colour between the target and the first neighbour where its points fall.
fn warp_difference(sample: &Sample) -> f64 {
    let ((height, width), plane) = (sample.size, sample.size.0 * sample.size.1);
    let mut differences = Vec::new();
    for (row, column) in (0..height).flat_map(|row| (0..width).map(move |column| (row, column))) {
        let depth = f64::from(sample.depth.at(row, column).unwrap());
        let ray = sample.camera.backproject(&Point2::new(column as f64, row as f64), depth);
        let Some(at) = sample.camera.project(&(sample.poses[0] * ray)) else { continue };
        let (u, v) = (at.x.round(), at.y.round());
        if (0.0..width as f64).contains(&u) && (0.0..height as f64).contains(&v) {
            let there = v as usize * width + u as usize;
            for channel in 0..3 {
                let a = sample.images[0][channel * plane + row * width + column];
                differences.push((a - sample.images[1][channel * plane + there]).abs());
            }
        }
    }
    differences.sort_by(f32::total_cmp);
    f64::from(differences[differences.len() / 2])
}

#[test]
fn mirroring_twice_is_the_identity() {
    for index in 0..4 {
        let mut sample = sample(index);
        let inv_depth = sample.depth.mapped(|depth| 1.0 / (depth + 0.1));
        let poses = sample.poses.iter().map(|pose| pose.inverse()).collect();
        sample.start = Some(SampleStart { inv_depth, poses });
        sample.check().unwrap();
        let twice = flipped(&flipped(&sample).unwrap()).unwrap();
        assert_eq!(
            (&twice.images, &twice.depth, &twice.poses, &twice.start),
            (&sample.images, &sample.depth, &sample.poses, &sample.start)
        );
        assert!((twice.camera.cx - sample.camera.cx).abs() < 1e-12);
        let once = flipped(&sample).unwrap();
        assert!(once.images != sample.images && once.start != sample.start);
    }
}

#[test]
fn a_mirrored_sample_is_as_true_as_before() {
    let (mut before, mut after, mut wrong) = (0.0, 0.0, 0.0);
    for index in 0..8 {
        let sample = sample(index);
        let mirrored = flipped(&sample).unwrap();
        before += warp_difference(&sample);
        after += warp_difference(&mirrored);
        // What the published program does: images stay, the camera is mirrored.
        wrong += warp_difference(&Sample { poses: sample.poses.clone(), ..mirrored });
    }
    assert!((after - before).abs() < 0.1 * before + 1e-3, "{before} before, {after} after");
    assert!(wrong > 2.0 * after, "{after}, with unmirrored poses {wrong}");
}

#[test]
fn no_jitter_changes_nothing_that_can_be_seen() {
    let mut image = sample(0).images.swap_remove(0);
    let before = image.clone();
    Jitter { brightness: 1.0, contrast: 1.0, saturation: 1.0, hue: 0.0 }.apply(&mut image);
    assert!(before.iter().zip(&image).all(|(a, b)| (a - b).abs() < 2e-3));
    Jitter { brightness: 1.0, contrast: 1.0, saturation: 0.0, hue: 0.0 }.apply(&mut image);
    let plane = image.len() / 3;
    assert!((0..plane).all(|i| (image[i] - image[i + plane]).abs() < 1e-5));
}

proptest! {
    #[test]
    fn jittered_values_stay_in_range(seed in 0u64..100, values in prop::collection::vec(0f32..=1.0, 12)) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let config = AugmentConfig { brightness: 1.0, contrast: 1.0, saturation: 1.0, hue: 0.5, ..Default::default() };
        let mut image = values;
        config.jitter(&mut rng).apply(&mut image);
        prop_assert!(image.iter().all(|x| (0.0..=1.0).contains(x)));
    }
}

#[test]
fn settings_out_of_range_are_named() {
    let error = AugmentConfig { hue: 0.7, ..AugmentConfig::default() }.validate().unwrap_err();
    assert_eq!(error.to_string(), "augment.hue: expected 0 to 0.5, found 0.7");
}
