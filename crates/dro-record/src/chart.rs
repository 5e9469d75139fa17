//! Curves with bands, drawn as SVG.

use plotters::prelude::*;

use crate::{Error, Result};

/// One curve.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    name: String,
    points: Vec<(f64, f64)>,
    band: Vec<(f64, f64, f64)>,
}

impl Line {
    /// A named curve through `(x, y)`; points that are not finite are left out.
    pub fn new(name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        Self { name: name.into(), points: points.into_iter().collect(), band: Vec::new() }
    }

    /// A shaded band `(x, low, high)` behind the curve, such as a confidence interval.
    pub fn band(mut self, band: impl IntoIterator<Item = (f64, f64, f64)>) -> Self {
        self.band = band.into_iter().collect();
        self
    }
}

/// A chart of any number of curves on shared axes, linear unless said otherwise.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    title: String,
    x_label: String,
    y_label: String,
    size: (u32, u32),
    log_x: bool,
    log_y: bool,
    y_range: Option<(f64, f64)>,
    lines: Vec<Line>,
}

impl Chart {
    /// An empty chart of 900x540 pixels.
    pub fn new(title: impl Into<String>, x_label: impl Into<String>, y_label: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            x_label: x_label.into(),
            y_label: y_label.into(),
            size: (900, 540),
            log_x: false,
            log_y: false,
            y_range: None,
            lines: Vec::new(),
        }
    }

    /// One more curve.
    pub fn line(mut self, line: Line) -> Self {
        self.lines.push(line);
        self
    }

    /// Width and height in pixels.
    pub fn size(mut self, width: u32, height: u32) -> Self {
        self.size = (width, height);
        self
    }

    /// A logarithmic x axis; points at or below zero are left out.
    pub fn log_x(mut self) -> Self {
        self.log_x = true;
        self
    }

    /// A logarithmic y axis; points at or below zero are left out.
    pub fn log_y(mut self) -> Self {
        self.log_y = true;
        self
    }

    /// A fixed range of y in place of that of the data.
    pub fn y_range(mut self, low: f64, high: f64) -> Self {
        self.y_range = Some((low, high));
        self
    }

    /// The drawing.
    ///
    /// # Errors
    /// If the plotting library refuses, for example a size of a few pixels.
    pub fn to_svg(&self) -> Result<String> {
        let mut svg = String::new();
        self.draw(&mut svg)
            .map_err(|error| Error::Chart { title: self.title.clone(), reason: error.to_string() })?;
        Ok(svg)
    }

    fn draw(&self, svg: &mut String) -> std::result::Result<(), Box<dyn std::error::Error>> {
        let (x, y) = (Axis { log: self.log_x }, Axis { log: self.log_y });
        let place = |p: &(f64, f64)| Some((x.place(p.0)?, y.place(p.1)?));
        let curves: Vec<Vec<(f64, f64)>> =
            self.lines.iter().map(|line| line.points.iter().filter_map(place).collect()).collect();
        let bands: Vec<Vec<(f64, f64, f64)>> = self
            .lines
            .iter()
            .map(|line| {
                let place = |b: &(f64, f64, f64)| Some((x.place(b.0)?, y.place(b.1)?, y.place(b.2)?));
                line.band.iter().filter_map(place).collect()
            })
            .collect();
        let xs = range(curves.iter().flatten().map(|p| p.0));
        let ys = match self.y_range.and_then(|(low, high)| Some((y.place(low)?, y.place(high)?))) {
            Some(given) => given,
            None => {
                let (low, high) = range(curves.iter().flatten().map(|p| p.1));
                (low - 0.05 * (high - low), high + 0.05 * (high - low))
            }
        };

        let root = SVGBackend::with_string(svg, self.size).into_drawing_area();
        root.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&root)
            .caption(&self.title, ("sans-serif", 22))
            .margin(14)
            .x_label_area_size(42)
            .y_label_area_size(76)
            .build_cartesian_2d(xs.0..xs.1, ys.0..ys.1)?;
        let named = |label: &str, log: bool| if log { format!("{label} (log)") } else { label.to_owned() };
        chart
            .configure_mesh()
            .x_desc(named(&self.x_label, self.log_x))
            .y_desc(named(&self.y_label, self.log_y))
            .x_label_formatter(&|v| x.label(*v))
            .y_label_formatter(&|v| y.label(*v))
            .light_line_style(WHITE)
            .bold_line_style(BLACK.mix(0.1))
            .label_style(("sans-serif", 14))
            .axis_desc_style(("sans-serif", 16))
            .draw()?;
        for (index, ((line, points), band)) in self.lines.iter().zip(&curves).zip(&bands).enumerate() {
            let colour = COLOURS[index % COLOURS.len()];
            if !band.is_empty() {
                let low = band.iter().map(|b| (b.0, b.1));
                let outline: Vec<_> = low.chain(band.iter().rev().map(|b| (b.0, b.2))).collect();
                chart.draw_series([Polygon::new(outline, colour.mix(0.15).filled())])?;
            }
            // A second round of the colours is drawn thinner.
            let style = colour.stroke_width(if index < COLOURS.len() { 2 } else { 1 });
            chart
                .draw_series(LineSeries::new(points.iter().copied(), style))?
                .label(&line.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
        }
        if self.lines.iter().any(|line| !line.name.is_empty()) {
            chart
                .configure_series_labels()
                .position(SeriesLabelPosition::UpperRight)
                .background_style(WHITE.mix(0.85))
                .border_style(BLACK.mix(0.2))
                .label_font(("sans-serif", 14))
                .draw()?;
        }
        root.present()?;
        Ok(())
    }
}

