//! The weights that the program brings along.

use candle_core::{Device, Tensor};
use dro_sfm::{
    Estimate, Sample, Solver, Unwatched, Update, Views, Watch,
    network::{DroNet, DroSolver, Iterations},
    scene::{Generated, GeneratedConfig},
    weights::Weights,
};

fn views(sample: &Sample) -> Views {
    let (height, width) = sample.size;
    let image =
        |i: usize| Tensor::from_slice(&sample.images[i], (1, 3, height, width), &Device::Cpu).unwrap();
    let neighbours = (1..sample.images.len()).map(image).collect();
    Views { target: image(0), neighbours, camera: sample.camera }
}

/// On scenes that were not trained on, from where the search ends: in the mean each of the four updates of the training costs
/// less, what comes then does not lose it, and depth is nearer to the truth than the search's.
#[test]
fn the_bundled_weights_lower_the_cost_and_the_error() {
    let weights = Weights::bundled().unwrap();
    let net = DroNet::new(&weights.config, weights.var_builder(&Device::Cpu)).unwrap();
    let solver = DroSolver::new(net, Device::Cpu).unwrap();
    let config =
        GeneratedConfig { baseline: [0.08, 0.2], shares: [1.0, 0.0, 0.0], ..GeneratedConfig::default() };
    let scenes = Generated::new(config, 990_001).unwrap();
    let with = |stages| solver.clone().with_iterations(Iterations { stages, inner: 1 });
    let (mut means, mut errors) = ([0.0; 12], [0.0; 2]);
    for number in 0..3 {
        let sample = scenes.sample(number, 1, (96, 128)).unwrap();
        let mut costs = Costs(Vec::new());
        let found = with(12).solve(&views(&sample), &mut costs).unwrap();
        assert_eq!((costs.0.len(), found.poses.len()), (12, 1));
        means.iter_mut().zip(costs.0).for_each(|(mean, cost)| *mean += cost / 3.0);
        for (error, stages) in errors.iter_mut().zip([0, 4]) {
            *error += abs_rel(&sample, &with(stages).solve(&views(&sample), &mut Unwatched).unwrap()) / 3.0;
        }
    }
    assert!(means[..5].windows(2).all(|pair| pair[1] < pair[0]), "{means:?}");
    assert!(means[5..].iter().all(|mean| *mean < means[1]), "{means:?}");
    assert!(errors[1] < errors[0], "{errors:?}");
}

/// Mean of |d − d*| / d* after scaling by medians.
fn abs_rel(sample: &Sample, found: &Estimate) -> f64 {
    let pairs = sample.depth.values().iter().zip(found.inv_depth.values());
    let mut ratios: Vec<f64> =
        pairs.filter(|(d, _)| **d > 0.0).map(|(d, x)| 1.0 / (f64::from(*d) * f64::from(*x))).collect();
    ratios.sort_by(f64::total_cmp);
    let middle = ratios[ratios.len() / 2];
    ratios.iter().map(|ratio| (ratio / middle - 1.0).abs()).sum::<f64>() / ratios.len() as f64
}

/// What each update saw.
struct Costs(Vec<f64>);

impl Watch for Costs {
    fn wants_updates(&self) -> bool {
        true
    }

    fn update(&mut self, update: &Update) -> dro_sfm::Result<()> {
        self.0.push(update.cost);
        Ok(())
    }
}
