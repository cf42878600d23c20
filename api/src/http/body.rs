//! Reads a request body within the limits: its size, its time, and the bytes that all requests and the requests
//! of one client may hold at once. Bytes count when they arrive; a declared Content-Length costs nothing.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use axum::http::header::CONTENT_LENGTH;
use axum::http::request::Parts;
use futures_util::StreamExt;
use tokio::time::timeout;

use super::address::ClientAddress;
use super::quota::{Quota, Share};
use crate::auth::Claims;
use crate::budget::Subject;
use crate::config::Limits;
use crate::refusal::{Code, Refusal};
use crate::telemetry::{Bytes, Counted, Telemetry};

/// How long a client should wait before it retries when the memory for bodies is full.
const RETRY: Duration = Duration::from_secs(1);
/// One client may use the memory for bodies divided by this.
const CLIENT_PART: usize = 4;
/// All clients without a token may use the memory for bodies divided by this.
const ANONYMOUS_PART: usize = 2;

/// The body bytes in memory at this moment.
#[derive(Debug)]
pub(super) struct Bodies {
    held: Arc<Quota<Holder>>,
    telemetry: Telemetry,
}

/// The key that bytes are counted under.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Holder {
    All,
    Anonymous,
    Client(Subject),
}

/// The sender of a body, as far as it is known before the body is read.
pub(super) struct Sender {
    anonymous: bool,
    /// `None` if the address is unknown: only the common maxima apply.
    client: Option<Subject>,
}

impl Sender {
    /// The bearer of a verified token, or else the client's address.
    pub(super) fn of(claims: Option<&Claims>, address: Option<ClientAddress>) -> Self {
        let address = address.and_then(|address| address.0).map(Subject::Address);
        match claims {
            Some(claims) => Self { anonymous: false, client: Subject::of_claims(claims).or(address) },
            None => Self { anonymous: true, client: address },
        }
    }
}

/// A body, which counts as held until this value is dropped.
pub(super) struct Held {
    /// Its bytes.
    pub(super) bytes: Vec<u8>,
    most: usize,
    shares: Vec<(Share<Holder>, usize)>,
    /// The same bytes in the metrics: one guard for each time that the memory grew.
    measured: Vec<Counted>,
    telemetry: Telemetry,
}

type No = (StatusCode, Refusal);

impl Bodies {
    /// Creates an empty counter.
    pub(super) fn new(telemetry: Telemetry) -> Self {
        Self { held: Arc::default(), telemetry }
    }

    /// Reads the body, if it arrives in time and within the limits.
    pub(super) async fn read(
        &self,
        parts: &Parts,
        body: Body,
        sender: &Sender,
        limits: &Limits,
    ) -> Result<Held, No> {
        let announced = parts.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let most = if sender.anonymous {
            limits.anonymous_body_bytes.min(limits.body_bytes)
        } else {
            limits.body_bytes
        };
        let too_long = || (StatusCode::PAYLOAD_TOO_LARGE, too_long(sender, most, limits));
        if announced.is_some_and(|length: usize| length > most) {
            return Err(too_long());
        }
        let mut held = self.hold(sender, most, limits);
        let mut chunks = body.into_data_stream();
        let all = async {
            while let Some(chunk) = chunks.next().await {
                let chunk = chunk.map_err(|_| {
                    let message = "The connection ended before the end of the body. Send the request again.";
                    (StatusCode::BAD_REQUEST, Refusal::new(Code::InvalidInput, message))
                })?;
                if held.bytes.len().saturating_add(chunk.len()) > most {
                    return Err(too_long());
                }
                held.append(&chunk, limits)?;
            }
            Ok(())
        };
        timeout(Duration::from_secs(limits.body_seconds), all).await.unwrap_or_else(|_| {
            let seconds = limits.body_seconds;
            let message = format!("The body took longer than {seconds} seconds (limits.body_seconds).");
            Err((StatusCode::REQUEST_TIMEOUT, Refusal::new(Code::InvalidInput, message)))
        })?;
        Ok(held)
    }

