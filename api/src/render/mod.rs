//! Renders plain values as SVG pictures. It depends on no other module of the server.

mod badge;
mod png;

pub(crate) use self::badge::badge;
pub(crate) use self::png::png;
