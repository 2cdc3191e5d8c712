//! That a bench runs, counts right and tells it. How fast anything is depends on the machine.

use std::fs;

use serde_json::Value;

use crate::pipeline::command;

/// The report of `pipeline bench <arguments>`, as JSON, after it has run to its end; and what it printed.
#[track_caller]
fn report(arguments: &[&str]) -> (Value, String) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("report.json");
    // What is set for other pipelines is not for the one that is measured.
    let mut bench = command("bench");
    bench.args(arguments).arg("--json").arg(&file).env("ORDER_PIPELINE_TOPIC_PREFIX", "other.");
    let bench = bench.output().unwrap();
    let (stdout, stderr) = (String::from_utf8(bench.stdout).unwrap(), String::from_utf8_lossy(&bench.stderr));
    assert!(bench.status.success(), "{stdout}{stderr}");
    (serde_json::from_slice(&fs::read(file).unwrap()).unwrap(), stdout)
}

#[track_caller]
fn is_positive(figures: &[&Value]) {
    for figure in figures {
        assert!(figure.as_f64().is_some_and(|figure| figure > 0.0), "{figures:?}");
    }
}

#[test]
fn a_bench_counts_every_order_once() {
    let (report, table) =
        report(&["--orders", "500", "--rates", "50", "--seconds", "2", "--warmup", "100", "--idle", "1"]);
    is_positive(&[&report["readySeconds"], &report["machine"]["cores"]]);
    assert!(report["idleCpuPercent"].is_number(), "{report}");
    let runs = report["runs"].as_array().unwrap();
    assert_eq!(
        runs.iter().map(|run| run["name"].as_str().unwrap()).collect::<Vec<_>>(),
        ["warm-up", "burst", "50/s"]
    );
    for (run, orders) in runs.iter().zip([100, 500, 100]) {
        assert_eq!((&run["orders"], &run["validated"]), (&orders.into(), &orders.into()), "{run}");
        for figure in ["failed", "missing", "duplicates"] {
            assert_eq!(run[figure], 0, "{run}");
        }
        let (latency, costs) = (&run["latencyMillis"], &run["costs"]);
        is_positive(&[
            &run["ordersPerSecond"],
            &latency["p50"],
            &costs["pipeline"]["peakMb"],
            &costs["broker"]["peakMb"],
        ]);
        assert!(table.contains(&format!("\n{} ", run["name"].as_str().unwrap())), "{table}");
    }
    // The last order of the rate is sent not before its time.
    assert!(runs[2]["seconds"].as_f64().unwrap() > 99.0 / 50.0, "{report}");
}

#[test]
fn a_bench_of_http_has_every_request_answered() {
    let (report, table) = report(&[
        "http",
        "--concurrency",
        "8",
        "--seconds",
        "1",
        "--warmup",
        "0",
        "--rate",
        "20",
        "--waiters",
        "30",
    ]);
    let requests = report["requests"].as_array().unwrap();
    let names: Vec<_> = requests.iter().map(|requests| requests["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["POST, 8 at once", "POST, 20/s", "GET, 8 at once"]);
    for requests in requests {
        is_positive(&[
            &requests["answered"],
            &requests["answersPerSecond"],
            &requests["latencyMillis"]["p50"],
        ]);
        assert_eq!(requests["errors"], serde_json::json!({}), "{report}");
    }
    assert_eq!(requests[1]["answered"], 20);
    for (waiters, orders) in report["waiters"].as_array().unwrap().iter().zip([1, 30]) {
        assert_eq!((&waiters["orders"], &waiters["answered"]), (&orders.into(), &30.into()), "{report}");
        assert!(waiters["afterCommitMillis"]["max"].is_number(), "{report}");
    }
    assert!(table.contains("\n30 "), "{table}");
}
