//! Patterns that give a surface a colour everywhere, made of hashed noise.

/// Red, green, blue in [0, 1].
pub(super) type Colour = [f64; 3];

/// What a surface looks like; coordinates on the surface are metres.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pattern {
    /// Boards along the second axis, with grain.
    Wood { board_m: f64 },
    /// Bricks with mortar.
    Brick,
    /// A smooth wall with stains.
    Plaster,
    /// Squares of two colours.
    Checker { square_m: f64 },
    /// Stripes across the first axis, with a small motif.
    Wallpaper { stripe_m: f64 },
    /// Veins.
    Marble,
    /// A mosaic of coloured tiles and discs.
    Poster,
    /// Cloudy noise whose largest blots are of this size.
    Noise { blot_m: f64 },
    /// Rows of marks like print, on a light ground.
    Text { line_m: f64 },
    /// The same small square over and over, without any difference.
    Repeated { square_m: f64 },
    /// One colour.
    Plain,
}

/// Strength of the dirt of an ordinary surface.
pub(super) const DIRT: f64 = 0.56;

/// A pattern in two colours, with its own random numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Texture {
    pub(super) pattern: Pattern,
    pub(super) main: Colour,
    pub(super) second: Colour,
    /// Part of the colour that stains take and give, 0 to 1: without any, large areas have nothing to match.
    pub(super) dirt: f64,
    pub(super) seed: u64,
}

impl Texture {
    /// The colour at a point of the surface.
    pub(super) fn colour(&self, u: f64, v: f64) -> Colour {
        let Self { main, second, seed, dirt, .. } = *self;
        let dirt = 1.0 - 0.5 * dirt + dirt * fractal(u * 5.0, v * 5.0, seed ^ 1, 4);
        let base = match self.pattern {
            Pattern::Wood { board_m } => wood(u, v, board_m, main, second, seed),
            Pattern::Brick => brick(u, v, main, second, seed),
            Pattern::Plaster => mix(main, second, fractal(u * 3.0, v * 3.0, seed, 5)),
            Pattern::Checker { square_m } => {
                let (i, j) = ((u / square_m).floor(), (v / square_m).floor());
                let tone = 0.6 + 0.5 * unit(seed, i as i64, j as i64);
                let even = (i + j).rem_euclid(2.0) < 0.5;
                (if even { main } else { second }).map(|x| x * tone)
            }
            Pattern::Wallpaper { stripe_m } => wallpaper(u, v, stripe_m, main, second, seed),
            Pattern::Marble => {
                let wave = (9.0 * u + 7.0 * v + 6.0 * fractal(u * 4.0, v * 4.0, seed, 5)).sin();
                mix(second, main, wave.abs().powf(0.6))
            }
            Pattern::Poster => poster(u, v, seed),
            Pattern::Noise { blot_m } => {
                mix(main, second, (1.8 * fractal(u / blot_m, v / blot_m, seed, 6) - 0.4).clamp(0.0, 1.0))
            }
            Pattern::Text { line_m } => text(u, v, line_m, main, second, seed),
            Pattern::Repeated { square_m } => {
                let odd = ((u / square_m).floor() + (v / square_m).floor()).rem_euclid(2.0) > 0.5;
                if odd { second } else { main }
            }
            Pattern::Plain => main,
        };
        base.map(|x| x * dirt)
    }
}

fn wood(u: f64, v: f64, board_m: f64, main: Colour, second: Colour, seed: u64) -> Colour {
    let board = (u / board_m).floor();
    let length_m = 9.0 * board_m;
    let shifted = v + length_m * unit(seed, board as i64, 0);
    let piece = (shifted / length_m).floor();
    let tone = unit(seed ^ 7, board as i64, piece as i64);
    let bend = fractal(u * 6.0, v * 1.5, seed ^ 3, 3);
    let grain = fractal(u * 45.0 + 9.0 * bend, v * 4.0 + 31.0 * tone, seed ^ 5, 3);
    let edge = edge_m(u, board_m).min(edge_m(shifted, length_m));
    let seam = if edge < 0.004 { 0.45 } else { 1.0 };
    mix(main, second, (0.75 * grain + 0.55 * tone - 0.15).clamp(0.0, 1.0))
        .map(|x| x * seam * (0.8 + 0.35 * tone))
}

fn brick(u: f64, v: f64, main: Colour, second: Colour, seed: u64) -> Colour {
    const LENGTH_M: f64 = 0.24;
    const HEIGHT_M: f64 = 0.085;
    let course = (v / HEIGHT_M).floor();
    let shifted = u + if course.rem_euclid(2.0) < 0.5 { 0.0 } else { LENGTH_M / 2.0 };
    let wobble = 0.004 * (fractal(u * 20.0, v * 20.0, seed ^ 9, 2) - 0.5);
    if edge_m(shifted, LENGTH_M).min(edge_m(v, HEIGHT_M)) + wobble < 0.006 {
        return [0.62, 0.6, 0.57].map(|x| x * (0.8 + 0.4 * fractal(u * 50.0, v * 50.0, seed ^ 2, 2)));
    }
    let tone = unit(seed, (shifted / LENGTH_M).floor() as i64, course as i64);
    let rough = fractal(u * 30.0, v * 30.0, seed ^ 4, 3);
    mix(main, second, tone).map(|x| x * (0.65 + 0.7 * rough))
}

