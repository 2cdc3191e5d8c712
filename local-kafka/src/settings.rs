//! The files that tell Kafka what to do.

use std::collections::BTreeMap;
use std::path::Path;
use std::thread::available_parallelism;

/// Everything goes to the console, and from there with what the JVM itself says into one file. Kafka itself
/// has things to say while it shuts down.
pub(crate) const LOG4J2: &str = "\
status = warn
shutdownHook = disable
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{yyyy-MM-dd'T'HH:mm:ss.SSSXXX}{UTC} %-5p %m (%c)%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
";

/// The content of `server.properties`: one node that is broker and controller, with the extra
/// settings replacing ours of the same name.
pub(crate) fn server_properties(
    port: u16,
    controller_port: u16,
    log_dir: &Path,
    extra: &BTreeMap<String, String>,
) -> String {
    let mut settings: BTreeMap<String, String> =
        FIXED.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let broker = format!("BROKER://127.0.0.1:{port}");
    let controller = format!("127.0.0.1:{controller_port}");
    settings.insert("listeners".into(), format!("{broker},CONTROLLER://{controller}"));
    settings.insert("advertised.listeners".into(), broker);
    settings.insert("controller.quorum.voters".into(), format!("1@{controller}"));
    settings.insert("log.dirs".into(), log_dir.display().to_string());
    settings.extend(threads(available_parallelism().map_or(1, usize::from)));
    settings.extend(extra.clone());
    settings.iter().map(|(name, value)| format!("{name}={}\n", escaped(value))).collect()
}

/// As many threads as the machine has cores. Kafka's defaults, 8 and 3, are for machines of its own; on few cores they
/// only take turns.
fn threads(cores: usize) -> [(String, String); 2] {
    [("num.io.threads", cores.max(2)), ("num.network.threads", cores.div_ceil(2))]
        .map(|(name, count)| (name.to_owned(), count.to_string()))
}

/// The backslash is the one character that a value of a properties file cannot hold as it is.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\")
}

const FIXED: &[(&str, &str)] = &[
    ("process.roles", "broker,controller"),
    ("node.id", "1"),
    ("controller.listener.names", "CONTROLLER"),
    ("inter.broker.listener.name", "BROKER"),
    ("listener.security.protocol.map", "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT"),
    // Services create what they own; a topic made by a typo would hide the mistake.
    ("auto.create.topics.enable", "false"),
    ("delete.topic.enable", "true"),
    // One node cannot hold three replicas, and 50 partitions each only cost time at start.
    ("default.replication.factor", "1"),
    ("min.insync.replicas", "1"),
    ("offsets.topic.num.partitions", "4"),
    ("offsets.topic.replication.factor", "1"),
    ("transaction.state.log.num.partitions", "4"),
    ("transaction.state.log.replication.factor", "1"),
    ("transaction.state.log.min.isr", "1"),
    ("share.coordinator.state.topic.num.partitions", "4"),
    ("share.coordinator.state.topic.replication.factor", "1"),
    ("share.coordinator.state.topic.min.isr", "1"),
    // No other member is on its way when the first one joins.
    ("group.initial.rebalance.delay.ms", "0"),
    // A dead instance's open transaction holds up every read_committed reader until this scan.
    ("transaction.abort.timed.out.transaction.cleanup.interval.ms", "500"),
    // After a crash the controller refuses the new broker until the session of the dead one has
    // expired; the default is 9 s.
    ("broker.session.timeout.ms", "3000"),
    ("broker.heartbeat.interval.ms", "500"),
    // No records that say that nothing happened: two writes to the disk per second, 3 % of a core.
    ("metadata.max.idle.interval.ms", "0"),
    // As the system adapts them. Kafka's default, 100 KiB, is less than most requests and answers of a backlog: whoever
    // sends one has to be woken for each part of it.
    ("socket.send.buffer.bytes", "-1"),
    ("socket.receive.buffer.bytes", "-1"),
    // The default, 128 MiB, is allocated at start; this still cleans 600,000 keys in one pass.
    ("log.cleaner.dedupe.buffer.size", "16777216"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extra_settings_replace_ours() {
        let extra = BTreeMap::from([
            ("node.id".to_owned(), "7".to_owned()),
            ("a.path".to_owned(), r"C:\x".to_owned()),
        ]);
        let written = server_properties(9092, 9093, Path::new("/d/log"), &extra);
        let lines: Vec<&str> = written.lines().collect();
        for expected in [
            "node.id=7",
            r"a.path=C:\\x",
            "log.dirs=/d/log",
            "listeners=BROKER://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093",
            "controller.quorum.voters=1@127.0.0.1:9093",
        ] {
            assert!(lines.contains(&expected), "{expected} is not in\n{written}");
        }
        assert!(!lines.contains(&"node.id=1"), "{written}");
    }
}
