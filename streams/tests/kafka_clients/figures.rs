//! What the clients cost; told, not judged. Run them alone, with `--ignored --nocapture`.

use std::fs;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use local_kafka::{Config, LocalKafka};
use streams::{Cleanup, ClientSupplier, GroupEvent, ProducerRecord, TopicPartition};

use crate::cluster::{Cluster, PATIENCE, assigned_from_beginning, config, create, place, producer, record};
use crate::members::through_librdkafka;

#[test]
#[ignore = "a measurement"]
fn one_transaction() {
    const ROUNDS: usize = 500;
    let cluster = Cluster::of("latency");
    cluster.create("in", 1);
    cluster.create("out", 1);
    let (in_0, out_0) = (place("in", 0), place("out", 0));
    let mut consumer = cluster.consumer(&["in"]);
    let metadata = assigned_from_beginning(&mut *consumer);
    let mut feeder = cluster.producer("feeder");
    let mut producer = cluster.producer("p");
    let mut took = Vec::new();
    for _ in 0..ROUNDS {
        feeder.begin().unwrap();
        feeder.send(record(&in_0, "k", "v"), None).unwrap();
        feeder.commit().unwrap();
        let start = Instant::now();
        loop {
            if let Some(GroupEvent::Record(_)) = consumer.poll(Duration::from_millis(100)).unwrap() {
                break;
            }
        }
        producer.begin().unwrap();
        producer.send(record(&out_0, "k", "v"), Some(0)).unwrap();
        producer.flush().unwrap();
        let position = consumer.position(&in_0).unwrap().unwrap();
        producer.send_offsets(&[(in_0.clone(), position)], &metadata).unwrap();
        producer.commit().unwrap();
        took.push(start.elapsed());
    }
    took.sort();
    println!("a transaction: p50 {:?}, p99 {:?}", took[ROUNDS / 2], took[ROUNDS * 99 / 100]);
}

#[test]
#[ignore = "a measurement"]
fn a_burst() {
    const RECORDS: usize = 200_000;
    let cluster = Cluster::of("burst");
    cluster.create("in", 1);
    let in_0: TopicPartition = place("in", 0);
    let mut producer = cluster.producer("p");
    let value = "v".repeat(300);
    let (start, cpu) = (Instant::now(), cpu_time());
    for _ in 0..RECORDS / 10_000 {
        producer.begin().unwrap();
        for _ in 0..10_000 {
            producer.send(record(&in_0, "k", &value), Some(0)).unwrap();
        }
        producer.commit().unwrap();
    }
    let (took, cpu) = (start.elapsed(), cpu_time() - cpu);
    println!("written: {:.0} records/s, {:?} of CPU each", rate(RECORDS, took), cpu / RECORDS as u32);
    let mut consumer = cluster.consumer(&["in"]);
    assigned_from_beginning(&mut *consumer);
    let (start, cpu) = (Instant::now(), cpu_time());
    let mut count = 0;
    while count < RECORDS {
        if let Some(GroupEvent::Record(_)) = consumer.poll(Duration::from_millis(100)).unwrap() {
            count += 1;
        }
    }
    let (took, cpu) = (start.elapsed(), cpu_time() - cpu);
    println!("read: {:.0} records/s, {:?} of CPU each", rate(RECORDS, took), cpu / RECORDS as u32);
}

/// Rows that are put, changed and deleted within a transaction or two: what a restore reads of them when the cleaner has
/// come, with the segments of a changelog and with larger ones.
#[test]
#[ignore = "a measurement"]
fn what_is_left_of_short_lived_rows() {
    const ROWS: usize = 300_000;
    const TOGETHER: usize = 2_500;
    let cluster = Cluster::of("short-lived");
    let large = Cleanup::Compact { min_lag: Duration::ZERO };
    let topics = [("changelog", Cleanup::Changelog), ("large", large)];
    let mut producer = cluster.producer("p");
    let value = "v".repeat(100);
    for (topic, cleanup) in topics {
        create(&cluster.kafka, topic, 1, cleanup);
        for first in (0..ROWS).step_by(TOGETHER) {
            for value in [Some(&*value), Some("changed"), None] {
                producer.begin().unwrap();
                for row in first..first + TOGETHER {
                    let row =
                        record(&place(topic, 0), &format!("cases/order-{row:012}/1"), value.unwrap_or(""));
                    let row = ProducerRecord { value: value.and(row.value), ..row };
                    producer.send(row, Some(0)).unwrap();
                }
                producer.commit().unwrap();
            }
        }
    }
    for waited in [0, 20, 20, 20] {
        thread::sleep(Duration::from_secs(waited));
        for (topic, _) in topics {
            let mut reader = cluster.reader();
            let end = reader.watermarks(&[place(topic, 0)]).unwrap()[0].high;
            reader.assign(&[(place(topic, 0), 0)]).unwrap();
            let (start, mut count) = (Instant::now(), 0);
            while reader.position(&place(topic, 0)).unwrap() < Some(end) {
                count += usize::from(reader.poll(Duration::from_millis(100)).unwrap().is_some());
            }
            println!("{topic}: of {} records {count} are read, in {:?}", 3 * ROWS, start.elapsed());
        }
    }
}

