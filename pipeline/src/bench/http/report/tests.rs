use std::time::Duration;

use insta::assert_snapshot;
use serde_json::json;

use super::*;
use crate::bench::cost::{Cost, Costs};

fn report(errors: usize, unanswered: usize) -> Report {
    let cost = |cpu_seconds| Cost { cpu_seconds, peak_mb: 99.6 };
    let millis = LatencyMillis::of(&[1, 2, 30].map(Duration::from_millis));
    let requests = Requests {
        name: "POST, 8 at once".to_owned(),
        answered: 3000,
        errors: [("503 Service Unavailable".to_owned(), errors)]
            .into_iter()
            .filter(|(_, n)| *n > 0)
            .collect(),
        answers_per_second: 1500.4,
        latency_millis: millis,
        costs: Costs { pipeline: cost(1.25), broker: cost(10.0), load: cost(0.5) },
    };
    let waiters = |orders| Waiters {
        waiters: 1000,
        orders,
        answered: 1000 - unanswered,
        after_commit_millis: millis,
        bytes_each: 15_000.0,
    };
    Report { machine: Machine::this(), requests: vec![requests], waiters: vec![waiters(1), waiters(1000)] }
}

#[test]
fn a_report_for_people() {
    let report = report(2, 1).to_string();
    let (machine, rest) = report.split_once('\n').unwrap();
    assert_eq!(machine, Machine::this().to_string());
    assert_snapshot!(rest, @r"

requests         answers  answers/s  p50 ms  p90 ms  p99 ms  max ms  errors
POST, 8 at once     3000       1500     2.0    30.0    30.0    30.0       2
POST, 8 at once: 2 times 503 Service Unavailable

                 CPU s:  pipeline  broker  load  peak MB:  pipeline  broker
POST, 8 at once              1.25   10.00  0.50                 100     100

long polls, from the commit  orders  answered  p50 ms  p90 ms  p99 ms  max ms  KB each
1000                              1       999     2.0    30.0    30.0    30.0     14.6
1000                           1000       999     2.0    30.0    30.0    30.0     14.6
");
}

#[test]
fn a_report_for_programs() {
    let report = serde_json::to_value(report(2, 0)).unwrap();
    assert_eq!(report["requests"][0]["errors"], json!({ "503 Service Unavailable": 2 }));
    assert_eq!(report["requests"][0]["answersPerSecond"], 1500.4);
    assert_eq!(
        report["waiters"][0],
        json!({
            "waiters": 1000,
            "orders": 1,
            "answered": 1000,
            "afterCommitMillis": { "p50": 2.0, "p90": 30.0, "p99": 30.0, "max": 30.0 },
            "bytesEach": 15_000.0,
        })
    );
}

#[test]
fn whatever_is_not_answered_as_it_should_be_makes_it_unsound() {
    for (errors, unanswered, sound) in [(0, 0, true), (1, 0, false), (0, 1, false)] {
        assert_eq!(report(errors, unanswered).is_sound(), sound, "{errors} {unanswered}");
    }
}
