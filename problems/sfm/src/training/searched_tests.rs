use super::*;
use crate::scene::GeneratedConfig;

fn guide() -> GuideConfig {
    GuideConfig { rotation_deg: 0.1, translation: 0.03, search: true, ..GuideConfig::default() }
}

fn source(pool: u64) -> Source {
    let config = GeneratedConfig { pool, baseline: [0.1, 0.2], photo: 0.3, ..GeneratedConfig::default() };
    Source::new(&config, 1.0, &[], false, 5).unwrap()
}

/// Mean |d − d*| / d* where depth is known.
fn abs_rel(sample: &crate::Sample) -> f64 {
    let start = sample.start.as_ref().unwrap();
    let pairs = start.inv_depth.values().iter().zip(sample.depth.values());
    let errors: Vec<f64> =
        pairs.filter(|(_, d)| **d > 0.0).map(|(x, d)| f64::from((1.0 / x - d).abs() / d)).collect();
    errors.iter().sum::<f64>() / errors.len() as f64
}

#[test]
fn scenes_start_near_the_truth_where_the_search_ends() {
    let (size, one) = ((96, 128), source(4).with_starts(&guide()));
    let mut errors = Vec::new();
    for task in 0..6 {
        let (sample, _) = one.sample([task, 0], 1, size).unwrap();
        sample.check().unwrap();
        // What was asked for before does not matter, nor whether scenes are kept.
        let plain = source(4);
        plain.sample([task, 0], 1, size).unwrap();
        assert_eq!(sample, plain.with_starts(&guide()).sample([task, 0], 1, size).unwrap().0);
        let start = sample.start.as_ref().unwrap();
        assert_ne!(start.poses, sample.poses);
        assert!(start.poses[0].rotation.angle_to(&sample.poses[0].rotation) < 0.01);
        errors.push(abs_rel(&sample));
        let bare = one.without_starts().sample([task, 0], 1, size).unwrap().0;
        assert_eq!(bare, crate::Sample { start: None, ..sample.clone() });
        assert_eq!(sample, one.sample([task, 0], 1, size).unwrap().0);
    }
    errors.sort_by(f64::total_cmp);
    println!("{errors:?}");
    assert!(errors[errors.len() / 2] < 0.15, "{errors:?}");
    let without_end = source(0).with_starts(&guide());
    let sample = || without_end.sample([0, 0], 1, (48, 64)).unwrap().0;
    assert!(sample().start.is_some());
    assert_eq!(sample(), sample());
}

/// With `images` the noise of poses plays no part: they are found.
#[test]
fn scenes_may_start_from_their_images() {
    let near_guide = guide();
    let guide = |rotation_deg| GuideConfig { rotation_deg, images: true, ..near_guide };
    let mut errors = Vec::new();
    let (size, one, other) =
        ((96, 128), source(4).with_starts(&guide(0.1)), source(4).with_starts(&guide(9.0)));
    for task in 0..6 {
        let (sample, _) = one.sample([task, 0], 1, size).unwrap();
        sample.check().unwrap();
        assert_eq!(sample, other.sample([task, 0], 1, size).unwrap().0);
        let near = source(4).with_starts(&near_guide).sample([task, 0], 1, size).unwrap().0;
        assert_eq!(sample.images, near.images);
        assert_ne!(sample.start, near.start);
        errors.push(abs_rel(&sample));
    }
    errors.sort_by(f64::total_cmp);
    assert!(errors[errors.len() / 2] < 0.2, "{errors:?}");
}

