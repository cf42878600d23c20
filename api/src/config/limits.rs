//! What one request, socket or person may ask for; every number is a setting below `limits`.
//! A limit is answered with one error that names it.

/// The limits, each with its unit in its name or in a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of an HTTP body.
    pub body_bytes: usize,
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
    /// The cost of an operation: one a field, and a list's size times what is asked of each row.
    pub complexity: usize,
    /// Events of one `recordEvents`.
    pub batch_events: usize,
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
    /// Bytes of answers that clients have not taken yet, in all. One caller may hold a sixteenth.
    pub answer_bytes_in_flight: usize,
    /// Connections open in all.
    pub connections: usize,
    /// Seconds a client has to send the head of a request, the wait for it on an open connection included.
    pub header_seconds: u64,
    /// Seconds a client has to send the body of a request.
    pub body_seconds: u64,
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
    /// Days an undelivered outbox row is tried before it is buried.
    pub outbox_days: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 2 * 1024 * 1024,
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
            batch_events: 1_000,
            attributes_bytes: 4 * 1024,
            socket_message_bytes: 64 * 1024,
            subscriptions_per_socket: 100,
            sockets_per_user: 20,
            operations_at_once: 4,
            operations_at_once_admin: 8,
            operations_at_once_service: 64,
            operations_at_once_address: 32,
            answer_bytes_in_flight: 256 * 1024 * 1024,
            connections: 10_000,
            header_seconds: 10,
            body_seconds: 10,
            request_seconds: 30,
            socket_init_seconds: 5,
            socket_ping_seconds: 15,
            socket_send_seconds: 3,
            shutdown_seconds: 10,
            outbox_days: 3,
        }
    }
}
