//! `images.csv`, `pairs.csv` and the Markdown tables.

use std::{fmt::Write as _, path::Path};

use nalgebra::Isometry3;

use super::{
    errors::{Means, mean},
    evaluate::ImageResult,
    report::Report,
};
use crate::{Result, data::CameraModel, export::write_atomically};

const CAMERA: [&str; 11] = ["height", "width", "fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2", "k3"];
const DEPTH: [&str; 9] = ["abs_rel", "sq_rel", "rmse", "rmse_log", "a1", "a2", "a3", "silog", "l1_inv"];
const DEMON: [&str; 3] = ["demon_l1_inv", "demon_sc_inv", "demon_l1_rel"];
const POSE: [&str; 3] = ["rotation_deg", "translation_deg", "translation_cm"];

/// One row per target; empty where there is no truth. Pose errors are means over the neighbours.
pub(super) fn write_images(path: &Path, images: &[ImageResult]) -> Result<()> {
    let header = ["set", "subset", "name", "image", "neighbours"].into_iter().chain(CAMERA);
    let header = header.chain(["seconds", "cost_start", "cost_end", "updates"]).chain(DEPTH).chain(DEMON);
    let rows = images.iter().map(|image| {
        let neighbours: Vec<_> = image.pairs.iter().map(|(path, ..)| path.to_string_lossy()).collect();
        let mut row = names(image);
        row.push(neighbours.join(";"));
        row.extend(camera(&image.camera));
        row.extend([image.seconds, image.cost[0], image.cost[1]].map(|x| x.to_string()));
        row.push(image.updates.to_string());
        let depth = image.errors.depth.map_or([None; 9], |depth| depth.values().map(Some));
        row.extend(depth.map(number));
        let demon = image.errors.demon.map_or([None; 3], |d| [d.l1_inv, d.sc_inv, d.l1_rel].map(Some));
        row.extend(demon.map(number));
        let pairs = &image.errors.pairs;
        row.push(number(mean(pairs.iter().filter_map(|pair| pair.rotation_deg))));
        row.push(number(mean(pairs.iter().filter_map(|pair| pair.translation_deg))));
        row.push(number(mean(pairs.iter().filter_map(|pair| pair.translation_cm))));
        row
    });
    write(path, header.chain(POSE).collect(), rows)
}

/// One row per target and neighbour. Poses are `neighbour_from_target`, 3x4, row by row.
pub(super) fn write_pairs(path: &Path, images: &[ImageResult]) -> Result<()> {
    let header = ["set", "subset", "name", "image", "neighbour"].into_iter().chain(CAMERA).chain(POSE);
    let rows = images.iter().flat_map(|image| {
        image.pairs.iter().zip(&image.errors.pairs).map(|((neighbour, truth, found), errors)| {
            let mut row = names(image);
            row.push(neighbour.to_string_lossy().into_owned());
            row.extend(camera(&image.camera));
            row.extend([errors.rotation_deg, errors.translation_deg, errors.translation_cm].map(number));
            row.push(truth.as_ref().map_or_else(String::new, matrix));
            row.push(matrix(found));
            row
        })
    });
    write(path, header.chain(["true_pose", "found_pose"]).collect(), rows)
}

fn write(path: &Path, header: Vec<&str>, rows: impl Iterator<Item = Vec<String>>) -> Result<()> {
    write_atomically(path, |file| {
        let mut table = csv::Writer::from_writer(file);
        table.write_record(header)?;
        for row in rows {
            table.write_record(row)?;
        }
        table.flush()
    })
}

fn names(image: &ImageResult) -> Vec<String> {
    let subset = image.subset.unwrap_or_default().to_owned();
    vec![image.set.clone(), subset, image.name.clone(), image.image.to_string_lossy().into_owned()]
}

/// The camera that took the image, at the image file's own size.
fn camera(camera: &CameraModel) -> Vec<String> {
    let (pinhole, lens) = (&camera.pinhole, &camera.distortion);
    let numbers =
        [pinhole.fx, pinhole.fy, pinhole.cx, pinhole.cy, lens.k1, lens.k2, lens.p1, lens.p2, lens.k3];
    let size = [camera.size.0, camera.size.1].map(|x| x.to_string());
    size.into_iter().chain(numbers.map(|x| x.to_string())).collect()
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(String::new, |x| x.to_string())
}

