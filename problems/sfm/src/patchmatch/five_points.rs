//! Poses by five matched points each.
//!
//! An essential matrix is in the four-dimensional space that five points leave, `E = x X + y Y + z Z + W`, where `det E = 0` and
//! `2 E Eᵀ E = tr(E Eᵀ) E`: ten cubic equations in x, y, z, with at most ten solutions (Nistér, PAMI 2004). They are eigenvectors of
//! the matrix that multiplies by x what is left of polynomials modulo the equations (Stewénius, Engels & Nistér, *Recent developments
//! on direct relative orientation*, ISPRS 2006). Points on one plane are enough, unlike for linear methods.

use nalgebra::{
    Isometry3, Matrix3, Rotation3, SMatrix, SVD, SVector, Schur, SymmetricEigen, Translation3,
    UnitQuaternion, Vector3,
};

use crate::cost::behind;

/// Iterations after which a decomposition is given up.
const MOST_ITERATIONS: usize = 1000;
/// Imaginary parts below this are of rounding, as a part of the value.
const REAL: f64 = 1e-6;
/// How far beside an eigenvalue its vector is sought, as a part of it.
const BESIDE: f64 = 1e-9;

/// Powers of x, y and z: all ten of degree 3, then what polynomials modulo the equations are made of.
const MONOMIALS: [[usize; 3]; 20] = [
    [3, 0, 0],
    [2, 1, 0],
    [2, 0, 1],
    [1, 2, 0],
    [1, 1, 1],
    [1, 0, 2],
    [0, 3, 0],
    [0, 2, 1],
    [0, 1, 2],
    [0, 0, 3],
    [2, 0, 0],
    [1, 1, 0],
    [1, 0, 1],
    [0, 2, 0],
    [0, 1, 1],
    [0, 0, 2],
    [1, 0, 0],
    [0, 1, 0],
    [0, 0, 1],
    [0, 0, 0],
];
/// Where the powers are in [`MONOMIALS`].
const PLACES: [[[usize; 4]; 4]; 4] = places();

const fn places() -> [[[usize; 4]; 4]; 4] {
    let mut places = [[[0; 4]; 4]; 4];
    let mut i = 0;
    while i < 20 {
        let [x, y, z] = MONOMIALS[i];
        places[x][y][z] = i;
        i += 1;
    }
    places
}

/// Where monomials of at most this degree begin.
const FIRST: [usize; 4] = [19, 16, 10, 0];

/// A polynomial in x, y and z of degree 3 at most, by [`MONOMIALS`].
#[derive(Clone, Copy)]
struct Polynomial {
    of: [f64; 20],
    degree: usize,
}

impl Polynomial {
    const ZERO: Self = Self { of: [0.0; 20], degree: 0 };

    fn plus(mut self, other: &Self, times: f64) -> Self {
        self.of.iter_mut().zip(&other.of).for_each(|(a, b)| *a += times * b);
        Self { degree: self.degree.max(other.degree), ..self }
    }

    /// Degrees must not be more than 3 together.
    fn times(&self, other: &Self) -> Self {
        let mut of = [0.0; 20];
        for (a, [u, v, w]) in self.of.iter().zip(MONOMIALS).skip(FIRST[self.degree]) {
            for (b, [x, y, z]) in other.of.iter().zip(MONOMIALS).skip(FIRST[other.degree]) {
                of[PLACES[u + x][v + y][w + z]] += a * b;
            }
        }
        Self { of, degree: self.degree + other.degree }
    }
}

type Square = SMatrix<f64, 10, 10>;

/// The poses, with translations of length 1, by which five rays `[target, neighbour]` meet: one of each essential matrix, the one with
/// most points in front of both cameras. None where numbers fail.
pub(super) fn poses(rays: &[[Vector3<f64>; 2]; 5]) -> Vec<Isometry3<f64>> {
    essential(rays).iter().filter_map(|essential| in_front(essential, rays)).collect()
}

