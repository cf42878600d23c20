//! The records people keep: each act is decided, then written in one transaction, which may call
//! the pipeline inside it.

pub(crate) mod awards;
pub(crate) mod badges;
pub(crate) mod certificates;
pub(crate) mod courses;
pub(crate) mod erasure;
pub(crate) mod export;
pub(crate) mod guardians;
pub(crate) mod lessons;
pub(crate) mod people;
pub(crate) mod publication;

use crate::app::App;
use crate::audit;
use crate::pipeline::{self, Within};
use crate::refusal::{Code, Failure, Refusal};
use crate::store::dialect::{Agreement, take};
use crate::store::{self, Txn};

/// How often an act is tried again when something changes beneath it.
const ATTEMPTS: u32 = 8;

/// Why an attempt at an act did not come to its end.
enum Interrupted {
    /// Something changed beneath it: look again.
    Again,
    /// It cannot be done.
    Failed(Failure),
}

impl From<store::Error> for Interrupted {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Collision(_) => Self::Again,
            error => Self::Failed(error.into()),
        }
    }
}

impl From<Refusal> for Interrupted {
    fn from(refusal: Refusal) -> Self {
        Self::Failed(refusal.into())
    }
}

impl From<Within> for Interrupted {
    fn from(within: Within) -> Self {
        match within {
            Within::Refused(refusal) => refusal.into(),
            Within::Stale => Self::Again,
            Within::Store(error) => error.into(),
        }
    }
}

/// The transactions of one act: tried again while others are in the way.
struct Attempts<'a> {
    app: &'a App,
    made: u32,
}

impl<'a> Attempts<'a> {
    fn new(app: &'a App) -> Self {
        Self { app, made: 0 }
    }

    /// Begins an attempt; the catalogue in force is the published one and will not change beneath it.
    async fn begin(&self) -> Result<Txn, Failure> {
        for _ in 0..ATTEMPTS {
            let txn = self.app.db.begin().await?;
            pipeline::join_catalogue(&txn).await?;
            if store::catalogue::version(&txn).await? == self.app.catalogue.current().version {
                return Ok(txn);
            }
            txn.rollback().await?;
            self.app.catalogue.refresh(&self.app.db).await?;
        }
        Err(store::Error::Busy.into())
    }

    /// Begins an attempt that no batch runs beside: who has read a person before writes them before.
    async fn begin_alone(&self) -> Result<Txn, Failure> {
        let txn = self.app.db.begin().await?;
        take(&txn, Agreement::Catalogue).await?;
        Ok(txn)
    }

    /// Ends the act well, and hints at what it added to the feed.
    async fn commit(&self, txn: Txn, head: Option<i64>) -> Result<(), Failure> {
        txn.commit().await?;
        self.app.bus.hint(head);
        Ok(())
    }

    /// Gives the attempt up; `Ok` says to make another.
    async fn again(&mut self, txn: Txn, interrupted: Interrupted) -> Result<(), Failure> {
        txn.rollback().await?;
        match interrupted {
            Interrupted::Failed(failure) => Err(failure),
            Interrupted::Again if self.made == ATTEMPTS => {
                let message = "Others change the same record at this moment: send the same request again.";
                Err(Refusal::new(Code::Unavailable, message).into())
            }
            Interrupted::Again => {
                self.made += 1;
                self.app.catalogue.refresh(&self.app.db).await?;
                tokio::time::sleep(pipeline::jitter(self.made)).await;
                Ok(())
            }
        }
    }
}
