use std::path::Path;

use super::*;
use crate::bench::What;

fn parse(arguments: &str) -> Result<Command, String> {
    let command_line = ["pipeline"].into_iter().chain(arguments.split_whitespace());
    Cli::parse(command_line).map(|cli| cli.command).map_err(|error| error.to_string())
}

#[track_caller]
fn up(arguments: &str) -> UpArgs {
    match parse(&format!("up {arguments}")) {
        Ok(Command::Up(args)) => *args,
        other => panic!("{arguments}: {other:?}"),
    }
}

#[track_caller]
fn simulate(arguments: &str) -> SimulateArgs {
    match parse(&format!("simulate {arguments}")) {
        Ok(Command::Simulate(args)) => args,
        other => panic!("{arguments}: {other:?}"),
    }
}

#[track_caller]
fn bench(arguments: &str) -> BenchArgs {
    match parse(&format!("bench {arguments}")) {
        Ok(Command::Bench(args)) => args,
        other => panic!("{arguments}: {other:?}"),
    }
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

/// Whether a broker is started, and on which port if one was asked for.
#[test]
fn a_kafka_of_our_own_is_started_where_no_other_is_named() {
    for (arguments, expected) in [
        ("", Some(None)),
        ("--kafka-port 9093", Some(Some(9093))),
        ("--bootstrap-servers localhost:9092", None),
        // Also when it is what the services would have taken by themselves.
        ("--bootstrap-servers 127.0.0.1:9092", None),
        ("--bootstrap-servers a:1,b:2", None),
    ] {
        let args = up(arguments);
        assert_eq!(args.local_kafka().map(|config| config.port), expected, "{arguments}");
    }
}

#[test]
fn a_cluster_that_was_named_is_seeded_only_if_asked_for() {
    for (arguments, expected) in [
        ("", true),
        ("--no-seed", false),
        ("--bootstrap-servers a:1", false),
        ("--bootstrap-servers a:1 --seed", true),
        ("--bootstrap-servers a:1 --no-seed", false),
    ] {
        assert_eq!(up(arguments).with_seeds(), expected, "{arguments}");
    }
}

#[test]
fn everything_is_kept_below_one_directory() {
    for (arguments, state, kafka) in
        [("", "./data", "./data/kafka"), ("--data-dir /var/lib/p", "/var/lib/p", "/var/lib/p/kafka")]
    {
        let args = up(arguments);
        assert_eq!(args.data_dir(), Path::new(state));
        assert_eq!(args.local_kafka().unwrap().data_dir.as_deref(), Some(Path::new(kafka)));
    }
}

#[test]
fn what_is_not_given_has_a_default() {
    let args = up("");
    assert_eq!(args.service.http, "127.0.0.1:8080");
    assert_eq!((args.service.partitions, args.service.replication_factor, args.service.threads), (4, 1, 1));

    let args = simulate("");
    assert_eq!(args.url.as_str(), "http://127.0.0.1:8080/");
    assert_eq!((args.orders, args.rate(), args.seed), (100, None, None));
    assert_eq!(args.customers().len(), crate::seed::CUSTOMERS.len());
    assert_eq!(args.products().len(), crate::seed::PRODUCTS.len());

    let args = bench("");
    assert_eq!((args.warmup, args.orders, args.seconds.get(), args.idle), (20_000, 100_000, 20, 10));
    assert_eq!(args.rates, [200.0, 1000.0]);

    let Some(What::Http(args)) = bench("http").what else { panic!("another bench") };
    assert_eq!((args.concurrency.get(), args.seconds.get(), args.rate, args.waiters), (256, 10, 200.0, 1000));
}

#[test]
fn both_benches_take_a_file_and_arguments_for_the_pipeline() {
    let up = ["--threads", "2"];
    let args = bench("--rates 1,2.5 --json a.json -- --threads 2");
    assert_eq!(args.rates, [1.0, 2.5]);
    assert_eq!(
        (args.common.json.as_deref(), &args.common.up[..]),
        (Some(Path::new("a.json")), &up.map(OsString::from)[..])
    );
    let Some(What::Http(args)) = bench("http --waiters 0 --json b.json -- --threads 2").what else {
        panic!("another bench")
    };
    assert_eq!(
        (args.common.json.as_deref(), &args.common.up[..]),
        (Some(Path::new("b.json")), &up.map(OsString::from)[..])
    );
}

#[test]
fn a_rate_of_zero_is_no_rate() {
    for (arguments, expected) in
        [("--rate 0", None), ("--rate 2.5", Some(2.5)), ("--rate 1000", Some(1000.0))]
    {
        assert_eq!(simulate(arguments).rate(), expected, "{arguments}");
    }
}

#[test]
fn a_part_of_what_is_seeded_can_be_chosen() {
    let args = simulate("--customers c-3,c-1 --products p-2");
    assert_eq!(args.customers().iter().map(|customer| customer.id).collect::<Vec<_>>(), ["c-3", "c-1"]);
    assert_eq!(args.products().iter().map(|product| product.id).collect::<Vec<_>>(), ["p-2"]);
}

/// Each command line is refused, with this in the message.
#[track_caller]
fn check_refused(cases: &[(&str, &str)]) {
    for (arguments, expected) in cases {
        let error = parse(arguments).expect_err(arguments);
        assert!(error.contains(expected), "{arguments}: {error}");
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    check_refused(&[
        ("", "Usage"),
        ("down", "unrecognized subcommand"),
        ("up --kafka-port 9093 --bootstrap-servers a:1", "cannot be used with"),
        ("up --kafka-port 0", "--kafka-port"),
        ("up --seed --no-seed", "cannot be used with"),
        ("up --smtp-url smtp://a --smtp-url-file b", "could not read b"),
        ("up --partitions 0", "--partitions"),
        ("up --http 8080", "is not of the form host:port"),
        ("up --fraud-limit EUR", "a limit must be a whole number"),
        ("up --deadline 0s", "--deadline"),
        ("up --mail-from nobody", "--mail-from"),
        ("simulate --rate=-1", "must be a number of orders a second"),
        ("simulate --rate NaN", "must be a number of orders a second"),
        ("simulate --orders x", "--orders"),
        ("simulate --concurrency 0", "--concurrency"),
        ("simulate --timeout 0", "--timeout"),
        ("simulate --customers c-99", "c-1"),
        ("simulate --products ,", "p-1"),
        ("simulate --url ftp://localhost", "must begin with http://"),
        ("simulate --url localhost:8080", "must begin with http://"),
        ("simulate --url nonsense", "--url"),
        ("bench --rates 0", "must be a number of orders a second"),
        ("bench --rates 200,", "must be a number of orders a second"),
        ("bench --seconds 0", "--seconds"),
        ("bench --orders 5 http", "unexpected argument 'http'"),
        ("bench --threads 2", "--threads"),
        ("bench http --concurrency 0", "--concurrency"),
        ("bench http --rate NaN", "must be a number of orders a second"),
        ("bench tea", "tea"),
    ]);
}
