//! The tasks that run as long as the service does, in one supervised set. None of them ends by itself, so one that ends has
//! failed.

use std::collections::HashMap;

use tokio::task::{Id, JoinSet};

/// Tasks by name. Dropping the set ends them.
#[derive(Debug, Default)]
pub(super) struct BackgroundTasks {
    tasks: JoinSet<()>,
    names: HashMap<Id, &'static str>,
}

impl BackgroundTasks {
    pub(super) fn spawn(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let id = self.tasks.spawn(task).id();
        self.names.insert(id, name);
    }

    /// Waits until a task has failed: its name, and how.
    pub(super) async fn failure(&mut self) -> (&'static str, String) {
        let (id, cause) = match self.tasks.join_next_with_id().await {
            None => std::future::pending().await,
            Some(Ok((id, ()))) => (id, "it ended".to_owned()),
            Some(Err(error)) => (error.id(), error.to_string()),
        };
        (self.names.get(&id).copied().unwrap_or_default(), cause)
    }
}
