//! The network against the golden vectors: what the published program computes for fixed inputs and formula weights.
//! Where they come from: tests/fixtures/golden/README.md.

use std::{collections::HashMap, path::PathBuf, process::Command};

use crate::devices::devices;
use candle_core::{Device, Tensor};
use dro_core::{Budget, CostFunction, Coupling, Kernels, select_kernels};
use dro_sfm::{
    cost::{INVERSE_DEPTH, POSES},
    network::{DroNet, Encoded, Iterations, Keep, Predictions},
    weights::{ImportOverrides, ModelConfig, Weights, formula_weights, import_checkpoint},
};

/// Features and costs.
const TIGHT: f64 = 1e-4;
/// Final depths and poses, after 24 recurrent updates.
const FINAL: f64 = 1e-3;

struct Golden {
    tensors: HashMap<String, Tensor>,
    net: DroNet,
}

impl Golden {
    fn load(name: &str, version: &str, min_depth_m: f64, max_depth_m: f64, device: &Device) -> Self {
        // The image size is not part of what the network computes.
        let config = ModelConfig::from_version(version, min_depth_m, max_depth_m, (96, 160)).unwrap();
        Self::with_weights(name, &formula_weights(&config).unwrap(), device)
    }

    fn with_weights(name: &str, weights: &Weights, device: &Device) -> Self {
        if plain_kernels() {
            select_kernels(Kernels::Reference);
        }
        let path =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("fixtures/golden/{name}.safetensors"));
        let tensors = candle_core::safetensors::load(path, device).unwrap();
        Self { tensors, net: DroNet::new(&weights.config, weights.var_builder(device)).unwrap() }
    }

    fn neighbours(&self) -> Vec<Tensor> {
        (0..).map_while(|i| self.tensors.get(&format!("ref{i}")).cloned()).collect()
    }

    fn encode(&self, train: bool) -> Encoded {
        self.net
            .encode(&self.tensors["target"], &self.neighbours(), &self.tensors["intrinsics"], train)
            .unwrap()
    }

    fn close(&self, found: &Tensor, name: &str, tolerance: f64) {
        let expected = &self.tensors[name];
        assert_eq!(found.dims(), expected.dims(), "{name}");
        let norm = |t: &Tensor| {
            f64::from(t.sqr().unwrap().sum_all().unwrap().sqrt().unwrap().to_scalar::<f32>().unwrap())
        };
        let relative = norm(&(found - expected).unwrap()) / norm(expected);
        println!("{name}: {relative:.2e}");
        assert!(relative <= tolerance, "{name}: relative error {relative:.2e} is above {tolerance:.0e}");
    }

    /// Everything that evaluation mode has a vector for, of the plain network and, on the CPU, of the one prepared for
    /// inference.
    fn check_evaluation(&self) {
        self.check_as_it_is();
        if !self.tensors["target"].device().is_cpu() {
            return;
        }
        Self { net: self.net.prepared().unwrap(), tensors: self.tensors.clone() }.check_as_it_is();
    }

    fn check_as_it_is(&self) {
        let (encoded, neighbours) = (self.encode(false), self.neighbours().len());
        let batch = encoded.start.batch();
        let features =
            Tensor::cat(&[&encoded.target_features, &neighbour_major(&encoded.neighbour_features, batch)], 0);
        self.close(&features.unwrap(), "fnet", TIGHT);
        self.close(&encoded.depth_context, "cnet_depth", TIGHT);
        let contexts = neighbour_major(&encoded.pose_context, batch);
        for i in 0..neighbours {
            self.close(&contexts.narrow(0, i * batch, batch).unwrap(), &format!("cnet_pose{i}"), TIGHT);
            let pose = encoded.start.get(POSES).narrow(1, i, 1).unwrap().squeeze(1).unwrap();
            self.close(&pose, &format!("pose_init{i}"), TIGHT);
        }
        self.close(encoded.start.get(INVERSE_DEPTH), "inv_depth_init", TIGHT);

        let cost = encoded.feature_metric_cost().unwrap();
        let at_start = cost.evaluate(&encoded.start, INVERSE_DEPTH).unwrap();
        self.close(at_start.map.as_ref().unwrap(), "depth_cost_init", TIGHT);

        let schedule = self.net.schedule(Iterations { stages: 3, inner: 4 }, Coupling::Jacobi);
        let (solution, optimizer) =
            self.net.optimize(&encoded, &cost, &schedule, &Budget::default(), &mut []).unwrap();
        assert_eq!(solution.evaluations, 24);
        self.close(&self.net.full_size_of(&encoded, &solution, &optimizer).unwrap(), "eval_inv_depth", FINAL);
        self.close(solution.last.get(POSES), "eval_pose", FINAL);
    }
}

