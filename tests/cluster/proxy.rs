//! A way to the NATS servers that can be cut, as a broken cable would: nothing comes through, and nobody is told.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub(crate) struct Proxy {
    port: u16,
    cut: Arc<watch::Sender<bool>>,
}

impl Proxy {
    pub(crate) async fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let cut = Arc::new(watch::channel(false).0);
        let state = Arc::clone(&cut);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let state = Arc::clone(&state);
                tokio::spawn(async move {
                    // Cut off: connections are taken, and stay silent.
                    let _ = state.subscribe().wait_for(|cut| !cut).await;
                    if let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await {
                        let (client_in, client_out) = client.into_split();
                        let (server_in, server_out) = server.into_split();
                        tokio::spawn(carry(client_in, server_out, state.subscribe()));
                        carry(server_in, client_out, state.subscribe()).await;
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
        self.cut.send_replace(cut);
    }
}

async fn carry(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut cut: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let _ = cut.wait_for(|cut| !cut).await;
        let read = tokio::select! {
            read = from.read(&mut buffer) => read,
            _ = cut.wait_for(|cut| *cut) => continue,
        };
        let Ok(n @ 1..) = read else { return };
        // What was on its way when the cable broke comes when it is mended, as TCP would repeat it.
        let _ = cut.wait_for(|cut| !cut).await;
        if to.write_all(&buffer[..n]).await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::ZERO).await;
    }
}