/// Both ways: one record at a time, then 256 under way.
#[test]
#[ignore = "a measurement"]
fn writes() {
    const ROUNDS: usize = 1_000;
    const RECORDS: usize = 100_000;
    let cluster = Cluster::of("writes");
    cluster.create("in", 4);
    let librdkafka = through_librdkafka(&cluster, "statistics.interval.ms", "0");
    for (way, kafka) in [("the protocol", &cluster.kafka), ("librdkafka", &librdkafka)] {
        let writer = kafka.writer().unwrap();
        let (tell, told) = mpsc::channel();
        let value = "v".repeat(300);
        let send = |number: usize| {
            let tell = tell.clone();
            let record = record(&place("in", number as i32 % 4), "k", &value);
            writer.send(record, Box::new(move |offset| tell.send(offset.unwrap()).unwrap()));
        };
        let mut took = Vec::new();
        for number in 0..ROUNDS {
            let start = Instant::now();
            send(number);
            told.recv_timeout(PATIENCE).unwrap();
            took.push(start.elapsed());
        }
        took.sort();
        let (start, cpu) = (Instant::now(), cpu_time());
        (0..256).for_each(&send);
        for number in 256..RECORDS {
            told.recv_timeout(PATIENCE).unwrap();
            send(number);
        }
        for _ in 0..256 {
            told.recv_timeout(PATIENCE).unwrap();
        }
        let (elapsed, cpu) = (start.elapsed(), cpu_time() - cpu);
        println!(
            "through {way}: one write p50 {:?}, p99 {:?}; 256 under way {:.0} records/s, {:?} of CPU each",
            took[ROUNDS / 2],
            took[ROUNDS * 99 / 100],
            rate(RECORDS, elapsed),
            cpu / RECORDS as u32
        );
    }
}

/// How long after a new Kafka is there a writer has written its first record; both ways.
#[test]
#[ignore = "a measurement"]
fn a_first_write() {
    for way in ["the protocol", "librdkafka"] {
        let took: Vec<(Duration, Duration)> = (0..5)
            .map(|_| {
                let broker = LocalKafka::start(Config::from_env()).unwrap();
                let mut config = config(&broker, "first");
                if way == "librdkafka" {
                    config.client_settings.push(("statistics.interval.ms".to_string(), "0".to_string()));
                }
                let start = Instant::now();
                let kafka = streams::kafka::Kafka::new(config);
                let writer = kafka.writer().unwrap();
                crate::cluster::create(&kafka, "in", 1, streams::Cleanup::Delete);
                let created = start.elapsed();
                let (tell, told) = mpsc::channel();
                writer.send(record(&place("in", 0), "k", "v"), Box::new(move |t| tell.send(t).unwrap()));
                told.recv_timeout(PATIENCE).unwrap().unwrap();
                (created, start.elapsed())
            })
            .collect();
        println!("through {way}, until the topic is there and until the record is written: {took:.0?}");
    }
}