/// `b' E a = 0` for all rays.
fn essential(rays: &[[Vector3<f64>; 2]; 5]) -> Vec<Matrix3<f64>> {
    let mut normal = SMatrix::<f64, 9, 9>::zeros();
    for [a, b] in rays {
        let (a, b) = (a.normalize(), b.normalize());
        let row = SVector::<f64, 9>::from_fn(|i, _| b[i / 3] * a[i % 3]);
        normal += row * row.transpose();
    }
    let Some(eigen) = SymmetricEigen::try_new(normal, f64::EPSILON, MOST_ITERATIONS) else {
        return Vec::new();
    };
    let mut order = [0, 1, 2, 3, 4, 5, 6, 7, 8];
    order.sort_by(|&a, &b| eigen.eigenvalues[a].total_cmp(&eigen.eigenvalues[b]));
    let basis = [0, 1, 2, 3].map(|k| eigen.eigenvectors.column(order[k]).into_owned());
    let entry = |i: usize, j: usize| {
        let mut of = [0.0; 20];
        (0..4).for_each(|k| of[16 + k] = basis[k][3 * i + j]);
        Polynomial { of, degree: 1 }
    };
    let e = [0, 1, 2].map(|i| [0, 1, 2].map(|j| entry(i, j)));
    let Some(action) = action(&equations(&e)) else { return Vec::new() };
    let Some(schur) = Schur::try_new(action, f64::EPSILON, MOST_ITERATIONS) else { return Vec::new() };
    let real = schur.complex_eigenvalues();
    let real =
        real.iter().filter(|value| value.im.abs() <= REAL * (1.0 + value.re.abs())).map(|value| value.re);
    let solution = |value: f64| {
        let beside = value + BESIDE * (1.0 + value.abs());
        let vector = (action - Square::identity() * beside).lu().solve(&SVector::<f64, 10>::repeat(1.0))?;
        let vector = vector / vector[9];
        let weights = [vector[6], vector[7], vector[8], 1.0];
        let sum = basis.iter().zip(weights).map(|(matrix, weight)| matrix * weight).sum::<SVector<f64, 9>>();
        let norm = sum.norm();
        (norm > 0.0 && norm.is_finite()).then(|| Matrix3::from_fn(|i, j| sum[3 * i + j] / norm))
    };
    real.filter_map(solution).collect()
}

/// The ten equations.
fn equations(e: &[[Polynomial; 3]; 3]) -> [Polynomial; 10] {
    let sum = |terms: [Polynomial; 3]| terms.iter().fold(Polynomial::ZERO, |sum, term| sum.plus(term, 1.0));
    // E Eᵀ less half its trace.
    let mut squared = [0, 1, 2].map(|i| [0, 1, 2].map(|j| sum([0, 1, 2].map(|k| e[i][k].times(&e[j][k])))));
    let trace = sum([0, 1, 2].map(|i| squared[i][i]));
    (0..3).for_each(|i| squared[i][i] = squared[i][i].plus(&trace, -0.5));
    let minor = |i: usize, j: usize| e[1][i].times(&e[2][j]).plus(&e[1][j].times(&e[2][i]), -1.0);
    let determinant =
        sum([e[0][0].times(&minor(1, 2)), e[0][1].times(&minor(2, 0)), e[0][2].times(&minor(0, 1))]);
    let mut equations = [determinant; 10];
    for i in 0..3 {
        for j in 0..3 {
            equations[3 * i + j] = sum([0, 1, 2].map(|k| squared[i][k].times(&e[k][j])));
        }
    }
    equations
}

/// What multiplying by x does to the last ten of [`MONOMIALS`], modulo the equations.
fn action(equations: &[Polynomial; 10]) -> Option<Square> {
    let leading = Square::from_fn(|i, j| equations[i].of[j]);
    let rest = Square::from_fn(|i, j| equations[i].of[10 + j]);
    let reduced = leading.lu().solve(&rest)?;
    let row = |i: usize, j: usize| {
        let [x, y, z] = MONOMIALS[10 + i];
        let place = PLACES[x + 1][y][z];
        if place < 10 { -reduced[(place, j)] } else { f64::from(u8::from(place - 10 == j)) }
    };
    let action = Square::from_fn(row);
    action.iter().all(|x| x.is_finite()).then_some(action)
}