/// Colours that people with colour-vision deficiencies tell apart (Okabe & Ito 2008), without the yellow.
const COLOURS: [RGBColor; 7] = [
    RGBColor(213, 94, 0),
    RGBColor(0, 114, 178),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(0, 0, 0),
];

#[derive(Clone, Copy)]
struct Axis {
    log: bool,
}

impl Axis {
    /// Where a value is drawn, if it can be. The plotting library's own sums must not overflow.
    fn place(self, value: f64) -> Option<f64> {
        let placed = if self.log { (value > 0.0).then(|| value.log10())? } else { value };
        (placed.abs() < 1e300).then_some(placed)
    }

    fn label(self, place: f64) -> String {
        tick(if self.log { 10f64.powf(place) } else { place })
    }
}

/// A number as it stands at an axis: about three digits, an exponent where it is very small or large.
pub fn tick(value: f64) -> String {
    match value.abs() {
        0.0 => "0".into(),
        size if (1e-3..1e5).contains(&size) => {
            let digits = (2 - size.log10().floor() as i32).clamp(0, 5) as usize;
            let text = format!("{value:.digits$}");
            if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { text }
        }
        _ => format!("{value:.1e}"),
    }
}

fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) =
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    if low > high {
        (0.0, 1.0)
    } else if low == high {
        let room = if low == 0.0 { 1.0 } else { 0.1 * low.abs() };
        (low - room, high + room)
    } else {
        (low, high)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_curve_is_named_and_drawn() {
        let line = |name: &str, k: f64| {
            Line::new(name, (0..10).map(move |i| (f64::from(i), k * f64::from(i)))).band([(0.0, 0.0, 1.0)])
        };
        let svg = Chart::new("T", "x", "y").line(line("one", 1.0)).line(line("two", 2.0)).to_svg().unwrap();
        assert!(svg.contains("one") && svg.contains("two"));
        assert!(svg.contains(&format!("#{:02X}{:02X}{:02X}", 213, 94, 0)));
    }

    #[test]
    fn what_cannot_be_drawn_is_left_out() {
        let wild = [(0.0, f64::NAN), (1.0, f64::INFINITY), (2.0, -1.0), (3.0, 1e308), (f64::NAN, 1.0)];
        for chart in [Chart::new("", "", ""), Chart::new("", "", "").log_x().log_y()] {
            chart.clone().to_svg().unwrap();
            assert!(!chart.line(Line::new("wild", wild)).to_svg().unwrap().contains("NaN"));
        }
    }
}
