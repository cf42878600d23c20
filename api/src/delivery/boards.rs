//! Leaderboards in memory. A board is loaded at its first use, and brought up to date by each use: the log names the people whose
//! scores changed, and one snapshot of the database has their scores. So a reader sees everything that was committed before,
//! by any process, and a board that nobody looks at costs nothing. One task reads for all readers that wait at the same time.

mod order;
mod period;

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use uuid::Uuid;

pub(crate) use order::{Board, Ranked};
pub(crate) use period::{Period, Span};

use crate::app::App;
use crate::store::boards::{self as rows, Place, Scope};
use crate::store::{self, Txn};

/// Readers that wait at a time; further ones are told to come back.
const WAITING: usize = 1_000;
/// Boards in memory. The boards used last stay.
const BOARDS: usize = 64;
/// A board that was not used for so long is dropped.
const IDLE: Duration = Duration::from_secs(900);
/// Changes above which a board is loaded anew. The log keeps as many positions.
pub(crate) const CHANGES: usize = 20_000;
/// Changes that are made while readers wait.
const AT_ONCE: usize = 64;

/// A board that several readers use.
#[derive(Clone, Default)]
pub(crate) struct Shared(Arc<RwLock<Board>>);

impl Shared {
    /// The board. Do not wait for anything while it is held.
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Board> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// A board of these people alone.
    pub(crate) fn of(&self, people: &[Uuid]) -> Self {
        let board = self.read();
        let places = people.iter().filter_map(|person| board.place(*person)).collect();
        Self(Arc::new(RwLock::new(Board::new(places))))
    }

    fn set(&self, changed: &BTreeSet<Uuid>, places: Vec<Place>) {
        let places: HashMap<_, _> = places.into_iter().map(|place| (place.person, place)).collect();
        let changed: Vec<_> = changed.iter().copied().collect();
        for some in changed.chunks(AT_ONCE) {
            let mut board = self.0.write().unwrap_or_else(PoisonError::into_inner);
            for person in some {
                board.set(*person, places.get(person).copied());
            }
        }
    }
}

struct Wish {
    scope: Scope,
    reply: oneshot::Sender<Result<Shared, store::Error>>,
}

/// The boards of this process. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Boards {
    wishes: mpsc::Sender<Wish>,
}

/// The wishes of readers; [`Wishes::serve`] answers them.
pub(crate) struct Wishes(mpsc::Receiver<Wish>);

impl Boards {
    /// The boards, and the wishes of their readers.
    pub(crate) fn new() -> (Self, Wishes) {
        let (wishes, waiting) = mpsc::channel(WAITING);
        (Self { wishes }, Wishes(waiting))
    }

    /// The board with everything that is committed now.
    ///
    /// # Errors
    /// If the database fails, or too many readers wait.
    pub(crate) async fn current(&self, scope: Scope) -> Result<Shared, store::Error> {
        let (reply, answer) = oneshot::channel();
        self.wishes.try_send(Wish { scope, reply }).map_err(|_| store::Error::Busy)?;
        answer.await.map_err(|_| store::Error::Stopping)?
    }
}

/// A loaded board.
struct Kept {
    board: Shared,
    /// The position of the log up to which it is current.
    applied: i64,
    used: Instant,
}

/// The loaded boards.
#[derive(Default)]
struct Loaded(HashMap<Scope, Kept>);

impl Wishes {
    /// Answers the wishes until `stop` turns true.
    pub(crate) async fn serve(mut self, app: App, mut stop: watch::Receiver<bool>) {
        let mut loaded = Loaded::default();
        let mut wishes = Vec::new();
        loop {
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                taken = self.0.recv_many(&mut wishes, WAITING) => if taken == 0 { return },
            }
            let scopes: HashSet<Scope> = wishes.iter().map(|wish| wish.scope).collect();
            let refreshed = loaded.refresh(&app, &scopes).await;
            if let Err(error) = &refreshed {
                tracing::warn!(error = error.chain(), "the leaderboards cannot be read");
            }
            for Wish { scope, reply } in wishes.drain(..) {
                let board = loaded.0.get(&scope).map(|kept| kept.board.clone());
                // The reader may have gone.
                let _ = reply.send(board.filter(|_| refreshed.is_ok()).ok_or(store::Error::Busy));
            }
        }
    }
}

impl Loaded {
    /// Brings these boards up to date, and loads those that are missing.
    async fn refresh(&mut self, app: &App, scopes: &HashSet<Scope>) -> Result<(), store::Error> {
        let now = Instant::now();
        self.0.retain(|_, kept| now.duration_since(kept.used) < IDLE);
        let head = rows::head(&app.db).await?;
        let is_current = |scope| self.0.get(scope).is_some_and(|kept| kept.applied == head);
        if !scopes.iter().all(is_current) {
            let txn = app.db.snapshot().await?;
            txn.take_time().await?;
            let caught_up = self.catch_up(&txn, scopes, now).await;
            txn.rollback().await;
            caught_up?;
        }
        for scope in scopes {
            if let Some(kept) = self.0.get_mut(scope) {
                kept.used = now;
            }
        }
        self.drop_some(scopes, app.config.limits.board_places);
        Ok(())
    }

    async fn catch_up(
        &mut self,
        txn: &Txn,
        scopes: &HashSet<Scope>,
        now: Instant,
    ) -> Result<(), store::Error> {
        let head = rows::head(txn).await?;
        for scope in scopes {
            let changed = match self.0.get(scope) {
                Some(kept) if kept.applied == head => continue,
                Some(kept) => rows::changed_since(txn, kept.applied, head, CHANGES).await?,
                None => None,
            };
            match (self.0.get_mut(scope), changed.filter(|changed| changed.len() <= CHANGES)) {
                (Some(kept), Some(changed)) => {
                    kept.board.set(&changed, rows::places_of(txn, *scope, &changed).await?);
                    kept.applied = head;
                }
                _ => {
                    let board = Shared(Arc::new(RwLock::new(Board::new(rows::places(txn, *scope).await?))));
                    self.0.insert(*scope, Kept { board, applied: head, used: now });
                }
            }
        }
        Ok(())
    }

    /// Drops the boards that were not used for longest, until the rest is within the limits. Those of `wanted` stay.
    fn drop_some(&mut self, wanted: &HashSet<Scope>, most: usize) {
        let others = self.0.iter().filter(|(scope, _)| !wanted.contains(scope));
        let mut others: Vec<(Instant, Scope)> = others.map(|(scope, kept)| (kept.used, *scope)).collect();
        others.sort_unstable_by_key(|(used, _)| Reverse(*used));
        let mut places: usize = self.0.values().map(|kept| kept.board.read().len()).sum();
        while (self.0.len() > BOARDS || places > most)
            && let Some((_, scope)) = others.pop()
        {
            let gone = self.0.remove(&scope);
            places -= gone.map_or(0, |kept| kept.board.read().len()).min(places);
        }
    }
}
