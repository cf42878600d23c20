//! Leaderboards in memory. A board is loaded at its first use, and brought up to date by each use: the log names the people whose
//! scores changed, and one snapshot of the database has their scores. So a reader sees everything that was committed before,
//! by any process, and a board that nobody reads costs nothing in this process. One task brings boards up to date, once for all
//! readers that wait at the same time. Loads run beside it, so that readers of another board do not wait for them.

mod order;
mod period;

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use uuid::Uuid;

pub(crate) use order::{Board, Ranked};
pub(crate) use period::{Period, Span};

use crate::app::App;
use crate::store::boards::{self as rows, Place, Scope};
use crate::store::{self, Txn};

/// The maximum number of waiting readers. Further ones get UNAVAILABLE.
const WAITING: usize = 1_000;
/// Boards in memory. The boards used last stay.
const BOARDS: usize = 64;
/// Boards that are loaded at a time.
const LOADS: usize = 2;
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
    reply: Reader,
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

/// A reader that waits.
type Reader = oneshot::Sender<Result<Shared, store::Error>>;
/// A board that was loaded: its places at a position of the log.
type Fresh = Result<(Board, i64), store::Error>;

/// The boards of this process, those that are being loaded, and their readers.
#[derive(Default)]
struct Keeper {
    kept: HashMap<Scope, Kept>,
    /// The readers of boards that are being loaded or wait for their load.
    waiting: HashMap<Scope, Vec<Reader>>,
    /// Boards that wait for their load, oldest first.
    queue: VecDeque<Scope>,
    loads: JoinSet<(Scope, Fresh)>,
}

impl Wishes {
    /// Answers the wishes until `stop` turns true.
    pub(crate) async fn serve(mut self, app: App, mut stop: watch::Receiver<bool>) {
        let mut keeper = Keeper::default();
        let mut wishes = Vec::new();
        let mut tick = tokio::time::interval(IDLE / 10);
        loop {
            let mut loaded = None;
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                taken = self.0.recv_many(&mut wishes, WAITING) => if taken == 0 { return },
                Some(load) = keeper.loads.join_next() => loaded = Some(load),
                _ = tick.tick() => keeper.drop_some(app.config.limits.board_places),
            }
            if let Some(loaded) = loaded {
                keeper.take(loaded, &app).await;
            }
            let mut readers: HashMap<Scope, Vec<Reader>> = HashMap::new();
            for Wish { scope, reply } in wishes.drain(..) {
                readers.entry(scope).or_default().push(reply);
            }
            for (scope, readers) in readers {
                keeper.read(&app, scope, readers).await;
            }
            keeper.load_some(&app);
        }
    }
}

impl Keeper {
    /// Answers the readers of a board, or lets them wait for its load.
    async fn read(&mut self, app: &App, scope: Scope, readers: Vec<Reader>) {
        if let Some(waiting) = self.waiting.get_mut(&scope) {
            waiting.extend(readers);
            return;
        }
        match self.catch_up(app, scope).await {
            Ok(Some(board)) => answer(readers, &Ok(board)),
            Ok(None) => {
                self.waiting.insert(scope, readers);
                self.queue.push_back(scope);
            }
            Err(error) => {
                tracing::warn!(error = error.chain(), "a leaderboard cannot be brought up to date");
                answer(readers, &Err(()));
            }
        }
    }

    /// The board with everything that is committed now; none if it has to be loaded.
    async fn catch_up(&mut self, app: &App, scope: Scope) -> Result<Option<Shared>, store::Error> {
        let Some(kept) = self.kept.get_mut(&scope) else { return Ok(None) };
        kept.used = Instant::now();
        if rows::head(&app.db).await? == kept.applied {
            return Ok(Some(kept.board.clone()));
        }
        let txn = app.db.snapshot().await?;
        let changes = changes(&txn, scope, kept.applied).await;
        txn.rollback().await;
        let (head, changes) = changes?;
        match changes {
            Some((changed, places)) => {
                kept.board.set(&changed, places);
                kept.applied = head;
                Ok(Some(kept.board.clone()))
            }
            None => {
                self.kept.remove(&scope);
                Ok(None)
            }
        }
    }

    /// Starts the loads that wait, a few at a time.
    fn load_some(&mut self, app: &App) {
        while self.loads.len() < LOADS
            && let Some(scope) = self.queue.pop_front()
        {
            let app = app.clone();
            self.loads.spawn(async move { (scope, load(&app, scope).await) });
        }
    }

    /// Keeps a loaded board and answers its readers. Some of them came after the snapshot of the load, so the board is brought
    /// up to date first.
    async fn take(&mut self, loaded: Result<(Scope, Fresh), JoinError>, app: &App) {
        let Ok((scope, fresh)) = loaded else {
            // A load panicked, and it is not known which: dropping a reader answers it. The other load serves nobody then.
            self.waiting.retain(|scope, _| self.queue.contains(scope));
            return;
        };
        let readers = self.waiting.remove(&scope).unwrap_or_default();
        match fresh {
            Ok((board, applied)) => {
                let board = Shared(Arc::new(RwLock::new(board)));
                self.kept.insert(scope, Kept { board, applied, used: Instant::now() });
                self.read(app, scope, readers).await;
                self.drop_some(app.config.limits.board_places);
            }
            Err(error) => {
                tracing::warn!(error = error.chain(), "a leaderboard cannot be loaded");
                answer(readers, &Err(()));
            }
        }
    }

    /// Drops the boards that were not used for [`IDLE`]. Then drops the least recently used ones until at most `most` places and
    /// [`BOARDS`] boards are left.
    fn drop_some(&mut self, most: usize) {
        let now = Instant::now();
        self.kept.retain(|_, kept| now.duration_since(kept.used) < IDLE);
        let mut by_use: Vec<(Instant, Scope)> =
            self.kept.iter().map(|(scope, kept)| (kept.used, *scope)).collect();
        by_use.sort_unstable_by_key(|(used, _)| Reverse(*used));
        let mut places: usize = self.kept.values().map(|kept| kept.board.read().len()).sum();
        while (self.kept.len() > BOARDS || places > most)
            && let Some((_, scope)) = by_use.pop()
        {
            let gone = self.kept.remove(&scope);
            places -= gone.map_or(0, |kept| kept.board.read().len()).min(places);
        }
    }
}

fn answer(readers: Vec<Reader>, board: &Result<Shared, ()>) {
    for reader in readers {
        // The reader may have gone.
        let _ = reader.send(board.clone().map_err(|()| store::Error::Busy));
    }
}

/// The head of the log, and the people who changed after `applied` with their places; none if there are too many.
async fn changes(
    txn: &Txn,
    scope: Scope,
    applied: i64,
) -> Result<(i64, Option<(BTreeSet<Uuid>, Vec<Place>)>), store::Error> {
    let head = rows::head(txn).await?;
    let Some(changed) = rows::changed_since(txn, applied, head, CHANGES).await? else {
        return Ok((head, None));
    };
    let places = rows::places_of(txn, scope, &changed).await?;
    Ok((head, Some((changed, places))))
}

async fn load(app: &App, scope: Scope) -> Fresh {
    let txn = app.db.snapshot().await?;
    let read = async {
        txn.take_time().await?;
        Ok::<_, store::Error>((rows::head(&txn).await?, rows::places(&txn, scope).await?))
    };
    let read = read.await;
    txn.rollback().await;
    let (head, places) = read?;
    // A million places are sorted for half a second.
    let board = tokio::task::spawn_blocking(move || Board::new(places)).await;
    Ok((board.map_err(|_| store::Error::Stopping)?, head))
}
