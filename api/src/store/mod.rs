//! Every query. The only module that names `sea_orm`; the rest of the house sees rows and proofs.

mod error;

pub use error::Error;
