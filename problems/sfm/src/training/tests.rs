use std::path::PathBuf;

use candle_core::{Device, Tensor};
use dro_train::{OptimizerConfig, Unroll};

use super::*;
use crate::{augment::AugmentConfig, weights::ModelConfig};

/// The smallest network and images that exist.
fn tiny() -> TrainingConfig {
    let phase = Phase {
        steps: 3,
        size: (32, 48),
        stages: 1,
        inner: 1,
        batch: 2,
        shards: 1,
        neighbours: 1,
        rate: 1e-3,
    };
    TrainingConfig {
        model: ModelConfig { hidden: 16, encoder: [8, 8, 8], ..ModelConfig::default() },
        average: 0.9,
        warm_up: 2,
        checkpoint_every: 2,
        float16: false,
        validation: ValidationConfig {
            every: 3,
            samples: 2,
            size: (32, 48),
            stages: 1,
            inner: 1,
            statistics_batches: 2,
            ..ValidationConfig::default()
        },
        phases: vec![phase, Phase { steps: 3, neighbours: 2, rate: 5e-4, ..phase }],
        ..TrainingConfig::default()
    }
}

fn go_on(session: &mut TrainingSession, until: u64) {
    session.run(until, |_| std::ops::ControlFlow::Continue(())).unwrap();
}

fn bits(session: &TrainingSession) -> Vec<u32> {
    session.trainer().theta().iter().chain(session.trainer().weights()).map(|x| x.to_bits()).collect()
}

#[test]
fn a_resumed_training_has_the_weights_of_one_without_a_break() {
    let (whole, broken) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut session = start(tiny(), whole.path(), "", &Device::Cpu).unwrap();
    go_on(&mut session, 6);

    // Killed after step 5, when the last checkpoint is of step 4: nothing of the session is kept.
    let mut first = start(tiny(), broken.path(), "", &Device::Cpu).unwrap();
    go_on(&mut first, 4);
    drop(first);
    let (mut second, damage) = resume(tiny(), broken.path(), "", &Device::Cpu).unwrap();
    assert!(damage.is_none());
    go_on(&mut second, 6);
    assert_eq!(bits(&session), bits(&second));

    let read = |folder: &tempfile::TempDir| std::fs::read(folder.path().join("weights.safetensors")).unwrap();
    assert_eq!(read(&whole), read(&broken));
    let weights = crate::weights::Weights::load_network(whole.path().join("weights.safetensors")).unwrap();
    assert_eq!((weights.config.updates, weights.config.image_size), (1, (32, 48)));
    for file in ["metrics.jsonl", "curve.svg", "predictions.png"] {
        assert!(whole.path().join(file).is_file(), "{file}");
    }
}

#[test]
fn measured_statistics_are_those_of_the_batches() {
    let folder = tempfile::tempdir().unwrap();
    let net = TrainedNet::new(tiny(), folder.path(), &Device::Cpu).unwrap();
    let weights = net.weights(&net.initial(0)).unwrap();
    let numbers = |name: &str| weights.tensors[name].to_vec1::<f32>().unwrap();
    // The first convolution of an image in [0, 1] has a mean, and a variance that is not that of the start, 1.
    assert!(numbers("fnet.bn1.running_mean").iter().any(|x| x.abs() > 1e-3));
    let variance = numbers("fnet.bn1.running_var");
    assert!(variance.iter().all(|x| *x > 0.0) && variance.iter().any(|x| (x - 1.0).abs() > 1e-2));
    weights.check(&crate::weights::expected_shapes(&weights.config)).unwrap();
}

#[test]
fn start_weights_are_strict_but_for_what_is_named_new() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("first.safetensors");
    let net = TrainedNet::new(tiny(), folder.path(), &Device::Cpu).unwrap();
    let mut weights = net.weights(&net.initial(0)).unwrap();
    weights.save(&path).unwrap();
    let with = |new: &[&str]| StartConfig {
        weights: Some(path.clone()),
        new: new.iter().map(|name| (*name).to_owned()).collect(),
        ..StartConfig::default()
    };
    let model = tiny().model;
    let same = with(&[]).tensors(&model, 7).unwrap();
    assert_eq!(same.len(), weights.tensors.len());

    weights.tensors.remove("depth_head.conv1.weight");
    weights.save(&path).unwrap();
    let error = with(&[]).tensors(&model, 7).unwrap_err().to_string();
    assert!(error.contains("depth_head.conv1.weight"), "{error}");
    let new = with(&["depth_head."]).tensors(&model, 7).unwrap();
    assert_eq!(new.len(), same.len());
    let error = with(&["no_such_head"]).tensors(&model, 7).unwrap_err().to_string();
    assert!(error.contains("start.new"), "{error}");

    let bundled = crate::weights::Weights::bundled().unwrap();
    let config = StartConfig { weights: Some("bundled".into()), ..StartConfig::default() };
    assert_eq!(config.tensors(&bundled.config, 7).unwrap().len(), bundled.tensors.len());
    assert!(config.tensors(&model, 7).is_err());
}

