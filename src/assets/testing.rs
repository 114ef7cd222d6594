//! Test servers on 127.0.0.1: HTTP servers, and raw ones that violate HTTP.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::config::AssetLimits;

/// Limits that allow connections to 127.0.0.0/8.
pub(super) fn local_limits() -> AssetLimits {
    AssetLimits { allow_addresses: vec!["127.0.0.0/8".parse().expect("a network")], ..AssetLimits::default() }
}

/// Starts a server for `router` that runs until the test ends, and returns its address.
pub(super) async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// Starts a server that answers every connection with `parts`, one every `pause`, and then closes it or leaves it open.
/// Returns its address.
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

/// A PNG of 2 × 1 px: red and transparent blue.
pub(super) fn tiny_png() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 2, 1);
    encoder.set_color(png::ColorType::Rgba);
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&[255, 0, 0, 255, 0, 0, 255, 0]).expect("pixels");
    drop(writer);
    bytes
}

/// A font file with all tables that browsers require.
pub(super) const FONT: &[u8] = include_bytes!("../../assets/fonts/Roboto-Regular.ttf");