fn matrix(pose: &Isometry3<f64>) -> String {
    let matrix = pose.to_homogeneous();
    let rows = matrix.fixed_rows::<3>(0).transpose();
    rows.iter().map(|x| format!("{x:.12e}")).collect::<Vec<_>>().join(" ")
}

impl Report {
    /// The tables that are printed and written to `table.md`.
    pub fn to_markdown(&self) -> String {
        let mut text = String::new();
        let all = || self.sets.iter();
        if all().any(|set| set.means.depth.is_some()) {
            let head = "set|images|abs rel|sq rel|RMSE|RMSE log|δ1|δ2|δ3|SILog|L1-inv";
            table(&mut text, "Depth", head, all().filter_map(|set| depth_row(&set.name, &set.means)));
        }
        if all().any(|set| set.means.pairs > 0) {
            let head = "set|pairs|rotation (°)|translation (°)|translation (cm)|ATE (m)|RPE (m)|RPE (°)";
            table(
                &mut text,
                "Poses",
                head,
                all().filter(|set| set.means.pairs > 0).map(|set| {
                    let means = &set.means;
                    let degrees = set.rpe.map(|rpe| rpe.rotation_rmse_rad.to_degrees());
                    let mut row = vec![set.name.clone(), means.pairs.to_string()];
                    row.extend(
                        [means.rotation_deg, means.translation_deg, means.translation_cm]
                            .map(|x| short(x, 2)),
                    );
                    let metres = [set.ate, set.rpe].map(|error| error.map(|error| error.translation_rmse));
                    row.extend(metres.map(|x| short(x, 4)));
                    row.push(short(degrees, 3));
                    row
                }),
            );
        }
        if all().any(|set| set.means.demon.is_some()) {
            let head = "set|images|L1-inv|sc-inv|L1-rel|rotation (°)|translation (°)|abs rel";
            let rows = all().flat_map(|set| {
                let parts = set.subsets.iter().map(|(part, means)| (format!("{}: {part}", set.name), means));
                let whole = std::iter::once((set.name.clone(), &set.means));
                parts.chain(whole).filter_map(|(name, means)| demon_row(name, means))
            });
            table(
                &mut text,
                "Depth and poses in units of the baseline (DeMoN)",
                head,
                rows.collect::<Vec<_>>(),
            );
        }
        for set in all().filter(|set| set.depth_fused > 0) {
            let (fused, images) = (set.depth_fused, set.means.images);
            let _ = writeln!(text, "{}: depth of {fused} of {images} images is fused over frames", set.name);
        }
        for skipped in &self.skipped {
            let name = skipped.name.as_ref().map_or_else(String::new, |name| format!(" {name}"));
            let _ = writeln!(text, "skipped: {}{name}: {}", skipped.set, skipped.reason);
        }
        text
    }
}

fn depth_row(name: &str, means: &Means) -> Option<Vec<String>> {
    let values = means.depth?.values();
    let mut row = vec![name.to_owned(), means.images.to_string()];
    row.extend(values.map(|x| short(Some(x), 4)));
    Some(row)
}

fn demon_row(name: String, means: &Means) -> Option<Vec<String>> {
    let demon = means.demon?;
    let mut row = vec![name, means.images.to_string()];
    row.extend([demon.l1_inv, demon.sc_inv, demon.l1_rel].map(|x| short(Some(x), 4)));
    row.extend([means.rotation_deg, means.translation_deg].map(|x| short(x, 3)));
    row.push(short(means.depth.map(|depth| depth.abs_rel), 4));
    Some(row)
}

pub(crate) fn short(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "–".into(), |x| format!("{x:.digits$}"))
}

/// `head` is separated by `|`.
pub(crate) fn table(text: &mut String, title: &str, head: &str, rows: impl IntoIterator<Item = Vec<String>>) {
    let columns = head.split('|').count();
    let _ = writeln!(text, "## {title}\n\n| {} |", head.replace('|', " | "));
    let _ = writeln!(text, "|{}", " --- |".repeat(columns));
    for row in rows {
        // A name may hold the character that ends a cell.
        let cells: Vec<_> = row.iter().map(|cell| cell.replace('|', "\\|")).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text.push('\n');
}
