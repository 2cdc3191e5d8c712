//! The whole pipeline in simulated worlds, a few hundred of them.

use pipeline_tests::simulation::play;

#[test]
fn one_seed() {
    let var =
        |name: &str, default| std::env::var(name).ok().and_then(|seed| seed.parse().ok()).unwrap_or(default);
    let mut failed = 0;
    for seed in var("SEED", 1u64)..var("SEED", 1) + var("SEEDS", 1) {
        let start = std::time::Instant::now();
        match play(seed) {
            Ok(success) => println!("{seed} {success:?} in {:?}", start.elapsed()),
            Err(failure) => {
                std::fs::write(format!("/tmp/simfail-{seed}.log"), failure.to_string()).unwrap();
                println!("FAILED {seed} {} in {:?}", failure.reason, start.elapsed());
                failed += 1;
            }
        }
    }
    assert_eq!(failed, 0);
}
