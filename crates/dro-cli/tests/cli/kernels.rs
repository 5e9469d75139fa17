//! What the network computes with.

use candle_core::Tensor;

use crate::fixture::*;

#[test]
fn plain_kernels_and_one_thread_give_the_same_depth() {
    let depths = ["", "--kernels reference --threads 1"].map(|options| {
        let out = tempfile::tempdir().unwrap();
        learned(room(), out.path(), &format!("--max-frames 2 {options}")).works();
        let name = finished(out.path()).remove(0);
        Tensor::read_npy(out.path().join(format!("depth/{name}.npy"))).unwrap().flatten_all().unwrap()
    });
    let [fast, plain] = depths.map(|depth| depth.to_vec1::<f32>().unwrap());
    assert_eq!(fast.len(), plain.len());
    for (fast, plain) in fast.iter().zip(&plain) {
        assert!((fast - plain).abs() <= 1e-3 * plain.abs(), "{fast} {plain}");
    }
}