fn wallpaper(u: f64, v: f64, stripe_m: f64, main: Colour, second: Colour, seed: u64) -> Colour {
    let stripe = (u / stripe_m).rem_euclid(1.0);
    let ground = if stripe < 0.5 { main } else { mix(main, second, 0.35) };
    // A blot in each cell, at its own place and of its own size.
    let cell_m = stripe_m / 2.0;
    let (i, j) = ((u / cell_m).floor(), (v / cell_m).floor());
    let centre = |axis: u64| 0.3 + 0.4 * unit(seed ^ (11 + axis), i as i64, j as i64);
    let (du, dv) = (u / cell_m - i - centre(0), v / cell_m - j - centre(1));
    let petals = 1.0 + 0.35 * (5.0 * dv.atan2(du)).sin();
    let radius = 0.12 + 0.16 * unit(seed ^ 13, i as i64, j as i64);
    if du.hypot(dv) < radius * petals { second } else { ground }
}

fn poster(u: f64, v: f64, seed: u64) -> Colour {
    const CELL_M: f64 = 0.09;
    let (i, j) = ((u / CELL_M).floor(), (v / CELL_M).floor());
    let random = |salt: u64| unit(seed ^ salt, i as i64, j as i64);
    let (du, dv) = (u / CELL_M - i - 0.5, v / CELL_M - j - 0.5);
    let inside = match (4.0 * random(21)) as u32 {
        0 => du.hypot(dv) < 0.38,
        1 => du + dv < 0.0,
        2 => du.abs().max(dv.abs()) < 0.25,
        _ => du.abs() < 0.12,
    };
    let salt = if inside { 30 } else { 40 };
    [0, 1, 2].map(|channel| 0.12 + 0.83 * random(salt + channel))
}

/// Words of random length in lines; each letter is a 3x5 bitmap of random bits.
fn text(u: f64, v: f64, line_m: f64, ground: Colour, ink: Colour, seed: u64) -> Colour {
    let line = (v / line_m).floor();
    let (row, letter_m) = ((v / line_m - line) * 8.0, line_m * 0.5);
    let letter = (u / letter_m).floor();
    let column = (u / letter_m - letter) * 4.0;
    let blank = unit(seed ^ 17, letter as i64, line as i64) < 0.18;
    if blank || row >= 5.0 || column >= 3.0 {
        return ground;
    }
    let bits = (unit(seed ^ 19, letter as i64, line as i64) * 32768.0) as u32;
    let set = bits >> (row as u32 * 3 + column as u32) & 1 == 1;
    if set { ink } else { ground }
}

fn mix(a: Colour, b: Colour, share: f64) -> Colour {
    [0, 1, 2].map(|c| a[c] + (b[c] - a[c]) * share)
}

/// Distance to the nearest multiple of `period`.
fn edge_m(x: f64, period: f64) -> f64 {
    let inside = x.rem_euclid(period);
    inside.min(period - inside)
}

/// Noise of several sizes, each half as large and half as strong as the one before; within [0, 1).
fn fractal(u: f64, v: f64, seed: u64, octaves: u32) -> f64 {
    let (mut sum, mut weight, mut total, mut size) = (0.0, 1.0, 0.0, 1.0);
    for octave in 0..octaves {
        sum += weight * noise(u * size, v * size, seed.wrapping_add(u64::from(octave) << 40));
        total += weight;
        weight *= 0.5;
        size *= 2.0;
    }
    sum / total
}

/// Value noise: random numbers at whole coordinates, joined smoothly.
fn noise(u: f64, v: f64, seed: u64) -> f64 {
    let (i, j) = (u.floor(), v.floor());
    let smooth = |x: f64| x * x * (3.0 - 2.0 * x);
    let (a, b) = (smooth(u - i), smooth(v - j));
    let at = |di: i64, dj: i64| unit(seed, i as i64 + di, j as i64 + dj);
    let upper = at(0, 0) + (at(1, 0) - at(0, 0)) * a;
    let lower = at(0, 1) + (at(1, 1) - at(0, 1)) * a;
    upper + (lower - upper) * b
}

/// A random number in [0, 1) for a cell: the finaliser of splitmix64 over the mixed coordinates.
fn unit(seed: u64, i: i64, j: i64) -> f64 {
    let mut z = seed
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .wrapping_add((i as u64).wrapping_mul(0xD6E8_FEB8_6659_FD93))
        .wrapping_add((j as u64).wrapping_mul(0xA076_1D64_78BD_642F));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
}
