//! Pictures from plain values: text in, SVG out. A leaf: it knows nothing of the rest of the server.

mod badge;

pub(crate) use self::badge::badge;
