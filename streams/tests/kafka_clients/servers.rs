//! Servers that are named first and never answer.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, bind, listen, socket};
use streams::ClientSupplier;
use streams::kafka::{Kafka, KafkaConfig};

use crate::cluster::{Cluster, PATIENCE, assigned_from_beginning, consumer, place, producer, record};

/// A server that nobody serves, with the connections that fill it.
struct Silent {
    listener: TcpListener,
    _connections: Vec<TcpStream>,
}

impl Silent {
    /// Connections come about, and what is sent on them nobody reads.
    fn reading_nothing() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").unwrap(), _connections: Vec::new() }
    }

    /// Not even a connection comes about, as where packets are dropped.
    fn dropping_packets() -> Self {
        let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        listen(&socket, 0).unwrap();
        let listener = TcpListener::from(socket);
        let address = listener.local_addr().unwrap();
        let mut connections = Vec::new();
        while let Ok(connection) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
            connections.push(connection);
        }
        Self { listener, _connections: connections }
    }

    fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }
}

#[test]
fn a_server_that_never_answers_keeps_no_client_from_the_next_one() {
    let cluster = Cluster::of("silent-server");
    cluster.create("in", 1);
    let in_0 = place("in", 0);
    let silent = [Silent::reading_nothing(), Silent::dropping_packets()];
    let first = silent.each_ref().map(|silent| silent.address().to_string());
    for first in [&first[..1], &first[1..], &first] {
        let servers = [&first.join(","), &cluster.config.bootstrap_servers[..]].join(",");
        let kafka = || {
            Kafka::new(KafkaConfig {
                topic_prefix: cluster.config.topic_prefix.clone(),
                ..KafkaConfig::new(servers.clone())
            })
        };
        // None of them is asked twice.
        kafka().admin().unwrap().describe(&["in".into()]).unwrap();
        let mut reader = kafka().reader("app").unwrap();
        reader.watermarks(std::slice::from_ref(&in_0)).unwrap();
        let mut producer = producer(&kafka(), "p");
        let writer = kafka().writer().unwrap();
        let (tell, told) = mpsc::channel();
        writer.send(record(&in_0, "k", "v"), Box::new(move |offset| tell.send(offset).unwrap()));
        let offset = told.recv_timeout(PATIENCE).unwrap().unwrap();
        let mut consumer = consumer(&kafka(), &["in"]);
        let metadata = assigned_from_beginning(&mut *consumer);
        producer.begin().unwrap();
        producer.send_offsets(&[(in_0.clone(), offset)], &metadata).unwrap();
        producer.commit().unwrap();
        reader.assign(&[(in_0.clone(), offset)]).unwrap();
        assert_eq!(crate::cluster::read(&mut *reader, 1)[0].offset, offset);
        consumer.close();
    }
}
