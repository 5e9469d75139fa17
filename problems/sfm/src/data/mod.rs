//! Image sequences on disk: layouts, intrinsics, ground truth.
//!
//! [`Sequence::open`] reads what the files say (names, cameras, poses, times) and no pixels;
//! [`Frame::load_rgb`] and [`Frame::load_depth`] read one frame; [`prepare`] and [`prepare_depth`] bring it to the
//! size a solver wants, without distortion.
//!
//! | layout | recognised by |
//! | --- | --- |
//! | [`Layout::FramesCsv`] | a file `frames.csv` |
//! | [`Layout::TumRgbd`] | a file `rgb.txt` |
//! | [`Layout::SevenScenes`] | files `frame-*.color.*`, here or in folders `seq-*` |
//! | [`Layout::KittiRaw`] | `image_02/data` and its like, in this folder, above it, or one or two levels below it |
//! | [`Layout::ScanNet`] | folders `color` and (`pose` or `intrinsic`) |
//! | [`Layout::DemonPair`] | `cam.txt`, `poses.txt` and an image `0000.*` |
//! | [`Layout::ImageFolder`] | image files, or one image file |
//! | [`Layout::Video`] | a file that ends like a video (`.mp4`, `.mov`, …) |

mod camera;
mod decode;
mod demon;
mod depth;
mod exif;
mod folder;
mod frames_csv;
mod intrinsics;
mod kitti;
mod layout;
mod npz;
mod oxts;
mod pose;
mod prepare;
mod scannet;
mod sequence;
mod seven_scenes;
mod split;
mod text;
mod tum;
mod video;

#[cfg(test)]
mod layout_tests;
#[cfg(test)]
mod real_data_tests;

pub use camera::CameraModel;
pub use decode::{ImageLimits, image_size, load_rgb};
pub use demon::demon_pairs;
pub use depth::{DepthEncoding, DepthFile, DepthSensor, prepare_depth};
pub use intrinsics::{Intrinsics, parse_distortion, parse_intrinsics};
pub use layout::Layout;
pub use prepare::prepare;
pub use sequence::{Frame, OpenOptions, Sequence};
pub(crate) use split::{Listed, listed};
