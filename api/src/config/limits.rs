//! The limits of requests, sockets and people. Every number is a setting below `limits`.
//! An error about a limit names it.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// The limits. The unit is in the name or in the description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of an HTTP body.
    pub body_bytes: usize,
    /// Bytes of an HTTP body without a valid token.
    pub anonymous_body_bytes: usize,
    /// Total bytes of HTTP bodies held at once.
    pub body_bytes_in_flight: usize,
    /// JSON values of an HTTP body.
    pub body_values: usize,
    /// Bytes of a document's text. Values belong in variables, which the body's limit covers.
    pub query_bytes: usize,
    /// Brackets of any kind open at once in a document.
    pub nesting: usize,
    /// Words, numbers, strings and punctuation of a document.
    pub tokens: usize,
    /// Fields, spreads and directives of a document; a fragment counts at each spread.
    pub nodes: usize,
    /// Aliases of a document; a fragment counts at each spread.
    pub aliases: usize,
    /// Directives in one place.
    pub directives_per_field: usize,
    /// Directives of a document; a fragment counts at each spread.
    pub directives: usize,
    /// Operations of a document.
    pub operations: usize,
    /// Nesting depth of fields.
    pub depth: usize,
    /// The cost of an operation in units, from the prices of its fields.
    pub complexity: usize,
    /// Cost units per minute of a person, and of an address without a valid token; 0 turns the budget off.
    pub cost_per_minute: u64,
    /// Factor on `cost_per_minute` for an admin.
    pub cost_per_minute_admin: u64,
    /// Factor on `cost_per_minute` for a service; recording events costs nothing.
    pub cost_per_minute_service: u64,
    /// Bytes of one answer, over HTTP or on a socket, and of an export.
    pub answer_bytes: usize,
    /// Events of one `recordEvents`.
    pub batch_events: usize,
    /// Hours after an event in which a person may report it themselves.
    pub self_report_hours: u64,
    /// Bytes of one event's attributes, as compact JSON.
    pub attributes_bytes: usize,
    /// Bytes of one socket message.
    pub socket_message_bytes: usize,
    /// Subscriptions open on one socket.
    pub subscriptions_per_socket: usize,
    /// Sockets open for one person or service.
    pub sockets_per_user: usize,
    /// Concurrent operations of one person; further ones wait.
    pub operations_at_once: usize,
    /// The same for an admin.
    pub operations_at_once_admin: usize,
    /// The same for a service. Events that wait for their commit do not count.
    pub operations_at_once_service: usize,
    /// The same for all clients without a token at one address.
    pub operations_at_once_address: usize,
    /// Concurrent mutations of one caller; recording events does not count.
    pub mutations_at_once: usize,
    /// Total bytes of answers that clients have not read yet. One caller may hold a sixteenth.
    pub answer_bytes_in_flight: usize,
    /// Open connections in total.
    pub connections: usize,
    /// Open connections from one address; behind a trusted proxy, requests and sockets of one client.
    pub connections_per_address: usize,
    /// Peers whose `Forwarded` and `X-Forwarded-For` headers name the client.
    pub trusted_proxies: Vec<IpNet>,
    /// Seconds to send the head of a request, including the idle time before it on an open connection.
    pub header_seconds: u64,
    /// Seconds to send the body of a request.
    pub body_seconds: u64,
    /// Seconds that a client may pause while reading an answer.
    pub send_seconds: u64,
    /// Minimum average bytes per second that a client reads while the server waits for it.
    pub send_bytes_per_second: u64,
    /// Seconds that the answer to a request may take.
    pub request_seconds: u64,
    /// Seconds to send `connection_init` on a new socket.
    pub socket_init_seconds: u64,
    /// Seconds between pings on a socket.
    pub socket_ping_seconds: u64,
    /// Seconds that sending one message to a socket may take.
    pub socket_send_seconds: u64,
    /// Seconds from the stop signal to the end of the process.
    pub shutdown_seconds: u64,
    /// Days that a delivered outbox row is kept.
    pub outbox_settled_days: u64,
    /// Places on the leaderboards in memory. The boards used last stay.
    pub board_places: usize,
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
            outbox_settled_days: 30,
            board_places: 2_000_000,
        }
    }
}

/// The loopback networks.
fn loopback() -> Vec<IpNet> {
    vec![
        Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8).into(),
        Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128).into(),
    ]
}
