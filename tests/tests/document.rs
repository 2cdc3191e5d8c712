//! That what `/openapi.json` says is so, and says all.

#![expect(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use pipeline_tests::{Client, Process, binary, broker};
use reqwest::Method;
use serde_json::Value;

const WORKSPACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// One pipeline for all that is asked of it.
#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_true_and_complete() {
    let directory = tempfile::tempdir().unwrap();
    let pipeline = pipeline(directory.path());
    let ready = pipeline.await_line("ready http://");
    let client = Client::new(ready.strip_prefix("ready ").unwrap());
    let document = client.get("/openapi.json").await.expect_status(200).body;
    every_documented_method_is_served_and_no_other(&client, &document).await;
    every_route_in_the_sources_is_documented(&document);
    every_reference_leads_somewhere(&document, &document);
    it_is_openapi(client.url(), directory.path());
    schemathesis_finds_nothing(client.url(), directory.path());
}

fn pipeline(directory: &Path) -> Process {
    let mut command = Command::new(binary("pipeline"));
    command.args([
        "up",
        "--http",
        "127.0.0.1:0",
        "--topic-prefix",
        "document-",
        "--bootstrap-servers",
        broker(),
    ]);
    command.arg("--data-dir").arg(directory.join("data"));
    Process::start("pipeline", &mut command, &directory.join("pipeline.log"))
}

/// A method that nobody knows is refused with those that there are.
async fn every_documented_method_is_served_and_no_other(client: &Client, document: &Value) {
    let unknown = Method::from_bytes(b"UNKNOWN").unwrap();
    for (path, item) in document["paths"].as_object().unwrap() {
        let filled = path.split('/').map(|part| if part.starts_with('{') { "any" } else { part });
        let filled = filled.collect::<Vec<_>>().join("/");
        let refused = client.send(unknown.clone(), &filled, &[], None).await.expect_status(405);
        let allowed: BTreeSet<_> =
            refused.header("allow").unwrap().split(", ").map(str::to_lowercase).collect();
        let documented: BTreeSet<_> = item.as_object().unwrap().keys().cloned().collect();
        assert_eq!(documented, allowed, "{path}");
    }
}

/// The server does not tell its routes; the sources do.
fn every_route_in_the_sources_is_documented(document: &Value) {
    let mut routes = BTreeSet::new();
    for member in fs::read_dir(WORKSPACE).unwrap() {
        let sources = member.unwrap().path().join("src");
        // The front door has a server of its own only until the services are there.
        if sources.is_dir() && !sources.ends_with("pipeline/src") {
            add_routes(&sources, &mut routes);
        }
    }
    // The page that shows the document to people.
    assert!(routes.remove("/docs"), "{routes:?}");
    assert!(routes.contains("/v1/orders/{id}"), "{routes:?}");
    for route in routes {
        assert!(document["paths"][&route].is_object(), "{route} is not documented");
    }
}

fn add_routes(sources: &Path, routes: &mut BTreeSet<String>) {
    let entries = fs::read_dir(sources).unwrap().map(|entry| entry.unwrap().path());
    for path in entries.filter(|path| !path.ends_with("tests")) {
        if path.is_dir() {
            add_routes(&path, routes);
        } else {
            let text = fs::read_to_string(&path).unwrap();
            assert!(!text.contains("web::scope("), "{}: routes in a scope are not found", path.display());
            for call in ["web::resource(\"", "web::resource(either(\"", ".route(\""] {
                let routed = text.split(call).skip(1).filter_map(|rest| rest.split('"').next());
                routes.extend(routed.map(str::to_owned));
            }
        }
    }
}

fn every_reference_leads_somewhere(part: &Value, document: &Value) {
    match part {
        Value::Object(members) => {
            if let Some(reference) = members.get("$ref") {
                let pointer = reference.as_str().unwrap().trim_start_matches('#');
                assert!(document.pointer(pointer).is_some(), "{reference}");
            }
            members.values().for_each(|member| every_reference_leads_somewhere(member, document));
        }
        Value::Array(elements) => {
            elements.iter().for_each(|element| every_reference_leads_somewhere(element, document));
        }
        _ => {}
    }
}

/// By the schema of OpenAPI 3.1 itself, which schemathesis brings along.
fn it_is_openapi(url: &str, directory: &Path) {
    let program =
        "import sys, schemathesis; schemathesis.openapi.from_url(sys.argv[1]).validate(); print('valid')";
    let mut command = Command::new(python());
    command.args(["-c", program]).arg(format!("{url}/openapi.json")).current_dir(directory);
    let mut validation = Process::start("validation", &mut command, &directory.join("validation.log"));
    validation.await_line("valid");
    assert!(validation.await_end().success());
}

/// Many requests made of the document, good ones and bad ones: each is answered as the document says.
fn schemathesis_finds_nothing(url: &str, directory: &Path) {
    let settings = format!("{WORKSPACE}/tests/schemathesis");
    let mut command = Command::new(python());
    command
        .args(["-m", "schemathesis.cli", "--config-file", "schemathesis.toml", "run", "--no-color"])
        .args(["--phases", "examples,coverage,fuzzing,stateful", "--max-examples", "15", "--seed", "1"])
        // More than one stumble over each other in Python's own parser.
        .args(["--workers", "1"])
        .arg("--report-dir")
        .arg(directory.join("report"))
        .arg(format!("{url}/openapi.json"))
        .current_dir(settings)
        .env("HYPOTHESIS_STORAGE_DIRECTORY", directory.join("hypothesis"))
        .env("PYTHONDONTWRITEBYTECODE", "1");
    let mut run = Process::start("schemathesis", &mut command, &directory.join("schemathesis.log"));
    let status = run.await_end_for(Duration::from_secs(600));
    let said = run.said();
    assert!(status.success(), "schemathesis has found something");
    let summary = said.rsplit_once("= SUMMARY =").map_or(&*said, |(_, summary)| summary);
    // Past the test harness, which shows only what fails.
    io::stderr().write_all(format!("schemathesis{summary}").as_bytes()).unwrap();
    assert!(summary.contains("No issues found"), "{summary}");
}

/// The Python that has schemathesis.
fn python() -> PathBuf {
    let ours = || format!("{WORKSPACE}/target/venv/bin/python").into();
    std::env::var_os("SCHEMATHESIS_PYTHON").map_or_else(ours, PathBuf::from)
}