/// Of a recording nothing but the images is asked: poses and depth are found, in units of the truth.
#[test]
fn recorded_samples_start_where_the_search_ends() {
    use crate::scene::{Room, hand_held_path, write_sequence};

    let (folder, size) = (tempfile::tempdir().unwrap(), (72, 96));
    let camera = dro_vision::Pinhole::from_fov_deg(70.0, size.0, size.1).unwrap();
    write_sequence(folder.path(), &Room::new(1), &camera, size, &hand_held_path(8, 1)).unwrap();
    let config = FolderConfig {
        path: folder.path().to_owned(),
        layout: None,
        split: None,
        weight: 1.0,
        gap: [2, 3],
        pool: 3,
    };
    let recorded = Source::new(&GeneratedConfig::default(), 0.0, &[config], false, 5).unwrap();
    let started = recorded.with_starts(&guide());
    let mut targets: Vec<Vec<f32>> = Vec::new();
    for task in 0..8 {
        let (sample, _) = started.sample([task, 0], 1, size).unwrap();
        sample.check().unwrap();
        assert_eq!(sample, started.sample([task, 0], 1, size).unwrap().0);
        assert_ne!(sample.start.as_ref().unwrap().poses, sample.poses);
        assert!(abs_rel(&sample) < 0.3, "{}", abs_rel(&sample));
        if !targets.contains(&sample.images[0]) {
            targets.push(sample.images[0].clone());
        }
    }
    assert!(targets.len() <= 3, "{} targets in a pool of 3", targets.len());
    assert_eq!(recorded.sample([0, 0], 1, size).unwrap().0.start, None);
}

#[test]
fn batches_begin_at_the_starts_but_where_no_rule_runs() {
    use crate::weights::{ModelConfig, StartValues};

    let folder = tempfile::tempdir().unwrap();
    let model = ModelConfig { hidden: 16, encoder: [8, 8, 8], ..ModelConfig::default() };
    let guide = GuideConfig { images: true, ..guide() };
    let mut config = TrainingConfig { model, guide, ..TrainingConfig::default() };
    config.guide.search = false;
    let refused = config.validate().unwrap_err().to_string();
    assert_eq!(refused, "guide.images: expected false, or guide.search = true, found true");
    config.guide = GuideConfig { images: false, search: true, ..guide };
    let refused = config.validate().unwrap_err().to_string();
    assert_eq!(refused, "guide.search: expected false, or model.start = \"search\", found true");
    config.model.start = StartValues::Search;
    config.data.generated.pool = 3;
    let net = TrainedNet::new(config, folder.path(), &candle_core::Device::Cpu).unwrap();
    let phase = Phase { size: (32, 48), batch: 2, stages: 1, inner: 1, ..Phase::default() };
    // The guide's share is 0, so only a search's ends are a guide.
    assert!(net.batch(1, &phase).unwrap().guide.is_some());
    assert!(net.batch(1, &Phase { stages: 0, ..phase }).unwrap().guide.is_none());
    let (sample, _) = net.held_out().sample([1, 0], 1, (32, 48)).unwrap();
    assert!(sample.start.is_some() && net.held_out_batch(&sample, 1).unwrap().guide.is_some());
}

/// With `loss.mended` losses and measures see what users get: the search's depth or nearer, and not much.
#[test]
fn losses_may_be_of_the_mended_answer() {
    use dro_train::Unroll;

    use crate::{
        network::Iterations,
        weights::{ModelConfig, StartValues},
    };

    let folder = tempfile::tempdir().unwrap();
    let model =
        ModelConfig { hidden: 16, encoder: [8, 8, 8], start: StartValues::Search, ..ModelConfig::default() };
    let mut config = TrainingConfig { model, guide: guide(), ..TrainingConfig::default() };
    config.data.generated.median_depth_m = Some(2.5);
    let mut last_of = |mended: bool| {
        config.loss.mended = mended;
        let net = TrainedNet::new(config.clone(), folder.path(), &candle_core::Device::Cpu).unwrap();
        let phase = Phase { size: (32, 48), batch: 2, stages: 2, inner: 1, ..Phase::default() };
        let batch = net.batch(1, &phase).unwrap();
        let search = batch.guide.as_ref().unwrap().searched.clone().unwrap();
        let iterations = Iterations { stages: 2, inner: 1 };
        let finished = net.finished(&net.initial(0)).unwrap();
        let last = net.run(&finished, &batch, iterations, false, |predicted, _| {
            Ok(predicted.inv_depth.last().cloned().unwrap())
        });
        let ratio = (last.unwrap() / search).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        ratio.into_iter().fold((f32::INFINITY, 0f32), |(least, most), x| (least.min(x), most.max(x)))
    };
    let most = (0.5 * ModelConfig::default().believed).exp() as f32;
    let ((least, greatest), own) = (last_of(true), last_of(false));
    assert!(least > 0.9999 && greatest < 1.0001 * most && greatest > 1.0001, "{least} to {greatest}");
    assert!(own.0 < least && own.1 > greatest, "{own:?}");
}
