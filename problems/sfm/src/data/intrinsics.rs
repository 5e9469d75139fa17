//! Intrinsics and distortion that a user gives.

use std::path::Path;

use dro_vision::{BrownConrady, Pinhole};

use super::{
    camera::CameraModel,
    text::{self, Line},
};
use crate::{Error, Result};

/// Intrinsics from a user, before they meet an image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Intrinsics {
    /// Focal lengths and principal point, pixels, pixel centres at integers.
    pub pinhole: Pinhole,
    /// Lens distortion, where the source has any.
    pub distortion: BrownConrady,
    /// (height, width) that they belong to; `None`: whatever size the images have.
    pub size: Option<(usize, usize)>,
}

impl Intrinsics {
    /// The camera of images of `size` (height, width): scaled where the intrinsics were given for another size of the
    /// same shape.
    ///
    /// # Errors
    /// Where the shapes differ by more than one pixel, so that the images were cropped and not resized.
    pub fn camera(&self, size: (usize, usize)) -> Result<CameraModel> {
        let own = self.size.unwrap_or(size);
        let whole = CameraModel { pinhole: self.pinhole, distortion: self.distortion, size: own };
        let width = own.1 as f64 * size.0 as f64 / own.0.max(1) as f64;
        if (width - size.1 as f64).abs() > 1.0 {
            return Err(Error::argument(
                "intrinsics",
                format!("a camera of the images' shape, {}x{}", size.1, size.0),
                format!("{}x{}", own.1, own.0),
            ));
        }
        Ok(CameraModel { pinhole: whole.pinhole_at(size)?, size, ..whole })
    }
}

/// Reads `fx,fy,cx,cy`, or a file with these four numbers, a 3x3 (3x4, 4x4) matrix K, or a COLMAP `cameras.txt` with
/// one camera (SIMPLE_PINHOLE, PINHOLE, SIMPLE_RADIAL, RADIAL, OPENCV).
///
/// Pixel centres are at integers, except in COLMAP's files, where they are at 0.5 and 0.5 is subtracted.
///
/// # Errors
/// Names the argument or file, and what is wrong: not four numbers, zero, negative or not finite focal lengths, a
/// matrix that is no camera, an unknown COLMAP model.
pub fn parse_intrinsics(argument: &str) -> Result<Intrinsics> {
    let parts: Vec<_> = argument.split(',').map(str::trim).collect();
    if parts.len() > 1 && !Path::new(argument).exists() {
        let [fx, fy, cx, cy] = parse_list("intrinsics", "fx,fy,cx,cy", argument)?;
        return Ok(Intrinsics::plain(Pinhole::new(fx, fy, cx, cy)?));
    }
    let path = Path::new(argument);
    if !path.exists() {
        let expected = "\"fx,fy,cx,cy\" in pixels, or the name of a file with them";
        return Err(Error::argument("intrinsics", expected, format!("{argument:?}")));
    }
    let content = text::read(path)?;
    let lines: Vec<_> = text::lines(path, &content).collect();
    let is_colmap = |line: &Line| {
        line.text
            .split_whitespace()
            .nth(1)
            .is_some_and(|word| word.starts_with(|c: char| c.is_ascii_uppercase()))
    };
    if lines.first().is_some_and(is_colmap) {
        return colmap(path, &lines);
    }
    Ok(Intrinsics::plain(pinhole_from_matrix(path, &text::numbers(path)?)?))
}

/// Reads `k1,k2,p1,p2` or `k1,k2,p1,p2,k3` (OpenCV's order).
///
/// # Errors
/// Where these are not four or five finite numbers.
pub fn parse_distortion(argument: &str) -> Result<BrownConrady> {
    let count = argument.split(',').count();
    let [k1, k2, p1, p2, k3] = if count == 4 {
        let [k1, k2, p1, p2] = parse_list("distortion", "k1,k2,p1,p2[,k3]", argument)?;
        [k1, k2, p1, p2, 0.0]
    } else {
        parse_list("distortion", "k1,k2,p1,p2[,k3]", argument)?
    };
    Ok(BrownConrady { k1, k2, p1, p2, k3 })
}

fn parse_list<const N: usize>(name: &str, form: &str, argument: &str) -> Result<[f64; N]> {
    let numbers: Vec<f64> = argument
        .split(',')
        .map_while(|part| part.trim().parse().ok())
        .filter(|value: &f64| value.is_finite())
        .collect();
    let whole = numbers.len() == argument.split(',').count();
    numbers
        .try_into()
        .ok()
        .filter(|_| whole)
        .ok_or_else(|| Error::argument(name, format!("{form}, finite numbers"), format!("{argument:?}")))
}

