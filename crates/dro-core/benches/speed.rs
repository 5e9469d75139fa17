#![allow(missing_docs)]
use dro_core::search::{Frame, Method, Search};
fn cpu() -> f64 {
    let s = std::fs::read_to_string("/proc/self/schedstat").unwrap();
    s.split(' ').next().unwrap().parse::<f64>().unwrap() * 1e-9
}
fn main() {
    let mut best = f64::INFINITY;
    let mut best_tell = (0.0, 0.0);
    for _ in 0..20 {
        let (mut t, mut n) = (0.0, 0);
        for seed in 0..40 {
            let mut s = Method::Recurrent.build(&Frame::unit(10), seed).unwrap();
            let mut x = [0.0; 10];
            let mut step = |s: &mut Box<dyn Search>| {
                let id = s.ask(&mut x).unwrap();
                let c = x.iter().enumerate().map(|(i, x)| (i + 1) as f64 * (x - 0.3).powi(2)).sum();
                s.tell(id, c).unwrap();
            };
            (0..50).for_each(|_| step(&mut s));
            let t0 = cpu();
            (0..100).for_each(|_| step(&mut s));
            t += cpu() - t0;
            n += 100;
        }
        best = best.min(t / n as f64);
        best_tell = (t, 0.0);
    }
    let _ = best_tell;
    println!("{:.2} us per step", best * 1e6);
}