/// `[batch · neighbours, …]` → neighbours outermost, as the golden vectors stack images.
fn neighbour_major(x: &Tensor, batch: usize) -> Tensor {
    let mut shape = vec![batch, x.dims()[0] / batch];
    shape.extend_from_slice(&x.dims()[1..]);
    x.reshape(shape).unwrap().transpose(0, 1).unwrap().contiguous().unwrap().flatten(0, 1).unwrap()
}

/// The selection holds for a whole process, so it comes from outside.
fn plain_kernels() -> bool {
    std::env::var("DRO_KERNELS").is_ok_and(|kernels| kernels == "reference")
}

#[test]
fn plain_kernels_give_the_same() {
    if plain_kernels() {
        return;
    }
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", "parity::kitti_style"]).env("DRO_KERNELS", "reference");
    // On a card candle's own convolutions would round factors to TF32.
    let ran = again.env("NVIDIA_TF32_OVERRIDE", "0").output().unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
fn kitti_style() {
    for device in devices() {
        Golden::load("kitti_style", "it12-h", 0.2, 80.0, &device).check_evaluation();
    }
}

#[test]
fn scannet_style() {
    for device in devices() {
        Golden::load("scannet_style", "it12-h-out", 0.2, 10.0, &device).check_evaluation();
    }
}

#[test]
fn train_style_in_evaluation_mode() {
    for device in devices() {
        Golden::load("train_style", "it12-h-out", 0.2, 10.0, &device).check_evaluation();
    }
}

#[test]
fn train_style_in_training_mode() {
    for device in devices() {
        let golden = Golden::load("train_style", "it12-h-out", 0.2, 10.0, &device);
        let encoded = golden.encode(true);
        let cost = encoded.feature_metric_cost().unwrap();
        let mut predictions = Predictions::new(&golden.net, &encoded, Keep::StageEnds).unwrap();
        let schedule = golden.net.schedule(Iterations { stages: 3, inner: 4 }, Coupling::Jacobi);
        golden.net.optimize(&encoded, &cost, &schedule, &Budget::default(), &mut [&mut predictions]).unwrap();

        for (k, inv_depth) in predictions.inv_depth.iter().enumerate() {
            golden.close(inv_depth, &format!("train_inv_depth{k}"), FINAL);
        }
        assert_eq!(predictions.inv_depth.len(), 4);
        golden.close(&Tensor::stack(&predictions.poses, 2).unwrap(), "train_pose", FINAL);
    }
}

#[test]
fn gauss_seidel_is_another_answer() {
    // The vectors are Jacobi; if both couplings gave them, one of the two would not be implemented.
    let golden = Golden::load("scannet_style", "it12-h-out", 0.2, 10.0, &Device::Cpu);
    let encoded = golden.encode(false);
    let cost = encoded.feature_metric_cost().unwrap();
    let solve = |coupling| {
        let schedule = golden.net.schedule(Iterations { stages: 1, inner: 2 }, coupling);
        let (solution, _) =
            golden.net.optimize(&encoded, &cost, &schedule, &Budget::default(), &mut []).unwrap();
        solution.last
    };
    let (jacobi, seidel) = (solve(Coupling::Jacobi), solve(Coupling::GaussSeidel));
    let difference = |block| {
        let difference = (jacobi.get(block) - seidel.get(block)).unwrap().abs().unwrap().sum_all().unwrap();
        difference.to_scalar::<f32>().unwrap()
    };
    // Depth moves first and sees the start poses either way; the poses then see the new depth or the old.
    assert_eq!(difference(INVERSE_DEPTH), 0.0);
    assert!(difference(POSES) > 0.0);
}

/// Checkpoints of 76 MB are not committed. To make them with PyTorch itself:
/// `python3 tests/fixtures/checkpoints/make.py --full DIR`, then
/// `DRO_FULL_CHECKPOINTS=DIR cargo test -p dro-tests parity -- --ignored`.
#[test]
#[ignore = "needs DRO_FULL_CHECKPOINTS, a folder of checkpoints written by PyTorch"]
fn checkpoints_written_by_pytorch_give_the_golden_outputs() {
    let folder =
        PathBuf::from(std::env::var_os("DRO_FULL_CHECKPOINTS").expect("DRO_FULL_CHECKPOINTS is set"));
    for file in ["full_zip.ckpt", "full_legacy.ckpt"] {
        let (weights, _) = import_checkpoint(folder.join(file), &ImportOverrides::default()).unwrap();
        Golden::with_weights("kitti_style", &weights, &Device::Cpu).check_evaluation();
    }
}
