use clap::Parser;

use super::*;

#[derive(Debug, Parser)]
struct Program {
    #[command(flatten)]
    service: ServiceArgs,
}

fn parse(arguments: &[&str]) -> Result<ServiceArgs, String> {
    let program = Program::try_parse_from([&["program"], arguments].concat());
    program.map(|program| program.service).map_err(|error| error.to_string())
}

#[track_caller]
fn refused(arguments: &[&str], expected: &str) {
    let error = parse(arguments).expect_err(&format!("{arguments:?}"));
    assert!(error.contains(expected), "{arguments:?}: {error}");
}

#[test]
fn without_arguments_there_are_defaults() {
    let args = parse(&[]).unwrap();
    assert_eq!(args.bootstrap_servers, "127.0.0.1:9092");
    assert_eq!(args.http, "127.0.0.1:8080");
    assert_eq!((args.partitions, args.replication_factor, args.threads), (4, 1, 1));
    assert_eq!(args.data_dir("orders-service"), Path::new("data/orders-service"));
    assert_eq!(args.kafka_property, []);
}

#[test]
fn arguments_are_taken_as_they_are() {
    let args = parse(&[
        "--bootstrap-servers=a:1,b:2",
        "--http=[::1]:0",
        "--advertised-url=https://orders-1:8443/",
        "--data-dir=/var/lib/x",
        "--kafka-property=security.protocol=ssl",
        "--kafka-property=ssl.key.password=a=b,c",
        "--log-format=json",
    ])
    .unwrap();
    assert_eq!(args.bootstrap_servers, "a:1,b:2");
    assert_eq!(args.http, "[::1]:0");
    let bound = "0.0.0.0:80".parse().unwrap();
    assert_eq!(args.advertised_url(bound).unwrap().to_string(), "https://orders-1:8443");
    assert_eq!(args.data_dir("orders-service"), Path::new("/var/lib/x"));
    let properties: Vec<_> = args.kafka_property.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(properties, [("security.protocol", "ssl"), ("ssl.key.password", "a=b,c")]);
    assert_eq!(args.log_format, LogFormat::Json);
}

#[test]
fn a_duration_is_longer_than_nothing() {
    for (text, expected) in
        [("30s", Some(30_000)), ("1m 30s", Some(90_000)), ("250ms", Some(250)), ("PT2S", Some(2_000))]
    {
        assert_eq!(duration(text).ok(), expected.map(Duration::from_millis), "{text}");
    }
    for text in ["", "30", "-5s", "0s", "soon"] {
        assert!(duration(text).is_err(), "{text}");
    }
}

#[test]
fn what_cannot_be_is_refused_with_its_reason() {
    refused(&["--partitions=0"], "0 is not in 1..");
    refused(&["--partitions=-1"], "-1 is not in 1..");
    refused(&["--replication-factor=0"], "0 is not in 1..");
    refused(&["--threads=0"], "0 is not in 1..");
    refused(&["--threads=two"], "invalid digit");
    refused(&["--bootstrap-servers="], "\"\" is not of the form host:port");
    refused(&["--bootstrap-servers=a:1,b"], "\"b\" is not of the form host:port");
    refused(&["--bootstrap-servers=a:1, b:2"], "\" b:2\" has no host");
    refused(&["--http=8080"], "\"8080\" is not of the form host:port");
    refused(&["--http=localhost:80800"], "\"80800\" is no port");
    refused(&["--http=:8080"], "\":8080\" has no host");
    refused(&["--advertised-url=orders-1:8080"], "\"orders-1:8080\" does not begin with http:// or https://");
    refused(&["--advertised-url=http://orders-1/v1"], "must end with host and port: no path, no query");
    refused(&["--advertised-url=http://0.0.0.0:80"], "is no address that others could reach");
    refused(&["--instance-id="], "must have 1 to 64 characters, not 0");
    refused(&["--instance-id=a b"], "may consist of A-Z a-z 0-9 . _ - only, not ' '");
    refused(&["--topic-prefix=a/"], "may consist of A-Z a-z 0-9 . _ - only, not '/'");
    refused(&["--kafka-property=secret"], "is not of the form key=value");
    refused(&["--kafka-config=/no/such/file"], "could not read /no/such/file");
    refused(&["--kafka-property==secret"], "is not of the form key=value");
    refused(&["--log-level=orders=loud"], "expected one of \"off\"");
    refused(&["--log-format=xml"], "possible values: text, json");
}

#[test]
fn every_argument_can_be_given_by_the_environment() {
    use clap::CommandFactory;
    let command = crate::with_environment(Program::command());
    let variables: Vec<_> = command
        .get_arguments()
        .filter_map(|argument| Some((argument.get_long()?, argument.get_env()?.to_str()?.to_owned())))
        .collect();
    assert_eq!(variables.len(), command.get_arguments().count());
    for (argument, variable) in variables {
        assert_eq!(variable, format!("ORDER_PIPELINE_{}", argument.replace('-', "_").to_uppercase()));
    }
}

#[test]
fn settings_of_the_command_line_take_precedence_over_those_of_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("client.properties");
    std::fs::write(&file, "security.protocol=ssl\nssl.ca.location=/ca\n").unwrap();
    let file = format!("--kafka-config={}", file.display());
    let args = parse(&[&file, "--kafka-property=security.protocol=plaintext"]).unwrap();
    let settings: Vec<_> = args.kafka_settings().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(
        settings,
        [("security.protocol", "ssl"), ("ssl.ca.location", "/ca"), ("security.protocol", "plaintext")]
    );
}
