//! Losses and gradients against the golden vectors: what the published program computes in training mode for fixed
//! inputs and formula weights. Where they come from: tests/fixtures/golden/README.md.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
};

use crate::devices::devices;
use candle_core::{Device, Tensor, Var};
use dro_core::{Budget, Coupling};
use dro_sfm::{
    loss::{DepthBounds, LossViews, PhotometricConfig, Predicted, photometric_loss, supervised_loss},
    network::{DroNet, Iterations, Keep, Predictions},
    weights::{ModelConfig, Weights, formula_weights},
};
use safetensors::SafeTensors;

const VALUE: f64 = 1e-3;
const GRADIENT: f64 = 1e-2;
/// Gradients below this part of the largest are rounding.
const FLOOR: f64 = 1e-5;

struct Golden {
    tensors: HashMap<String, Tensor>,
    metadata: HashMap<String, String>,
    vars: BTreeMap<String, Var>,
    net: DroNet,
}

impl Golden {
    fn load(device: &Device) -> Self {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/golden/train_style.safetensors");
        let bytes = std::fs::read(&path).unwrap();
        let metadata = SafeTensors::read_metadata(&bytes).unwrap().1.metadata().clone().unwrap();
        let tensors = candle_core::safetensors::load_buffer(&bytes, device).unwrap();

        let config = ModelConfig::from_version("it12-h-out", 0.2, 10.0, (64, 96)).unwrap();
        let Weights { tensors: weights, .. } = formula_weights(&config).unwrap();
        let vars: BTreeMap<String, Var> = weights
            .iter()
            .map(|(name, tensor)| {
                (name.clone(), Var::from_tensor(&tensor.to_device(device).unwrap()).unwrap())
            })
            .collect();
        let weights = vars.iter().map(|(name, var)| (name.clone(), var.as_tensor().clone())).collect();
        let net = DroNet::new(&config, Weights::new(config.clone(), weights).var_builder(device));
        Self { tensors, metadata, vars, net: net.unwrap() }
    }

    fn neighbours(&self) -> Vec<Tensor> {
        (0..).map_while(|i| self.tensors.get(&format!("ref{i}")).cloned()).collect()
    }

    /// Runs the network in training mode and gives what `loss` makes of the predictions.
    fn run<T>(&self, loss: impl FnOnce(Predicted<'_>) -> T) -> T {
        let encoded = self
            .net
            .encode(&self.tensors["target"], &self.neighbours(), &self.tensors["intrinsics"], true)
            .unwrap();
        let cost = encoded.feature_metric_cost().unwrap();
        let mut predictions = Predictions::new(&self.net, &encoded, Keep::StageEnds).unwrap();
        let schedule = self.net.schedule(Iterations { stages: 3, inner: 4 }, Coupling::Jacobi);
        self.net.optimize(&encoded, &cost, &schedule, &Budget::default(), &mut [&mut predictions]).unwrap();
        loss(Predicted::from(&predictions))
    }

    fn check_value(&self, name: &str, found: &Tensor) {
        let expected = f64::from(self.tensors[name].to_vec1::<f32>().unwrap()[0]);
        let found = f64::from(found.to_scalar::<f32>().unwrap());
        println!("{name}: {found:.6}, expected {expected:.6}");
        assert!((found - expected).abs() <= VALUE * expected.abs(), "{name}: {found}, expected {expected}");
    }

    fn check_gradients(&self, name: &str, loss: &Tensor) {
        let gradients = loss.backward().unwrap();
        let expected: BTreeMap<String, f64> = serde_json::from_str(&self.metadata[name]).unwrap();
        let floor = FLOOR * expected.values().fold(0.0f64, |most, norm| most.max(*norm));
        let (mut worst, mut checked) = (0.0f64, 0);
        for (parameter, expected) in &expected {
            let var = &self.vars[parameter];
            let found = gradients.get(var).map_or(0.0, |gradient| {
                let squares = gradient.sqr().unwrap().sum_all().unwrap();
                f64::from(squares.to_scalar::<f32>().unwrap()).sqrt()
            });
            let error = (found - expected).abs();
            assert!(
                error <= GRADIENT * expected.max(floor),
                "{parameter}: gradient norm {found:e}, expected {expected:e}"
            );
            worst = worst.max(error / expected.max(floor));
            checked += 1;
        }
        let learned = self.vars.keys().filter(|name| !name.contains(".running_")).count();
        println!("{name}: {checked} of {learned} norms, worst relative difference {worst:.2e}");
        assert_eq!(checked, learned);
    }
}

#[test]
fn supervised_values_and_gradients() {
    for device in devices() {
        let golden = Golden::load(&device);
        let tensors = &golden.tensors;
        let poses: Vec<Tensor> = ["gt_pose0", "gt_pose1"].map(|name| tensors[name].clone()).to_vec();
        let truth = Tensor::stack(&poses, 1).unwrap().narrow(2, 0, 3).unwrap().contiguous().unwrap();
        let bounds = DepthBounds { min_depth_m: 0.2, max_depth_m: 10.0 };
        let loss = golden.run(|predicted| {
            supervised_loss(predicted, &tensors["gt_depth"], &truth, &tensors["intrinsics"], bounds).unwrap()
        });
        golden.check_value("sup_depth_loss", &loss.depth);
        golden.check_value("sup_pose_loss", &loss.pose);
        golden.check_value("sup_loss", &loss.total);
        golden.check_gradients("sup_grad_norms", &loss.total);
    }
}

#[test]
fn photometric_values_and_gradients() {
    for device in devices() {
        let golden = Golden::load(&device);
        let neighbours = golden.neighbours();
        let views = LossViews {
            target: &golden.tensors["target"],
            neighbours: &neighbours,
            intrinsics: &golden.tensors["intrinsics"],
        };
        let loss = golden
            .run(|predicted| photometric_loss(predicted, views, &PhotometricConfig::default()).unwrap());
        // The recorded `photo_loss` equals `photo_loss_total`: the published program adds the smoothness in place.
        golden.check_value("photo_loss", &loss.photometric);
        golden.check_value("smooth_loss", &loss.smoothness);
        golden.check_value("photo_loss_total", &loss.total);
        golden.check_gradients("photo_grad_norms", &loss.total);
    }
}
