//! What one request, socket or person may ask for; every number is a setting below `limits`.
//! A limit is answered with one error that names it.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The limits, each with its unit in its name or in a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of an HTTP body.
    pub body_bytes: usize,
    /// Bytes of an HTTP body without a valid token.
    pub anonymous_body_bytes: usize,
    /// Bytes of HTTP bodies held at once, in all.
    pub body_bytes_in_flight: usize,
    /// JSON values of an HTTP body.
    pub body_values: usize,
    /// Bytes of a document's text. Values belong into variables, which the body's limit covers.
    pub query_bytes: usize,
    /// Brackets of any kind open at once in a document.
    pub nesting: usize,
    /// Words, numbers, strings and signs of a document.
    pub tokens: usize,
    /// Fields, spreads and directives of a document, each fragment counted wherever it is spread.
    pub nodes: usize,
    /// Aliases of a document, each fragment counted wherever it is spread.
    pub aliases: usize,
    /// Directives in one place.
    pub directives_per_field: usize,
    /// Directives of a document, each fragment counted wherever it is spread.
    pub directives: usize,
    /// Operations of a document.
    pub operations: usize,
    /// Fields inside fields.
    pub depth: usize,
    /// The cost of an operation in units, by the table of prices of its fields.
    pub complexity: usize,
    /// Units of cost that a person may cause per minute, and an address that sends no valid token; 0 turns it off.
    pub cost_per_minute: u64,
    /// How many times `cost_per_minute` an admin may cause.
    pub cost_per_minute_admin: u64,
    /// How many times `cost_per_minute` a service may cause; the events it records are not counted.
    pub cost_per_minute_service: u64,
    /// Bytes of one answer, over HTTP and on a socket, and of an export.
    pub answer_bytes: usize,
    /// Events of one `recordEvents`.
    pub batch_events: usize,
    /// Hours after an event in which a person may report it about themselves.
    pub self_report_hours: u64,
    /// Bytes of one event's attributes, as compact JSON.
    pub attributes_bytes: usize,
    /// Bytes of one socket message.
    pub socket_message_bytes: usize,
    /// Subscriptions open on one socket.
    pub subscriptions_per_socket: usize,
    /// Sockets open for one person or service.
    pub sockets_per_user: usize,
    /// Operations of one person that execute at the same time; further ones wait.
    pub operations_at_once: usize,
    /// The same for an admin.
    pub operations_at_once_admin: usize,
    /// The same for a service. Events that wait for their commit do not count.
    pub operations_at_once_service: usize,
    /// The same for all clients without a token at one address.
    pub operations_at_once_address: usize,
    /// Mutations of one caller that execute at the same time; events that are recorded do not count.
    pub mutations_at_once: usize,
    /// Bytes of answers that clients have not taken yet, in all. One caller may hold a sixteenth.
    pub answer_bytes_in_flight: usize,
    /// Connections open in all.
    pub connections: usize,
    /// Connections open from one address; behind a trusted proxy, requests and sockets of one client.
    pub connections_per_address: usize,
    /// Peers whose `Forwarded` and `X-Forwarded-For` headers name the client.
    pub trusted_proxies: Vec<IpNet>,
    /// Seconds a client has to send the head of a request, the wait for it on an open connection included.
    pub header_seconds: u64,
    /// Seconds a client has to send the body of a request.
    pub body_seconds: u64,
    /// Seconds a client may read nothing of an answer that waits for it.
    pub send_seconds: u64,
    /// Bytes of an answer that a client reads each second on average, once the server waits for it.
    pub send_bytes_per_second: u64,
    /// Seconds the answer to a request may take.
    pub request_seconds: u64,
    /// Seconds a socket has to send `connection_init`.
    pub socket_init_seconds: u64,
    /// Seconds between pings on a socket.
    pub socket_ping_seconds: u64,
    /// Seconds one message to a socket may take to send.
    pub socket_send_seconds: u64,
    /// Seconds from the signal to stop until the process ends.
    pub shutdown_seconds: u64,
    /// Days after which an undelivered outbox row is buried, if it has been tried often enough by then.
    pub outbox_days: u64,
    /// Days that a delivered outbox row is kept.
    pub outbox_settled_days: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 2 * 1024 * 1024,
            anonymous_body_bytes: 64 * 1024,
            body_bytes_in_flight: 64 * 1024 * 1024,
            body_values: 50_000,
            query_bytes: 16 * 1024,
            nesting: 50,
            tokens: 5_000,
            nodes: 2_000,
            aliases: 30,
            directives_per_field: 5,
            directives: 50,
            operations: 5,
            depth: 15,
            complexity: 10_000,
            cost_per_minute: 100_000,
            cost_per_minute_admin: 4,
            cost_per_minute_service: 10,
            answer_bytes: 4 * 1024 * 1024,
            batch_events: 1_000,
            self_report_hours: 24,
            attributes_bytes: 4 * 1024,
            socket_message_bytes: 64 * 1024,
            subscriptions_per_socket: 100,
            sockets_per_user: 20,
            operations_at_once: 4,
            operations_at_once_admin: 8,
            operations_at_once_service: 64,
            operations_at_once_address: 32,
            mutations_at_once: 3,
            answer_bytes_in_flight: 256 * 1024 * 1024,
            connections: 10_000,
            connections_per_address: 2_500,
            trusted_proxies: loopback(),
            header_seconds: 10,
            body_seconds: 10,
            send_seconds: 10,
            send_bytes_per_second: 32 * 1024,
            request_seconds: 30,
            socket_init_seconds: 5,
            socket_ping_seconds: 15,
            socket_send_seconds: 3,
            shutdown_seconds: 10,
            outbox_days: 3,
            outbox_settled_days: 30,
        }
    }
}

/// This machine.
fn loopback() -> Vec<IpNet> {
    vec![
        Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8).into(),
        Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128).into(),
    ]
}
