//! A way to a broker that loses answers: what was asked has been done, and nobody hears of it.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};

pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    broker: OnceLock<String>,
    is_cutting: AtomicBool,
    is_stopped: AtomicBool,
}

impl Proxy {
    /// To a broker that is named later: it has to know this address before it starts.
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, shared) = (listener.local_addr().unwrap(), Arc::<Shared>::default());
        let of_thread = shared.clone();
        let thread = thread::spawn(move || {
            for client in listener.incoming() {
                if of_thread.is_stopped.load(Ordering::Relaxed) {
                    break;
                }
                pass_on(client.unwrap(), &of_thread);
            }
        });
        Self { address, shared, thread: Some(thread) }
    }

    pub(crate) fn address(&self) -> String {
        self.address.to_string()
    }

    /// Where the broker really is.
    pub(crate) fn lead_to(&self, broker: String) {
        self.shared.broker.set(broker).unwrap();
    }

    /// Closes the next connection on which the broker answers, instead of passing the answer on.
    pub(crate) fn cut(&self) {
        self.shared.is_cutting.store(true, Ordering::Relaxed);
    }

    /// Whether the answer is still to come.
    pub(crate) fn is_cutting(&self) -> bool {
        self.shared.is_cutting.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.is_stopped.store(true, Ordering::Relaxed);
        // It waits for somebody to connect.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Each direction has a thread, which ends with the connection.
fn pass_on(client: TcpStream, shared: &Arc<Shared>) {
    let broker = shared.broker.get().and_then(|address| TcpStream::connect(address).ok());
    let Some(broker) = broker else { return };
    for stream in [&client, &broker] {
        stream.set_nodelay(true).unwrap();
    }
    let shared = shared.clone();
    let (from_client, to_broker) = (client.try_clone().unwrap(), broker.try_clone().unwrap());
    thread::spawn(move || copy(from_client, to_broker, || false));
    thread::spawn(move || copy(broker, client, || shared.is_cutting.swap(false, Ordering::Relaxed)));
}

fn copy(mut from: TcpStream, mut to: TcpStream, is_cut: impl Fn() -> bool) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if is_cut() || to.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    for stream in [from, to] {
        // One that is closed already is as good.
        let _ = stream.shutdown(Shutdown::Both);
    }
}