impl Intrinsics {
    fn plain(pinhole: Pinhole) -> Self {
        Self { pinhole, distortion: BrownConrady::default(), size: None }
    }
}

/// From `fx fy cx cy` or from the rows of a 3x3, 3x4 or 4x4 matrix with K in its corner.
pub(super) fn pinhole_from_matrix(path: &Path, numbers: &[f64]) -> Result<Pinhole> {
    let (camera, zeros, one) = match *numbers {
        [fx, fy, cx, cy] => ([fx, fy, cx, cy], [0.0; 4], 1.0),
        [fx, s, cx, a, fy, cy, b, c, one] => ([fx, fy, cx, cy], [s, a, b, c], one),
        [fx, s, cx, _, a, fy, cy, _, b, c, one, _]
        | [fx, s, cx, _, a, fy, cy, _, b, c, one, _, _, _, _, _] => ([fx, fy, cx, cy], [s, a, b, c], one),
        _ => {
            return Err(Error::input(
                path,
                "intrinsics: fx fy cx cy, or a matrix 3x3, 3x4 or 4x4",
                format!("{} numbers", numbers.len()),
            ));
        }
    };
    // Written so that NaN fails. A skew below a hundredth of a pixel is rounding.
    if !(zeros.iter().all(|v| v.abs() < 0.01) && (one - 1.0).abs() < 1e-6) {
        let expected = "a camera matrix [fx 0 cx; 0 fy cy; 0 0 1] without skew";
        return Err(Error::input(path, expected, format!("{numbers:?}")));
    }
    let [fx, fy, cx, cy] = camera;
    Pinhole::new(fx, fy, cx, cy)
        .map_err(|error| Error::input(path, "intrinsics of a pinhole camera", error.to_string()))
}

