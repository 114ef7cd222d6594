//! Resolver that returns only addresses that may be reached.
//!
//! The HTTP client connects to the addresses that this resolver returns and resolves nothing itself. The checked
//! address is therefore the one that is connected to, which defeats DNS rebinding.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::assets::guard::{self, AllowedNetworks};

/// Function that resolves a host name without checks.
pub(super) type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// The system's resolver: `getaddrinfo` on tokio's blocking threads.
pub(super) fn system_lookup() -> Lookup {
    Arc::new(|host| Box::pin(async move { Ok(tokio::net::lookup_host((host, 0)).await?.collect()) }))
}

/// Resolver that drops addresses which fail `guard::check`; its error is [`guard::BlockedAddress`] when none is left.
pub(super) struct GuardedDns {
    pub(super) lookup: Lookup,
    pub(super) allowed: AllowedNetworks,
}

impl Resolve for GuardedDns {
    fn resolve(&self, name: Name) -> Resolving {
        let found = (self.lookup)(name.as_str().to_owned());
        let allowed = self.allowed.clone();
        Box::pin(async move {
            let mut open = Vec::new();
            let mut blocked = None;
            for address in found.await? {
                match guard::check(address.ip(), &allowed) {
                    Ok(()) => open.push(address),
                    Err(error) => blocked = Some(error),
                }
            }
            match blocked {
                Some(blocked) if open.is_empty() => Err(blocked.into()),
                _ => Ok(Box::new(open.into_iter()) as Addrs),
            }
        })
    }
}
