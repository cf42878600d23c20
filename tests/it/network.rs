//! The network between the server and PostgreSQL fails at every statement in turn, and for all open connections at once:
//! each acknowledged action is stored once, and the server works again without a restart.

use std::time::Duration;

use futures_util::future::join_all;
use plaudit::auth::Role;
use plaudit::config::Config;
use serde_json::{Value, json};
use tests::{Backend, Client, Database, Fault, Gate, Process, command};
use uuid::Uuid;

use crate::faults::{AWARD, ERASE, RECORD, REVOKE, SOON, acknowledged, badge, person, ready};

/// The faults of one school, and the statements that fail: the first one, and the step to the next.
type Plan = (&'static [Fault], usize, usize);
/// All faults at each statement. A silent connection is noticed after seconds, so four schools share the statements.
const PLANS: [Plan; 5] = [
    (&[Fault::Cut, Fault::CutAnswer, Fault::Delay(Duration::from_millis(50))], 1, 1),
    (&[Fault::Silence], 1, 4),
    (&[Fault::Silence], 2, 4),
    (&[Fault::Silence], 3, 4),
    (&[Fault::Silence], 4, 4),
];
const VERSION: &str = "SELECT max(version) FROM publications";

/// A server whose database connections go through a gate.
struct School {
    database: Database,
    /// The settings of a connection without the gate.
    config: Config,
    gate: Gate,
    server: Process,
    service: Client,
    admin: Client,
    ada: Uuid,
    badge: Value,
}

impl School {
    /// A school on PostgreSQL, if there is one.
    async fn open() -> Option<Self> {
        let database = Database::migrated(Backend::Postgres).await?;
        let mut config = tests::settings(&database);
        config.database_statement_seconds = 1;
        let gate = Gate::before(&database).await;
        let through = Config { database_url: gate.url(&database), ..config.clone() };
        let server = Process::serve(&through).await;
        let service = server.client("school", Role::Service);
        let admin = server.client(&Uuid::new_v4().to_string(), Role::SuperAdmin);
        acknowledged(&admin, "{ me { id } }", Value::Null).await;
        let (ada, badge) = (person(&service).await, badge(&admin).await);
        Some(Self { database, config, gate, server, service, admin, ada, badge })
    }

    async fn person(&self) -> Uuid {
        person(&self.service).await
    }

    /// Applies the faults of a plan to the statements of this action in turn; returns how often the action ran. `prepare`
    /// creates the object of the action, without faults.
    async fn strike_each(
        &self,
        (faults, first, step): Plan,
        (client, document): (&Client, &str),
        prepare: impl AsyncFn(&Self) -> Value,
    ) -> i64 {
        let mut done = 0;
        for fault in faults {
            for nth in (first..).step_by(step) {
                let input = prepare(self).await;
                self.gate.strike(nth, *fault);
                acknowledged(client, document, input).await;
                done += 1;
                if !self.gate.struck() {
                    assert!(nth > 10, "{nth} statements are too few for what is written");
                    eprintln!("{fault:?} at every {step}. statement from {first} to {}", nth - 1);
                    break;
                }
            }
        }
        done
    }

    /// Kills the server; then this query, on a separate connection, returns `expected`, and all data is consistent.
    async fn expect_whole(self, found: &str, expected: i64) {
        self.server.kill().await;
        assert_eq!(self.database.number(found).await, expected, "{found}");
        let report = plaudit::check::run(&self.config).await.expect("the database can be checked");
        let differences: Vec<String> = report.differences.iter().map(ToString::to_string).collect();
        assert_eq!(differences, Vec::<String>::new());
    }
}

/// Applies each fault to each statement of this action, in one school per plan, all at the same time. In the end this query
/// returns how often the action ran.
async fn strike_everywhere(
    whose: impl Fn(&School) -> &Client,
    document: &str,
    prepare: impl AsyncFn(&School) -> Value,
    found: &str,
) {
    let schools = PLANS.map(async |plan| {
        let Some(school) = School::open().await else { return };
        let done = school.strike_each(plan, (whose(&school), document), &prepare).await;
        school.expect_whole(found, done).await;
    });
    join_all(schools).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_at_any_statement_of_recording_loses_and_doubles_nothing() {
    let comment = async |school: &School| json!({"id": Uuid::new_v4().to_string(), "userId": school.ada, "activity": "comment_written"});
    let events = "SELECT CASE WHEN count(*) = count(DISTINCT external_id) THEN count(*) ELSE -1 END
        FROM events WHERE source = 'school'";
    strike_everywhere(|school| &school.service, RECORD, comment, events).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_at_any_statement_of_an_award_loses_and_doubles_nothing() {
    let gift = async |school: &School| json!({"badgeId": school.badge, "studentId": school.person().await});
    let awards = "SELECT count(*) FROM awards WHERE cause = 'PERSON'";
    strike_everywhere(|school| &school.admin, AWARD, gift, awards).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_at_any_statement_of_a_revocation_loses_and_doubles_nothing() {
    let mistake = async |school: &School| {
        let input = json!({"badgeId": school.badge, "studentId": school.person().await});
        let given = acknowledged(&school.admin, AWARD, input).await;
        json!({"awardId": given["awardBadge"]["award"]["id"], "reason": "A mistake"})
    };
    let revoked = "SELECT count(*) FROM awards WHERE revoked_at IS NOT NULL";
    strike_everywhere(|school| &school.admin, REVOKE, mistake, revoked).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_at_any_statement_of_an_erasure_loses_and_doubles_nothing() {
    let leaver = async |school: &School| json!({"userId": school.person().await});
    let erased = "SELECT count(*) FROM people WHERE erased_at IS NOT NULL";
    strike_everywhere(|school| &school.admin, ERASE, leaver, erased).await;
}

/// A school whose catalogue is published through the gate, which the server also uses.
struct Publisher {
    school: School,
    /// With all packs, and without one: each publication switches between them.
    settings: [Config; 2],
    version: i64,
    events: i64,
}

impl Publisher {
    async fn open() -> Option<Self> {
        let school = School::open().await?;
        let all = Config { database_url: school.gate.url(&school.database), ..school.config.clone() };
        let mut fewer = all.clone();
        fewer.catalogs.retain(|pack| pack != "tests");
        let version = school.database.number(VERSION).await;
        let mut publisher = Self { school, settings: [all, fewer], version, events: 0 };
        publisher.record().await;
        Some(publisher)
    }

    async fn record(&mut self) {
        self.events += 1;
        let event =
            json!({"id": self.events.to_string(), "userId": self.school.ada, "activity": "comment_written"});
        acknowledged(&self.school.service, RECORD, event).await;
    }

    /// The settings of the next publication, which differ from the published catalogue.
    fn next(&self) -> &Config {
        let [all, fewer] = &self.settings;
        if self.version % 2 == 1 { fewer } else { all }
    }

    /// Publishes while this fault happens to a statement. Returns whether the fault happened, whether the command reported
    /// success, and how many versions were added.
    async fn publish(&mut self, nth: usize, fault: Fault) -> (bool, bool, i64) {
        self.school.gate.strike(nth, fault);
        let migrated = command(self.next(), &["migrate"]).await;
        let struck = self.school.gate.struck();
        (struck, migrated.status.success(), self.added().await)
    }

    async fn added(&mut self) -> i64 {
        let version = self.school.database.number(VERSION).await;
        let added = version - self.version;
        self.version = version;
        added
    }

    async fn expect_whole(mut self) {
        self.record().await;
        self.school.expect_whole("SELECT count(*) FROM events WHERE source = 'school'", self.events).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_at_any_statement_of_a_publication_publishes_all_of_it_or_nothing() {
    let faults = [Fault::Cut, Fault::CutAnswer, Fault::Delay(Duration::from_millis(50))];
    join_all(faults.map(fail_to_publish)).await;
}

async fn fail_to_publish(fault: Fault) {
    let Some(mut publisher) = Publisher::open().await else { return };
    assert_eq!(publisher.version, 1);
    let mut unheard = 0;
    // The third statement takes the lock.
    for nth in 3.. {
        let (struck, succeeded, added) = publisher.publish(nth, fault).await;
        if !struck {
            assert!(nth > 5, "{nth} statements are too few for what is written");
            assert_eq!((succeeded, added), (true, 1));
            break;
        }
        match fault {
            Fault::Cut => assert_eq!((succeeded, added), (false, 0), "statement {nth}"),
            Fault::CutAnswer => {
                assert!(!succeeded, "statement {nth}");
                unheard += added;
            }
            Fault::Delay(_) | Fault::Silence => {
                assert_eq!((succeeded, added), (true, 1), "statement {nth}");
            }
        }
    }
    // Only a commit takes effect although its response is lost: once, or once in each direction between the two settings.
    assert!(if fault == Fault::CutAnswer { (1..=2).contains(&unheard) } else { unheard == 0 }, "{unheard}");
    publisher.expect_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_publication_whose_connection_falls_silent_holds_up_recording_only_for_a_moment() {
    // The first statement under the lock, and two later ones.
    join_all([4, 6, 8].map(fall_silent_at)).await;
}

async fn fall_silent_at(nth: usize) {
    let Some(mut publisher) = Publisher::open().await else { return };
    publisher.school.gate.strike(nth, Fault::Silence);
    let silent = command(publisher.next(), &["migrate"]);
    tokio::select! {
        migrated = silent => panic!("the connection was not silenced: {migrated:?}"),
        () = async {
            publisher.school.gate.strikes().await;
            // PostgreSQL ends the session of the publication and releases its lock.
            let event = json!({"id": format!("{nth} silent"), "userId": publisher.school.ada,
                "activity": "comment_written"});
            acknowledged(&publisher.school.service, RECORD, event).await;
        } => {}
    }
    publisher.events += 1;
    assert_eq!(publisher.added().await, 0, "statement {nth}");
    publisher.expect_whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn recording_and_reading_go_on_soon_after_every_open_connection_fell_silent() {
    let Some(school) = School::open().await else { return };
    let event =
        |nth: usize| json!({"id": nth.to_string(), "userId": school.ada, "activity": "comment_written"});
    // Opens several connections in every pool.
    let many = (0..30).map(async |nth| {
        acknowledged(&school.service, RECORD, event(nth)).await;
        acknowledged(&school.admin, "{ me { id xp } }", Value::Null).await;
        school.person().await;
    });
    join_all(many).await;
    let ready = async || ready(&school.server).await;
    assert_eq!(ready().await, 200);

    let opened = school.gate.silence_open();
    assert!(opened > 8, "only {opened} connections were open");
    let told = tokio::time::timeout(SOON, async { while ready().await != 503 {} }).await;
    told.expect("readiness tells soon that the database does not respond");
    let more = (30..60).map(async |nth| {
        acknowledged(&school.service, RECORD, event(nth)).await;
        acknowledged(&school.admin, "{ me { id xp } }", Value::Null).await;
    });
    join_all(more).await;
    let told = tokio::time::timeout(SOON, async { while ready().await != 200 {} }).await;
    told.expect("readiness tells soon that the database answers again");
    school.expect_whole("SELECT count(*) FROM events WHERE source = 'school'", 60).await;
}
