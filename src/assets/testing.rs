//! Servers on 127.0.0.1 for tests of this room: whole ones, and ones that misbehave below HTTP.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::config::AssetLimits;

/// Limits under which 127.0.0.0/8 may be reached.
pub(super) fn local_limits() -> AssetLimits {
    AssetLimits { allow_addresses: vec!["127.0.0.0/8".to_owned()], ..AssetLimits::default() }
}

/// The address of a server for `router`, running until the test ends.
pub(super) async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// The address of a server that answers every connection with `parts`, one every `pause`, then closes it or leaves it open.
pub(super) async fn serve_raw(parts: Vec<Vec<u8>>, pause: Duration, close: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let parts = parts.clone();
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                for part in parts {
                    if stream.write_all(&part).await.is_err() {
                        return;
                    }
                    tokio::time::sleep(pause).await;
                }
                if !close {
                    std::future::pending::<()>().await;
                }
            });
        }
    });
    address
}

/// A 2 × 1 px PNG: red, then transparent blue.
pub(super) fn tiny_png() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 2, 1);
    encoder.set_color(png::ColorType::Rgba);
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&[255, 0, 0, 255, 0, 0, 255, 0]).expect("pixels");
    drop(writer);
    bytes
}

/// A TrueType font with one empty glyph for no character: the tables that every reader asks for, and little in them.
pub(super) fn tiny_font() -> Vec<u8> {
    let zeros = |len: usize, set: &[(usize, u16)]| {
        let mut table = vec![0; len];
        for (at, value) in set {
            table[*at..at + 2].copy_from_slice(&value.to_be_bytes());
        }
        table
    };
    let tables = [
        (b"cmap", zeros(4, &[])),
        (b"glyf", Vec::new()),
        // version 1.0, 1000 units an em
        (b"head", zeros(54, &[(0, 1), (18, 1000)])),
        // version 1.0, one advance width
        (b"hhea", zeros(36, &[(0, 1), (34, 1)])),
        (b"hmtx", zeros(4, &[(0, 500)])),
        (b"loca", zeros(4, &[])),
        // version 1.0, one glyph
        (b"maxp", zeros(32, &[(0, 1), (4, 1)])),
    ];
    let directory = 12 + 16 * tables.len();
    let mut font = vec![0, 1, 0, 0, 0, tables.len() as u8, 0, 0, 0, 0, 0, 0];
    let mut contents = Vec::new();
    for (tag, table) in &tables {
        font.extend_from_slice(*tag);
        // Nobody checks the checksum.
        for number in [0, directory + contents.len(), table.len()] {
            font.extend_from_slice(&(number as u32).to_be_bytes());
        }
        contents.extend_from_slice(table);
        contents.resize(contents.len().next_multiple_of(4), 0);
    }
    font.extend_from_slice(&contents);
    font
}
