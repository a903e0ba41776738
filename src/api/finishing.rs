//! Work that ends well whoever waits for it: when its future is dropped before its end, the rest runs in a task of its own. Must
//! not know what the work is.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// What comes of some work, and is to be told whether or not anybody waits for it.
pub(super) trait Outcome {
    /// For whoever waits.
    type Answer;

    /// Tells it.
    fn tell(self, is_awaited: bool) -> Self::Answer;
}

/// Work and the telling of its outcome, which `tasks` count as one. As long as somebody waits it costs no task, no channel and no
/// waking of another.
pub(super) struct Finishing<W>
where
    W: Future + Send + 'static,
    W::Output: Outcome,
{
    /// None while it is polled, so that after a panic nothing is left of it, and after its end.
    work: Option<Pin<Box<W>>>,
    counted: TaskTrackerToken,
}

impl<W> Finishing<W>
where
    W: Future + Send + 'static,
    W::Output: Outcome,
{
    pub(super) fn new(tasks: &TaskTracker, work: W) -> Self {
        Self { work: Some(Box::pin(work)), counted: tasks.token() }
    }
}

impl<W> Future for Finishing<W>
where
    W: Future + Send + 'static,
    W::Output: Outcome,
{
    type Output = <W::Output as Outcome>::Answer;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(mut work) = self.work.take() else { return Poll::Pending };
        match work.as_mut().poll(context) {
            Poll::Ready(outcome) => Poll::Ready(outcome.tell(true)),
            Poll::Pending => {
                self.work = Some(work);
                Poll::Pending
            }
        }
    }
}

impl<W> Drop for Finishing<W>
where
    W: Future + Send + 'static,
    W::Output: Outcome,
{
    fn drop(&mut self) {
        // Without a runtime there is nobody who could go on.
        if let (Some(work), Ok(runtime)) = (self.work.take(), tokio::runtime::Handle::try_current()) {
            let counted = self.counted.clone();
            runtime.spawn(async move {
                work.await.tell(false);
                drop(counted);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Finishing, Outcome};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Poll;
    use tokio_util::task::TaskTracker;

    /// Counts who was told, and who was not.
    struct Seven {
        awaited: Arc<AtomicU32>,
        alone: Arc<AtomicU32>,
    }

    impl Outcome for Seven {
        type Answer = u32;

        fn tell(self, is_awaited: bool) -> u32 {
            if is_awaited { self.awaited } else { self.alone }.fetch_add(7, Ordering::Relaxed);
            7
        }
    }

    /// What was told of one piece of work by when all tasks were over: to whoever waited, and to nobody.
    async fn told(is_awaited: bool) -> (u32, u32) {
        let tasks = TaskTracker::new();
        let (awaited, alone) = (Arc::<AtomicU32>::default(), Arc::<AtomicU32>::default());
        let outcome = Seven { awaited: Arc::clone(&awaited), alone: Arc::clone(&alone) };
        let work = async {
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
            outcome
        };
        let mut finishing = Box::pin(Finishing::new(&tasks, work));
        if is_awaited {
            assert_eq!(finishing.await, 7);
        } else {
            let begun = std::future::poll_fn(|context| Poll::Ready(finishing.as_mut().poll(context))).await;
            assert!(begun.is_pending());
            drop(finishing);
            assert_eq!(tasks.len(), 1, "it is counted until its end");
        }
        tasks.close();
        tasks.wait().await;
        (awaited.load(Ordering::Relaxed), alone.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn it_ends_and_is_told_once_whether_or_not_anybody_waits() {
        assert_eq!(told(true).await, (7, 0));
        assert_eq!(told(false).await, (0, 7));
    }

    impl Outcome for () {
        type Answer = ();

        fn tell(self, _: bool) {}
    }

    #[tokio::test]
    async fn a_panic_is_the_end_of_it() {
        let tasks = TaskTracker::new();
        let broken = Finishing::new(&tasks, async { std::hint::black_box(None::<()>).unwrap() });
        assert!(tokio::spawn(broken).await.is_err());
        assert!(tasks.is_empty(), "nothing of it goes on");
    }
}
