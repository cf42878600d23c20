//! The migrations of the tables. A released migration is never edited. It imports no other crate of the project.

mod dialect;
mod m0001_main_flow;
mod m0002_people_act;
mod m0003_actors;
mod m0004_revision;
mod m0005_boards;
mod m0006_outbox;
mod m0007_history;
mod m0008_consequences;
mod m0009_late_events;
mod m0010_zones;
mod m0011_search_and_certificates;
mod m0012_entries_by_time;
mod m0013_deliveries;
mod m0014_traces;
mod m0015_person_days;
mod m0016_boards;
mod m0017_ranked;

pub use sea_orm_migration::MigratorTrait;
use sea_orm_migration::{MigrationTrait, async_trait};

/// All migrations, oldest first.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_main_flow::Migration),
            Box::new(m0002_people_act::Migration),
            Box::new(m0003_actors::Migration),
            Box::new(m0004_revision::Migration),
            Box::new(m0005_boards::Migration),
            Box::new(m0006_outbox::Migration),
            Box::new(m0007_history::Migration),
            Box::new(m0008_consequences::Migration),
            Box::new(m0009_late_events::Migration),
            Box::new(m0010_zones::Migration),
            Box::new(m0011_search_and_certificates::Migration),
            Box::new(m0012_entries_by_time::Migration),
            Box::new(m0013_deliveries::Migration),
            Box::new(m0014_traces::Migration),
            Box::new(m0015_person_days::Migration),
            Box::new(m0016_boards::Migration),
            Box::new(m0017_ranked::Migration),
        ]
    }
}
