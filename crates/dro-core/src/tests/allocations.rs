//! A step asks for no memory once a search has got going.

use crate::search::{Frame, Method, Search};

fn step(search: &mut dyn Search, x: &mut [f64]) {
    let trial = search.ask(x).unwrap();
    let cost = x.iter().map(|x| (x - 0.3) * (x - 0.3)).sum();
    search.tell(trial, cost).unwrap();
}

/// How often memory was asked for in 50 steps, where it was fewest of several such stretches: restarts and new
/// generations may ask.
fn fewest(method: Method) -> u64 {
    let mut search = method.build(&Frame::unit(10), 1).unwrap();
    let mut x = [0.0; 10];
    (0..30)
        .map(|_| allocation_counter::measure(|| (0..50).for_each(|_| step(&mut *search, &mut x))).count_total)
        .min()
        .unwrap()
}

#[test]
fn steps_of_the_own_searches_allocate_nothing() {
    use Method::{DifferentialEvolution, OnePlusOneEs, Random, Spsa};
    for method in [DifferentialEvolution, OnePlusOneEs, Spsa, Random] {
        assert_eq!(fewest(method), 0, "{method}");
    }
}

/// nalgebra's eigenvectors come in matrices of their own, once a generation of ten.
#[test]
fn matrices_are_decomposed_once_a_generation() {
    for (method, at_most) in [(Method::CmaEs, 10), (Method::Recurrent, 40)] {
        let in_a_generation = fewest(method) / 5;
        assert!(in_a_generation <= at_most, "{method}: {in_a_generation}");
    }
}