/// Of the four poses of an essential matrix that with most points in front of both cameras.
fn in_front(essential: &Matrix3<f64>, rays: &[[Vector3<f64>; 2]]) -> Option<Isometry3<f64>> {
    let svd = SVD::try_new(*essential, true, true, f64::EPSILON, MOST_ITERATIONS)?;
    let (u, v) = (svd.u?, svd.v_t?);
    // Singular values are in falling order: the last left vector is the direction.
    let t = u.column(2).into_owned();
    let quarter = Matrix3::new(0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0);
    let turned = |turn: Matrix3<f64>| {
        let rotation = u * turn * v;
        let rotation = if rotation.determinant() < 0.0 { -rotation } else { rotation };
        UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix_unchecked(rotation))
    };
    let rotations = [turned(quarter), turned(quarter.transpose())];
    let all = rotations
        .into_iter()
        .flat_map(|rotation| [t, -t].map(|t| Isometry3::from_parts(Translation3::from(t), rotation)));
    let in_front = |pose: &Isometry3<f64>| {
        let t = pose.translation.vector;
        let before = |[a, b]: &&[Vector3<f64>; 2]| {
            let turned = pose.rotation * a;
            !behind(&t, &t.cross(&turned), b, &turned.cross(b))
        };
        rays.iter().filter(before).count()
    };
    all.filter(|pose| pose.to_homogeneous().iter().all(|x| x.is_finite())).max_by_key(in_front)
}

#[cfg(test)]
mod tests {
    use nalgebra::Point3;
    use proptest::prelude::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// The pose by which five points are seen is among those found, also where they are on one plane. Not always, as rounding
    /// counts by its square root where two solutions are nearly one.
    #[test]
    fn the_pose_is_found() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut offs = Vec::new();
        for number in 0..2000 {
            let mut within = |low: f64, high: f64| rng.random_range(low..high);
            let mut vector = |by: f64| Vector3::from_fn(|_, _| within(-by, by));
            let (t, w) = (vector(1.0).normalize(), vector(0.5));
            let truth = Isometry3::from_parts(Translation3::from(t), UnitQuaternion::from_scaled_axis(w));
            let rays = [(); 5].map(|()| {
                let ray = Vector3::new(within(-0.7, 0.7), within(-0.7, 0.7), 1.0);
                let flat = 4.0 / (1.0 + 0.3 * ray.x - 0.2 * ray.y);
                let depth = if number % 2 == 0 { flat } else { within(2.0, 8.0) };
                let there = truth * Point3::from(ray * depth);
                [ray, there.coords / there.z]
            });
            let off = |pose: &Isometry3<f64>| {
                pose.rotation.angle_to(&truth.rotation) + pose.translation.vector.angle(&t)
            };
            offs.push(poses(&rays).iter().map(off).fold(f64::INFINITY, f64::min));
        }
        let share = |most: f64| offs.iter().filter(|off| **off < most).count() as f64 / offs.len() as f64;
        assert!(share(0.1) > 0.99 && share(1e-3) > 0.97, "{} {}", share(0.1), share(1e-3));
    }

    proptest! {
        /// Whatever rays there are: poses are finite, and no panic.
        #[test]
        fn any_rays_do(values in prop::collection::vec(prop_oneof![any::<f64>(), -1.0..1.0f64, Just(0.0)], 30)) {
            let ray = |i: usize| Vector3::new(values[i], values[i + 1], values[i + 2]);
            let rays = [0, 6, 12, 18, 24].map(|i| [ray(i), ray(i + 3)]);
            for pose in poses(&rays) {
                prop_assert!(pose.to_homogeneous().iter().all(|x| x.is_finite()));
            }
        }
    }
}