#[test]
fn phases_follow_each_other() {
    let config = tiny();
    assert_eq!((config.steps(), config.phase_at(2).neighbours, config.phase_at(3).neighbours), (6, 1, 2));
    assert_eq!(config.phase_at(99).neighbours, 2);
    let schedule = config.settings().schedule;
    assert_eq!((schedule.at(0, 6), schedule.at(2, 6), schedule.at(4, 6)), (5e-4, 1e-3, 5e-4));
}

#[test]
fn guided_poses_start_near_the_truth() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = tiny();
    let guide = |share, rotation_deg, translation| GuideConfig {
        share,
        rotation_deg,
        translation,
        ..GuideConfig::default()
    };
    let poses = |config: &TrainingConfig| {
        let net = TrainedNet::new(config.clone(), folder.path(), &Device::Cpu).unwrap();
        let phase = Phase { batch: 16, ..config.phases[0] };
        let batch = net.batch(3, &phase).unwrap();
        let space = crate::cost::sfm_space(4, 6, 1).unwrap();
        let zeros = |shape: &[usize]| Tensor::zeros(shape, candle_core::DType::F32, &Device::Cpu).unwrap();
        let heads = space.point(vec![zeros(&[16, 1, 4, 6]), zeros(&[16, 1, 6])]).unwrap();
        let start = batch.guide.as_ref().map_or(heads.clone(), |guide| guide.applied(&heads).unwrap());
        let matrices = |x: &Tensor| {
            let matrices = dro_vision::euler_to_matrix(&x.reshape((16, 6)).unwrap()).unwrap();
            matrices.reshape((16, 12)).unwrap().to_vec2::<f32>().unwrap()
        };
        let truth = batch.neighbour_from_target.reshape((16, 12)).unwrap().to_vec2::<f32>().unwrap();
        let distance =
            |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0f32, f32::max);
        let found = matrices(start.get(crate::cost::POSES));
        let still = matrices(heads.get(crate::cost::POSES));
        let near = found.iter().zip(&truth).filter(|(a, b)| distance(a, b) < 1e-5).count();
        let heads = found.iter().zip(&still).filter(|(a, b)| distance(a, b) < 1e-6).count();
        (near, heads)
    };
    assert_eq!(poses(&config), (0, 16));
    config.guide = guide(1.0, 0.0, 0.0);
    assert_eq!(poses(&config), (16, 0));
    config.guide = guide(0.5, 0.0, 0.0);
    let (near, heads) = poses(&config);
    assert!(near + heads == 16 && near > 2 && heads > 2, "{near} {heads}");
    config.guide = guide(1.0, 3.0, 0.3);
    assert_eq!(poses(&config), (0, 0));
    config.guide = guide(1.5, 0.0, 0.0);
    assert_eq!(config.validate().unwrap_err().to_string(), "guide.share: expected 0 to 1, found 1.5");
}

#[test]
fn guided_depth_starts_near_the_truth() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = tiny();
    let mut errors = |depth| {
        config.guide = GuideConfig { share: 1.0, depth, ..GuideConfig::default() };
        let net = TrainedNet::new(config.clone(), folder.path(), &Device::Cpu).unwrap();
        let batch = net.batch(3, &Phase { batch: 8, ..config.phases[0] }).unwrap();
        let space = crate::cost::sfm_space(4, 6, 1).unwrap();
        let zeros = |shape: &[usize]| Tensor::zeros(shape, candle_core::DType::F32, &Device::Cpu).unwrap();
        let heads = space.point(vec![zeros(&[8, 1, 4, 6]), zeros(&[8, 1, 6])]).unwrap();
        let start = batch.guide.as_ref().unwrap().applied(&heads).unwrap();
        let range = crate::network::InverseDepthRange::of(&config.model);
        let inverse = range.scale(start.get(crate::cost::INVERSE_DEPTH)).unwrap();
        let inverse = inverse.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let depth = batch.depth_m.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let errors = (0..8 * 24).filter_map(|i| {
            let (n, y, x) = (i / 24, i % 24 / 6, i % 6);
            let depth = depth[(n * 32 + y * 8 + 4) * 48 + x * 8 + 4];
            (0.3..5.0).contains(&depth).then(|| (inverse[i] * depth).ln().abs())
        });
        let errors: Vec<f32> = errors.collect();
        assert!(errors.len() > 50);
        errors.iter().sum::<f32>() / errors.len() as f32
    };
    assert!(errors(1e-6) < 1e-3);
    let (some, much) = (errors(0.1), errors(0.4));
    assert!((0.01..0.15).contains(&some) && much > 2.0 * some, "{some} {much}");
}

