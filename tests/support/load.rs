//! Load: several clients that send one request after another until they are stopped.

use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Clients that run until they are stopped.
pub(crate) struct Load<T> {
    stop: watch::Sender<bool>,
    clients: Vec<JoinHandle<Vec<T>>>,
}

impl<T: Send + 'static> Load<T> {
    /// Starts the clients. Each sends this request, given its own number, in a loop.
    pub(crate) fn start<F>(clients: usize, request: impl Fn(usize) -> F + Clone + Send + Sync + 'static) -> Self
    where
        F: Future<Output = T> + Send + 'static,
    {
        let (stop, stopped) = watch::channel(false);
        let client = |number| {
            let (stopped, request) = (stopped.clone(), request.clone());
            tokio::spawn(async move {
                let mut results = Vec::new();
                while !*stopped.borrow() {
                    results.push(request(number).await);
                }
                results
            })
        };
        Self { stop, clients: (0..clients).map(client).collect() }
    }

    /// Stops the clients. Returns what each has collected, in order; panics if one of them has panicked.
    pub(crate) async fn stop(self) -> Vec<Vec<T>> {
        self.stop.send(true).unwrap();
        let mut results = Vec::new();
        for client in self.clients {
            results.push(client.await.unwrap());
        }
        results
    }
}
