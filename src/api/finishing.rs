//! Work that ends well whoever waits for it: when its future is dropped before its end, the rest runs in a task of its own. Must
//! not know what the work is.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// Work that `tasks` counts until its end. As long as somebody waits it costs no task, no channel and no waking of another.
pub(super) struct Finishing<W, A>
where
    W: Future + Send + 'static,
    A: FnOnce(W::Output) + Send + 'static,
{
    /// None while it is polled, so that after a panic nothing is left of it, and after its end.
    work: Option<Pin<Box<W>>>,
    /// What becomes of its outcome when nobody waits any more.
    alone: Option<A>,
    counted: TaskTrackerToken,
}

impl<W, A> Finishing<W, A>
where
    W: Future + Send + 'static,
    A: FnOnce(W::Output) + Send + 'static,
{
    pub(super) fn new(tasks: &TaskTracker, work: W, alone: A) -> Self {
        Self { work: Some(Box::pin(work)), alone: Some(alone), counted: tasks.token() }
    }
}

impl<W, A> Future for Finishing<W, A>
where
    W: Future + Send + 'static,
    A: FnOnce(W::Output) + Send + Unpin + 'static,
{
    type Output = W::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<W::Output> {
        let Some(mut work) = self.work.take() else { return Poll::Pending };
        let polled = work.as_mut().poll(context);
        if polled.is_pending() {
            self.work = Some(work);
        }
        polled
    }
}

impl<W, A> Drop for Finishing<W, A>
where
    W: Future + Send + 'static,
    A: FnOnce(W::Output) + Send + 'static,
{
    fn drop(&mut self) {
        let rest = self.work.take().zip(self.alone.take());
        // Without a runtime there is nobody who could go on.
        if let (Some((work, alone)), Ok(runtime)) = (rest, tokio::runtime::Handle::try_current()) {
            // It is not over before its outcome is told: who waits for all tasks waits for that, too.
            let counted = self.counted.clone();
            runtime.spawn(async move {
                alone(work.await);
                drop(counted);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Finishing;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Poll;
    use tokio_util::task::TaskTracker;

    /// What became of one piece of work: how often it went on, and its outcome when nobody waited.
    async fn seen(is_awaited: bool) -> (u32, u32) {
        let (tasks, steps, left) = (TaskTracker::new(), Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let work = {
            let steps = Arc::clone(&steps);
            async move {
                for _ in 0..3 {
                    steps.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                }
                7
            }
        };
        let alone = {
            let left = Arc::clone(&left);
            move |outcome| left.store(outcome, Ordering::Relaxed)
        };
        let mut finishing = Box::pin(Finishing::new(&tasks, work, alone));
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
        tokio::task::yield_now().await;
        (steps.load(Ordering::Relaxed), left.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn it_ends_whether_or_not_anybody_waits() {
        assert_eq!(seen(true).await, (3, 0));
        assert_eq!(seen(false).await, (3, 7));
    }

    #[tokio::test]
    async fn a_panic_is_the_end_of_it() {
        let tasks = TaskTracker::new();
        let broken = Finishing::new(&tasks, async { panic!("a bug") }, |(): ()| {});
        assert!(tokio::spawn(broken).await.is_err());
        assert!(tasks.is_empty(), "nothing of it goes on");
    }
}