#[test]
fn a_pool_of_scenes_has_an_end_and_the_same_scenes() {
    use super::Source;
    use crate::scene::GeneratedConfig;

    let config = GeneratedConfig { pool: 3, ..GeneratedConfig::default() };
    let source = || Source::new(&config, 1.0, &[], false, 5).unwrap();
    let (one, other) = (source(), source());
    let mut seen: Vec<crate::Sample> = Vec::new();
    for task in 0..24 {
        let (sample, _) = one.sample([task, 0], 1, (16, 16)).unwrap();
        assert_eq!(sample, other.sample([task, 0], 1, (16, 16)).unwrap().0);
        if !seen.contains(&sample) {
            seen.push(sample);
        }
    }
    assert_eq!(seen.len(), 3);
    // Another size is not mixed up with it.
    assert_eq!(one.sample([0, 0], 1, (16, 32)).unwrap().0.size, (16, 32));
}

/// Everything of the compact network learns, and a run that is cut goes on as if it had not been.
#[test]
fn probed_networks_learn_all_their_parameters() {
    use crate::{cost::ProbeConfig, weights::StartValues};

    let folder = tempfile::tempdir().unwrap();
    let mut config = tiny();
    config.model.shared_context = true;
    config.model.probes = Some(ProbeConfig::default());
    config.guide =
        GuideConfig { share: 1.0, rotation_deg: 2.0, translation: 0.3, depth: 0.2, ..GuideConfig::default() };
    let zero = |config: &TrainingConfig| {
        let net = TrainedNet::new(config.clone(), folder.path(), &Device::Cpu).unwrap();
        let phase = Phase { stages: 2, inner: 2, batch: 4, size: (48, 64), ..config.phases[0] };
        let theta = net.initial(0);
        let found = net.gradient(&theta, &net.batch(0, &phase).unwrap(), &phase).unwrap();
        let mut rest = found.gradient.as_slice();
        let mut zero = Vec::new();
        for (name, shape) in net.layout() {
            let (own, after) = rest.split_at(shape.iter().product());
            rest = after;
            if own.iter().all(|g| *g == 0.0) {
                zero.push(name);
            }
        }
        zero
    };
    config.loss.matching = 0.2;
    assert_eq!(zero(&config), Vec::<String>::new());
    // Where another solver finds the start, the heads are not asked.
    config.model.start = StartValues::Search;
    let names = zero(&config);
    assert!(!names.is_empty() && names.iter().all(|name| name.contains("head.")), "{names:?}");
    assert!(names.iter().all(|name| !name.starts_with("update_block")), "{names:?}");
}

#[test]
fn a_split_names_the_targets_of_several_recordings() {
    use super::folder::Folder;
    use crate::scene::{Room, hand_held_path, write_sequence};

    let root = tempfile::tempdir().unwrap();
    let camera = dro_vision::Pinhole::from_fov_deg(70.0, 32, 48).unwrap();
    for (seed, name) in [(1, "a"), (2, "b")] {
        let folder = root.path().join(name);
        write_sequence(&folder, &Room::new(seed), &camera, (32, 48), &hand_held_path(5, seed)).unwrap();
    }
    let config = |split| FolderConfig {
        path: root.path().to_owned(),
        layout: None,
        split,
        weight: 1.0,
        gap: [1, 1],
        pool: 0,
    };
    let list = root.path().join("train.txt");
    std::fs::write(&list, "a/rgb/000002.png\nb/rgb/000000.png\n").unwrap();
    let folder = Folder::open(&config(Some(list.clone()))).unwrap();
    let mut rng = source::stream([1, 2], 3);
    let mut targets: Vec<Vec<f32>> = Vec::new();
    for _ in 0..20 {
        let sample = folder.sample(&mut rng, 1, (32, 48)).unwrap();
        if !targets.contains(&sample.images[0]) {
            targets.push(sample.images[0].clone());
        }
    }
    assert_eq!(targets.len(), 2);
    std::fs::write(&list, "a/rgb/000009.png\n").unwrap();
    let error = Folder::open(&config(Some(list))).unwrap_err().to_string();
    assert!(error.contains("train.txt") && error.contains("line 1"), "{error}");
}

