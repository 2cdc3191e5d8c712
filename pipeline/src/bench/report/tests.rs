use insta::assert_snapshot;
use serde_json::json;

use super::*;
use crate::bench::cost::{Cost, Costs};
use crate::cli::{Cli, Command};

/// Name, orders and rate of each run that these arguments ask for.
#[track_caller]
fn check(arguments: &str, expected: &[(&str, usize, Option<f64>)]) {
    let command_line = ["pipeline", "bench"].into_iter().chain(arguments.split_whitespace());
    let Command::Bench(args) = Cli::parse(command_line).unwrap().command else { panic!("{arguments}") };
    let expected: Vec<_> = expected
        .iter()
        .map(|(name, orders, rate)| Plan { name: (*name).to_owned(), orders: *orders, rate: *rate })
        .collect();
    assert_eq!(plans(&args), expected, "{arguments}");
}

#[test]
fn a_warm_up_a_burst_and_each_rate() {
    check(
        "",
        &[
            ("warm-up", 20_000, None),
            ("burst", 100_000, None),
            ("200/s", 4000, Some(200.0)),
            ("1000/s", 20_000, Some(1000.0)),
        ],
    );
    check("--warmup 0 --orders 0 --rates 0.3 --seconds 4", &[("0.3/s", 2, Some(0.3))]);
    check("--warmup 0 --orders 5 --rates 2 --seconds 1", &[("burst", 5, None), ("2/s", 2, Some(2.0))]);
}

fn report(missing: usize, duplicates: usize) -> Report {
    let cost = |cpu_seconds, peak_mb| Cost { cpu_seconds, peak_mb };
    let run = |name: &str, rate, latencies: &[u64], missing| Run {
        name: name.to_owned(),
        orders: 1000,
        rate,
        seconds: 2.5,
        orders_per_second: 400.0,
        latency_millis: LatencyMillis::of(
            &latencies.iter().copied().map(Duration::from_millis).collect::<Vec<_>>(),
        ),
        validated: 1000 - missing,
        failed: 0,
        missing,
        duplicates,
        costs: Costs { pipeline: cost(1.25, 99.6), broker: cost(10.0, 301.0), load: cost(0.5, 20.0) },
    };
    Report {
        machine: Machine::this(),
        ready_seconds: 1.234,
        idle_cpu_percent: Some(1.5),
        runs: vec![run("burst", None, &[], 0), run("200/s", Some(200.0), &[1, 2, 30], missing)],
    }
}

#[test]
fn a_report_for_people() {
    let report = report(3, 0).to_string();
    let (machine, rest) = report.split_once('\n').unwrap();
    assert_eq!(machine, Machine::this().to_string());
    assert_snapshot!(rest, @r"
    ready after 1.23 s, 1.5 % of a core when idle

    run    orders  orders/s  p50 ms  p90 ms  p99 ms  max ms  validated  failed  missing  duplicates
    burst    1000       400                                       1000       0        0           0
    200/s    1000       400     2.0    30.0    30.0    30.0        997       0        3           0

           CPU s:  pipeline  broker  load  peak MB:  pipeline  broker
    burst              1.25   10.00  0.50                 100     301
    200/s              1.25   10.00  0.50                 100     301
    ");
}

#[test]
fn a_report_for_programs() {
    let report = serde_json::to_value(report(0, 0)).unwrap();
    assert_eq!(report["readySeconds"], 1.234);
    assert_eq!(report["runs"][0]["latencyMillis"], json!(null));
    assert_eq!(
        report["runs"][1],
        json!({
            "name": "200/s",
            "orders": 1000,
            "rate": 200.0,
            "seconds": 2.5,
            "ordersPerSecond": 400.0,
            "latencyMillis": { "p50": 2.0, "p90": 30.0, "p99": 30.0, "max": 30.0 },
            "validated": 1000,
            "failed": 0,
            "missing": 0,
            "duplicates": 0,
            "costs": {
                "pipeline": { "cpuSeconds": 1.25, "peakMb": 99.6 },
                "broker": { "cpuSeconds": 10.0, "peakMb": 301.0 },
                "load": { "cpuSeconds": 0.5, "peakMb": 20.0 },
            },
        })
    );
}

#[test]
fn what_is_lost_or_decided_twice_makes_it_unsound() {
    for (missing, duplicates, sound) in [(0, 0, true), (1, 0, false), (0, 1, false)] {
        assert_eq!(report(missing, duplicates).is_sound(), sound, "{missing} {duplicates}");
    }
}
