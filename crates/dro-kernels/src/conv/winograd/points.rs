//! The matrices of minimal filtering from interpolation points (Toom and Cook).

/// The most multiplications along one axis.
pub(crate) const MAX: usize = 10;

/// A matrix with at most [`MAX`] rows and columns; what is beyond its size is 0.
pub(crate) type Matrix = [[f32; MAX]; MAX];

/// Bᵀ, Aᵀ and G for `m` outputs of `r` taps.
#[derive(Debug)]
pub(crate) struct Matrices {
    /// Bᵀ, n × n.
    pub input: Matrix,
    /// Aᵀ, m × n.
    pub output: Matrix,
    /// G, n × r.
    pub weight: Matrix,
}

/// The finite interpolation points for n multiplications: 0, then pairs ±a.
///
/// A pair shares its products with the even and the odd inputs, see [`Axis`](super::Axis). Of sixteenths, those with which uniform numbers
/// leave the smallest errors: those of F(4×4, 3×3) are three times as large with the usual ±1 and ±2 in place of ±5/8 and ±3/2. Points near each
/// other's inverses: Alam et al., "Winograd Convolution for Deep Neural Networks: Efficient Point Selection", ACM TECS 2022.
const fn finite_points(n: usize) -> [f64; MAX] {
    match n {
        0..=6 => [0.0, 0.625, -0.625, 1.5, -1.5, 0.0, 0.0, 0.0, 0.0, 0.0],
        7..=8 => [0.0, 1.0, -1.0, 1.75, -1.75, 0.5625, -0.5625, 0.0, 0.0, 0.0],
        _ => [0.0, 0.8125, -0.8125, 2.0, -2.0, 0.5, -0.5, 1.25, -1.25, 0.0],
    }
}

/// The matrices with the first n − 1 of the finite points and ∞.
///
/// With points `a_j`, `f_j = Π_{l≠j} (a_j − a_l)`: `Aᵀ[i, j] = a_jⁱ`, `G[j, k] = a_jᵏ / f_j`, and row j of Bᵀ holds the
/// coefficients of `Π_{l≠j} (x − a_l)`. At ∞: the leading coefficients, and `Π (x − a_l)` over all finite points.
pub(crate) const fn matrices(m: usize, r: usize) -> Matrices {
    let n = m + r - 1;
    let points = finite_points(n);
    let (mut input, mut output, mut weight) = ([[0.0; MAX]; MAX], [[0.0; MAX]; MAX], [[0.0; MAX]; MAX]);
    let mut j = 0;
    while j + 1 < n {
        let (polynomial, mut factor) = (product(&points, n - 1, j), 1.0);
        let mut l = 0;
        while l + 1 < n {
            if l != j {
                factor *= points[j] - points[l];
            }
            l += 1;
        }
        let (mut k, mut power) = (0, 1.0);
        while k < n {
            input[j][k] = polynomial[k] as f32;
            if k < m {
                output[k][j] = power as f32;
            }
            if k < r {
                weight[j][k] = (power / factor) as f32;
            }
            power *= points[j];
            k += 1;
        }
        j += 1;
    }
    let polynomial = product(&points, n - 1, MAX);
    let mut k = 0;
    while k < n {
        input[n - 1][k] = polynomial[k] as f32;
        k += 1;
    }
    output[m - 1][n - 1] = 1.0;
    weight[n - 1][r - 1] = 1.0;
    Matrices { input, output, weight }
}

/// Coefficients of `Π (x − a_l)` over the first `count` points without the one at `skip`, lowest power first.
const fn product(points: &[f64; MAX], count: usize, skip: usize) -> [f64; MAX] {
    let mut c = [0.0; MAX];
    c[0] = 1.0;
    let mut l = 0;
    while l < count {
        if l != skip {
            let mut k = MAX - 1;
            while k > 0 {
                c[k] = c[k - 1] - points[l] * c[k];
                k -= 1;
            }
            c[0] *= -points[l];
        }
        l += 1;
    }
    c
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `y = Aᵀ [(G g) ∘ (Bᵀ d)]` is the correlation of d with g, for every size that is used.
    #[test]
    fn matrices_filter() {
        for (m, r) in [(1, 1), (2, 3), (4, 3), (6, 3), (4, 5), (6, 5)] {
            let (n, t) = (m + r - 1, matrices(m, r));
            let d: Vec<f64> = (0..n).map(|i| (1.3 * i as f64 + 0.2).sin()).collect();
            let g: Vec<f64> = (0..r).map(|i| (0.7 * i as f64 - 1.1).cos()).collect();
            let apply =
                |a: &[f32; MAX], x: &[f64]| x.iter().zip(a).map(|(x, a)| x * f64::from(*a)).sum::<f64>();
            let p: Vec<f64> = (0..n).map(|j| apply(&t.weight[j], &g) * apply(&t.input[j], &d)).collect();
            for i in 0..m {
                let direct: f64 = (0..r).map(|k| d[i + k] * g[k]).sum();
                let filtered = apply(&t.output[i], &p);
                assert!((direct - filtered).abs() < 3e-6, "F({m},{r})[{i}]: {direct} and {filtered}");
            }
        }
    }
}