#[test]
fn bad_samples_are_refused_or_skipped_and_counted() {
    use crate::scene::{Room, hand_held_path, write_sequence};

    let folder = tempfile::tempdir().unwrap();
    let camera = dro_vision::Pinhole::from_fov_deg(70.0, 32, 48).unwrap();
    write_sequence(folder.path(), &Room::new(1), &camera, (32, 48), &hand_held_path(6, 1)).unwrap();
    // A picture that is none, after the folder was opened: with a header that is right.
    let picture = folder.path().join("rgb/000002.png");
    let bytes = std::fs::read(&picture).unwrap();
    std::fs::write(&picture, &bytes[..bytes.len() / 2]).unwrap();
    let mut config = tiny();
    config.data.generated_weight = 0.0;
    config.data.folders = vec![FolderConfig {
        path: folder.path().to_owned(),
        layout: None,
        split: None,
        weight: 1.0,
        gap: [1, 1],
        pool: 0,
    }];
    let phase = Phase { batch: 12, ..config.phases[0] };
    let batch = |config: &TrainingConfig| {
        TrainedNet::new(config.clone(), folder.path(), &Device::Cpu).unwrap().batch(1, &phase)
    };
    let error = batch(&config).unwrap_err().to_string();
    assert!(error.contains("000002.png"), "{error}");
    config.data.skip_bad = true;
    let (first, again) = (batch(&config).unwrap(), batch(&config).unwrap());
    assert!(first.skipped > 0 && first.target.dim(0).unwrap() == 12, "{}", first.skipped);
    let values = |batch: &Batch| batch.target.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert!(values(&first) == values(&again) && first.skipped == again.skipped);
    // Nothing is left: the last error says why.
    for name in std::fs::read_dir(folder.path().join("rgb")).unwrap() {
        std::fs::write(name.unwrap().path(), &bytes[..bytes.len() / 2]).unwrap();
    }
    assert!(batch(&config).unwrap_err().to_string().contains(".png"));
}

/// Without statistics of batches every sample stands for itself, so shards change nothing.
#[test]
fn shards_have_the_gradient_of_the_whole_batch() {
    let folder = tempfile::tempdir().unwrap();
    let first = folder.path().join("first.safetensors");
    let net = TrainedNet::new(tiny(), folder.path(), &Device::Cpu).unwrap();
    net.weights(&net.initial(0)).unwrap().save(&first).unwrap();
    let mut config = tiny();
    config.batch_norm = BatchNorm::Frozen;
    config.start.weights = Some(first);
    let net = TrainedNet::new(config, folder.path(), &Device::Cpu).unwrap();
    let (theta, whole) = (net.initial(0), Phase { batch: 4, ..net.config().phases[1] });
    let batch = net.batch(5, &whole).unwrap();
    let expected = net.gradient(&theta, &batch, &whole).unwrap();
    let found = net.gradient(&theta, &batch, &Phase { shards: 2, ..whole }).unwrap();
    assert!((found.loss - expected.loss).abs() < 1e-5 * expected.loss);
    assert_eq!(found.parts.keys().collect::<Vec<_>>(), expected.parts.keys().collect::<Vec<_>>());
    let largest = expected.gradient.iter().fold(0.0f32, |most, g| most.max(g.abs()));
    for (found, expected) in found.gradient.iter().zip(&expected.gradient) {
        assert!((found - expected).abs() < 1e-4 * largest, "{found} {expected}");
    }
    let error = net.gradient(&theta, &batch, &Phase { shards: 3, ..whole }).unwrap_err().to_string();
    assert_eq!(error, "shards: expected a divisor of the batch's 4 samples, found 3");
}

#[test]
fn what_is_wrong_is_named() {
    let error = |change: &dyn Fn(&mut TrainingConfig)| {
        let mut config = tiny();
        change(&mut config);
        config.validate().unwrap_err().to_string()
    };
    assert_eq!(error(&|c| c.phases[0].size = (30, 48)), "phases.size: expected multiples of 16, found 30x48");
    assert!(error(&|c| c.batch_norm = BatchNorm::Frozen).starts_with("batch_norm: expected"));
    assert_eq!(
        error(&|c| c.phases[0].shards = 3),
        "phases.shards: expected a divisor of the batch, 2, found 3"
    );
    let mut config = tiny();
    (config.start.weights, config.start.resnet18) = (Some("a".into()), Some("b".into()));
    let error_of_both = config.start.tensors(&config.model, 0).unwrap_err().to_string();
    assert_eq!(error_of_both, "start.resnet18: expected none beside start.weights, found both");
    assert_eq!(error(&|c| c.loss.matching = -1.0), "loss.matching: expected at least 0, found -1");
    assert_eq!(error(&|c| c.loss.depth = -1.0), "loss.depth: expected at least 0, found -1");
    let folder = tempfile::tempdir().unwrap();
    let mut config = tiny();
    config.data.folders = vec![FolderConfig {
        path: folder.path().join("nowhere"),
        layout: None,
        split: None,
        weight: 1.0,
        gap: [1, 1],
        pool: 0,
    }];
    let error = TrainedNet::new(config, folder.path(), &Device::Cpu).err().unwrap().to_string();
    assert!(error.contains("nowhere"), "{error}");
}

