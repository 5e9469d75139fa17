//! `frames.csv`: one row per frame, columns found by name.
//!
//! | column | meaning |
//! | --- | --- |
//! | `rgb` | image file, relative to the table; the one column that must be there |
//! | `depth`, `depth_scale` | 16-bit PNG, metres = value / `depth_scale`; 0 means none |
//! | `width`, `height`, `fx`, `fy`, `cx`, `cy` | camera, pixels, pixel centres at integers |
//! | `k1`, `k2`, `p1`, `p2`, `k3` | lens distortion (0 where absent) |
//! | `c2w_00` … `c2w_23` | 3x4 camera-to-world pose, metres |
//! | `timestamp` | seconds |
//!
//! Other columns are ignored, and an empty cell means "not known".

use std::path::Path;

use dro_vision::{BrownConrady, Pinhole};
use nalgebra::Isometry3;

use super::{
    camera::CameraModel,
    depth::{DepthEncoding, DepthFile, DepthSensor},
    pose,
    sequence::Frame,
    text::at_line,
};
use crate::{Error, Result};

/// Reads the table in `folder`.
pub(super) fn open(table: &Path) -> Result<Vec<Frame>> {
    let folder = table.parent().unwrap_or(Path::new(""));
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .comment(Some(b'#'))
        .from_path(table)
        .map_err(|error| csv_error(table, &error))?;
    let headers = reader.headers().map_err(|error| csv_error(table, &error))?.clone();
    if !headers.iter().any(|name| name == "rgb") {
        let found: Vec<_> = headers.iter().collect();
        return Err(Error::input(table, "a column \"rgb\"", format!("the columns {}", found.join(", "))));
    }
    let mut frames = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| csv_error(table, &error))?;
        let line = record.position().map_or(0, csv::Position::line);
        frames.push(Row { table, folder, headers: &headers, record: &record, line: line as usize }.frame()?);
    }
    if frames.is_empty() {
        return Err(Error::input(table, "one row per frame", "no rows"));
    }
    Ok(frames)
}

fn csv_error(table: &Path, error: &csv::Error) -> Error {
    Error::input(table, "a comma-separated table with a header", error.to_string())
}

struct Row<'a> {
    table: &'a Path,
    folder: &'a Path,
    headers: &'a csv::StringRecord,
    record: &'a csv::StringRecord,
    line: usize,
}

impl Row<'_> {
    fn frame(&self) -> Result<Frame> {
        let image =
            self.cell("rgb").ok_or_else(|| self.error("an image in column \"rgb\"", "an empty cell"))?;
        let image = self.folder.join(image);
        if !image.is_file() {
            return Err(
                self.error("the name of an image file", format!("{}, which is not there", image.display()))
            );
        }
        Ok(Frame {
            depth: self.depth()?,
            world_from_camera: self.pose()?,
            timestamp_s: self.number("timestamp")?,
            camera: self.camera()?,
            ..Frame::of_image(image)
        })
    }

    /// `None` where the column is absent or the cell empty.
    fn cell(&self, column: &str) -> Option<&str> {
        let index = self.headers.iter().position(|name| name == column)?;
        self.record.get(index).filter(|cell| !cell.is_empty())
    }

    fn number(&self, column: &str) -> Result<Option<f64>> {
        self.cell(column)
            .map(|cell| {
                cell.parse()
                    .map_err(|_| self.error(format!("a number in column {column:?}"), format!("{cell:?}")))
            })
            .transpose()
    }

    /// The numbers of several columns: all of them or none.
    fn numbers<const N: usize>(&self, columns: [&str; N]) -> Result<Option<[f64; N]>> {
        let mut values = [0.0; N];
        let mut missing = Vec::new();
        for (value, column) in values.iter_mut().zip(columns) {
            match self.number(column)? {
                Some(number) => *value = number,
                None => missing.push(column),
            }
        }
        match missing.len() {
            0 => Ok(Some(values)),
            n if n == N => Ok(None),
            _ => Err(self.error(
                format!("all of the columns {}", columns.join(", ")),
                format!("no value for {}", missing.join(", ")),
            )),
        }
    }

    fn depth(&self) -> Result<Option<DepthFile>> {
        let Some(path) = self.cell("depth") else { return Ok(None) };
        let path = self.folder.join(path);
        let scale = self.number("depth_scale")?.unwrap_or(1000.0);
        if !(scale.is_finite() && scale > 0.0) {
            return Err(self.error("a positive depth_scale", scale.to_string()));
        }
        let encoding = DepthEncoding::Png16 { units_per_metre: scale };
        Ok(Some(DepthFile { path, encoding, sensor: DepthSensor::Registered }))
    }

    fn camera(&self) -> Result<Option<CameraModel>> {
        let Some([width, height, fx, fy, cx, cy]) =
            self.numbers(["width", "height", "fx", "fy", "cx", "cy"])?
        else {
            return Ok(None);
        };
        for (name, side) in [("width", width), ("height", height)] {
            if !((1.0..=1e6).contains(&side) && side.fract() == 0.0) {
                return Err(self.error(format!("a {name} in whole pixels"), side.to_string()));
            }
        }
        let pinhole =
            Pinhole::new(fx, fy, cx, cy).map_err(|error| self.error("a camera", error.to_string()))?;
        let mut camera = CameraModel::undistorted(pinhole, (height as usize, width as usize));
        let mut coefficients = [0.0; 5];
        for (value, column) in coefficients.iter_mut().zip(["k1", "k2", "p1", "p2", "k3"]) {
            *value = self.number(column)?.unwrap_or(0.0);
            if !value.is_finite() {
                return Err(self.error(format!("a finite {column}"), value.to_string()));
            }
        }
        let [k1, k2, p1, p2, k3] = coefficients;
        camera.distortion = BrownConrady { k1, k2, p1, p2, k3 };
        Ok(Some(camera))
    }

    fn pose(&self) -> Result<Option<Isometry3<f64>>> {
        let columns = [
            "c2w_00", "c2w_01", "c2w_02", "c2w_03", "c2w_10", "c2w_11", "c2w_12", "c2w_13", "c2w_20",
            "c2w_21", "c2w_22", "c2w_23",
        ];
        match self.numbers(columns)? {
            Some(rows) => pose::from_matrix(at_line(self.table, self.line), &rows),
            None => Ok(None),
        }
    }

    fn error(&self, expected: impl Into<String>, found: impl Into<String>) -> Error {
        Error::input(at_line(self.table, self.line), expected, found)
    }
}
