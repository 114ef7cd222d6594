//! Host names to addresses that may be reached.
//!
//! The HTTP client connects to what this resolver returns and looks nothing up by itself, so the address that was checked
//! is the address that is connected to: a name that answers differently the second time (DNS rebinding) gains nothing.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::assets::guard::{self, Allowed};

/// Looks a name up, unchecked.
pub(super) type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// The system's resolver (`getaddrinfo`, on tokio's blocking threads).
pub(super) fn system_lookup() -> Lookup {
    Arc::new(|host| Box::pin(async move { Ok(tokio::net::lookup_host((host, 0)).await?.collect()) }))
}

/// Resolves names and keeps only addresses that pass `guard::check`; `guard::Refused` when none is left.
pub(super) struct GuardedDns {
    pub(super) lookup: Lookup,
    pub(super) allowed: Allowed,
}

impl Resolve for GuardedDns {
    fn resolve(&self, name: Name) -> Resolving {
        let found = (self.lookup)(name.as_str().to_owned());
        let allowed = self.allowed.clone();
        Box::pin(async move {
            let mut open = Vec::new();
            let mut refused = None;
            for address in found.await? {
                match guard::check(address.ip(), &allowed) {
                    Ok(()) => open.push(address),
                    Err(error) => refused = Some(error),
                }
            }
            match refused {
                Some(refused) if open.is_empty() => Err(refused.into()),
                _ => Ok(Box::new(open.into_iter()) as Addrs),
            }
        })
    }
}
