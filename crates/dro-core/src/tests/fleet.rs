//! Searches in lock step.

use candle_core::{DType, Device, Tensor};
use proptest::prelude::*;

use super::search_laws::methods;
use crate::search::{Fleet, Frame, Method, Search};

fn fleet(method: Method, tasks: u64) -> Fleet<Box<dyn Search>> {
    Fleet::new((0..tasks).map(|seed| method.build(&Frame::unit(3), seed).unwrap()).collect()).unwrap()
}

fn cost(task: usize, x: &[f64]) -> f64 {
    x.iter().map(|x| (x - 0.1 * task as f64).abs()).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_fleet_is_its_searches_for_any_number_of_threads(
        method in methods(), tasks in 1usize..40, candidates in 1usize..5, threads in 1usize..5,
    ) {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let mut fleet = fleet(method, tasks as u64);
        pool.install(|| for _ in 0..12 {
            let xs = fleet.ask_tensor(candidates, DType::F64, &Device::Cpu).unwrap();
            assert_eq!(xs.dims(), [tasks, candidates, 3]);
            let rows = xs.to_vec3::<f64>().unwrap();
            let totals: Vec<Vec<f64>> = rows.iter().enumerate()
                .map(|(task, rows)| rows.iter().map(|x| cost(task, x)).collect()).collect();
            fleet.tell_tensor(&Tensor::new(totals, &Device::Cpu).unwrap()).unwrap();
        });
        for (task, search) in fleet.searches().iter().enumerate() {
            let mut alone = method.build(&Frame::unit(3), task as u64).unwrap();
            let mut x = [0.0; 3];
            for _ in 0..12 {
                let trials: Vec<_> =
                    (0..candidates).map(|_| (alone.ask(&mut x).unwrap(), cost(task, &x))).collect();
                trials.iter().for_each(|(id, cost)| alone.tell(*id, *cost).unwrap());
            }
            prop_assert_eq!(search.best(), alone.best());
        }
    }

    #[test]
    fn a_step_is_a_tell_and_an_ask(method in methods(), tasks in 1usize..20, candidates in 1usize..4) {
        let (mut one, mut two) = (fleet(method, tasks as u64), fleet(method, tasks as u64));
        let mut xs = vec![0.0; tasks * candidates * 3];
        one.ask_each(candidates, &mut xs).unwrap();
        let mut others = vec![0.0; xs.len()];
        two.ask_each(candidates, &mut others).unwrap();
        for _ in 0..12 {
            prop_assert_eq!(&xs, &others);
            let costs: Vec<f64> = xs.chunks(3).enumerate().map(|(i, x)| cost(i / candidates, x)).collect();
            one.step(&costs, &mut xs).unwrap();
            two.tell(&costs).unwrap();
            two.ask_each(candidates, &mut others).unwrap();
        }
    }
}

#[test]
fn wrong_sizes_are_named() {
    let mut fleet = fleet(Method::CmaEs, 4);
    assert!(fleet.tell(&[0.0; 4]).unwrap_err().to_string().contains("ask before"));
    assert!(fleet.ask(&mut [0.0; 11]).unwrap_err().to_string().contains("12 numbers"));
    assert!(fleet.ask_tensor(0, DType::F32, &Device::Cpu).is_err());
    let xs = fleet.ask_tensor(2, DType::F32, &Device::Cpu).unwrap();
    assert_eq!(xs.dims(), [4, 2, 3]);
    let totals = |shape: (usize, usize)| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
    let error = fleet.tell_tensor(&totals((2, 4))).unwrap_err().to_string();
    assert_eq!(error, "totals: expected shape [4, 2], found [2, 4]");
    assert!(fleet.step(&[0.0; 7], &mut [0.0; 24]).unwrap_err().to_string().contains("8 numbers"));
    assert!(fleet.step(&[0.0; 8], &mut [0.0; 23]).unwrap_err().to_string().contains("24 numbers"));
    fleet.tell_tensor(&totals((4, 2))).unwrap();
    assert!(fleet.tell_tensor(&totals((4, 2))).is_err(), "told twice");
    assert!(Fleet::<Box<dyn Search>>::new(Vec::new()).is_err());
    let mixed = vec![
        Method::CmaEs.build(&Frame::unit(2), 0).unwrap(),
        Method::CmaEs.build(&Frame::unit(3), 0).unwrap(),
    ];
    assert!(Fleet::new(mixed).is_err());
}