#[test]
#[ignore = "a measurement"]
fn idle_clients() {
    const PERIOD: Duration = Duration::from_secs(10);
    let cluster = Cluster::of("idle");
    cluster.create("in", 4);
    let producers: Vec<_> = (0..6).map(|number| producer(&cluster.kafka, &format!("p-{number}"))).collect();
    // They have been used, and their pumps have to notice that nothing is left to do.
    thread::sleep(Duration::from_secs(1));
    let before = cpu_time();
    thread::sleep(PERIOD);
    let of_producers = cpu_time() - before;
    drop(producers);

    let mut consumers: Vec<_> = (0..6)
        .map(|number| {
            let mut config = cluster.config.clone();
            config.topic_prefix.push_str(&format!("{number}."));
            let kafka = streams::kafka::Kafka::new(config);
            crate::cluster::create(&kafka, "in", 4, streams::Cleanup::Delete);
            let mut consumer = crate::cluster::consumer(&kafka, &["in"]);
            assigned_from_beginning(&mut *consumer);
            consumer
        })
        .collect();
    let before = cpu_time();
    thread::scope(|scope| {
        for consumer in &mut consumers {
            scope.spawn(|| {
                let start = Instant::now();
                while start.elapsed() < PERIOD {
                    assert!(consumer.poll(Duration::from_millis(500)).unwrap().is_none());
                }
            });
        }
    });
    let of_consumers = cpu_time() - before;
    let percent = |cpu: Duration| 100.0 * cpu.as_secs_f64() / PERIOD.as_secs_f64();
    println!("six idle producers: {:.2} % of a core", percent(of_producers));
    println!("six idle consumers: {:.2} % of a core", percent(of_consumers));
}

/// Six members without a broker: one that refuses connections, one that accepts them and says nothing.
#[test]
#[ignore = "a measurement"]
fn an_outage() {
    const PERIOD: Duration = Duration::from_secs(10);
    for is_silent in [false, true] {
        let mut broker = LocalKafka::start(Config::from_env()).unwrap();
        let mut consumers: Vec<_> = (0..6)
            .map(|number| {
                let kafka = streams::kafka::Kafka::new(config(&broker, &format!("outage-{number}")));
                crate::cluster::create(&kafka, "in", 4, streams::Cleanup::Delete);
                let mut consumer = crate::cluster::consumer(&kafka, &["in"]);
                assigned_from_beginning(&mut *consumer);
                consumer
            })
            .collect();
        if is_silent {
            crate::outages::pause(&mut broker)
        } else {
            broker.stop().unwrap()
        }
        let before = cpu_time();
        thread::scope(|scope| {
            for consumer in &mut consumers {
                scope.spawn(|| {
                    let start = Instant::now();
                    while start.elapsed() < PERIOD {
                        consumer.poll(Duration::from_millis(500)).unwrap();
                    }
                });
            }
        });
        let cpu = 100.0 * (cpu_time() - before).as_secs_f64() / PERIOD.as_secs_f64();
        println!(
            "six consumers while the broker is {}: {cpu:.2} % of a core",
            if is_silent { "silent" } else { "away" }
        );
    }
}

#[test]
#[ignore = "a measurement"]
fn leaving() {
    const ROUNDS: usize = 10;
    let cluster = Cluster::of("leaving");
    cluster.create("in", 1);
    let mut leaving = cluster.consumer(&["in"]);
    assigned_from_beginning(&mut *leaving);
    let (mut closing, mut handing_over, mut dropping) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let mut next = cluster.consumer(&["in"]);
        // Both are members.
        while !matches!(leaving.poll(Duration::from_millis(10)).unwrap(), Some(GroupEvent::Revoked { .. })) {
            next.poll(Duration::from_millis(10)).unwrap();
        }
        leaving.unassign().unwrap();
        let (mut rejoined, mut joined) = (false, false);
        while !(rejoined && joined) {
            for (consumer, is_assigned) in [(&mut leaving, &mut rejoined), (&mut next, &mut joined)] {
                match consumer.poll(Duration::from_millis(10)).unwrap() {
                    Some(GroupEvent::Assigned(..)) => {
                        consumer.assign(&[]).unwrap();
                        *is_assigned = true;
                    }
                    Some(GroupEvent::Revoked { .. }) => {
                        consumer.unassign().unwrap();
                        *is_assigned = false;
                    }
                    _ => {}
                }
            }
        }
        let start = Instant::now();
        leaving.close();
        closing.push(start.elapsed());
        assigned_from_beginning(&mut *next);
        handing_over.push(start.elapsed());
        leaving = next;

        let mut producer = cluster.producer("p");
        producer.begin().unwrap();
        producer.commit().unwrap();
        let start = Instant::now();
        drop(producer);
        dropping.push(start.elapsed());
    }
    for (what, times) in
        [("closing", closing), ("handing over", handing_over), ("dropping a producer", dropping)]
    {
        println!("{what}: {times:.0?}");
    }
}

fn rate(count: usize, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

/// What this process has used so far, its ended threads included.
fn cpu_time() -> Duration {
    // The 14th and 15th field count from 1; the second one may contain blanks, and ends with a bracket.
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11..=12].iter().map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}
