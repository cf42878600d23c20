//! Decides which connections and requests are served. A client over its own limit or the server's limit gets an
//! error response. Health requests are always served.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_graphql::Executor;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::address::{ClientAddress, counted, is_trusted, resolve};
use super::quota::{Quota, Share};
use super::{Site, middleware};
use crate::config::Limits;
use crate::refusal::{Code, Refusal};
use crate::telemetry::{Counted, Open, Telemetry};

/// Connections over the maximum that get an error response at the same time; others are closed without a response.
const REFUSALS: usize = 256;
/// How many of them untrusted peers may use together. The rest is reserved for proxies and probes.
const UNTRUSTED_REFUSALS: usize = 192;
/// How many of them one address may use.
const REFUSALS_PER_ADDRESS: usize = 32;
/// How long a refused client should wait before it retries.
const RETRY: Duration = Duration::from_secs(2);

/// The open connections, and the requests in progress that came through proxies.
pub(super) struct Admission {
    limits: Arc<Limits>,
    telemetry: Telemetry,
    places: Arc<Semaphore>,
    addresses: Arc<Quota<IpAddr>>,
    refusals: Arc<Quota<Refused>>,
}

/// The key that a refusal is counted under.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Refused {
    All,
    Untrusted,
    Address(IpAddr),
}

/// The maximum that was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// `limits.connections`.
    Server,
    /// `limits.connections_per_address`.
    Address,
}

/// The counters that a connection occupies while it is open.
enum Place {
    Served {
        _whole: OwnedSemaphorePermit,
        _address: Option<Share<IpAddr>>,
        _measured: Counted,
    },
    Refused {
        _shares: Vec<Share<Refused>>,
    },
    #[cfg(test)]
    Free,
}

/// One connection, shared by its requests and its socket. Its place is released with the last clone.
#[derive(Clone)]
pub(super) struct Connection {
    /// The client that requests of this connection are counted for.
    pub(super) client: ClientAddress,
    peer: SocketAddr,
    full: Option<Full>,
    admission: Arc<Admission>,
    _place: Arc<Place>,
    _request: Option<Arc<Share<IpAddr>>>,
}

impl Admission {
    pub(super) fn new(limits: Arc<Limits>, telemetry: Telemetry) -> Arc<Self> {
        let places = Arc::new(Semaphore::new(limits.connections));
        Arc::new(Self { limits, telemetry, places, addresses: Arc::default(), refusals: Arc::default() })
    }

    /// Admits a connection from this peer, to be served or refused. `None` if too many are being refused already.
    pub(super) fn admit(self: &Arc<Self>, peer: SocketAddr) -> Option<Connection> {
        let trusted = is_trusted(&self.limits.trusted_proxies, peer.ip());
        let address = counted(peer.ip());
        let (place, full) = match self.place(address, trusted) {
            Ok(place) => (place, None),
            Err(full) => (self.refusal(address, trusted)?, Some(full)),
        };
        let client = ClientAddress((!trusted).then_some(address));
        let admission = Arc::clone(self);
        Some(Connection { client, peer, full, admission, _place: Arc::new(place), _request: None })
    }

    /// Returns when the last connection has ended.
    pub(super) async fn ended(&self) {
        let all = u32::try_from(self.limits.connections).unwrap_or(u32::MAX);
        let _ = self.places.acquire_many(all).await;
    }

    fn place(&self, address: IpAddr, trusted: bool) -> Result<Place, Full> {
        let per_address = self.limits.connections_per_address;
        let share =
            if trusted { None } else { Some(self.addresses.one(address, per_address).ok_or(Full::Address)?) };
        let whole = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Full::Server)?;
        Ok(Place::Served { _whole: whole, _address: share, _measured: self.telemetry.open(Open::Connection) })
    }

    fn refusal(&self, address: IpAddr, trusted: bool) -> Option<Place> {
        let one = |key, most| self.refusals.one(key, most);
        let mut shares = vec![one(Refused::All, REFUSALS)?];
        if !trusted {
            shares.push(one(Refused::Untrusted, UNTRUSTED_REFUSALS)?);
            shares.push(one(Refused::Address(address), REFUSALS_PER_ADDRESS)?);
        }
        Some(Place::Refused { _shares: shares })
    }
}

impl Connection {
    /// Whether its requests are refused. Health requests are served nevertheless.
    pub(super) fn is_refused(&self) -> bool {
        self.full.is_some()
    }

    /// The connection as seen by one request with these headers. A request through a proxy is counted for its
    /// client until its response is complete; a socket until it is closed.
    fn of_request(mut self, headers: &HeaderMap) -> (Self, Result<(), Full>) {
        if let Some(full) = self.full {
            return (self, Err(full));
        }
        let limits = &self.admission.limits;
        let reported = self.client.0.is_none();
        self.client = resolve(&limits.trusted_proxies, self.peer.ip(), headers);
        if let (true, Some(address)) = (reported, self.client.0) {
            match self.admission.addresses.one(address, limits.connections_per_address) {
                Some(share) => self._request = Some(Arc::new(share)),
                None => return (self, Err(Full::Address)),
            }
        }
        (self, Ok(()))
    }
}

/// Finds the client that the request is counted for. Refuses the request if the server or the client is at its limit.
pub(super) async fn each_request<E: Executor>(
    State(site): State<Site<E>>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(connection) = request.extensions_mut().remove::<Connection>() else {
        return next.run(request).await;
    };
    let (connection, admitted) = connection.of_request(request.headers());
    match admitted {
        Err(full) if !is_health(request.uri().path()) => {
            let response_context = middleware::response_context(&site, &request);
            response_context.refused(StatusCode::SERVICE_UNAVAILABLE, &refusal(full, &site.limits))
        }
        _ => {
            request.extensions_mut().insert(connection.client);
            request.extensions_mut().insert(connection);
            next.run(request).await
        }
    }
}

fn is_health(path: &str) -> bool {
    path.starts_with("/health/")
}

fn refusal(full: Full, limits: &Limits) -> Refusal {
    let message = match full {
        Full::Server => {
            format!("The server has {} open connections (limits.connections). Try again.", limits.connections)
        }
        Full::Address => format!(
            "Your address has {} open connections or requests (limits.connections_per_address). Close some, or try again.",
            limits.connections_per_address
        ),
    };
    Refusal { retry_after: Some(RETRY), ..Refusal::new(Code::Unavailable, message) }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
impl Connection {
    /// A connection without a listener, for tests.
    pub(super) fn alone() -> Self {
        let admission = Admission::new(Arc::default(), Telemetry::new());
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let (place, client) = (Arc::new(Place::Free), ClientAddress(None));
        Self { client, peer, full: None, admission, _place: place, _request: None }
    }
}
