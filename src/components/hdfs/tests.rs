//! A web server for tests of probes: pages as real servers gave them, or silence.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Serves the first page whose key is part of what was asked for; its `http://host:port`.
pub async fn pages(pages: Vec<(&'static str, String)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let pages = pages.clone();
            tokio::spawn(async move {
                let mut asked = vec![0; 4_096];
                let mut had = 0;
                while !asked[..had].windows(4).any(|end| end == b"\r\n\r\n") {
                    match socket.read(&mut asked[had..]).await {
                        Ok(more) if more > 0 => had += more,
                        _ => return,
                    }
                }
                let line = String::from_utf8_lossy(&asked[..had]).lines().next().unwrap_or_default().to_owned();
                let page = pages.iter().find(|(key, _)| line.contains(key)).map_or("{}", |(_, page)| page.as_str());
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{page}", page.len());
                drop(socket.write_all(answer.as_bytes()).await);
            });
        }
    });
    address
}

/// Takes connections and never answers, as a process that is stopped.
pub async fn hung() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((socket, _)) = listener.accept().await {
            held.push(socket);
        }
    });
    address
}

/// Nobody is there.
pub async fn dead() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    format!("http://{}", listener.local_addr().expect("an address"))
}