/// The one camera of a COLMAP text model: `id MODEL width height parameters…`.
fn colmap(path: &Path, lines: &[Line]) -> Result<Intrinsics> {
    let &[line] = lines else {
        return Err(Error::input(
            path,
            "one camera, shared by all images",
            format!("{} cameras", lines.len()),
        ));
    };
    let expected = "id MODEL width height parameters…";
    let words: Vec<_> = line.text.split_whitespace().collect();
    let [_, model, width, height, parameters @ ..] = words.as_slice() else {
        return Err(line.error(expected));
    };
    let side = |word: &str| word.parse::<usize>().ok().filter(|n| (1..1_000_000).contains(n));
    let (Some(width), Some(height)) = (side(width), side(height)) else { return Err(line.error(expected)) };
    let parameters: Option<Vec<f64>> =
        parameters.iter().map(|word| word.parse().ok().filter(|v: &f64| v.is_finite())).collect();
    let parameters = parameters.ok_or_else(|| line.error(expected))?;
    let none = BrownConrady::default();
    let (fx, fy, cx, cy, distortion) = match (*model, parameters.as_slice()) {
        ("SIMPLE_PINHOLE", &[f, cx, cy]) => (f, f, cx, cy, none),
        ("PINHOLE", &[fx, fy, cx, cy]) => (fx, fy, cx, cy, none),
        ("SIMPLE_RADIAL", &[f, cx, cy, k1]) => (f, f, cx, cy, BrownConrady { k1, ..none }),
        ("RADIAL", &[f, cx, cy, k1, k2]) => (f, f, cx, cy, BrownConrady { k1, k2, ..none }),
        ("OPENCV", &[fx, fy, cx, cy, k1, k2, p1, p2]) => {
            (fx, fy, cx, cy, BrownConrady { k1, k2, p1, p2, ..none })
        }
        _ => {
            return Err(line.error(
                "SIMPLE_PINHOLE f cx cy, PINHOLE fx fy cx cy, SIMPLE_RADIAL f cx cy k, RADIAL f cx cy k1 k2 or \
                 OPENCV fx fy cx cy k1 k2 p1 p2",
            ));
        }
    };
    let pinhole = Pinhole::new(fx, fy, cx - 0.5, cy - 0.5)
        .map_err(|error| Error::input(text::at_line(path, line.number), "a camera", error.to_string()))?;
    Ok(Intrinsics { pinhole, distortion, size: Some((height, width)) })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn from_file(content: &str) -> Result<Intrinsics> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cameras.txt");
        std::fs::write(&path, content).unwrap();
        parse_intrinsics(path.to_str().unwrap())
    }

    #[test]
    fn every_form_gives_the_same_camera() {
        let camera = Pinhole::new(500.0, 510.0, 320.0, 240.0).unwrap();
        assert_eq!(parse_intrinsics("500, 510,320,240").unwrap().pinhole, camera);
        for content in [
            "500 510 320 240\n",
            "500,510,320,240",
            "500 0 320\n0 510 240\n0 0 1\n",
            "500 0 320 0\n0 510 240 0\n0 0 1 0\n0 0 0 1\n",
            "# Camera list\n1 PINHOLE 640 480 500 510 320.5 240.5\n",
        ] {
            assert_eq!(from_file(content).unwrap().pinhole, camera, "{content}");
        }
    }

    #[test]
    fn colmap_models() {
        let opencv = from_file("3 OPENCV 640 480 500 510 320.5 240.5 0.1 0.2 0.3 0.4").unwrap();
        assert_eq!(opencv.distortion, BrownConrady { k1: 0.1, k2: 0.2, p1: 0.3, p2: 0.4, k3: 0.0 });
        assert_eq!(opencv.size, Some((480, 640)));
        let radial = from_file("1 RADIAL 640 480 500 320.5 240.5 0.1 0.2").unwrap();
        assert_eq!((radial.pinhole.fx, radial.pinhole.fy, radial.pinhole.cx), (500.0, 500.0, 320.0));
        assert_eq!((radial.distortion.k1, radial.distortion.k2), (0.1, 0.2));
        let simple = from_file("1 SIMPLE_RADIAL 640 480 500 320.5 240.5 0.1").unwrap();
        assert_eq!(simple.distortion.k1, 0.1);
        assert!(from_file("1 SIMPLE_PINHOLE 640 480 500 320.5 240.5").is_ok());
        for wrong in [
            "1 FISHEYE 640 480 500 320.5 240.5",
            "1 PINHOLE 640 480 500 320.5 240.5",
            "1 PINHOLE 640 x 500 510 320.5 240.5",
            "1 PINHOLE 640 480 -500 510 320.5 240.5",
            "1 PINHOLE 640 480 500 510 320 240\n2 PINHOLE 640 480 500 510 320 240",
        ] {
            let message = from_file(wrong).unwrap_err().to_string();
            assert!(message.contains("cameras.txt"), "{message}");
        }
    }

    #[test]
    fn wrong_numbers_are_named() {
        for wrong in
            ["0,510,320,240", "-5,510,320,240", "NaN,510,320,240", "500,510,320", "500,510,inf,240", "a,b"]
        {
            assert!(parse_intrinsics(wrong).is_err(), "{wrong}");
        }
        let message = parse_intrinsics("0,510,320,240").unwrap_err().to_string();
        assert!(message.contains("fx") && message.contains("positive"), "{message}");
        let message = parse_intrinsics("nowhere.txt").unwrap_err().to_string();
        assert!(message.contains("fx,fy,cx,cy") && message.contains("nowhere.txt"), "{message}");
        for wrong in
            ["1 2 3", "500 9 320 0 510 240 0 0 1", "500 0 320 0 510 240 0 0 2", "nan 0 320 0 510 240 0 0 1"]
        {
            assert!(from_file(wrong).unwrap_err().to_string().contains("cameras.txt"), "{wrong}");
        }
    }

    #[test]
    fn scaled_to_the_images() {
        let given = from_file("1 PINHOLE 640 480 500 510 320 240").unwrap();
        let half = given.camera((240, 320)).unwrap();
        // COLMAP's convention scales without offset: (160, 120) with centres at 0.5.
        assert_eq!((half.pinhole.fx, half.pinhole.cx, half.pinhole.cy), (250.0, 159.5, 119.5));
        assert!(given.camera((240, 240)).unwrap_err().to_string().contains("640x480"));
    }

    #[test]
    fn distortion() {
        let expected = BrownConrady { k1: 0.1, k2: -0.2, p1: 0.0, p2: 0.01, k3: 0.0 };
        assert_eq!(parse_distortion("0.1,-0.2,0,0.01").unwrap(), expected);
        assert_eq!(parse_distortion("0.1,-0.2,0,0.01,3").unwrap().k3, 3.0);
        for wrong in ["", "1", "1,2,3", "1,2,3,4,5,6", "1,2,3,x", "1,2,3,nan"] {
            assert!(parse_distortion(wrong).unwrap_err().to_string().contains("distortion"), "{wrong}");
        }
    }
}
