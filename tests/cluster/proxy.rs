//! A connection to the NATS servers that can be cut like a cable: nothing comes through, and neither end learns it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub(crate) struct Proxy {
    port: u16,
    cut: Arc<watch::Sender<Cut>>,
}

/// What does not come through.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cut {
    Nothing,
    All,
    /// The connections that were begun with these words.
    Of(&'static str),
}

/// One connection.
struct Way {
    cut: watch::Receiver<Cut>,
    /// The first bytes that the client sent.
    said: Arc<Mutex<Vec<u8>>>,
}

impl Proxy {
    pub(crate) async fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let cut = Arc::new(watch::channel(Cut::Nothing).0);
        let state = Arc::clone(&cut);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let state = Arc::clone(&state);
                tokio::spawn(async move {
                    // Cut off: connections are taken, and stay silent.
                    let _ = state.subscribe().wait_for(|cut| *cut != Cut::All).await;
                    if let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await {
                        let (client_in, client_out) = client.into_split();
                        let (server_in, server_out) = server.into_split();
                        let said: Arc<Mutex<Vec<u8>>> = Arc::default();
                        let way = || Way { cut: state.subscribe(), said: Arc::clone(&said) };
                        tokio::spawn(carry(client_in, server_out, way(), true));
                        carry(server_in, client_out, way(), false).await;
                    }
                });
            }
        });
        Self { port, cut }
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn cut(&self, cut: bool) {
        self.cut.send_replace(if cut { Cut::All } else { Cut::Nothing });
    }

    /// Cuts only the connections that are begun with `words`, such as a name.
    pub(crate) fn cut_only(&self, words: &'static str) {
        self.cut.send_replace(Cut::Of(words));
    }
}

impl Way {
    fn is_open(&self, cut: Cut) -> bool {
        match cut {
            Cut::Nothing => true,
            Cut::All => false,
            Cut::Of(words) => {
                let said = self.said.lock().unwrap();
                !said.windows(words.len()).any(|some| some == words.as_bytes())
            }
        }
    }

    async fn wait_until(&mut self, open: bool) {
        loop {
            let cut = *self.cut.borrow_and_update();
            if self.is_open(cut) == open || self.cut.changed().await.is_err() {
                return;
            }
        }
    }

    async fn open(&mut self) {
        self.wait_until(true).await;
    }

    async fn closed(&mut self) {
        self.wait_until(false).await;
    }

    fn hear(&self, bytes: &[u8]) {
        const BEGINNING: usize = 1024;
        let mut said = self.said.lock().unwrap();
        let room = BEGINNING.saturating_sub(said.len()).min(bytes.len());
        said.extend_from_slice(&bytes[..room]);
    }
}

async fn carry(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut way: Way,
    from_client: bool,
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        way.open().await;
        let read = tokio::select! {
            read = from.read(&mut buffer) => read,
            () = way.closed() => continue,
        };
        let Ok(n @ 1..) = read else { return };
        if from_client {
            way.hear(&buffer[..n]);
        }
        // Bytes that were on their way when the cable broke arrive when it is repaired, as TCP would repeat them.
        way.open().await;
        if to.write_all(&buffer[..n]).await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::ZERO).await;
    }
}