    /// An empty body, counted for the sender, for all senders without a token, and for the server, each with its maximum.
    fn hold(&self, sender: &Sender, most: usize, limits: &Limits) -> Held {
        let whole = limits.body_bytes_in_flight;
        let part = |divisor: usize| (whole / divisor).max(limits.body_bytes).min(whole);
        let mut shares = Vec::new();
        if let Some(client) = &sender.client {
            shares.push((self.held.share(Holder::Client(client.clone())), part(CLIENT_PART)));
        }
        if sender.anonymous {
            shares.push((self.held.share(Holder::Anonymous), part(ANONYMOUS_PART)));
        }
        shares.push((self.held.share(Holder::All), whole));
        Held { bytes: Vec::new(), most, shares, measured: Vec::new(), telemetry: self.telemetry.clone() }
    }
}

impl Held {
    /// Adds a chunk and counts the memory it takes.
    fn append(&mut self, chunk: &[u8], limits: &Limits) -> Result<(), No> {
        let needed = self.bytes.len().saturating_add(chunk.len());
        let before = self.bytes.capacity();
        if needed > before {
            // Doubles the capacity, so that a body of many chunks is copied only a few times.
            let capacity = needed.max(before.saturating_mul(2).min(self.most));
            for (share, most) in &mut self.shares {
                if !share.grow(capacity.saturating_sub(before), *most) {
                    return Err(full(share, *most, limits));
                }
            }
            self.leave_room(limits)?;
            self.measured.push(self.telemetry.bytes(Bytes::Requests, capacity.saturating_sub(before)));
            self.bytes.reserve_exact(capacity.saturating_sub(self.bytes.len()));
        }
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }
}

/// The part of all body memory that is reserved for clients that hold little.
const RESERVE_PART: usize = 8;
/// A client that holds at most this part of all body memory may use the reserve.
const LITTLE_PART: usize = 256;

impl Held {
    /// Fails if the client would hold more than remains free afterwards. However many clients hold much, a client
    /// that holds little finds room.
    fn leave_room(&self, limits: &Limits) -> Result<(), No> {
        let own = self.shares.iter().find(|(share, _)| matches!(share.key(), Holder::Client(_)));
        let (Some((own, _)), Some((all, whole))) = (own, self.shares.last()) else { return Ok(()) };
        let free = whole.saturating_sub(all.total());
        // Many clients could each take half of the remaining memory, so the last part is for those that hold little.
        let reserve = if own.total() <= whole / LITTLE_PART { 0 } else { whole / RESERVE_PART };
        if own.total() > free.saturating_sub(reserve) {
            return Err(full(all, *whole, limits));
        }
        Ok(())
    }
}

fn too_long(sender: &Sender, most: usize, limits: &Limits) -> Refusal {
    let message = if sender.anonymous && most < limits.body_bytes {
        format!(
            "Without a token a body has at most {most} bytes (limits.anonymous_body_bytes). Sign in, or send less."
        )
    } else {
        format!("The body has more than {most} bytes (limits.body_bytes). Send less in one request.")
    };
    Refusal::new(Code::TooComplex, message)
}

fn full(share: &Share<Holder>, most: usize, limits: &Limits) -> No {
    match share.key() {
        Holder::Client(_) => {
            let message = format!(
                "Your unfinished requests hold {most} bytes, the limit for one client (a quarter of \
                limits.body_bytes_in_flight). Send fewer at once."
            );
            (StatusCode::TOO_MANY_REQUESTS, Refusal::rate_limited(message, RETRY))
        }
        Holder::Anonymous | Holder::All => {
            let message = if matches!(share.key(), Holder::Anonymous) {
                format!(
                    "Requests without a token hold {most} bytes, their limit (half of limits.body_bytes_in_flight). \
                    Sign in, or try again later."
                )
            } else {
                format!(
                    "The server holds {} bytes of request bodies, its limit (limits.body_bytes_in_flight). Try again \
                    later.",
                    limits.body_bytes_in_flight
                )
            };
            let refusal = Refusal { retry_after: Some(RETRY), ..Refusal::new(Code::Unavailable, message) };
            (StatusCode::SERVICE_UNAVAILABLE, refusal)
        }
    }
}

#[cfg(test)]
impl Bodies {
    /// How many holders of bytes there are.
    pub(super) fn holders(&self) -> usize {
        self.held.keys()
    }
}

#[cfg(test)]
mod tests;
