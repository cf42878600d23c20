//! Threads for operations that compute for long. On the server's own runtime such an operation would block a thread for a
//! fraction of a second, and short operations would wait for it. Here the operating system shares the processors.

use std::panic::resume_unwind;
use std::sync::{Arc, OnceLock};
use std::thread::available_parallelism;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

/// The threads of one server. Cheap to clone; they start with the first operation.
#[derive(Debug, Clone, Default)]
pub(crate) struct SlowLane(Arc<Threads>);

#[derive(Debug, Default)]
struct Threads(OnceLock<Option<Runtime>>);

impl SlowLane {
    /// Runs an operation to its end. Dropping the future stops the operation.
    pub(crate) async fn run<F>(&self, operation: F) -> F::Output
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let Some(runtime) = self.0.0.get_or_init(start) else { return operation.await };
        let mut running = JoinSet::new();
        running.spawn_on(operation, runtime.handle());
        match running.join_next().await {
            Some(Ok(output)) => output,
            Some(Err(error)) if error.is_panic() => resume_unwind(error.into_panic()),
            // The server has ended, and with it the waiting callers.
            _ => std::future::pending().await,
        }
    }
}

/// One thread per two processors, so that the others stay free for short operations. `None` if no thread can start.
fn start() -> Option<Runtime> {
    let threads = available_parallelism().map_or(1, |processors| processors.get().div_ceil(2));
    let runtime =
        Builder::new_multi_thread().worker_threads(threads).thread_name("slow lane").enable_all().build();
    runtime
        .inspect_err(
            |error| tracing::warn!(%error, "threads for long operations cannot be started; these run on the common threads"),
        )
        .ok()
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take().flatten() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::SlowLane;

    #[tokio::test]
    async fn an_operation_runs_on_a_thread_of_the_lane_while_others_go_on() {
        let lane = SlowLane::default();
        let (go, wait) = mpsc::channel();
        // It blocks its thread until this thread, the only one of the test's runtime, releases it.
        let slow = lane.run(async move {
            wait.recv().unwrap();
            thread::current().name().map(str::to_owned)
        });
        let short = async {
            tokio::task::yield_now().await;
            go.send(()).unwrap();
        };
        let (name, ()) = tokio::join!(slow, short);
        assert_eq!(name.as_deref(), Some("slow lane"));
    }

    #[tokio::test]
    #[should_panic(expected = "as it is")]
    async fn a_panic_is_passed_on_unchanged() {
        SlowLane::default().run(async { panic!("as it is") }).await
    }
}
