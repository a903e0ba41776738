//! A real `redis-server`, where there is one, that is killed, frozen and started again.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::REDIS_PASSWORD;
use super::service::signal;

pub(crate) struct Redis {
    process: Child,
    port: u16,
}

impl Redis {
    /// One that keeps nothing; none where there is no such program.
    pub(crate) fn start(directory: &Path) -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
        let redis = Self { process: spawn(directory, port)?, port };
        redis.wait();
        Some(redis)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://:{REDIS_PASSWORD}@127.0.0.1:{}/1", self.port)
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    pub(crate) fn start_again(&mut self, directory: &Path) {
        self.process = spawn(directory, self.port).unwrap();
        self.wait();
    }

    pub(crate) fn freeze(&self) {
        signal(self.process.id(), "STOP");
    }

    pub(crate) fn thaw(&self) {
        signal(self.process.id(), "CONT");
    }

    fn wait(&self) {
        for _ in 0..500 {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("redis-server does not listen");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(directory: &Path, port: u16) -> Option<Child> {
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
    command.args(["--requirepass", REDIS_PASSWORD, "--maxmemory-policy", "noeviction"]).arg("--dir").arg(directory);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()
}
