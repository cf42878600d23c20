//! Periodic work in addition to the requests, each kind in its own task, so that none delays another: the published
//! catalogue, the outbox, and the database ping.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::app::App;
use crate::delivery::{calendar, relay};
use crate::pulse::{Beat, deadlines};

/// How often the published version and the outbox are read.
const ROUND: Duration = Duration::from_millis(500);
/// Rounds of the relay between two measurements of the deliveries.
const MEASURE: u64 = 20;
/// How often what was delivered long ago is deleted, and how often it is looked for if there was nothing to delete. The
/// messages of deliveries that were given up are looked at each time.
const TRIM: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_secs(3_600);
/// How often mails that are due by the calendar are planned.
const CALENDAR: Duration = Duration::from_secs(60);
/// How often revoked tokens are read.
const REVOCATIONS: Duration = Duration::from_secs(2);
/// How often the database is pinged.
const PING: Duration = Duration::from_secs(1);
/// The timeout of a ping.
const PATIENCE: Duration = Duration::from_secs(1);

/// Switches to a new catalogue soon after its publication.
pub(crate) async fn catalogue(app: App, mut stop: watch::Receiver<bool>) {
    let beat = app.pulse.watch("catalogue", deadlines::CATALOGUE);
    while !rest(&mut stop, ROUND).await {
        if let Err(error) = beat.turn(app.catalogue.refresh(&app.db)).await {
            tracing::warn!(error = error.chain(), "the published catalogue cannot be read; trying again");
        }
    }
}

/// Learns which tokens and keys were revoked.
pub(crate) async fn revocations(app: App, mut stop: watch::Receiver<bool>) {
    let beat = app.pulse.watch("revocations", deadlines::CATALOGUE);
    while !rest(&mut stop, REVOCATIONS).await {
        if let Err(error) = beat.turn(app.revocations.refresh(&app.db)).await {
            tracing::warn!(error = error.chain(), "the revoked tokens cannot be read; trying again");
        }
    }
}

/// Plans the deliveries of the outbox, and deletes old ones.
pub(crate) async fn relay(app: App, mut stop: watch::Receiver<bool>) {
    let beat = app.pulse.watch("relay", deadlines::RELAY);
    let mut trim_at = Instant::now();
    for round in 0_u64.. {
        let mut worked = relay::round(&app, &beat, round.is_multiple_of(MEASURE)).await;
        if worked.is_ok() && trim_at <= Instant::now() {
            let trimmed = beat.turn(relay::trim(&app)).await;
            trim_at = Instant::now() + if matches!(trimmed, Ok(0)) { LOOK } else { TRIM };
            worked = trimmed.map(drop);
        }
        if let Err(error) = worked {
            tracing::warn!(error = error.chain(), "the outbox cannot be read; trying again");
        }
        if rest(&mut stop, ROUND).await {
            return;
        }
    }
}

/// Plans the mails that are due by the calendar.
pub(crate) async fn calendar(app: App, mut stop: watch::Receiver<bool>) {
    while !rest(&mut stop, CALENDAR).await {
        if let Err(error) = calendar::plan_due(&app).await {
            tracing::warn!(error = error.chain(), "the mails of the day cannot be planned; trying again");
        }
    }
}

/// Pings the database, so that the readiness check does not wait for it.
pub(crate) async fn database(app: App, mut stop: watch::Receiver<bool>) {
    let beat: Beat = app.pulse.watch("database", deadlines::DATABASE);
    while !rest(&mut stop, PING).await {
        beat.begin_turn();
        match timeout(PATIENCE, app.db.ping()).await {
            Ok(Ok(())) => beat.end_turn(),
            Ok(Err(error)) => tracing::warn!(error = error.chain(), "the database does not respond"),
            Err(_) => tracing::warn!(seconds = PATIENCE.as_secs(), "the database does not respond in time"),
        }
    }
}

/// Waits until the next turn; returns true if the server stops meanwhile.
async fn rest(stop: &mut watch::Receiver<bool>, pause: Duration) -> bool {
    tokio::select! {
        _ = stop.wait_for(|stop| *stop) => true,
        () = tokio::time::sleep(pause) => false,
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use tokio::time::{advance, pause};

    use super::*;
    use crate::clock::Clock;
    use crate::config::Config;

    #[tokio::test]
    async fn a_database_that_does_not_answer_makes_its_loop_late() {
        pause();
        let app = App::for_tests(Config::demo(), Clock::hand(DateTime::UNIX_EPOCH));
        let stop = watch::Sender::new(false);
        let pinging = tokio::spawn(database(app.clone(), stop.subscribe()));
        let pass = async |seconds: usize| {
            for _ in 0..seconds * 10 {
                advance(Duration::from_millis(100)).await;
                tokio::task::yield_now().await;
            }
        };
        // The first ping is sent after a second and may take one.
        pass(1).await;
        assert_eq!(app.pulse.late(), Vec::<String>::new());
        pass(3).await;
        assert_eq!(app.pulse.late(), ["database"]);
        stop.send_replace(true);
        pinging.await.unwrap();
    }
}
