//! Coloured point clouds as PLY.

use std::{
    io::{BufWriter, Write},
    path::Path,
};

use super::write_atomically;
use crate::Result;

/// A point with its colour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ColouredPoint {
    /// x, y, z in the unit of depth.
    pub position: [f32; 3],
    /// Red, green, blue.
    pub colour: [u8; 3],
}

/// Writes a binary little-endian PLY file with `x y z red green blue` per vertex (Turk, *The PLY Polygon File
/// Format*, 1994).
///
/// # Errors
/// If the file cannot be written.
pub fn write_ply(path: impl AsRef<Path>, points: &[ColouredPoint]) -> Result<()> {
    write_atomically(path, |file| {
        let mut out = BufWriter::new(file);
        write!(
            out,
            "ply\nformat binary_little_endian 1.0\nelement vertex {}\n\
             property float x\nproperty float y\nproperty float z\n\
             property uchar red\nproperty uchar green\nproperty uchar blue\nend_header\n",
            points.len()
        )?;
        for point in points {
            for x in point.position {
                out.write_all(&x.to_le_bytes())?;
            }
            out.write_all(&point.colour)?;
        }
        out.flush()
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn header_and_vertices_are_where_readers_look() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("points.ply");
        let point = ColouredPoint { position: [1.0, -2.0, 0.5], colour: [1, 128, 255] };
        write_ply(&path, &[point; 3]).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let marker = b"end_header\n";
        let start = bytes.windows(marker.len()).position(|w| w == marker).unwrap() + marker.len();
        let header = std::str::from_utf8(&bytes[..start]).unwrap();
        assert!(header.starts_with("ply\nformat binary_little_endian 1.0\nelement vertex 3\n"), "{header}");
        let body = &bytes[start..];
        assert_eq!(body.len(), 3 * 15);
        assert_eq!(body[15..30], [0, 0, 128, 63, 0, 0, 0, 192, 0, 0, 0, 63, 1, 128, 255]);
    }
}
