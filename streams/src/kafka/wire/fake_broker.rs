//! A broker for tests, played by the test itself: it takes requests and answers them, or does not.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{
    ApiKey, BrokerId, MetadataRequest, MetadataResponse, RequestHeader, ResponseHeader, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};

const PATIENCE: Duration = Duration::from_secs(60);
pub(super) const BROKER: i32 = 1;

pub(super) struct FakeBroker {
    listener: TcpListener,
    connections: Vec<TcpStream>,
}

/// A request that waits for its answer.
pub(super) struct Asked {
    pub(super) api: ApiKey,
    header: RequestHeader,
    body: Bytes,
    connection: TcpStream,
}

impl FakeBroker {
    pub(super) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self { listener, connections: Vec::new() }
    }

    pub(super) fn address(&self) -> String {
        self.listener.local_addr().unwrap().to_string()
    }

    /// The next request, while the client does what it does.
    #[track_caller]
    pub(super) fn next(&mut self, mut client: impl FnMut()) -> Asked {
        let start = Instant::now();
        loop {
            client();
            if let Some(asked) = self.look() {
                return asked;
            }
            assert!(start.elapsed() < PATIENCE, "nothing is asked");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// A request that is there already. What a client on this thread has sent is.
    pub(super) fn look(&mut self) -> Option<Asked> {
        while let Ok((connection, _)) = self.listener.accept() {
            connection.set_nonblocking(true).unwrap();
            self.connections.push(connection);
        }
        self.connections.retain(|connection| {
            let peeked = connection.peek(&mut [0]);
            peeked.as_ref().is_ok_and(|count| *count > 0)
                || peeked.is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
        });
        // One that was open just now may have been closed since.
        let has_some = |connection: &&TcpStream| connection.peek(&mut [0]).is_ok_and(|count| count > 0);
        let ready = self.connections.iter().find(has_some)?;
        Some(Asked::read(ready.try_clone().unwrap()))
    }

    pub(super) fn open_connections(&mut self) -> usize {
        assert!(self.look().is_none(), "nothing is asked");
        self.connections.len()
    }

    /// Says that this broker leads the partitions of all topics that are asked for.
    pub(super) fn answer_metadata(&self, asked: Asked, partitions: i32) {
        let request: MetadataRequest = asked.request();
        let partition = |number| {
            MetadataResponsePartition::default().with_partition_index(number).with_leader_id(BrokerId(BROKER))
        };
        let topic = |name: Option<TopicName>| {
            MetadataResponseTopic::default()
                .with_name(name)
                .with_partitions((0..partitions).map(partition).collect())
        };
        let broker = MetadataResponseBroker::default()
            .with_node_id(BrokerId(BROKER))
            .with_host(StrBytes::from_static_str("127.0.0.1"))
            .with_port(self.listener.local_addr().unwrap().port().into());
        let topics = request.topics.unwrap().into_iter().map(|asked| topic(asked.name));
        let answer = MetadataResponse::default().with_brokers(vec![broker]).with_topics(topics.collect());
        asked.answer::<MetadataRequest>(&answer);
    }
}

impl Asked {
    fn read(mut connection: TcpStream) -> Self {
        connection.set_nonblocking(false).unwrap();
        let mut length = [0; 4];
        connection.read_exact(&mut length).unwrap();
        let mut message = vec![0; u32::from_be_bytes(length) as usize];
        connection.read_exact(&mut message).unwrap();
        connection.set_nonblocking(true).unwrap();
        let mut body = Bytes::from(message);
        let api = ApiKey::try_from(i16::from_be_bytes([body[0], body[1]])).unwrap();
        let version = i16::from_be_bytes([body[2], body[3]]);
        let header = RequestHeader::decode(&mut body, api.request_header_version(version)).unwrap();
        Self { api, header, body, connection }
    }

    #[track_caller]
    pub(super) fn request<R: Request>(&self) -> R {
        assert_eq!(self.api as i16, R::KEY);
        R::decode(&mut self.body.clone(), self.header.request_api_version).unwrap()
    }

    pub(super) fn answer<R: Request>(mut self, answer: &R::Response) {
        let version = self.header.request_api_version;
        let mut message = BytesMut::zeroed(4);
        let header = ResponseHeader::default().with_correlation_id(self.header.correlation_id);
        header.encode(&mut message, R::Response::header_version(version)).unwrap();
        answer.encode(&mut message, version).unwrap();
        let length = u32::try_from(message.len() - 4).unwrap();
        message[..4].copy_from_slice(&length.to_be_bytes());
        self.connection.set_nonblocking(false).unwrap();
        self.connection.write_all(&message).unwrap();
        self.connection.set_nonblocking(true).unwrap();
    }

    /// Closes the connection instead.
    pub(super) fn hang_up(self) {
        self.connection.shutdown(std::net::Shutdown::Both).unwrap();
    }
}
