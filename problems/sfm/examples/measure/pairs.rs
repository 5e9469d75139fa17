//! Generated pairs as folders in DeMoN's layout, for `dro sfm eval`.

use std::path::Path;

use candle_core::{Device, Tensor};
use dro_sfm::{
    Sample,
    scene::{Generated, GeneratedConfig},
};
use image::RgbImage;
use nalgebra::Isometry3;
use serde_json::{Value, json};

/// `each` pairs of rooms, of floating objects and of streets, far apart, that nothing was trained on.
pub fn pairs((height, width): (usize, usize), each: u64, folder: &Path) -> Value {
    let kinds = [("rooms", [1.0, 0.0, 0.0]), ("scenes11", [0.0, 1.0, 0.0]), ("streets", [0.0, 0.0, 1.0])];
    for (name, shares) in kinds {
        let config =
            GeneratedConfig { shares, baseline: [0.06, 0.5], photo: 0.7, painted: 0.5, ..Default::default() };
        let generated = Generated::new(config, 990_002).unwrap();
        for index in 0..each {
            let sample = generated.sample(index, 1, (height, width)).unwrap();
            write(&sample, &folder.join(format!("{name}_{index:04}")));
        }
    }
    json!({ "pairs": 3 * each })
}

fn write(sample: &Sample, folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    let (height, width) = sample.size;
    for (view, image) in sample.images.iter().enumerate() {
        let at = |x: u32, y: u32, channel: usize| {
            let value = image[(channel * height + y as usize) * width + x as usize];
            (255.0 * value.clamp(0.0, 1.0)).round() as u8
        };
        let picture = RgbImage::from_fn(width as u32, height as u32, |x, y| {
            image::Rgb([at(x, y, 0), at(x, y, 1), at(x, y, 2)])
        });
        picture.save(folder.join(format!("{view:04}.png"))).unwrap();
    }
    let camera = &sample.camera;
    let matrix = format!("{} 0 {}\n0 {} {}\n0 0 1\n", camera.fx, camera.cx, camera.fy, camera.cy);
    std::fs::write(folder.join("cam.txt"), matrix).unwrap();
    let row = |pose: &Isometry3<f64>| {
        let matrix = pose.to_homogeneous();
        let numbers: Vec<String> = (0..12).map(|i| matrix[(i / 4, i % 4)].to_string()).collect();
        numbers.join(" ") + "\n"
    };
    let poses: String = std::iter::once(&Isometry3::identity()).chain(&sample.poses).map(row).collect();
    std::fs::write(folder.join("poses.txt"), poses).unwrap();
    let depth = Tensor::from_slice(sample.depth.values(), (height, width), &Device::Cpu).unwrap();
    Tensor::write_npz(&[("depth", depth)], folder.join("0000.npz")).unwrap();
}