#[test]
fn a_loss_that_is_not_finite_ends_training_with_the_batch_saved() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = tiny();
    config.clip = 0.0;
    config.validation.every = 0;
    config.phases[0].rate = 1e30;
    config.warm_up = 0;
    let mut session = start(config, folder.path(), "", &Device::Cpu).unwrap();
    let error = session.run(3, |_| std::ops::ControlFlow::Continue(())).unwrap_err().to_string();
    assert!(error.contains("failed_batch.safetensors"), "{error}");
    let saved = candle_core::safetensors::load(folder.path().join("failed_batch.safetensors"), &Device::Cpu);
    assert_eq!(saved.unwrap()["target"].dims(), [2, 3, 32, 48]);
}

/// One pair of `kitti_tiny`, over and over, until the loss has fallen to a part of the first.
fn overfit(enough: f64, change: impl FnOnce(&mut TrainingConfig)) -> (f64, f64) {
    let data = PathBuf::from(std::env::var_os("DRO_SHARED_DATA").unwrap_or("/work/shared/data".into()));
    let folder = tempfile::tempdir().unwrap();
    let phase = Phase {
        steps: 300,
        size: (48, 160),
        stages: 1,
        inner: 2,
        batch: 1,
        shards: 1,
        neighbours: 1,
        rate: 5e-4,
    };
    let mut config = TrainingConfig {
        model: ModelConfig {
            hidden: 32,
            encoder: [16, 24, 32],
            max_depth_m: 80.0,
            min_depth_m: 0.5,
            ..ModelConfig::default()
        },
        augment: AugmentConfig {
            brightness: 0.0,
            contrast: 0.0,
            saturation: 0.0,
            hue: 0.0,
            flip: 0.0,
            scale: [1.0, 1.0],
        },
        optimizer: OptimizerConfig::default(),
        validation: ValidationConfig { every: 0, ..ValidationConfig::default() },
        phases: vec![phase],
        ..TrainingConfig::default()
    };
    config.data.generated_weight = 0.0;
    let path = data.join("kitti_tiny");
    config.data.folders =
        vec![FolderConfig { path, layout: None, split: None, weight: 1.0, gap: [1, 1], pool: 0 }];
    change(&mut config);
    let net = TrainedNet::new(config.clone(), folder.path(), &Device::Cpu).unwrap();
    let batch = net.batch(1, &phase).unwrap();
    let mut theta = net.initial(0);
    let mut descent = dro_train::Descent::new(&config.optimizer, theta.len());
    let (mut first, mut last) = (f64::NAN, f64::NAN);
    for step in 0..phase.steps {
        let LossGradient { loss, parts, mut gradient } = net.gradient(&theta, &batch, &phase).unwrap();
        last = loss;
        first = if step == 0 { last } else { first };
        if step % 25 == 0 {
            println!("step {step}: loss {last:.5} {:?}", parts);
        }
        if last < first * enough {
            println!("step {step}: loss {last:.5}");
            break;
        }
        dro_train::clip(&mut gradient, 1.0);
        descent.step(&mut theta, &gradient, phase.rate);
    }
    (first, last)
}

/// `cargo test -p dro-sfm --lib training::tests::overfit -- --ignored --nocapture`.
#[test]
#[ignore = "minutes; needs shared/data/kitti_tiny"]
fn overfit_one_pair_supervised() {
    let (first, last) = overfit(0.1, |_| ());
    assert!(last < first / 10.0, "{first} to {last}");
}

#[test]
#[ignore = "minutes; needs shared/data/kitti_tiny"]
fn overfit_one_pair_self_supervised() {
    let (first, last) = overfit(0.5, |config| {
        config.loss.photometric_weight = 1.0;
        // With it, nothing is learned from pixels that a wrong pose makes worse than no pose at all: at the start, most.
        config.loss.photometric.automask = false;
        (config.loss.depth, config.loss.pose) = (0.0, 0.0);
    });
    assert!(last < 0.5 * first, "{first} to {last}");
}
