//! The weights that the program brings along.

use candle_core::{Device, Tensor};
use dro_sfm::{
    Sample, Solver, Update, Views, Watch,
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

/// On scenes that were not trained on, from where the search ends: in the mean every update costs less, to twice the four of the
/// training, and what comes then does not lose it.
#[test]
fn the_bundled_weights_lower_the_cost() {
    let weights = Weights::bundled().unwrap();
    let net = DroNet::new(&weights.config, weights.var_builder(&Device::Cpu)).unwrap();
    let solver = DroSolver::new(net, Device::Cpu).unwrap();
    let config =
        GeneratedConfig { baseline: [0.08, 0.2], shares: [1.0, 0.0, 0.0], ..GeneratedConfig::default() };
    let scenes = Generated::new(config, 990_001).unwrap();
    let solver = solver.with_iterations(Iterations { stages: 6, inner: 2 });
    let mut means = [0.0; 12];
    for number in 0..3 {
        let mut costs = Costs(Vec::new());
        let found = solver.solve(&views(&scenes.sample(number, 1, (96, 128)).unwrap()), &mut costs).unwrap();
        assert_eq!((costs.0.len(), found.poses.len()), (12, 1));
        means.iter_mut().zip(costs.0).for_each(|(mean, cost)| *mean += cost / 3.0);
    }
    assert!(means[..9].windows(2).all(|pair| pair[1] < pair[0]), "{means:?}");
    assert!(means[11] < means[4], "{means:?}");
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
