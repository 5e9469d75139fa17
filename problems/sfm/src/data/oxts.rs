//! Poses of KITTI's inertial navigation unit (OXTS), and KITTI's time stamps.

use std::path::{Path, PathBuf};

use nalgebra::{Isometry3, Translation3, UnitQuaternion};

use super::{folder, text};
use crate::{Error, Result};

/// Radius that KITTI's development kit uses, metres.
const EARTH_RADIUS_M: f64 = 6_378_137.0;

/// The packets of one drive, relative to the place of the first.
#[derive(Debug)]
pub(super) struct Track {
    folder: PathBuf,
    /// cos(latitude) of the first packet: Mercator's scale, the same for the whole drive.
    scale: f64,
    origin_m: [f64; 3],
}

impl Track {
    /// `None` where the drive has no packets.
    pub fn open(folder: &Path) -> Result<Option<Self>> {
        if !folder.is_dir() {
            return Ok(None);
        }
        let files = folder::list(folder)?.files;
        let Some(first) = files.iter().find(|path| folder::ends_with_one_of(path, &["txt"])) else {
            return Ok(None);
        };
        let packet = read_packet(first)?;
        let scale = packet[0].to_radians().cos();
        Ok(Some(Self { folder: folder.to_path_buf(), scale, origin_m: mercator(&packet, scale) }))
    }

    /// Pose of the unit (x forward, y left, z up) at a frame, in a world with x east, y north, z up, and the drive's
    /// first packet as origin. `None` where the frame has no packet.
    ///
    /// `R = Rz(yaw) Ry(pitch) Rx(roll)` and the Mercator projection of latitude and longitude, as in KITTI's
    /// development kit (`convertOxtsToPose`).
    pub fn world_from_imu(&self, frame: &str) -> Result<Option<Isometry3<f64>>> {
        let path = self.folder.join(format!("{frame}.txt"));
        if !path.exists() {
            return Ok(None);
        }
        let packet = read_packet(&path)?;
        let [x, y, z] = mercator(&packet, self.scale);
        let [x0, y0, z0] = self.origin_m;
        let [_, _, _, roll, pitch, yaw] = packet;
        Ok(Some(Isometry3::from_parts(
            Translation3::new(x - x0, y - y0, z - z0),
            UnitQuaternion::from_euler_angles(roll, pitch, yaw),
        )))
    }
}

/// Latitude and longitude (degrees), altitude (metres), roll, pitch, yaw (radians).
fn read_packet(path: &Path) -> Result<[f64; 6]> {
    let numbers = text::numbers(path)?;
    let expected = "an OXTS packet: lat lon alt roll pitch yaw …";
    let &[lat_deg, lon, alt, roll, pitch, yaw, ..] = numbers.as_slice() else {
        return Err(Error::input(path, expected, format!("{} numbers", numbers.len())));
    };
    let packet = [lat_deg, lon, alt, roll, pitch, yaw];
    if packet.iter().any(|v| !v.is_finite()) || lat_deg.abs() >= 89.0 {
        return Err(Error::input(path, expected, format!("{packet:?}")));
    }
    Ok(packet)
}

fn mercator(packet: &[f64; 6], scale: f64) -> [f64; 3] {
    let [lat_deg, lon_deg, alt_m, ..] = *packet;
    let x = scale * EARTH_RADIUS_M * lon_deg.to_radians();
    let y = scale * EARTH_RADIUS_M * ((90.0 + lat_deg).to_radians() / 2.0).tan().ln();
    [x, y, alt_m]
}

/// One time per line, `2011-09-26 13:17:59.287203584`, as seconds since 1970 (no time zone); none where the file is
/// not there.
pub(super) fn read_times(path: &Path) -> Result<Vec<f64>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let content = text::read(path)?;
    text::lines(path, &content)
        .map(|line| seconds(line.text).ok_or_else(|| line.error("a time like 2011-09-26 13:17:59.287203584")))
        .collect()
}

fn seconds(time: &str) -> Option<f64> {
    let (date, clock) = time.split_once(' ')?;
    let mut date = date.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let mut clock = clock.split(':').map(|part| part.parse::<f64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    if !(1900..3000).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days since 1970-01-01 in the Gregorian calendar, years counted from March so that leap days come last.
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    let total = days as f64 * 86_400.0 + hour * 3600.0 + minute * 60.0 + second;
    total.is_finite().then_some(total)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn times_are_unix_seconds() {
        assert_eq!(seconds("1970-01-01 00:00:00"), Some(0.0));
        assert_eq!(seconds("2000-02-29 12:00:00.5"), Some(951_825_600.5));
        // `date -u -d "2011-09-26 13:17:59" +%s`
        assert!((seconds("2011-09-26 13:17:59.25").unwrap() - 1_317_043_079.25).abs() < 1e-6);
        for wrong in ["", "2011-09-26", "2011-13-26 13:17:59", "2011-09-26 13:17", "a-b-c d:e:f"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }

    /// One arc second north is 30.9 m of latitude; the same east is shorter by cos(latitude).
    #[test]
    fn mercator_is_metric_near_the_origin() {
        let scale = 49.0f64.to_radians().cos();
        let at = |lat, lon| mercator(&[lat, lon, 0.0, 0.0, 0.0, 0.0], scale);
        let [x0, y0, _] = at(49.0, 8.0);
        let [x1, y1, _] = at(49.0 + 1.0 / 3600.0, 8.0 + 1.0 / 3600.0);
        let second_m = EARTH_RADIUS_M * (1.0f64 / 3600.0).to_radians();
        assert!((y1 - y0 - second_m).abs() < 1e-3, "{}", y1 - y0);
        assert!((x1 - x0 - second_m * scale).abs() < 1e-6);
    }
}
