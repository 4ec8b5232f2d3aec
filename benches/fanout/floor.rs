//! The floor: all data from the publisher is written to every subscriber, with one plain `write(2)` each. There is no protocol and no
//! bookkeeping, so no server that uses sockets can be cheaper per delivery.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

/// Serves `agents` subscribers, then one publisher that connects last and sends frames of `frame_bytes`.
pub(crate) fn serve(agents: usize, frame_bytes: usize) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("listening on {}", listener.local_addr().unwrap());
    let accept = || {
        let (socket, _) = listener.accept().unwrap();
        socket.set_nodelay(true).unwrap();
        socket
    };
    let subscribers: Vec<TcpStream> = (0..agents)
        .map(|_| {
            let socket = accept();
            socket.set_nonblocking(true).unwrap();
            socket
        })
        .collect();
    let mut publisher = accept();
    let mut frame = vec![0; frame_bytes];
    while publisher.read_exact(&mut frame).is_ok() {
        for subscriber in &subscribers {
            write_all(subscriber, &frame);
        }
    }
}

fn write_all(mut socket: &TcpStream, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match socket.write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::hint::spin_loop(),
            Err(_) => return,
        }
    }
}
